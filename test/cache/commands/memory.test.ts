import { describe, expect, it } from 'vitest'
import { EVICTION_POLICIES, type EvictionPolicy } from '../../../ts/cache/index.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { Pattern, pick } from '../../external/redis/grammar.ts'
import { FURNITURE, SUBJECTS } from '../../external/redis/patterns.ts'
import { slotsFor } from '../../external/redis/slots.ts'
import { CacheBed, expectReplies, type Plain } from '../../support/cache.ts'

const OOM = "Error: OOM command not allowed when used memory > 'maxmemory'."
/** What `SET key:n <8 bytes>` costs. */
const KEY_BYTES = 168

/** A cache that has room for `keys` short strings. */
function limited(keys: number, policy: EvictionPolicy): CacheBed {
  const bed = new CacheBed({ propagates: true })
  bed.run('SET key:0 xxxxxxxx')
  expect(bed.engine.memory.usedBytes).toBeLessThan(KEY_BYTES + 64)
  const bytes = bed.engine.memory.usedBytes
  bed.run('FLUSHALL')
  expect(bed.engine.memory.usedBytes).toBe(0)
  bed.engine.memory.maxBytes = keys * bytes
  bed.engine.memory.choose(policy, bed.engine.databases)
  return bed
}

function keysOf(bed: CacheBed): string[] {
  return (bed.run('KEYS *') as string[]).sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
}

describe('what is counted', () => {
  it.each(Object.entries(SUBJECTS))('is what there is after every command on %s', (_, subject) => {
    const random = seededRandom(7)
    const bed = new CacheBed({ encodingLimits: { hashMaxListpackEntries: 4, zsetMaxListpackEntries: 4 } })
    const other = bed.engine.connect()
    const slots = slotsFor(subject.keys, random)
    const patterns = subject.patterns.map((text) => new Pattern(text))
    for (let i = 0; i < 600; i++) {
      const args = pick(random, patterns).make(random, slots)
      if (i % 200 === 0) for (const each of FURNITURE) bed.call(each, other)
      if (/^(?:client|subscribe|psubscribe|ssubscribe|hello|reset|quit)$/i.test(args[0] as string)) continue
      const session = bed.engine.connect()
      bed.call(args, session)
      bed.engine.disconnect(session)
      for (const database of bed.engine.databases) expect([args, database.bytes]).toEqual([args, database.recount()])
      const sum = bed.engine.databases.reduce((bytes, database) => bytes + database.bytes, 0)
      expect(bed.engine.memory.usedBytes).toBe(sum)
    }
  })

  it('is nothing when nothing is left, and grows with what is put in', () => {
    const bed = new CacheBed()
    const used = (): number => bed.engine.memory.usedBytes
    bed.run('SET a x EX 100')
    const withExpiry = used()
    bed.run('PERSIST a')
    expect(used()).toBeLessThan(withExpiry)
    bed.call(['APPEND', 'a', 'y'.repeat(100_000)])
    expect(used()).toBeGreaterThan(100_000)
    for (let i = 0; i < 100; i++) bed.call(['HSET', 'h', `f${i}`, 'v'.repeat(100)])
    expect(used()).toBeGreaterThan(110_000)
    expect(bed.run('MEMORY USAGE h')).toBeGreaterThan(10_000)
    expect(bed.run('MEMORY USAGE none')).toBeNull()
    const hash = bed.run('MEMORY USAGE h') as number
    expect(used()).toBe(hash + (bed.run('MEMORY USAGE a SAMPLES 0') as number))
    bed.run('DEL a h')
    expect(used()).toBe(0)
    bed.run('SET a x PX 5')
    bed.wait(10)
    expect(used()).toBe(0)
  })

  it('is small for what is small', () => {
    const bed = new CacheBed()
    bed.run('HSET h f v')
    bed.run('SADD s m')
    bed.run('ZADD z 1 m')
    for (const key of 'hsz') expect(bed.run(`MEMORY USAGE ${key}`)).toBeLessThan(450)
  })
})

