// SLOWLOG and LATENCY: which commands took long, and when. The server measures; here it is kept.

import { redacted } from './redaction.ts'
import type { Session } from './session.ts'
import type { CommandSpec } from './specs.ts'

/** As in Redis: so many arguments, and so many bytes of each, are kept of a command. */
const MAX_ARGUMENTS = 32
const MAX_ARGUMENT_BYTES = 128
/** Samples of one kind of event, one a second at most. */
const MAX_SAMPLES = 160

/** A command that took long. */
export interface SlowCommand {
  readonly id: number
  /** Seconds since 1970. */
  readonly atSeconds: number
  readonly micros: number
  readonly args: readonly string[]
  readonly address: string
  readonly name: string
}

export interface LatencySample {
  readonly atSeconds: number
  readonly ms: number
}

/** What took long. */
export class SlowLog {
  /** `slowlog-log-slower-than`, microseconds; negative: nothing is kept. */
  slowerThanMicros = 10_000
  /** `slowlog-max-len` */
  maxLength = 128
  /** `latency-monitor-threshold`, milliseconds; 0: nothing is sampled. */
  latencyThresholdMs = 0
  /** The newest first. */
  #commands: SlowCommand[] = []
  #nextId = 0
  readonly #events = new Map<string, LatencySample[]>()

  /**
   * Keeps a command that took long; those of a transaction and of a script in place of what ran them.
   * @param addressOf - Asked where a session comes from, if its command is kept.
   */
  ran(
    session: Session,
    {
      command: { name, flags },
      args,
      micros,
      nowMs,
    }: {
      readonly command: CommandSpec
      readonly args: readonly string[]
      readonly micros: number
      readonly nowMs: number
    },
    addressOf: (session: Session) => string,
  ): void {
    this.sample(flags.has('fast'), micros, nowMs)
    if (this.slowerThanMicros < 0 || micros < this.slowerThanMicros || flags.has('skip_slowlog')) return
    const address = addressOf(session.caller?.session ?? session)
    this.add({ atMs: nowMs, micros: Math.floor(micros), args: redacted(name, args), address, name: session.name })
  }

  /** Keeps a command. @param atMs - Milliseconds since 1970. */
  add({ atMs, ...command }: Omit<SlowCommand, 'id' | 'atSeconds'> & { readonly atMs: number }): void {
    const { args } = command
    const atSeconds = Math.floor(atMs / 1000)
    this.#commands.unshift({ ...command, id: this.#nextId++, atSeconds, args: shortened(args) })
    if (this.#commands.length > this.maxLength) this.#commands.length = this.maxLength
  }

  /** Notes how long a command took, if that was long. */
  sample(isFast: boolean, micros: number, nowMs: number): void {
    const ms = Math.floor(micros / 1000)
    if (this.latencyThresholdMs === 0 || ms < this.latencyThresholdMs) return
    this.#sample(isFast ? 'fast-command' : 'command', ms, nowMs)
  }

  /** The newest commands. @param count - At most so many; negative: all. */
  commands(count: number): readonly SlowCommand[] {
    return count < 0 ? this.#commands : this.#commands.slice(0, count)
  }

  get length(): number {
    return this.#commands.length
  }

  clear(): void {
    this.#commands = []
  }

  /** Samples by the kind of event, the oldest first. */
  get events(): ReadonlyMap<string, readonly LatencySample[]> {
    return this.#events
  }

  /** @returns How many kinds of events were forgotten. */
  clearEvents(kinds: readonly string[]): number {
    if (kinds.length === 0) {
      const count = this.#events.size
      this.#events.clear()
      return count
    }
    return kinds.filter((kind) => this.#events.delete(kind)).length
  }

  #sample(kind: string, ms: number, nowMs: number): void {
    const atSeconds = Math.floor(nowMs / 1000)
    const samples = this.#events.get(kind) ?? []
    this.#events.set(kind, samples)
    const last = samples.at(-1)
    // One a second: the worst.
    if (last?.atSeconds === atSeconds) samples[samples.length - 1] = { atSeconds, ms: Math.max(ms, last.ms) }
    else samples.push({ atSeconds, ms })
    if (samples.length > MAX_SAMPLES) samples.shift()
  }
}

function shortened(args: readonly string[]): string[] {
  const kept = args.slice(0, args.length > MAX_ARGUMENTS ? MAX_ARGUMENTS - 1 : MAX_ARGUMENTS).map((arg) => {
    const more = arg.length - MAX_ARGUMENT_BYTES
    return more > 0 ? `${arg.slice(0, MAX_ARGUMENT_BYTES)}... (${more} more bytes)` : arg
  })
  if (args.length > MAX_ARGUMENTS) kept.push(`... (${args.length - MAX_ARGUMENTS + 1} more arguments)`)
  return kept
}
