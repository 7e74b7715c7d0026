// Commands at random that change a small keyspace of all types, in several databases, with transactions and expiry.
import type { Random } from '../../ts/io/random.ts'

export function below(random: Random, limit: number): number {
  return Math.floor(random.next() * limit)
}

/** One command, or several that belong together. @param nowMs - Milliseconds since 1970. */
export function anyChange(random: Random, nowMs: number): string[][] {
  if (random.next() < 0.1) {
    const inner = Array.from({ length: 1 + below(random, 3) }, () => anyCommand(random, nowMs))
    return [['MULTI'], ...inner, ['EXEC']]
  }
  return [anyCommand(random, nowMs)]
}

function anyCommand(random: Random, nowMs: number): string[] {
  const number = below(random, 6)
  const text = random.next() < 0.05 ? 'long '.repeat(below(random, 1500)) : `v${below(random, 1000)}`
  switch (below(random, 18)) {
    case 0:
    case 1:
      return ['SET', `s${number}`, text]
    case 2:
      return ['APPEND', `s${number}`, text]
    case 3:
      return ['INCRBY', `n${number}`, String(below(random, 100))]
    case 4:
      return ['RPUSH', `l${number}`, text, 'x']
    case 5:
      return ['LPOP', `l${number}`]
    case 6:
      return ['SADD', `t${number}`, text, String(number)]
    case 7:
      return ['SPOP', `t${number}`]
    case 8:
      return ['HSET', `h${number}`, `f${below(random, 200)}`, text]
    case 9:
      return ['HDEL', `h${number}`, `f${below(random, 200)}`]
    case 10:
      return ['ZADD', `z${number}`, String(below(random, 50) / 4), text]
    case 11:
      return ['ZPOPMIN', `z${number}`]
    case 12:
      return ['XADD', `x${number}`, '*', 'field', text]
    case 13:
      return ['PEXPIREAT', `${'snlthzx'[below(random, 7)]}${number}`, String(nowMs + below(random, 100_000) + 1)]
    case 14:
      return ['PERSIST', `${'snlthzx'[below(random, 7)]}${number}`]
    case 15:
      return ['DEL', `${'snlthzx'[below(random, 7)]}${number}`]
    case 16:
      return ['SELECT', String(below(random, 3))]
    default:
      return random.next() < 0.1
        ? ['SWAPDB', '0', '1']
        : random.next() < 0.05
          ? ['FLUSHDB']
          : ['RENAME', `s${number}`, `s${below(random, 6)}`]
  }
}
