import { describe, expect, it } from 'vitest'
import { isCode } from '../../../ts/base/errors.ts'
import { DEFAULT_ENCODING_LIMITS } from '../../../ts/cache/keyspace/encoding.ts'
import { MalformedError } from '../../../ts/cache/persistence/byte-view.ts'
import { Crc64 } from '../../../ts/cache/persistence/crc64.ts'
import { ListpackWriter, readListpack } from '../../../ts/cache/persistence/listpack.ts'
import { compressLzf, decompressLzf } from '../../../ts/cache/persistence/lzf.ts'
import { readIntset, readZiplist, readZipmap, writeIntset } from '../../../ts/cache/persistence/older-encodings.ts'
import { RdbReader } from '../../../ts/cache/persistence/rdb-reader.ts'
import { readValue } from '../../../ts/cache/persistence/rdb-values.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { anyText } from '../../support/cache-values.ts'

function bytes(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}

describe('CRC-64', () => {
  it('gives the number that Redis publishes, in any pieces', () => {
    const whole = new Crc64()
    whole.update(bytes('123456789'))
    expect(whole.value()).toBe(0xe9c6d914c4b8d9can)
    const text = 'This is a test of the emergency broadcast system.'
    const pieces = new Crc64()
    for (let at = 0; at < text.length; at += 5) pieces.update(bytes(text.slice(at, at + 5)))
    const once = new Crc64()
    once.update(bytes(text))
    expect(pieces.value()).toBe(once.value())
  })
})

describe('LZF', () => {
  it('gives back what it took, also from the edges of the format', () => {
    const random = seededRandom(1)
    const samples = ['a'.repeat(300), 'abc'.repeat(5000), `${'x'.repeat(8191)}y${'x'.repeat(9000)}`, 'ab'.repeat(132)]
    for (let i = 0; i < 300; i++) {
      const words = Array.from({ length: Math.floor(random.next() * 200) }, () => anyText(random).slice(0, 40))
      samples.push(words.join(random.next() < 0.5 ? ' ' : ''))
    }
    let compressed = 0
    for (const sample of samples) {
      const input = bytes(sample)
      const packed = compressLzf(input, input.length - 4)
      if (packed === undefined) continue
      compressed++
      expect(packed.length).toBeLessThan(input.length - 4)
      expect(Buffer.from(decompressLzf(packed, input.length) as Uint8Array).equals(input)).toBe(true)
    }
    expect(compressed).toBeGreaterThan(150)
  })

  it('refuses what leads outside, and lengths that cannot be', () => {
    expect(decompressLzf(Uint8Array.of(0x20, 0x00), 3)).toBeUndefined() // a copy from before the beginning
    expect(decompressLzf(Uint8Array.of(0x05, 0x61), 6)).toBeUndefined() // a literal that ends too early
    expect(decompressLzf(Uint8Array.of(0x00, 0x61, 0xe0), 400)).toBeUndefined()
    expect(decompressLzf(Uint8Array.of(0x00, 0x61), 2)).toBeUndefined() // less than was announced
    expect(decompressLzf(Uint8Array.of(0x00, 0x61), 2 ** 31)).toBeUndefined() // not allocated
  })
})

describe('listpacks', () => {
  it('keep texts and whole numbers of every width', () => {
    const random = seededRandom(2)
    const texts = Array.from({ length: 2000 }, () => anyText(random))
    texts.push(
      'y'.repeat(63),
      'y'.repeat(64),
      'y'.repeat(4095),
      'y'.repeat(4096),
      'y'.repeat(16_380),
      'y'.repeat(2_100_000),
    )
    const pack = new ListpackWriter()
    for (const text of texts) pack.add(text)
    const { length } = pack
    const packed = pack.take()
    expect(packed.length).toBe(length)
    expect(readListpack(packed)).toEqual(texts)
    expect(readListpack(pack.take())).toEqual([])
  })

  it('have the bytes that Redis gives them', () => {
    const pack = new ListpackWriter()
    for (const text of ['a', '1', '-1', '300', '70000']) pack.add(text)
    expect(Buffer.from(pack.take()).toString('hex')).toBe(
      '17000000050081610201' + '01dfff02' + 'c12c02' + 'f2701101' + '04ff',
    )
  })
})

