import { describe, expect, it } from 'vitest'
import { CacheBed, expectReplies, NOT_AN_INTEGER, SYNTAX_ERROR } from '../../support/cache.ts'

describe('commands on keys', () => {
  it('delete, count and name', () => {
    expectReplies(
      new CacheBed(),
      ['MSET a 1 b 2 c 3', 'OK'],
      ['EXISTS a b a x', 3],
      ['TOUCH a x', 1],
      ['TYPE a', 'string'],
      ['TYPE x', 'none'],
      ['DBSIZE', 3],
      ['DEL a b x', 2],
      ['UNLINK c c', 1],
      ['RANDOMKEY', null],
      ['DBSIZE', 0],
    )
  })

  it('take names of JavaScript as plain keys', () => {
    const bed = new CacheBed()
    for (const key of ['__proto__', 'constructor', 'hasOwnProperty', '', '\0\xff']) {
      expect(bed.call(['GET', key])).toBeNull()
      expect(bed.call(['SET', key, key])).toBe('OK')
      expect(bed.call(['GET', key])).toBe(key)
      expect(bed.call(['HSET', `h${key}`, key, key])).toBe(1)
      expect(bed.call(['HGETALL', `h${key}`])).toEqual([key, key])
      expect(bed.call(['SADD', `s${key}`, key, key])).toBe(1)
    }
    expect(bed.run('DBSIZE')).toBe(15)
    expect(bed.call(['constructor'])).toMatch(/^Error: ERR unknown command 'constructor'/)
  })

  it('find keys by patterns', () => {
    const bed = new CacheBed()
    bed.run('MSET foo 1 foobar 2 bar 3 b[r 4')
    const keys = (pattern: string) => [...(bed.call(['KEYS', pattern]) as string[])].sort()
    expect(keys('foo*')).toEqual(['foo', 'foobar'])
    expect(keys('b?r')).toEqual(['b[r', 'bar'])
    expect(keys('b[a-c]r')).toEqual(['bar'])
    expect(keys('b\\[r')).toEqual(['b[r'])
    expect(keys('*')).toHaveLength(4)
  })

  it('rename with what belongs to the key', () => {
    expectReplies(
      new CacheBed(),
      ['RENAME a b', 'Error: ERR no such key'],
      ['SET a 1 EX 100', 'OK'],
      ['SET b 2', 'OK'],
      ['RENAMENX a b', 0],
      ['RENAME a b', 'OK'],
      ['GET b', '1'],
      ['TTL b', 100],
      ['EXISTS a', 0],
      ['RENAME b b', 'OK'],
      ['RENAMENX b b', 0],
      ['RENAMENX b c', 1],
      ['TTL c', 100],
    )
  })

  it('copy between keys and databases', () => {
    expectReplies(
      new CacheBed(),
      ['RPUSH l a b', 2],
      ['COPY l l', 'Error: ERR source and destination objects are the same'],
      ['COPY l m', 1],
      ['COPY l m', 0],
      ['RPUSH m c', 3],
      ['COPY l m REPLACE', 1],
      ['LRANGE m 0 -1', ['a', 'b']],
      ['COPY l l DB 3', 1],
      ['COPY l l DB 99', 'Error: ERR DB index is out of range'],
      ['COPY l m NOW', SYNTAX_ERROR],
      ['SELECT 3', 'OK'],
      ['LRANGE l 0 -1', ['a', 'b']],
    )
  })

  it('move, swap and flush databases', () => {
    expectReplies(
      new CacheBed(),
      ['SET a 1 EX 10', 'OK'],
      ['MOVE a 0', 'Error: ERR source and destination objects are the same'],
      ['MOVE a 1', 1],
      ['MOVE a 1', 0],
      ['MOVE a x', NOT_AN_INTEGER],
      ['SELECT 1', 'OK'],
      ['TTL a', 10],
      ['SWAPDB 0 1', 'OK'],
      ['EXISTS a', 0],
      ['SELECT 0', 'OK'],
      ['EXISTS a', 1],
      ['SWAPDB 0 x', 'Error: ERR invalid second DB index'],
      ['SWAPDB 0 16', 'Error: ERR DB index is out of range'],
      ['SELECT 16', 'Error: ERR DB index is out of range'],
      ['SELECT x', NOT_AN_INTEGER],
      ['FLUSHDB NOW', SYNTAX_ERROR],
      ['FLUSHDB ASYNC', 'OK'],
      ['DBSIZE', 0],
      ['FLUSHALL', 'OK'],
    )
  })

  it('tell encodings by the thresholds of Redis', () => {
    const bed = new CacheBed()
    const encoding = (key: string) => bed.run(`OBJECT ENCODING ${key}`)
    const encodingAfter = (line: string) => {
      bed.run(line)
      return encoding(line.split(' ')[1] as string)
    }
    expect(encodingAfter('SET s 12')).toBe('int')
    expect(encodingAfter('SET s -9223372036854775808')).toBe('int')
    expect(encodingAfter('SET s 9223372036854775808')).toBe('embstr')
    expect(encodingAfter('SET s 012')).toBe('embstr')
    expect(encodingAfter(`SET s ${'x'.repeat(44)}`)).toBe('embstr')
    expect(encodingAfter(`SET s ${'x'.repeat(45)}`)).toBe('raw')
    expect(encodingAfter('RPUSH l a')).toBe('quicklist')
    expect(encodingAfter('SADD i 1 2 3')).toBe('intset')
    expect(encodingAfter('SADD i a')).toBe('hashtable')
    expect(encodingAfter(`SADD j ${range(512)}`)).toBe('intset')
    expect(encodingAfter('SADD j 1000')).toBe('hashtable')
    expect(encodingAfter(`HSET h f ${'x'.repeat(64)}`)).toBe('listpack')
    expect(encodingAfter(`HSET h f ${'x'.repeat(65)}`)).toBe('hashtable')
    expect(encodingAfter('ZADD z 1 a')).toBe('listpack')
    for (let i = 0; i < 128; i++) bed.run(`ZADD z ${i} m${i}`)
    expect(encoding('z')).toBe('skiplist')
    expect(encodingAfter('XADD x * f v')).toBe('stream')
    expect(encoding('none')).toBeNull()
  })

  it('tell how long a key was idle', () => {
    const bed = new CacheBed()
    bed.run('SET a 1')
    bed.wait(5000)
    expectReplies(
      bed,
      ['OBJECT IDLETIME a', 5],
      ['GET a', '1'],
      ['OBJECT IDLETIME a', 0],
      ['OBJECT REFCOUNT a', 2_147_483_647],
    )
    expect(bed.run('OBJECT FREQ a')).toMatch(/^Error: ERR An LFU maxmemory policy is not selected/)
  })
})

