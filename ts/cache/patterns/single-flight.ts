// One run for all who ask for the same key at the same time.

interface Flight<T> {
  readonly result: Promise<T>
  readonly controller: AbortController
  waiting: number
  isLanded: boolean
}

/** Runs by key. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>()

  get size(): number {
    return this.#flights.size
  }

  /**
   * The result of the run that is under way, else of a new one.
   * @param signal - Ends this caller's waiting. The run is told to stop when nobody waits any more.
   * @param onJoin - Called if another one's run is joined.
   */
  run(
    key: string,
    signal: AbortSignal | undefined,
    start: (signal: AbortSignal) => Promise<T>,
    onJoin?: () => void,
  ): Promise<T> {
    const under = this.#flights.get(key)
    if (under !== undefined) onJoin?.()
    const flight = under ?? this.#begin(key, start)
    return this.#wait(key, flight, signal)
  }

  /** Who asks from now on starts anew: what is under way may hold what was true before. */
  forget(key: string): void {
    this.#flights.delete(key)
  }

  /** Tells all runs to stop. */
  abort(reason: unknown): void {
    for (const { controller } of this.#flights.values()) controller.abort(reason)
    this.#flights.clear()
  }

  #begin(key: string, start: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController()
    const flight: Flight<T> = { result: start(controller.signal), controller, waiting: 0, isLanded: false }
    this.#flights.set(key, flight)
    const land = (): void => {
      flight.isLanded = true
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
    flight.result.then(land, land)
    return flight
  }

  async #wait(key: string, flight: Flight<T>, signal: AbortSignal | undefined): Promise<T> {
    flight.waiting++
    let leave: (() => void) | undefined
    try {
      if (signal === undefined) return await flight.result
      const left = new Promise<never>((_, reject) => {
        leave = () => reject(signal.reason)
        signal.addEventListener('abort', leave, { once: true })
        if (signal.aborted) leave()
      })
      return await Promise.race([left, flight.result])
    } finally {
      flight.waiting--
      if (leave !== undefined) signal?.removeEventListener('abort', leave)
      if (flight.waiting === 0 && !flight.isLanded) {
        // Nobody wants it any more, and who comes now must not join a run that was told to stop.
        if (this.#flights.get(key) === flight) this.#flights.delete(key)
        flight.controller.abort(signal?.reason)
      }
    }
  }
}