describe('older encodings', () => {
  it('are read: ziplists with every kind of entry', () => {
    const body = [
      [0x00, 0x02, 0x61, 0x62], // "ab"
      [0x04, 0xf1], // 0
      [0x02, 0xfd], // 12
      [0x02, 0xfe, 0x80], // -128
      [0x03, 0xc0, 0x00, 0x80], // -32768
      [0x04, 0xf0, 0xff, 0xff, 0x7f], // 2^23 - 1
      [0x05, 0xd0, 0x00, 0x00, 0x00, 0x80], // -2^31
      [0x06, 0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], // 2^63 - 1
      [0x0a, 0x40, 0x03, 0x78, 0x79, 0x7a], // "xyz", 14 bits
      [0xfe, 6, 0, 0, 0, 0x80, 0, 0, 0, 1, 0x71], // "q", 32 bits
    ].flat()
    const list = Buffer.alloc(10 + body.length + 1)
    list.writeUInt32LE(list.length, 0)
    list.writeUInt16LE(10, 8)
    list.set(body, 10)
    list[list.length - 1] = 0xff
    const expected = ['ab', '0', '12', '-128', '-32768', '8388607', '-2147483648', '9223372036854775807', 'xyz', 'q']
    expect(readZiplist(list)).toEqual(expected)
  })

  it('are read: zipmaps', () => {
    const map = Uint8Array.from([2, 1, 0x61, 2, 1, 0x62, 0x63, 0, 254, 1, 0, 0, 0, 0x64, 0, 0, 0xff])
    expect(readZipmap(map)).toEqual(['a', 'bc', 'd', ''])
  })

  it.each([
    ['1', '2'],
    ['-32768', '32767'],
    ['-32769', '5'],
    ['2147483648'],
    ['-9223372036854775808', '9223372036854775807'],
  ])('are read: an intset of %s', (...members) => {
    expect(readIntset(writeIntset(members.map(BigInt)))).toEqual(members)
  })
})

describe('hostile bytes', () => {
  it('are refused as malformed by every reader of compact encodings', () => {
    const random = seededRandom(3)
    const pack = new ListpackWriter()
    for (let i = 0; i < 30; i++) pack.add(anyText(random).slice(0, 30))
    const samples = [pack.take(), writeIntset([1, 2, 70_000]), Uint8Array.from([2, 1, 0x61, 2, 1, 0x62, 0x63, 0, 0xff])]
    let refused = 0
    for (let round = 0; round < 6000; round++) {
      const sample = Uint8Array.from(samples[round % samples.length] as Uint8Array)
      for (let flips = 1 + Math.floor(random.next() * 3); flips > 0; flips--) {
        sample[Math.floor(random.next() * sample.length)] = Math.floor(random.next() * 256)
      }
      const cut = random.next() < 0.3 ? sample.subarray(0, Math.floor(random.next() * sample.length)) : sample
      for (const read of [readListpack, readIntset, readZiplist, readZipmap]) {
        try {
          read(cut)
        } catch (error) {
          if (!(error instanceof MalformedError)) throw error
          refused++
        }
      }
    }
    expect(refused).toBeGreaterThan(15_000)
  })

  it('are refused as corruption as values of every type, and lengths are not believed', () => {
    const random = seededRandom(4)
    for (let type = 0; type < 22; type++) {
      for (let round = 0; round < 300; round++) {
        let given: Uint8Array | undefined = random.bytes(1 + Math.floor(random.next() * 60))
        // Often a length of 32 or 64 bits first, that nothing follows.
        if (round % 3 === 0) given.set([round % 2 === 0 ? 0x80 : 0x81, 0x7f, 0xff].slice(0, given.length))
        const reader = new RdbReader(() => {
          const once = given
          given = undefined
          return once
        }, 'bytes')
        try {
          readValue(reader, type, DEFAULT_ENCODING_LIMITS)
        } catch (error) {
          if (!isCode(error, 'CORRUPTION')) throw error
        }
      }
    }
  })
})
