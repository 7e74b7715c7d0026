// Time and timers as engines see them. The simulated versions come with the simulator that needs them.

/** Stops a timer. Calling it twice, or after the timer fired, does nothing. */
export type Cancel = () => void

/** What time it is. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970; may jump. */
  now(): number
  /** Nanoseconds since an arbitrary start, as a float; never goes back. */
  monotonic(): number
  /** Calls `fire` once after `afterMs`. A waiting timer does not keep the process alive. */
  timer(afterMs: number, fire: () => void): Cancel
  /** Resolves in a later turn of the event loop: long work calls it so that others get their turn. */
  turn(): Promise<void>
}

/** A longer timer of Node's fires at once. */
const LONGEST_MS = 2 ** 31 - 1

/** The clock of the machine. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now() * 1e6,
  timer(afterMs, fire) {
    let handle: NodeJS.Timeout
    const wait = (leftMs: number): void => {
      const isLong = leftMs > LONGEST_MS
      handle = setTimeout(isLong ? () => wait(leftMs - LONGEST_MS) : fire, Math.min(leftMs, LONGEST_MS))
      handle.unref()
    }
    wait(afterMs)
    return () => clearTimeout(handle)
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
}
