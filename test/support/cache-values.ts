// Values at random, of every type, small and large, for whoever writes them down and reads them again.

import type { Engine, Session } from '../../ts/cache/index.ts'
import { DEFAULT_ENCODING_LIMITS } from '../../ts/cache/keyspace/encoding.ts'
import type { Random } from '../../ts/io/random.ts'

const HARD_INTEGERS = [
  '0',
  '-1',
  '127',
  '128',
  '-128',
  '-129',
  '4095',
  '4096',
  '-4096',
  '-4097',
  '32767',
  '32768',
  '8388607',
]
const WIDE_INTEGERS = [
  '8388608',
  '2147483647',
  '2147483648',
  '-2147483649',
  '9223372036854775807',
  '-9223372036854775808',
]
const NO_INTEGERS = ['', '-0', '007', '+1', ' 1', '1.5', '9223372036854775808', '\0', '\xff\xfe', 'inf']

function below(random: Random, limit: number): number {
  return Math.floor(random.next() * limit)
}

/** Text of any kind that an encoding could get wrong. */
export function anyText(random: Random): string {
  const fixed = [...HARD_INTEGERS, ...WIDE_INTEGERS, ...NO_INTEGERS]
  switch (below(random, 6)) {
    case 0:
    case 1:
      return fixed[below(random, fixed.length)] as string
    case 2:
      return String(below(random, 1e12) - 5e11)
    case 3:
      return 'ab'.repeat(below(random, 60))
    case 4:
      return Buffer.from(random.bytes(below(random, 80))).toString('latin1')
    default:
      return below(random, 20) === 0 ? 'x'.repeat(below(random, 20_000)) : `text ${below(random, 1000)}`
  }
}

/** Commands that make a key of a random type, with what makes its encodings differ. */
export function commandsFor(key: string, random: Random): string[][] {
  const count = 1 + below(random, random.next() < 0.2 ? 2 * DEFAULT_ENCODING_LIMITS.setMaxIntsetEntries : 20)
  const many = (make: (i: number) => string[]): string[] => Array.from({ length: count }, (_, i) => make(i)).flat()
  switch (below(random, 8)) {
    case 0:
      return [['SET', key, anyText(random)]]
    case 1:
      return [['APPEND', key, anyText(random) || 'x']]
    case 2:
      return [['RPUSH', key, ...many(() => [anyText(random)])]]
    case 3:
      return [['SADD', key, ...many(() => [anyText(random)])]]
    case 4:
      return [['SADD', key, ...many(() => [String(below(random, 1e9) * (random.next() < 0.1 ? 1e6 : 1))])]]
    case 5:
      return [['HSET', key, ...many(() => [anyText(random), anyText(random)])]]
    case 6:
      return [['ZADD', key, ...many(() => [anyScore(random), anyText(random)])]]
    default:
      return streamCommands(key, random, count)
  }
}

function anyScore(random: Random): string {
  const fixed = ['0', '-0', 'inf', '-inf', '1.5', '0.1', '1e300', '5e-324', '9007199254740993', '-17', '3.0']
  return fixed[below(random, fixed.length)] as string
}

function streamCommands(key: string, random: Random, count: number): string[][] {
  const commands: string[][] = []
  for (let i = 1; i <= count; i++) {
    const fields = random.next() < 0.8 ? ['a', anyText(random), 'b', String(i)] : [anyText(random), anyText(random)]
    commands.push(['XADD', key, `${1000 + Math.floor(i / 3)}-${i}`, ...fields])
  }
  commands.push(['XGROUP', 'CREATE', key, 'readers', '0'], ['XGROUP', 'CREATE', key, 'empty', '$'])
  commands.push(['XREADGROUP', 'GROUP', 'readers', 'one', 'COUNT', '3', 'STREAMS', key, '>'])
  commands.push(['XREADGROUP', 'GROUP', 'readers', 'two', 'COUNT', '2', 'STREAMS', key, '>'])
  if (random.next() < 0.5) commands.push(['XDEL', key, '1000-1', '1000-2'])
  if (random.next() < 0.3) commands.push(['XTRIM', key, 'MAXLEN', String(below(random, count))])
  return commands
}

/** Everything that commands tell of a key, in an order that does not depend on how it is kept. */
export function describeKey(key: string, ask: (args: string[]) => unknown): unknown {
  const type = ask(['TYPE', key])
  const sorted = (reply: unknown): unknown => [...(reply as unknown[])].sort()
  switch (type) {
    case 'string':
      return ask(['GET', key])
    case 'list':
      return ask(['LRANGE', key, '0', '-1'])
    case 'set':
      return sorted(ask(['SMEMBERS', key]))
    case 'hash': {
      const flat = ask(['HGETALL', key]) as unknown[]
      return sorted(flat.flatMap((field, i) => (i % 2 === 0 ? [JSON.stringify([field, flat[i + 1]])] : [])))
    }
    case 'zset':
      return ask(['ZRANGE', key, '0', '-1', 'WITHSCORES'])
    case 'stream':
      return [
        ask(['XINFO', 'STREAM', key]),
        ask(['XRANGE', key, '-', '+']),
        ask(['XINFO', 'GROUPS', key]),
        pendingOf(key, ask),
      ]
    default:
      return type
  }
}

function pendingOf(key: string, ask: (args: string[]) => unknown): unknown {
  const groups = ['readers', 'empty'].filter((group) => Array.isArray(ask(['XPENDING', key, group])))
  return groups.map((group) => [
    ask(['XPENDING', key, group]),
    (ask(['XPENDING', key, group, '-', '+', '100']) as unknown[][]).map(([id, consumer, , count]) => [
      id,
      consumer,
      count,
    ]),
    (ask(['XINFO', 'CONSUMERS', key, group]) as unknown[][]).map((consumer) => consumer.slice(0, 4)),
  ])
}

/** Runs commands, whatever they answer. */
export function runAll(engine: Engine, session: Session, commands: readonly (readonly string[])[], now: number): void {
  for (const args of commands) engine.execute(session, args, now)
  session.reply.take()
}
