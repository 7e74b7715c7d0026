import { type Reply, ReplyDecoder } from '../../../ts/wire/resp/index.ts'

/** How far the two clocks may be apart, in milliseconds. */
const SLACK_MS = 10_000
/** What Redis gives in the order of a hash table. */
const UNORDERED = new Set(
  'smembers sunion sinter sdiff keys scan hscan sscan zscan hkeys hvals hgetall srandmember hrandfield zrandmember spop'.split(
    ' ',
  ),
)
const OF_MANY_KEYS = new Set(['sunion', 'sinter', 'sdiff', 'keys', 'scan'])
const GEO_SEARCH = /^geo(search|radius)/
const LEFT_TIMES = new Set(['ttl', 'pttl', 'expiretime', 'pexpiretime'])

/**
 * Whether our reply is that of Redis. Equal bytes always are; otherwise only an order that Redis leaves open may differ, and
 * what depends on the clock.
 * @param isCompact - Whether Redis keeps the key in a form that has an order.
 */
export function agrees(args: readonly string[], real: string, ours: string, isCompact: () => boolean): boolean {
  if (real === ours) return true
  const name = (args[0] as string).toLowerCase()
  const [theirs, mine] = [decode(real), decode(ours)]
  if (theirs === undefined || mine === undefined) return false
  if (LEFT_TIMES.has(name)) return isNear(theirs, mine, name.startsWith('p') ? 1 : 1000)
  if (name === 'xpending' || name === 'xinfo')
    return JSON.stringify(withoutTimes(theirs)) === JSON.stringify(withoutTimes(mine))
  // A whole number of 16 digits or more that INCRBYFLOAT made is a text to Redis; we cannot tell.
  if (name === 'object') return [real, ours].sort().join('') === '$3\r\nint\r\n$6\r\nembstr\r\n'
  // Where a position is found depends on how the map was cut.
  if (GEO_SEARCH.test(name) && !args.some((arg) => /^(asc|desc)$/i.test(arg))) return sorted(theirs) === sorted(mine)
  // Redis looks at an errno that an earlier command may have left behind.
  if (name.startsWith('sort') && real.includes('scores can')) return true
  // A set that SORT does not sort has no order; other values keep theirs.
  if (name === 'sort' && args.includes('nosort')) return sorted(theirs) === sorted(mine)
  if (!UNORDERED.has(name) || (!OF_MANY_KEYS.has(name) && isCompact())) return false
  return sorted(theirs) === sorted(mine)
}

function decode(text: string): Reply | undefined {
  const decoder = new ReplyDecoder()
  decoder.push(Buffer.from(text, 'latin1'))
  return decoder.next()
}

function isNear(a: Reply, b: Reply, unitMs: number): boolean {
  if (a.kind !== 'integer' || b.kind !== 'integer' || a.value < 0 || b.value < 0) return false
  return Math.abs(Number(a.value) - Number(b.value)) * unitMs <= SLACK_MS
}

/** Moments and durations that are those of this test become 0. */
function withoutTimes(reply: Reply): unknown {
  if (reply.kind === 'integer') {
    const isMoment = reply.value > 1_600_000_000_000 && reply.value < 2_000_000_000_000
    return isMoment ? 'moment' : String(reply.value)
  }
  if (!('items' in reply)) return reply
  const items: unknown[] = reply.items.map(withoutTimes)
  const isPending = items.length === 4 && reply.items[3]?.kind === 'integer' && reply.items[2]?.kind === 'integer'
  if (isPending) items[2] = 'idle'
  for (const [index, item] of reply.items.entries()) {
    if (item.kind === 'bulk' && item.text === 'idle') items[index + 1] = 'idle'
  }
  return [reply.kind, items]
}

/** All that a reply holds, in an order of its own; what a scan gives is sorted below its cursor. */
function sorted(reply: Reply): string {
  if (!('items' in reply)) return JSON.stringify(reply)
  const items = reply.items.map((item) => ('items' in item ? sorted(item) : JSON.stringify(item)))
  return `${reply.kind} ${items.sort().join()}`
}
