// SLOWLOG and LATENCY: https://redis.io/commands/slowlog-get/, https://redis.io/docs/management/optimization/latency-monitor/
import type { Call, Handlers } from './call.ts'
import { fail, shown } from './errors.ts'
import type { LatencySample, SlowLog } from './slow-log.ts'

const SLOWLOG_HELP = [
  'SLOWLOG GET [count]   the newest entries: id, time, microseconds, arguments, client; -1 for all',
  'SLOWLOG LEN           how many there are',
  'SLOWLOG RESET         forgets all',
  'SLOWLOG HELP          this',
]
const LATENCY_HELP = [
  'LATENCY DOCTOR                   says what is worth knowing about latency',
  'LATENCY GRAPH event              the samples of an event as a picture',
  'LATENCY HISTOGRAM [command ...]  how long commands took, in powers of two of a microsecond',
  'LATENCY HISTORY event            the samples of an event: time, milliseconds',
  'LATENCY LATEST                   events: time of the last, its milliseconds, the worst',
  'LATENCY RESET [event ...]        forgets samples',
  'LATENCY HELP                     this',
]
const DEFAULT_COUNT = 10
const BAD_COUNT = 'ERR count should be greater than or equal to -1'
const MONITORING_IS_OFF =
  'Latency is not monitored: CONFIG SET latency-monitor-threshold <milliseconds> makes a sample of every command that takes longer.'
const GRAPH_ROWS = '_o#'

export const SLOW_COMMANDS: Handlers = {
  'slowlog|get'(call, args) {
    if (args.length > 3) fail("ERR wrong number of arguments for 'slowlog|get' command")
    const count = args[2] === undefined ? DEFAULT_COUNT : call.bounded(args[2], -1, Number.MAX_SAFE_INTEGER, BAD_COUNT)
    const commands = logOf(call).commands(count)
    const { reply } = call
    reply.array(commands.length)
    for (const { id, atSeconds, micros, args: slow, address, name } of commands) {
      reply.array(6)
      reply.integer(id)
      reply.integer(atSeconds)
      reply.integer(micros)
      reply.bulks(slow)
      reply.bulk(address)
      reply.bulk(name)
    }
  },

  'slowlog|len': (call) => call.reply.integer(logOf(call).length),

  'slowlog|reset'(call) {
    logOf(call).clear()
    call.reply.ok()
  },

  'slowlog|help': (call) => replyLines(call, SLOWLOG_HELP),

  'latency|latest'(call) {
    const { events } = logOf(call)
    const { reply } = call
    reply.array(events.size)
    for (const [kind, samples] of events) {
      const last = samples.at(-1) as LatencySample
      reply.array(4)
      reply.bulk(kind)
      reply.integer(last.atSeconds)
      reply.integer(last.ms)
      reply.integer(worstOf(samples))
    }
  },

  'latency|history'(call, [, , kind = '']) {
    const samples = logOf(call).events.get(kind) ?? []
    call.reply.array(samples.length)
    for (const { atSeconds, ms } of samples) {
      call.reply.array(2)
      call.reply.integer(atSeconds)
      call.reply.integer(ms)
    }
  },

  'latency|graph'(call, [, , kind = '']) {
    const samples = logOf(call).events.get(kind)
    if (samples === undefined) fail(`ERR No samples available for event '${shown(kind, 128)}'`)
    call.reply.verbatim('txt', graphOf(kind, samples))
  },

  'latency|reset': (call, args) => call.reply.integer(logOf(call).clearEvents(args.slice(2))),
  'latency|doctor': (call) => call.reply.verbatim('txt', diagnosis(logOf(call))),
  'latency|histogram': histogram,
  'latency|help': (call) => replyLines(call, LATENCY_HELP),
}

/** LATENCY HISTOGRAM [command ...]: of each, how many calls took at most 1, 2, 4, ... microseconds. */
function histogram(call: Call, args: readonly string[]): void {
  const { commands } = call.engine.statistics
  const asked = args.slice(2).map((name) => name.toLowerCase())
  const isAsked = (name: string): boolean =>
    asked.length === 0 || asked.some((each) => name === each || name.startsWith(`${each}|`))
  // One that was refused whenever it came has taken no time.
  const found = [...commands].filter(([name, { calls }]) => calls > 0 && isAsked(name))
  const { reply } = call
  reply.map(found.length)
  for (const [name, { calls, counts }] of found) {
    reply.bulk(name)
    reply.map(2)
    reply.bulk('calls')
    reply.integer(calls)
    reply.bulk('histogram_usec')
    const used = counts.flatMap((count, power) => (count > 0 ? [power] : []))
    reply.map(used.length)
    for (const power of used) {
      reply.integer(2 ** power)
      reply.integer(counts.slice(0, power + 1).reduce((sum, count) => sum + count, 0))
    }
  }
}

function logOf(call: Call): SlowLog {
  return call.engine.server?.slowLog ?? fail('ERR this engine has no server')
}

function diagnosis({ latencyThresholdMs, events }: SlowLog): string {
  if (latencyThresholdMs === 0) return MONITORING_IS_OFF
  if (events.size === 0) return `No command took ${latencyThresholdMs} ms or longer.`
  const lines = [...events].map(([kind, samples]) => {
    const sum = samples.reduce((total, { ms }) => total + ms, 0)
    return `* ${kind}: ${samples.length} samples, ${Math.round(sum / samples.length)} ms on average, ${worstOf(samples)} ms at worst.`
  })
  return ['What took long:', ...lines, 'SLOWLOG GET says which commands these were.'].join('\n')
}

/** Columns of `_`, `o` and `#`, the newest sample last, as high as it was long. */
function graphOf(kind: string, samples: readonly LatencySample[]): string {
  const times = samples.map(({ ms }) => ms)
  const [low, high] = [Math.min(...times), Math.max(...times)]
  const levels = times.map((ms) =>
    high === low ? 0 : Math.round(((ms - low) / (high - low)) * (GRAPH_ROWS.length - 1)),
  )
  const rows = [2, 1, 0].map((row) => levels.map((level) => (level === row ? GRAPH_ROWS[row] : ' ')).join(''))
  return [`${kind} - high ${high} ms, low ${low} ms (all time high ${high} ms)`, ...rows].join('\n')
}

function worstOf(samples: readonly LatencySample[]): number {
  return Math.max(...samples.map(({ ms }) => ms))
}

function replyLines({ reply }: Call, lines: readonly string[]): void {
  reply.array(lines.length)
  for (const line of lines) reply.simple(line)
}
