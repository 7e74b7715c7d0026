import type { Cancel, Clock } from '../../io/clock.ts'
import type { Engine } from '../commands/engine.ts'
import { mayReplicate } from '../commands/may-replicate.ts'
import type { Session } from '../commands/session.ts'

/** A time in which clients' commands, or those that write, are put off (CLIENT PAUSE, networking.c pauseClients). */
export class Pause {
  readonly #clock: Clock
  readonly #engine: Engine
  readonly #ended: () => void
  #current: { readonly untilMs: number; readonly all: boolean; readonly cancel: Cancel } | undefined

  /** @param ended - Called when what was put off may be run. */
  constructor({ clock, engine, ended }: { clock: Clock; engine: Engine; ended: () => void }) {
    this.#clock = clock
    this.#engine = engine
    this.#ended = ended
  }

  /** Puts off what comes until `untilMs`; never makes a pause that there is shorter or weaker. */
  begin(untilMs: number, all: boolean): void {
    const current = this.#current
    const until = Math.max(untilMs, current?.untilMs ?? 0)
    current?.cancel()
    const cancel = this.#clock.timer(Math.min(until - this.#clock.now(), 2 ** 31 - 1), () => this.end())
    this.#current = { untilMs: until, all: all || current?.all === true, cancel }
    this.#keepExpired(true)
  }

  end(): void {
    this.stop()
    this.#ended()
  }

  /** Ends it and tells nobody. */
  stop(): void {
    this.#current?.cancel()
    this.#current = undefined
    this.#keepExpired(false)
  }

  /** True while commands that write have to wait. */
  isUnderWay(nowMs: number): boolean {
    return this.#current !== undefined && nowMs < this.#current.untilMs
  }

  /** True if a command has to wait. One that is none, or lacks arguments, is answered at once. */
  holds(session: Session, args: readonly string[], nowMs: number): boolean {
    if (!this.isUnderWay(nowMs)) return false
    const command = this.#engine.find(args)
    if (typeof command === 'string') return false
    const { arity } = command
    if (arity > 0 ? args.length !== arity : args.length < -arity) return false
    return this.#current?.all === true || mayReplicate(this.#engine, session, command, args)
  }

  /** That a key is deleted for its time is a change, too. */
  #keepExpired(isKept: boolean): void {
    for (const database of this.#engine.databases) database.isPaused = isKept
  }
}
