// The small files of an append log, byte by byte as docs/formats/log.md says.
import { describe, expect, it } from 'vitest'
import { decodeStart, encodeStart } from '../../../ts/storage/append-log/start.ts'
import { decodeWatermark, encodeWatermark } from '../../../ts/storage/append-log/watermark.ts'
import { crc32c } from '../../../ts/storage/crc32c/index.ts'
import { bytesOf, LOG_PATH, LogBed } from '../../support/append-log.ts'

const UUID = Uint8Array.from({ length: 16 }, (_, i) => i + 1)

describe('start', () => {
  it('has its fields where the document says', () => {
    const bytes = encodeStart({ uuid: UUID, firstOffset: 2 ** 40 + 5 })
    const view = new DataView(bytes.buffer)
    expect(Buffer.from(bytes.subarray(0, 4)).toString()).toBe('BPLA')
    expect(view.getUint32(4, true)).toBe(crc32c(bytes.subarray(8)))
    expect([view.getUint32(8, true), view.getBigUint64(16, true)]).toEqual([1, 2n ** 40n + 5n])
    expect(bytes.subarray(32, 48)).toEqual(UUID)
    expect(decodeStart(bytes)).toEqual({ kind: 'ok', start: { uuid: UUID, firstOffset: 2 ** 40 + 5 } })
  })

  it('is believed only if it is whole and not too new', () => {
    const valid = encodeStart({ uuid: UUID, firstOffset: 5 })
    for (let bit = 0; bit < valid.length * 8; bit++) {
      const bytes = Uint8Array.from(valid)
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(decodeStart(bytes)).toEqual({ kind: 'damaged' })
    }
    expect(decodeStart(valid.subarray(0, 63))).toEqual({ kind: 'damaged' })
    const newer = Uint8Array.from(valid)
    newer[8] = 2
    new DataView(newer.buffer).setUint32(4, crc32c(newer.subarray(8)), true)
    expect(decodeStart(newer)).toEqual({ kind: 'newer', version: 2 })
  })
})

describe('readable', () => {
  const watermark = { generation: 3, segment: 7, firstOffset: 10, durableOffset: 20, readableOffset: 30 }

  it('has its fields where the document says', () => {
    const bytes = new Uint8Array(64)
    encodeWatermark(bytes, watermark, 99)
    const view = new DataView(bytes.buffer)
    expect(Buffer.from(bytes.subarray(0, 4)).toString()).toBe('BPLR')
    expect([8, 16, 24, 32, 40].map((at) => Number(view.getBigUint64(at, true)))).toEqual([3, 7, 10, 20, 30])
    expect(decodeWatermark(bytes, 99)).toEqual(watermark)
    expect(decodeWatermark(bytes, 98)).toBeUndefined() // of another log
    expect(decodeWatermark(bytes.subarray(1), 99)).toBeUndefined()
  })
})

it('segments and frames bear times, in bytes that are 0 in the log of a store', async () => {
  const bed = new LogBed()
  const startMs = bed.clock.now()
  const log = await bed.open()
  await log.append(bytesOf('a'))
  bed.clock.advance(1234)
  await log.append(bytesOf('b'))
  log.abandon()
  const file = bed.disk.open(`${LOG_PATH}/${bed.segments.at(-1)}`, 'read')
  const bytes = new Uint8Array(3 * 4096)
  file.read(bytes, 0)
  file.close()
  const view = new DataView(bytes.buffer)
  expect(view.getBigUint64(64, true)).toBe(BigInt(startMs))
  expect([view.getUint32(4096 + 20, true), view.getUint32(8192 + 20, true)]).toEqual([0, 1234])
})