describe('a full cache', () => {
  it('evicts the key that was used least recently, exactly while there are few', () => {
    const bed = limited(20, 'allkeys-lru')
    const order: string[] = []
    const random = seededRandom(3)
    for (let i = 0; i < 20; i++) {
      bed.run(`SET key:${i} xxxxxxxx`)
      order.push(`key:${i}`)
    }
    for (let i = 20; i < 400; i++) {
      const used = pick(random, order)
      if (random.next() < 0.5) {
        bed.run(`GET ${used}`)
        order.splice(order.indexOf(used), 1)
        order.push(used)
      }
      // What only looks is no use.
      bed.run(`TTL ${order[0]}`)
      bed.run(`OBJECT IDLETIME ${order[0]}`)
      bed.run(`SET key:${i} xxxxxxx`)
      order.push(`key:${i}`)
      expect(bed.propagated()).toEqual([`SET key:${i} xxxxxxx`, `DEL ${order.shift()}`])
      expect(new Set(keysOf(bed))).toEqual(new Set(order))
    }
    expect(bed.engine.memory.evictedCount).toBeGreaterThan(300)
  })

  it('evicts with LFU what was used least often', () => {
    const bed = limited(20, 'allkeys-lfu')
    for (let i = 0; i < 20; i++) bed.run(`SET key:${i} xxxxxxxx`)
    for (let round = 0; round < 50; round++) for (let i = 0; i < 10; i++) bed.run(`GET key:${i}`)
    expect(bed.run('OBJECT FREQ key:0')).toBeGreaterThan(7)
    expect(bed.run('OBJECT IDLETIME key:0')).toMatch(/LFU maxmemory policy is selected/)
    for (let i = 20; i < 200; i++) bed.run(`SET key:${i} xxxxxxx`)
    expect(keysOf(bed)).toEqual(expect.arrayContaining(Array.from({ length: 10 }, (_, i) => `key:${i}`)))
    // Counters fall with time.
    const before = bed.run('OBJECT FREQ key:0') as number
    bed.wait(3 * 60_000)
    expect(bed.run('OBJECT FREQ key:0')).toBe(before - 3)
  })

  it('evicts of those that expire alone, the next to expire first', () => {
    const bed = limited(10, 'volatile-ttl')
    for (let i = 0; i < 5; i++) bed.run(`SET keep:${i} x`)
    for (let i = 0; i < 30; i++) bed.run(`SET key:${i} xxxxxxxx EX ${i < 28 ? 1000 - i : 2000}`)
    const left = keysOf(bed)
    expect(left.filter((key) => key.startsWith('keep'))).toHaveLength(5)
    expect(left).toContain('key:28')
    expect(left).toContain('key:29')
    expect(left).not.toContain('key:27')
  })

  it.each(EVICTION_POLICIES.filter((policy) => policy !== 'noeviction'))('keeps its bound with %s', (policy) => {
    const bed = limited(100, policy)
    for (let i = 0; i < 1000; i++) {
      const database = i % 3
      bed.run(`SELECT ${database}`)
      bed.run(`SET key:${i} ${'x'.repeat(i % 200)} EX ${1 + ((i * 7919) % 5000)}`)
      expect(bed.engine.memory.isOver).toBe(false)
    }
    expect(bed.engine.memory.evictedCount).toBeGreaterThan(500)
  })

  it.each(['noeviction', 'volatile-lru', 'volatile-ttl', 'volatile-lfu', 'volatile-random'] as const)(
    'refuses with %s what could add to it, and nothing else, once nothing may go',
    (policy) => {
      const bed = limited(10, policy)
      for (let i = 0; i < 11; i++) bed.run(`SET key:${i} xxxxxxxx`)
      expectReplies(
        bed,
        ['SET key:11 x', OOM],
        ['LPUSH list x', OOM],
        ['GET key:1', 'xxxxxxxx'],
        ['EXPIRE key:none 100', 0],
        ['MULTI', 'OK'],
        ['GET key:1', 'QUEUED'],
        ['EXEC', ['xxxxxxxx']],
        ['MULTI', 'OK'],
        ['SET key:12 x', OOM],
        ['EXEC', 'Error: EXECABORT Transaction discarded because of previous errors.'],
        ['DEL key:3 key:4', 2],
        ['SET key:11 x', 'OK'],
      )
    },
  )

  it('refuses a transaction that could add to it when memory got full after it was queued', () => {
    const bed = limited(10, 'noeviction')
    const other = bed.engine.connect()
    bed.run('MULTI')
    expect(bed.run('SET a x')).toBe('QUEUED')
    for (let i = 0; i < 11; i++) bed.run(`SET key:${i} xxxxxxxx`, other)
    expect(bed.run('EXEC')).toBe(
      "Error: EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.",
    )
    expect(bed.run('GET a')).toBeNull()
  })

  it('holds for what scripts call, until they have begun to write, unless they ask for more', () => {
    const bed = limited(10, 'noeviction')
    for (let i = 0; i < 11; i++) bed.run(`SET key:${i} xxxxxxxx`)
    const run = (script: string): unknown => bed.call(['EVAL', script, '1', 'a'])
    expect(run("return redis.pcall('SET', KEYS[1], 'x').err")).toBe(OOM.slice('Error: '.length))
    expect(run("return redis.call('GET', 'key:1')")).toBe('xxxxxxxx')
    expect(run("redis.call('DEL', 'none') return redis.call('SET', KEYS[1], 'x')")).toBe('OK')
    const flagged = (flags: string): unknown => run(`#!lua ${flags}\nreturn redis.call('SET', KEYS[1], 'x')`)
    expect(flagged('')).toMatch(/OOM allow-oom flag is not set on the script/)
    expect(flagged('flags=allow-oom')).toBe('OK')
  })

  it('is always less than an empty cache needs where it is next to nothing', () => {
    const bed = new CacheBed()
    bed.engine.memory.maxBytes = 1
    bed.run('PING')
    expect(bed.run('SET a x')).toBe(OOM)
    expect(bed.call(['EVAL', "return redis.call('SET', 'a', 'x')", '0'])).toMatch(/^Error: OOM command not allowed/)
    bed.engine.memory.maxBytes = 0
    expect(bed.run('SET a x')).toBe('OK')
  })

  it('makes room in steps when its bound falls, and serves meanwhile', () => {
    const bed = limited(10_000, 'allkeys-random')
    for (let i = 0; i < 5000; i++) bed.run(`SET key:${i} xxxxxxxx`)
    bed.engine.memory.maxBytes /= 100
    expect(bed.run('SET a x')).toBe('OK')
    expect(bed.run('DBSIZE')).toBe(4001)
    expect(bed.engine.nextTickMs()).toBe(bed.now)
    for (let i = 0; i < 10; i++) bed.wait(0)
    expect(bed.engine.memory.isOver).toBe(false)
    expect(bed.engine.nextTickMs()).toBeUndefined()
    expect(bed.run('DBSIZE')).toBeGreaterThan(80)
  })

  it('tells of evicted keys by events, to who watches, and to who waits', () => {
    const bed = limited(3, 'allkeys-lru')
    bed.engine.notifiedEvents = 'KEA'
    const [listener, watcher] = [bed.engine.connect(), bed.engine.connect()]
    bed.run('SUBSCRIBE __keyevent@0__:evicted', listener)
    bed.run('SET key:1 xxxxxxxx')
    bed.run('WATCH key:1', watcher)
    for (let i = 2; i < 5; i++) bed.run(`SET key:${i} xxxxxxxx`)
    expect(bed.received(listener)).toContainEqual(['message', '__keyevent@0__:evicted', 'key:1'])
    bed.run('MULTI', watcher)
    bed.run('PING', watcher)
    expect(bed.run('EXEC', watcher)).toBeNull()
  })
})

describe('BEDPLATE.EVICTIONS', () => {
  it('tells a client which keys its command drove out, before the reply', () => {
    const bed = limited(3, 'allkeys-lru')
    const client = bed.engine.connect()
    bed.run('HELLO 3', client)
    expect(bed.run('BEDPLATE.EVICTIONS ON', client)).toBe('OK')
    for (let i = 1; i < 4; i++) expect(bed.run(`SET key:${i} xxxxxxxx`, client)).toBe('OK')
    bed.engine.execute(client, ['SET', 'key:4', 'xxxxxxxx'], bed.now)
    expect(bed.received(client)).toEqual([['evicted', ['key:1']], 'OK'] as Plain[])
    // Others are not told, and neither is it any more once it does not want to be.
    expect(bed.run('SET key:5 xxxxxxxx')).toBe('OK')
    bed.run('BEDPLATE.EVICTIONS OFF', client)
    bed.engine.execute(client, ['SET', 'key:6', 'xxxxxxxx'], bed.now)
    expect(bed.received(client)).toEqual(['OK'])
  })

  it('needs RESP3', () => {
    expect(new CacheBed().run('BEDPLATE.EVICTIONS ON')).toMatch(/needs RESP3/)
  })
})
