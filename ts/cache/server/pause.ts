import type { Cancel, Clock } from '../../io/clock.ts'
import type { Engine } from '../commands/engine.ts'
import { mayReplicate } from '../commands/may-replicate.ts'
import type { Session } from '../commands/session.ts'

/** Who wants the pause: clients by CLIENT PAUSE, or a master that hands over. Neither ends that of the other. */
export type PauseReason = 'clients' | 'handover'

interface Hold {
  readonly untilMs: number
  readonly all: boolean
}

/** Node's timers hold no more. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** A time in which clients' commands, or those that write, are put off (networking.c, pauseClients). */
export class Pause {
  readonly #clock: Clock
  readonly #engine: Engine
  readonly #ended: () => void
  readonly #holds = new Map<PauseReason, Hold>()
  /** When the last of them ends; 0 without any. */
  #untilMs = 0
  #cancel: Cancel | undefined

  /** @param ended - Called when something of what was put off may be run. */
  constructor({ clock, engine, ended }: { clock: Clock; engine: Engine; ended: () => void }) {
    this.#clock = clock
    this.#engine = engine
    this.#ended = ended
  }

  /** Puts off what comes until `untilMs`; never makes a pause for this reason that there is shorter or weaker. */
  begin(reason: PauseReason, untilMs: number, all: boolean): void {
    const current = this.#holds.get(reason)
    const until = Math.max(untilMs, current?.untilMs ?? 0)
    this.#holds.set(reason, { untilMs: until, all: all || current?.all === true })
    this.#plan()
  }

  end(reason: PauseReason): void {
    this.#holds.delete(reason)
    this.#plan()
    this.#ended()
  }

  /** Whether there is a pause for this reason. */
  isFor(reason: PauseReason): boolean {
    return this.#holds.has(reason)
  }

  /** Ends it and tells nobody. */
  stop(): void {
    this.#holds.clear()
    this.#plan()
  }

  /** True while commands that write have to wait. */
  isUnderWay(nowMs: number): boolean {
    return nowMs < this.#untilMs
  }

  /** True if a command has to wait. One that is none, or lacks arguments, is answered at once. */
  holds(session: Session, args: readonly string[], nowMs: number): boolean {
    if (!this.isUnderWay(nowMs)) return false
    const command = this.#engine.find(args)
    if (typeof command === 'string') return false
    const { arity } = command
    if (arity > 0 ? args.length !== arity : args.length < -arity) return false
    return this.#holdsAll(nowMs) || mayReplicate(this.#engine, session, command, args)
  }

  #holdsAll(nowMs: number): boolean {
    for (const { untilMs, all } of this.#holds.values()) if (all && nowMs < untilMs) return true
    return false
  }

  /** Wakes when the first of them ends. */
  #plan(): void {
    this.#cancel?.()
    this.#cancel = undefined
    const ends = [...this.#holds.values()].map(({ untilMs }) => untilMs)
    this.#untilMs = Math.max(0, ...ends)
    // That a key is deleted for its time is a change, too.
    for (const database of this.#engine.databases) database.isPaused = ends.length > 0
    if (ends.length === 0) return
    const afterMs = Math.max(0, Math.min(...ends) - this.#clock.now())
    this.#cancel = this.#clock.timer(Math.min(afterMs, MAX_TIMER_MS), () => this.#wake())
  }

  #wake(): void {
    const nowMs = this.#clock.now()
    const over = [...this.#holds].filter(([, { untilMs }]) => untilMs <= nowMs)
    for (const [reason] of over) this.#holds.delete(reason)
    this.#plan()
    if (over.length > 0) this.#ended()
  }
}
