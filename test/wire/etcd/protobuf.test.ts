import { describe, expect, it } from 'vitest'
import { BedplateError } from '../../../ts/base/errors.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import * as messages from '../../../ts/wire/etcd/messages.ts'
import { bool, type Codec, id64, int64, list, message, nested, text, uid64 } from '../../../ts/wire/etcd/protobuf.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('the wire format', () => {
  it('is that of the examples of the encoding page', () => {
    // https://protobuf.dev/programming-guides/encoding/: Test1 { a: 150 }, Test2 { b: "testing" }, Test3 { c: Test1 }
    const Test1 = message({ a: int64(1) })
    expect(hex(Test1.encode({ a: 150 }))).toBe('089601')
    expect(hex(message({ b: text(2) }).encode({ b: 'testing' }))).toBe('120774657374696e67')
    expect(hex(message({ c: nested(3, () => Test1) }).encode({ c: { a: 150 } }))).toBe('1a03089601')
  })

  it('leaves default values away, except where their absence means something', () => {
    expect(messages.PutRequest.encode({ key: '', lease: 0n, prevKv: false })).toHaveLength(0)
    const compare = messages.Compare.encode({ version: 0 })
    expect(messages.Compare.decode(compare)).toMatchObject({ version: 0, modRevision: undefined })
  })

  it('has numbers of 64 bits with and without a sign', () => {
    const Numbers = message({ a: int64(1), b: id64(2), c: uid64(3) })
    const all = { a: -5, b: -(2n ** 63n), c: 2n ** 64n - 1n }
    expect(Numbers.decode(Numbers.encode(all))).toEqual(all)
    expect(hex(message({ a: int64(1) }).encode({ a: -1 }))).toBe('08ffffffffffffffffff01')
    // 2^63 - 1 is no exact number of JavaScript: it becomes the largest that is.
    expect(message({ a: int64(1) }).decode(Buffer.from('08ffffffffffffffff7f', 'hex')).a).toBe(Number.MAX_SAFE_INTEGER)
    expect(message({ a: int64(1) }).decode(Buffer.from('0880808080808080808001', 'hex')).a).toBe(
      -Number.MAX_SAFE_INTEGER,
    )
  })

  it('writes 64 bits of every length as a loop over large integers would', () => {
    const Id = message({ a: uid64(1) })
    for (let bits = 1n; bits <= 64n; bits++) {
      for (const value of [2n ** bits - 1n, 2n ** (bits - 1n), (2n ** bits - 1n) & 0xa5a5_a5a5_a5a5_a5a5n]) {
        if (value === 0n) continue
        let expected = '08'
        let rest = value
        for (; rest >= 128n; rest >>= 7n) expected += ((rest & 127n) | 128n).toString(16)
        expect(hex(Id.encode({ a: value }))).toBe(expected + rest.toString(16).padStart(2, '0'))
        expect(Id.decode(Id.encode({ a: value })).a).toBe(value)
      }
    }
  })

  it('has messages within messages of any length', () => {
    const Inner = message({ a: text(1), b: text(2) })
    const Outer = message({ a: int64(1), b: nested(2, () => message({ c: nested(3, () => Inner) })), d: text(4) })
    for (const length of [0, 1, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 16_370, 16_384, 70_000]) {
      const given = { a: 7, b: { c: { a: 'x'.repeat(length), b: 'y' } }, d: 'z' }
      expect(Outer.decode(Outer.encode(given))).toEqual(given)
    }
  })

  it('passes over unknown fields of every kind, and takes packed lists', () => {
    const One = message({ a: bool(9) })
    // A varint, eight bytes, a string, four bytes; then the field that is known.
    const unknown = ['0801', '110102030405060708', '1a03616263', '2501020304']
    expect(One.decode(Buffer.from([...unknown, '4801'].join(''), 'hex'))).toEqual({ a: true })
    const Many = message({ filters: list(int64(5)) })
    expect(Many.decode(Buffer.from('2a0200012801', 'hex'))).toEqual({ filters: [0, 1, 1] })
    expect(Many.decode(Many.encode({ filters: [0, 300] }))).toEqual({ filters: [0, 300] })
  })

  it.each([
    ['08', 'ends within a number'],
    ['0880808080808080808080ff', 'more than 10 bytes'],
    ['0a05616263', 'leads beyond the end'],
    ['0affffffff0f', 'leads beyond the end'],
    ['00', 'the number 0'],
    ['0b', 'the wire type 3'],
    ['11ffff', 'ends within a field'],
  ])('refuses %s', (bytes, problem) => {
    expect(() => messages.KeyValue.decode(Buffer.from(bytes, 'hex'))).toThrow(problem)
  })

  it('refuses messages that are nested too deep', () => {
    let txn = messages.TxnRequest.encode({})
    for (let depth = 0; depth < 60; depth++) {
      const op = Buffer.concat([Buffer.from('22', 'hex'), varint(txn.length), txn])
      txn = Buffer.concat([Buffer.from('12', 'hex'), varint(op.length), op])
    }
    expect(() => messages.TxnRequest.decode(txn)).toThrow('nested deeper than 100')
  })

  it('survives any bytes: it decodes them or says INVALID_INPUT', () => {
    const random = seededRandom(20_261_126)
    const codecs = Object.values(messages).filter((value) => 'readFrom' in value) as Codec<unknown, never>[]
    expect(codecs.length).toBeGreaterThan(40)
    const seeds = [
      messages.TxnRequest.encode({
        compare: [{ key: 'a', version: 3 }],
        success: [{ put: { key: 'k', value: Buffer.from('v') } }, { txn: { failure: [{ range: { key: 'x' } }] } }],
      }),
      messages.WatchResponse.encode({ watchId: 3, events: [{ type: 1, kv: { key: 'k', modRevision: 9 } }] }),
    ]
    let refused = 0
    for (let round = 0; round < 20_000; round++) {
      const seed = seeds[round % seeds.length] as Uint8Array
      const bytes = round % 3 === 0 ? random.bytes(Math.floor(random.next() * 40)) : Uint8Array.from(seed)
      for (let flips = 0; flips < 3 && bytes.length > 0; flips++) {
        bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256)
      }
      const codec = codecs[round % codecs.length] as Codec<unknown, never>
      try {
        codec.decode(bytes)
      } catch (error) {
        refused++
        if (!(error instanceof BedplateError) || error.code !== 'INVALID_INPUT') throw error
      }
    }
    expect(refused).toBeGreaterThan(1000)
  })
})

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}
