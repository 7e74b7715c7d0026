import { describe, expect, it } from 'vitest'
import { CacheBed, expectReplies, NOT_AN_INTEGER } from '../../support/cache.ts'

const INVALID = (name: string): string => `Error: ERR invalid expire time in '${name}' command`

describe('expiry', () => {
  it('is exact to the millisecond', () => {
    const bed = new CacheBed()
    bed.run('SET a 1 PX 100')
    bed.now += 100
    expect(bed.run('GET a')).toBe('1') // Redis lets a key live in the millisecond it expires at
    expect(bed.run('PTTL a')).toBe(0)
    bed.now += 1
    expect(bed.run('GET a')).toBeNull()
    expect(bed.run('PTTL a')).toBe(-2)
  })

  it('deletes nothing while nothing may change, and shows nothing of what is due', () => {
    const bed = new CacheBed({ propagates: true })
    const pause = (isPaused: boolean): void => {
      for (const database of bed.engine.databases) database.isPaused = isPaused
    }
    bed.run('SET a 1 PX 10')
    bed.run('SET b 1 PX 10')
    pause(true)
    bed.wait(20)
    expect([bed.run('GET a'), bed.run('DBSIZE'), bed.engine.nextTickMs()]).toEqual([null, 2, undefined])
    expect([bed.propagated(), bed.engine.statistics.expiredKeys]).toEqual([[], 0])
    pause(false)
    bed.wait(0)
    expect([bed.run('DBSIZE'), bed.engine.statistics.expiredKeys]).toEqual([0, 2])
  })

  it('counts in seconds and milliseconds, from now and since 1970', () => {
    const bed = new CacheBed()
    expectReplies(
      bed,
      ['SET a 1', 'OK'],
      ['TTL a', -1],
      ['EXPIRE a 100', 1],
      ['TTL a', 100],
      ['PTTL a', 100_000],
      ['PEXPIRE a 1500', 1],
      ['TTL a', 2],
      ['EXPIRETIME a', 1_700_000_002],
      ['PEXPIREAT a 1700000100000', 1],
      ['PEXPIRETIME a', 1_700_000_100_000],
      ['EXPIREAT a 1700000200', 1],
      ['TTL a', 200],
      ['PERSIST a', 1],
      ['PERSIST a', 0],
      ['EXPIRETIME a', -1],
      ['EXPIRETIME none', -2],
      ['EXPIRE none 10', 0],
      ['EXPIRE a -1', 1],
      ['EXISTS a', 0],
    )
  })

  it('obeys NX, XX, GT and LT', () => {
    expectReplies(
      new CacheBed(),
      ['SET a 1', 'OK'],
      ['EXPIRE a 100 XX', 0],
      ['EXPIRE a 100 GT', 0],
      ['EXPIRE a 100 NX', 1],
      ['EXPIRE a 200 NX', 0],
      ['EXPIRE a 50 GT', 0],
      ['EXPIRE a 200 GT', 1],
      ['EXPIRE a 300 LT', 0],
      ['EXPIRE a 100 XX LT', 1],
      ['TTL a', 100],
      ['PERSIST a', 1],
      ['EXPIRE a 100 LT', 1],
      ['EXPIRE a 1 NX XX', 'Error: ERR NX and XX, GT or LT options at the same time are not compatible'],
      ['EXPIRE a 1 GT LT', 'Error: ERR GT and LT options at the same time are not compatible'],
      ['EXPIRE a 1 AB', 'Error: ERR Unsupported option AB'],
    )
  })

  it('refuses times that cannot be', () => {
    expectReplies(
      new CacheBed(),
      ['SET a 1', 'OK'],
      ['EXPIRE a x', NOT_AN_INTEGER],
      ['EXPIRE a 9223372036854775807', INVALID('expire')],
      ['EXPIRE a -9223372036854775808', INVALID('expire')],
      ['PEXPIRE a 9223372036854775807', INVALID('pexpire')],
      ['SET a 1 EX 0', INVALID('set')],
      ['SET a 1 PX -5', INVALID('set')],
      ['SETEX a 0 1', INVALID('setex')],
      ['GETEX a EX 0', INVALID('getex')],
      ['TTL a', -1],
    )
  })

  it('deletes what is due at a tick, the earliest first and no more than it may', () => {
    const bed = new CacheBed({ propagates: true })
    for (let i = 0; i < 50; i++) bed.run(`SET k${i} 1 PX ${100 + ((i * 7) % 50)}`)
    bed.run('SET stays 1 PX 1000')
    expect(bed.engine.nextTickMs()).toBe(bed.now + 101)
    bed.now += 200
    bed.effects = [...bed.engine.tick(bed.now, 10)]
    expect(bed.run('DBSIZE')).toBe(41)
    bed.wait(0)
    expect(bed.propagated()).toHaveLength(40)
    expect(bed.propagated().filter((line) => !/^DEL k\d+$/.test(line))).toEqual([])
    expect(bed.run('KEYS *')).toEqual(['stays'])
  })

  it('is propagated as absolute times, and as deletions', () => {
    const bed = new CacheBed({ propagates: true })
    const propagated = (line: string) => {
      bed.run(line)
      return bed.propagated()
    }
    expect(propagated('SET a 1 EX 10')).toEqual([`SET a 1 PXAT ${bed.now + 10_000}`])
    expect(propagated('EXPIRE a 20')).toEqual([`PEXPIREAT a ${bed.now + 20_000}`])
    expect(propagated('GETEX a PERSIST')).toEqual(['PERSIST a'])
    expect(propagated('GETEX a PX 5')).toEqual([`PEXPIREAT a ${bed.now + 5}`])
    bed.now += 100
    expect(propagated('GET a')).toEqual(['DEL a'])
    bed.run('SET b 1')
    expect(propagated('EXPIRE b 0')).toEqual(['DEL b'])
    expect(propagated('GET b')).toEqual([])
    // What a reading command finds to be gone is no transaction, what a writing one does is.
    for (const key of ['c', 'd', 'e']) bed.run(`SET ${key} 1 PX 5`)
    bed.now += 100
    expect(propagated('MGET c d')).toEqual(['DEL c', 'DEL d'])
    expect(propagated('SETNX e 2')).toEqual(['MULTI', 'DEL e', 'SETNX e 2', 'EXEC'])
  })
})