describe('SCAN', () => {
  it('reports everything that is there throughout, whatever else comes and goes', () => {
    const bed = new CacheBed()
    const stable = Array.from({ length: 300 }, (_, i) => `stable:${i}`)
    for (const key of stable) bed.call(['SET', key, '1'])
    for (let i = 0; i < 300; i++) bed.call(['SET', `going:${i}`, '1'])
    const seen = new Set<string>()
    let cursor = '0'
    let round = 0
    do {
      const [next, keys] = bed.call(['SCAN', cursor, 'COUNT', '7']) as [string, string[]]
      for (const key of keys) seen.add(key)
      for (let i = 0; i < 9; i++) bed.call(['DEL', `going:${(round * 37 + i * 11) % 300}`])
      for (let i = 0; i < 3; i++) bed.call(['SET', `coming:${round}:${i}`, '1'])
      cursor = next
      round++
    } while (cursor !== '0')
    expect(stable.filter((key) => !seen.has(key))).toEqual([])
  })

  it('filters by pattern and type, and refuses what it does not know', () => {
    const bed = new CacheBed()
    expectReplies(
      bed,
      ['MSET a 1 b 2', 'OK'],
      ['RPUSH l x', 1],
      ['SCAN 0 TYPE list', ['0', ['l']]],
      ['SCAN 0 TYPE nothing', ['0', []]],
      ['SCAN 0 MATCH b*', ['0', ['b']]],
      ['SCAN x', 'Error: ERR invalid cursor'],
      ['SCAN 0 COUNT 0', SYNTAX_ERROR],
      ['SCAN 0 COUNT x', NOT_AN_INTEGER],
      ['SCAN 0 COUNT', SYNTAX_ERROR],
      ['SSCAN none 0', ['0', []]],
      ['HSCAN l 0', 'Error: WRONGTYPE Operation against a key holding the wrong kind of value'],
    )
    bed.run('SET c 3 PX 1')
    bed.now += 10
    expect((bed.run('SCAN 0 COUNT 100') as [string, string[]])[1]).not.toContain('c')
    expect(bed.run('DBSIZE')).toBe(3)
  })

  it('walks the elements of large sets, hashes and sorted sets', () => {
    const bed = new CacheBed()
    for (let i = 0; i < 600; i++) {
      bed.run(`SADD s m${i}`)
      bed.run(`HSET h m${i} v${i}`)
      bed.run(`ZADD z ${i} m${i}`)
    }
    for (const [command, width] of [
      ['SSCAN s', 1],
      ['HSCAN h', 2],
      ['ZSCAN z', 2],
    ] as const) {
      const seen = new Set<string>()
      let cursor = '0'
      do {
        const [next, found] = bed.run(`${command} ${cursor} COUNT 50`) as [string, string[]]
        expect(found.length).toBeLessThanOrEqual(50 * width)
        for (let i = 0; i < found.length; i += width) seen.add(found[i] as string)
        cursor = next
      } while (cursor !== '0')
      expect(seen.size).toBe(600)
    }
  })

  it('restores strings that say anything', () => {
    const bed = new CacheBed()
    for (const text of ['footer', 'value', '', 'undefined', '\xff\0']) {
      bed.call(['SET', 'k', text])
      const dump = bed.call(['DUMP', 'k']) as string
      expect([text, bed.call(['RESTORE', 'copy', '0', dump, 'REPLACE']), bed.run('GET copy')]).toEqual([
        text,
        'OK',
        text,
      ])
    }
  })
})

function range(count: number): string {
  return Array.from({ length: count }, (_, i) => i).join(' ')
}
