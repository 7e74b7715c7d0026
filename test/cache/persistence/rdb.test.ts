import { describe, expect, it } from 'vitest'
import { sealed } from '../../../ts/cache/persistence/dump.ts'
import { RdbDecoder, RdbEncoder, type RdbItem } from '../../../ts/cache/persistence/rdb-file.ts'
import { RdbReader } from '../../../ts/cache/persistence/rdb-reader.ts'
import { RdbWriter } from '../../../ts/cache/persistence/rdb-writer.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { CacheBed } from '../../support/cache.ts'
import { commandsFor, describeKey, runAll } from '../../support/cache-values.ts'

/** A bed with keys of all types. */
function fullBed(seed: number, count = 60): CacheBed {
  const random = seededRandom(seed)
  const bed = new CacheBed()
  const session = bed.engine.connect()
  for (let i = 0; i < count; i++) runAll(bed.engine, session, commandsFor(`key:${i}`, random), bed.now)
  return bed
}

function snapshotOf(bed: CacheBed): Uint8Array {
  const encoder = new RdbEncoder([['redis-ver', '7.0.15']])
  const database = bed.engine.databases[0]
  encoder.resize(0, database?.size ?? 0, 0)
  encoder.function('#!lua name=lib\nredis.register_function("f", function() end)')
  for (const { key, value, expiry } of database?.entries() ?? [])
    encoder.entry(0, key, value, { expiresAtMs: expiry?.at })
  encoder.end()
  return encoder.take()
}

/** All items, the bytes given in pieces of `size`. */
function itemsOf(bytes: Uint8Array, size = bytes.length): RdbItem[] {
  let at = 0
  const reader = new RdbReader(() => {
    if (at >= bytes.length) return undefined
    const piece = bytes.subarray(at, at + size)
    at += size
    return piece
  }, 'dump.rdb')
  const decoder = new RdbDecoder(reader)
  const items: RdbItem[] = []
  for (let item = decoder.next(); item !== undefined; item = decoder.next()) items.push(item)
  return items
}

describe('RDB files', () => {
  it.each([1, 2, 3])('give back every key, in pieces of any size (seed %d)', (seed) => {
    const bed = fullBed(seed)
    const bytes = snapshotOf(bed)
    for (const size of [bytes.length, 7, 4096]) {
      const other = new CacheBed()
      for (const item of itemsOf(bytes, size))
        if (item.kind === 'key') other.engine.databases[0]?.add(item.key, item.value)
      expect(other.run('DBSIZE')).toBe(bed.run('DBSIZE'))
      for (const { key } of bed.engine.databases[0]?.entries() ?? []) {
        const [ours, theirs] = [bed, other].map((each) => describeKey(key, (args) => each.call(args)))
        expect([key, theirs]).toEqual([key, ours])
        expect(other.call(['OBJECT', 'ENCODING', key])).toBe(bed.call(['OBJECT', 'ENCODING', key]))
      }
    }
  })

  it('carry what belongs to keys and to the file', () => {
    const encoder = new RdbEncoder([['aof-base', '1']])
    encoder.function('code')
    encoder.resize(3, 2, 1)
    encoder.entry(3, 'a', 'x', { expiresAtMs: 1_700_000_000_123, idleSeconds: 100_000 })
    encoder.entry(0, '', 7, { frequency: 255 })
    encoder.end()
    const plain = { expiresAtMs: undefined, idleSeconds: undefined, frequency: undefined }
    expect(itemsOf(encoder.take())).toEqual([
      { kind: 'aux', name: 'aof-base', value: '1' },
      { kind: 'function', code: 'code' },
      { kind: 'resize', database: 3, keys: 2 },
      {
        ...plain,
        kind: 'key',
        database: 3,
        key: 'a',
        value: 'x',
        expiresAtMs: 1_700_000_000_123,
        idleSeconds: 100_000,
      },
      { ...plain, kind: 'key', database: 0, key: '', value: 7, frequency: 255 },
    ])
  })

  it('without a checksum, of version 1 and with seconds are read', () => {
    const text = 'REDIS0001\xfe\x00\xfd\x10\x00\x00\x00\x00\x01a\xc0\x05\xff'
    expect(itemsOf(Buffer.from(text, 'latin1'))).toEqual([
      {
        kind: 'key',
        database: 0,
        key: 'a',
        value: 5,
        expiresAtMs: 16_000,
        idleSeconds: undefined,
        frequency: undefined,
      },
    ])
    const zero = `REDIS0010\xff${'\0'.repeat(8)}`
    expect(itemsOf(Buffer.from(zero, 'latin1'))).toEqual([])
  })

  it.each([
    ['REDIS0011\xff', /version 0011 of the format cannot be read/],
    ['RADIS0010\xff', /this is no RDB file/],
    ['REDIS0010\xff12345678', /the checksum is wrong/],
    ['REDIS0010\xfe\x00\x00\x01a', /ends too early/],
    ['REDIS0010\x00\x01a\x81\x00\x00\x00\xff\xff\xff\xff\xff', /a string of/],
    ['REDIS0010\x07\x01a', /modules/],
    ['REDIS0010\x63\x01a', /no value has type 99/],
  ])('%j is refused, and the text says where', (text, message) => {
    expect(() => itemsOf(Buffer.from(text, 'latin1'))).toThrow(message)
    expect(() => itemsOf(Buffer.from(text, 'latin1'))).toThrow(/dump\.rdb: .* \(before byte \d+\)/)
  })

  it('that were cut or changed are refused as corruption, wherever that was', () => {
    const random = seededRandom(5)
    const bytes = snapshotOf(fullBed(5, 25))
    for (let round = 0; round < 400; round++) expectRefused(damaged(bytes, random))
  })
})

