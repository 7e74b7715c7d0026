import type { Cancel, Clock } from '../../io/clock.ts'
import type { Engine } from '../commands/engine.ts'

/** What is put off while CLIENT PAUSE holds writes, beside the commands that write. */
const WRITE_LIKE: ReadonlySet<string> = new Set(['publish', 'spublish', 'pfcount', 'exec'])

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
  }

  end(): void {
    this.stop()
    this.#ended()
  }

  /** Ends it and tells nobody. */
  stop(): void {
    this.#current?.cancel()
    this.#current = undefined
  }

  /** True while commands that write have to wait. */
  isUnderWay(nowMs: number): boolean {
    return this.#current !== undefined && nowMs < this.#current.untilMs
  }

  /** True if a command has to wait. */
  holds(args: readonly string[], nowMs: number): boolean {
    if (!this.isUnderWay(nowMs)) return false
    if (this.#current?.all === true) return true
    const command = this.#engine.find(args)
    return typeof command !== 'string' && (command.flags.has('write') || WRITE_LIKE.has(command.name))
  }
}
