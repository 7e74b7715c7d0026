import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadNative } from '../../ts/native/loader.ts'
import { crc32c } from '../../ts/storage/crc32c/index.ts'
import { crc32cPortable } from '../../ts/storage/crc32c/portable.ts'
import { codeOf } from '../support/errors.ts'

type Crc32c = (bytes: Uint8Array, initial: number) => number

// Without a native core the first two are what there is to test.
const addon = loadNative()
const engines: [string, Crc32c][] = [
  ['the public function', crc32c],
  ['the twin', crc32cPortable],
  ...(addon === undefined ? [] : ([['the native core', addon.crc32c]] as [string, Crc32c][])),
]

/** A SCSI Read (10) command PDU: the last vector of RFC 3720, B.4. */
const SCSI_READ = Uint8Array.from({ length: 48 }, (_, i) => {
  const set: Record<number, number> = { 0: 0x01, 1: 0xc0, 16: 0x14, 22: 0x04, 27: 0x14, 31: 0x18, 32: 0x28, 40: 0x02 }
  return set[i] ?? 0
})

describe.each(engines)('CRC-32C by %s', (_, engine) => {
  it('gives the vectors of RFC 3720, appendix B.4', () => {
    expect(engine(new Uint8Array(32), 0)).toBe(0x8a9136aa)
    expect(engine(new Uint8Array(32).fill(0xff), 0)).toBe(0x62a8ab43)
    expect(
      engine(
        Uint8Array.from({ length: 32 }, (_, i) => i),
        0,
      ),
    ).toBe(0x46dd794e)
    expect(
      engine(
        Uint8Array.from({ length: 32 }, (_, i) => 31 - i),
        0,
      ),
    ).toBe(0x113fdb5c)
    expect(engine(SCSI_READ, 0)).toBe(0xd9963a56)
  })

  it('gives the check value of the CRC catalogue', () => {
    expect(engine(new TextEncoder().encode('123456789'), 0)).toBe(0xe3069283)
  })

  it('leaves the CRC as it is for no bytes', () => {
    expect(engine(new Uint8Array(0), 0)).toBe(0)
    expect(engine(new Uint8Array(0), 0xfedcba98)).toBe(0xfedcba98)
  })

  it('equals the twin on any bytes, alignment and initial value', () => {
    const anything = fc.tuple(
      fc.uint8Array({ maxLength: 20_000, size: 'max' }),
      fc.nat(8),
      fc.integer({ min: 0, max: 0xffffffff }),
    )
    fc.assert(
      fc.property(anything, ([bytes, offset, initial]) => {
        const part = bytes.subarray(Math.min(offset, bytes.length))
        expect(engine(part, initial)).toBe(crc32cPortable(part, initial))
      }),
    )
  })

  it('equals the twin at every length up to 300 bytes and every alignment', () => {
    const bytes = Uint8Array.from({ length: 320 }, (_, i) => (i * 167) ^ (i >> 3))
    for (let offset = 0; offset < 16; offset++) {
      for (let length = 0; length <= 300; length++) {
        const part = bytes.subarray(offset, offset + length)
        if (engine(part, 1) !== crc32cPortable(part, 1)) expect.fail(`differs at ${offset}, length ${length}`)
      }
    }
  })

  it('continues where it stopped at any split', () => {
    const splitBytes = fc
      .uint8Array({ maxLength: 10_000, size: 'max' })
      .chain((bytes) => fc.tuple(fc.constant(bytes), fc.nat(bytes.length)))
    fc.assert(
      fc.property(splitBytes, ([bytes, split]) => {
        const head = engine(bytes.subarray(0, split), 0)
        expect(engine(bytes.subarray(split), head)).toBe(crc32cPortable(bytes))
      }),
    )
  })

  it('reads shared and pooled memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(500), 100, 300).fill(7)
    const own = new Uint8Array(300).fill(7)
    expect(engine(shared, 0)).toBe(engine(own, 0))
    expect(engine(Buffer.from(own), 0)).toBe(engine(own, 0))
  })

  it('takes bytes whose buffer was transferred away for no bytes', () => {
    const bytes = new Uint8Array(1000)
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    expect(engine(bytes, 5)).toBe(5)
  })
})

describe('crc32c', () => {
  it('starts from 0 if nothing else is said', () => {
    expect(crc32c(new Uint8Array(100).fill(1))).toBe(crc32cPortable(new Uint8Array(100).fill(1), 0))
  })

  it.each([['text'], [[1, 2, 3]], [new Uint16Array(40)], [undefined], [new ArrayBuffer(8)]])(
    'refuses %o, which is no Uint8Array',
    (input) => {
      expect(codeOf(() => crc32c(input as unknown as Uint8Array))).toBe('INVALID_INPUT')
    },
  )

  it.each([-1, 0.5, 2 ** 32, Number.NaN])('refuses to continue from %d', (initial) => {
    expect(codeOf(() => crc32c(new Uint8Array(1), initial))).toBe('INVALID_INPUT')
  })
})
