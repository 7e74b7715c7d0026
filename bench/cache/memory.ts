// What the cache counts as memory against what V8's heap really grows by, for a million keys, fields or members of each kind:
//
//   node --expose-gc --import ./scripts/typescript.mjs bench/cache/memory.ts [count] [part of a name]
import { Engine } from '../../ts/cache/index.ts'
import { seededRandom } from '../../ts/io/random.ts'

type Fill = (run: (...args: string[]) => void, index: number) => void

const COUNT = Number(process.argv[2] ?? 1_000_000)
const VALUE = 'v'.repeat(8)
/** Fields, members or elements of the values that are small. */
const SMALL = 10

const KINDS: Readonly<Record<string, Fill>> = {
  'strings of 16 bytes': (run, i) => run('SET', `key:${i}`, VALUE + String(i).padStart(8, 'x')),
  'whole numbers': (run, i) => run('SET', `key:${i}`, String(i)),
  'strings with expiry': (run, i) => run('SET', `key:${i}`, VALUE + String(i).padStart(8, 'x'), 'EX', '100000'),
  'hashes of one field': (run, i) => run('HSET', `key:${i}`, `field`, `value:${i}`),
  [`hashes of ${SMALL} fields`]: (run, i) =>
    small(i, (group, j) => run('HSET', `key:${group}`, `f:${j}`, `value:${i}`)),
  'fields of one hash': (run, i) => run('HSET', 'hash', `field:${i}`, `value:${i}`),
  'lists of one element': (run, i) => run('RPUSH', `key:${i}`, `element:${i}`),
  'elements of one list': (run, i) => run('RPUSH', 'list', `element:${i}`),
  'sets of one member': (run, i) => run('SADD', `key:${i}`, `member:${i}`),
  [`sets of ${SMALL} members`]: (run, i) => small(i, (group) => run('SADD', `key:${group}`, `member:${i}`)),
  'members of one set': (run, i) => run('SADD', 'set', `member:${i}`),
  'sorted sets of one member': (run, i) => run('ZADD', `key:${i}`, `${i}`, `member:${i}`),
  [`sorted sets of ${SMALL} members`]: (run, i) =>
    small(i, (group) => run('ZADD', `key:${group}`, `${i}`, `member:${i}`)),
  'members of one sorted set': (run, i) => run('ZADD', 'zset', `${(i * 7919) % COUNT}`, `member:${i}`),
  'entries of one stream': (run, i) => run('XADD', 'stream', `1-${i + 1}`, 'field', `value:${i}`),
}

function small(index: number, add: (group: number, place: number) => void): void {
  add(Math.floor(index / SMALL), index % SMALL)
}

/** Bytes in use, of the heap and of buffers beside it. */
function usedBytes(): number {
  if (globalThis.gc === undefined) throw new Error('start with --expose-gc')
  // Once more for what was kept alive by what the first one collected.
  for (let i = 0; i < 3; i++) globalThis.gc()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Strings as they come from a socket: flat, and with no other owner. */
function fresh(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

console.log(`${COUNT} each                      counted   measured   difference   bytes each`)
for (const [kind, fill] of Object.entries(KINDS)) {
  if (!kind.includes(process.argv[3] ?? '')) continue
  const before = usedBytes()
  const engine = new Engine({ random: seededRandom(1) })
  const session = engine.connect()
  const run = (...args: string[]): void => {
    engine.execute(session, args.map(fresh), 1_700_000_000_000)
    session.reply.truncate()
  }
  for (let i = 0; i < COUNT; i++) fill(run, i)
  const measured = usedBytes() - before
  const counted = engine.memory.usedBytes
  const difference = `${(100 * (counted / measured - 1)).toFixed(1)} %`
  const columns = [counted, measured].map((bytes) => String(Math.round(bytes / 1024)).padStart(10))
  console.log(
    `${kind.padEnd(30)}${columns.join(' ')} ${difference.padStart(12)} ${(measured / COUNT).toFixed(0).padStart(12)}`,
  )
}
