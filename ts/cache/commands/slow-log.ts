// SLOWLOG and LATENCY: which commands took long, and when. The server measures; here it is kept.

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

/** How long commands of one name took. */
export interface CommandTimes {
  calls: number
  micros: number
  /** Calls of at most 2^n microseconds, by n. */
  readonly counts: number[]
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
  readonly #times = new Map<string, CommandTimes>()

  /** A command has been run. @param nowMs - Milliseconds since 1970. @param whose - Asked if the command is kept. */
  ran(name: string, micros: number, nowMs: number, whose: () => Pick<SlowCommand, 'args' | 'address' | 'name'>): void {
    const times = this.#times.get(name)
    if (times === undefined) this.#times.set(name, { calls: 1, micros, counts: counted([], micros) })
    else {
      times.calls++
      times.micros += micros
      counted(times.counts, micros)
    }
    if (this.slowerThanMicros >= 0 && micros >= this.slowerThanMicros) {
      const { args, address, name: client } = whose()
      const atSeconds = Math.floor(nowMs / 1000)
      this.#commands.unshift({ id: this.#nextId++, atSeconds, micros, args: shortened(args), address, name: client })
      if (this.#commands.length > this.maxLength) this.#commands.length = this.maxLength
    }
    const ms = Math.floor(micros / 1000)
    if (this.latencyThresholdMs > 0 && ms >= this.latencyThresholdMs) this.#sample('command', ms, nowMs)
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

  /** How long commands took, by name, since the start or CONFIG RESETSTAT. */
  get times(): ReadonlyMap<string, CommandTimes> {
    return this.#times
  }

  clearTimes(): void {
    this.#times.clear()
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

function counted(counts: number[], micros: number): number[] {
  const power = micros <= 1 ? 0 : 32 - Math.clz32(Math.min(micros, 2 ** 31) - 1)
  while (counts.length <= power) counts.push(0)
  counts[power] = (counts[power] ?? 0) + 1
  return counts
}

function shortened(args: readonly string[]): string[] {
  const kept = args.slice(0, args.length > MAX_ARGUMENTS ? MAX_ARGUMENTS - 1 : MAX_ARGUMENTS).map((arg) => {
    const more = arg.length - MAX_ARGUMENT_BYTES
    return more > 0 ? `${arg.slice(0, MAX_ARGUMENT_BYTES)}... (${more} more bytes)` : arg
  })
  if (args.length > MAX_ARGUMENTS) kept.push(`... (${args.length - MAX_ARGUMENTS + 1} more arguments)`)
  return kept
}