/** A copy of the bytes that is wrong somewhere. */
function damaged(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = Uint8Array.from(bytes)
  const at = Math.floor(random.next() * copy.length)
  if (random.next() < 0.3) return copy.subarray(0, at)
  copy[at] = (copy[at] as number) ^ (1 << Math.floor(random.next() * 8))
  return copy
}

function expectRefused(bytes: Uint8Array): void {
  let refusal: unknown
  try {
    itemsOf(bytes)
  } catch (error) {
    refusal = error
  }
  expect(refusal).toMatchObject({ code: 'CORRUPTION' })
}

describe('DUMP and RESTORE', () => {
  it('copy a value of any type', () => {
    const bed = fullBed(6)
    for (const { key } of bed.engine.databases[0]?.entries() ?? []) {
      const payload = bed.call(['DUMP', key]) as string
      expect(bed.call(['RESTORE', `copy of ${key}`, '0', payload])).toBe('OK')
      const [original, copy] = [key, `copy of ${key}`].map((each) => describeKey(each, (args) => bed.call(args)))
      expect([key, copy]).toEqual([key, original])
    }
  })

  it('answer as Redis does', () => {
    const bed = new CacheBed({ propagates: true })
    expect(bed.call(['DUMP', 'k'])).toBeNull()
    bed.run('SET k hello')
    const payload = '\x00\x05hello\n\x00cr\xdfve4 \n'
    expect(bed.call(['DUMP', 'k'])).toBe(payload)
    const restore = (...args: string[]) => bed.call(['RESTORE', ...args])
    const footer = 'Error: ERR DUMP payload version or checksum are wrong'
    expect(restore('k', '0', 'x')).toBe('Error: BUSYKEY Target key name already exists.')
    expect(restore('x', '0', 'garbage')).toBe(footer)
    expect(restore('x', '0', payload.replace('hello', 'hallo'))).toBe(footer)
    expect(restore('x', '0', payload.replace('\n', '\x0b'))).toBe(footer)
    expect(restore('x', '-1', payload)).toBe('Error: ERR Invalid TTL value, must be >= 0')
    expect(restore('x', '0', payload, 'IDLETIME', '-1')).toBe('Error: ERR Invalid IDLETIME value, must be >= 0')
    expect(restore('x', '0', payload, 'FREQ', '256')).toBe('Error: ERR Invalid FREQ value, must be >= 0 and <= 255')
    expect(restore('x', '0', payload, 'FREQ', '1', 'IDLETIME', '1')).toBe('Error: ERR syntax error')
    // A checksum of zero stands for none in a file, but not here.
    expect(restore('x', '0', `\x63${'\0'.repeat(10)}`)).toBe(footer)
    const strange = new RdbWriter()
    strange.u8(0x63)
    expect(restore('x', '0', Buffer.from(sealed(strange)).toString('latin1'))).toBe('Error: ERR Bad data format')
    expect(restore('x', '0', payload, 'IDLETIME', '1000')).toBe('OK')
    expect(bed.run('OBJECT IDLETIME x')).toBe(1000)
    expect(restore('x', '5000', payload, 'REPLACE')).toBe('OK')
    expect(bed.propagated()).toEqual([`RESTORE x ${bed.now + 5000} ${payload} REPLACE ABSTTL`])
    expect(bed.run('PTTL x')).toBe(5000)
    expect(restore('x', '1', payload, 'REPLACE', 'ABSTTL')).toBe('OK')
    expect(bed.propagated()).toEqual(['DEL x'])
    expect(bed.run('EXISTS x')).toBe(0)
  })

  it('never fail but with an answer, whatever a payload with a right footer holds', () => {
    const bed = fullBed(7)
    const random = seededRandom(7)
    const keys = (bed.engine.databases[0]?.entries() ?? []).map(({ key }) => key)
    const answers = new Set<unknown>()
    for (let round = 0; round < 1500; round++) {
      const payload = Buffer.from(bed.call(['DUMP', keys[round % keys.length] as string]) as string, 'latin1')
      const bytes = damaged(payload.subarray(0, -10), random)
      // With a checksum that is right, so that what is before it is read.
      const writer = new RdbWriter()
      writer.bytes(bytes)
      const forged = Buffer.from(sealed(writer))
      answers.add(bed.call(['RESTORE', 'x', '0', forged.toString('latin1'), 'REPLACE']))
      expect(describeKey('x', (args) => bed.call(args))).toBeDefined()
    }
    expect([...answers].sort()).toEqual(['Error: ERR Bad data format', 'OK'])
  })
})
