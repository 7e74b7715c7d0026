import { describe, expect, it } from 'vitest'
import { CacheBed, expectReplies } from '../../support/cache.ts'

const MAX_BYTES = 2 ** 29 - 24

describe('what a client may ask for without harm', () => {
  it('is a command of more arguments than V8 can spread', () => {
    const bed = new CacheBed({ propagates: true })
    const many = Array.from({ length: 300_000 }, (_, i) => String(i))
    expect(bed.call(['XADD', 'x', '1-1', ...many])).toBe('1-1')
    expect(bed.effects).toHaveLength(1)
    const sets = Array.from({ length: 150_000 }, () => ['SET', 'u8', '0', '1']).flat()
    expect(bed.call(['BITFIELD', 'b', ...sets])).toHaveLength(150_000)
    expect(bed.call(['SADD', 's', ...many])).toBe(300_000)
    expect(bed.call(['SPOP', 's', '300000'])).toHaveLength(300_000)
    expect(bed.call(['GEOADD', 'g', ...many.slice(0, 100_000).flatMap((name) => ['1', '1', name])])).toBe(100_000)
    expect(bed.call(['PFADD', 'h', 'a'])).toBe(1)
    expect(bed.call(['PFCOUNT', ...new Array<string>(20_000).fill('h')])).toBe(1)
  })

  it('is a string up to its last byte, and none beyond', () => {
    const bed = new CacheBed()
    const outOfRange = 'Error: ERR bit offset is not an integer or out of range'
    const tooLong = 'Error: ERR string exceeds maximum allowed size (proto-max-bulk-len)'
    expectReplies(
      bed,
      [`SETBIT b ${8 * MAX_BYTES} 1`, outOfRange],
      ['SETBIT b 4294967295 1', outOfRange],
      [`BITFIELD b SET u8 ${8 * MAX_BYTES - 7} 1`, outOfRange],
      ['BITFIELD b SET u63 #99999999999999 1', outOfRange],
      [`SETRANGE b ${MAX_BYTES} x`, tooLong],
      ['SETRANGE b 9223372036854775807 x', tooLong],
      ['EXISTS b', 0],
      // Memory that is only promised: nobody writes to all of it.
      [`SETRANGE b ${MAX_BYTES - 1} x`, MAX_BYTES],
      ['APPEND b y', tooLong],
      [`GETRANGE b ${MAX_BYTES - 2} -1`, '\0x'],
      [`GETBIT b ${8 * MAX_BYTES - 1}`, 0],
      ['INCR b', 'Error: ERR value is not an integer or out of range'],
      ['DEL b', 1],
    )
  })

  it('is a number or an ID of any length, in time that grows with it', () => {
    const bed = new CacheBed()
    const digits = '1'.repeat(2_000_000)
    const dashes = '-'.repeat(2_000_000)
    const badId = 'Error: ERR Invalid stream ID specified as stream command argument'
    expect(bed.call(['INCRBYFLOAT', 'k', `${digits}x`])).toBe('Error: ERR value is not a valid float')
    expect(bed.call(['ZADD', 'k', `${digits}x`, 'm'])).toBe('Error: ERR value is not a valid float')
    expect(bed.call(['ZRANGEBYSCORE', 'k', `${digits}x`, '1'])).toBe('Error: ERR min or max is not a float')
    expect(bed.call(['INCRBY', 'k', digits])).toBe('Error: ERR value is not an integer or out of range')
    expect(bed.call(['XADD', 'k', dashes, 'f', 'v'])).toBe(badId)
    expect(bed.call(['XRANGE', 'k', dashes, '+'])).toBe(badId)
    expect(bed.call(['SCAN', digits])).toBe('Error: ERR invalid cursor')
    expect(bed.call(['KEYS', '*a'.repeat(1000)])).toEqual([])
  })

  it('is a long pattern, and many keys to watch', () => {
    const bed = new CacheBed()
    bed.run('SET aaaa 1')
    expect(bed.call(['KEYS', `${'a'.repeat(4)}${'*'.repeat(3_000_000)}`])).toEqual(['aaaa'])
    expect(bed.call(['KEYS', `[^${'b'.repeat(3_000_000)}]???`])).toEqual(['aaaa'])
    expect(bed.call(['KEYS', '*a*a*a*a*a*a*a*a*a*a*b'.repeat(1000)])).toEqual([])
    expect(bed.call(['WATCH', ...Array.from({ length: 200_000 }, (_, i) => `k${i}`)])).toBe('OK')
    expect(bed.run('UNWATCH')).toBe('OK')
  })

  it('is many IDs to be deleted from a long stream', () => {
    const bed = new CacheBed()
    const ids = Array.from({ length: 20_000 }, (_, i) => `${i + 1}-0`)
    for (const id of ids) bed.call(['XADD', 'x', id, 'f', 'v'])
    expect(bed.call(['XDEL', 'x', ...ids.filter((_, i) => i % 2 === 0), 'x'])).toMatch(/^Error: ERR Invalid stream ID/)
    expect(bed.call(['XDEL', 'x', ...ids.filter((_, i) => i % 2 === 0), '1-0', '99999-0'])).toBe(10_000)
    expect(bed.run('XLEN x')).toBe(10_000)
    expect(bed.run('XRANGE x - + COUNT 2')).toEqual([
      ['2-0', ['f', 'v']],
      ['4-0', ['f', 'v']],
    ])
    expect(bed.run('XDEL x 4-0 6-0 8-0')).toBe(3)
    expect(bed.run('XRANGE x 3 11')).toEqual([['10-0', ['f', 'v']]])
  })
})
