import { describe, expect, it } from 'vitest'
import { isCode } from '../../../ts/base/errors.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { catalogueOf } from '../../../ts/storage/lsm/catalogue.ts'
import { decodeManifest, encodeManifest, type Manifest } from '../../../ts/storage/lsm/manifest.ts'
import type { TableInfo } from '../../../ts/storage/lsm/table-format.ts'
import { Version } from '../../../ts/storage/lsm/version.ts'
import { codeOf } from '../../support/errors.ts'
import { mutate } from '../../support/fuzz/mutate.ts'

describe('a manifest', () => {
  it('gives back what was written', () => {
    expect(decodeManifest(encodeManifest(SAMPLE), '/manifest')).toEqual(SAMPLE)
  })

  it('takes a hundred bytes a table', () => {
    const many = Array.from({ length: 320 }, (_, i) => ({
      level: 1,
      table: table(i, `key ${String(i).padStart(9, '0')}`),
    }))
    const version = Version.empty.with({ removed: new Set(), added: many })
    expect(encodeManifest({ ...SAMPLE, nextNumber: 1000, version }).length / 320).toBeLessThan(130)
  })

  it('of a later version is refused, also if the rest is as it should be', () => {
    const bytes = encodeManifest(SAMPLE)
    bytes[8] = 2
    expect(codeOf(() => decodeManifest(bytes, '/manifest'))).toBe('CORRUPTION')
    const mutant = { without: 'manifest checksum' as const, applied: 0 }
    expect(codeOf(() => decodeManifest(bytes, '/manifest', mutant))).toBe('INCOMPATIBLE')
  })

  it('of bytes that nobody wrote is CORRUPTION or INCOMPATIBLE, checksums or not', () => {
    const random = seededRandom(8)
    const good = encodeManifest(SAMPLE)
    let refused = 0
    for (let i = 0; i < 4000; i++) {
      const mutant = { without: 'manifest checksum' as const, applied: 0 }
      try {
        const found = decodeManifest(mutate(good, random), '/manifest', i % 2 === 0 ? undefined : mutant)
        for (const { number, fileBytes, dataBytes } of found.version.tables)
          expect([number < found.nextNumber, dataBytes < fileBytes]).toEqual([true, true])
      } catch (error) {
        if (!isCode(error, 'CORRUPTION') && !isCode(error, 'INCOMPATIBLE')) throw error
        refused++
      }
    }
    expect(refused).toBeGreaterThan(2000)
  })
})

function table(number: number, start: string): TableInfo {
  return {
    number,
    id: seededRandom(number).bytes(16),
    fileBytes: 5000 + number,
    dataBytes: 4000,
    sequence: 0,
    start: Uint8Array.from(Buffer.from(start)),
    end: Uint8Array.from(Buffer.from(`${start}~`)),
    entryCount: 40,
    tombstoneCount: 3,
    rangeTombstoneCount: 2,
    minSequence: 10 * number,
    maxSequence: 10 * number + 9,
    contentBytes: 3000,
    createdAtMs: 1_764_000_000_000,
  }
}

const SAMPLE: Manifest = {
  uuid: seededRandom(1).bytes(16),
  position: 2 ** 40 + 5,
  nextNumber: 12,
  shape: { blockBytes: 8192, bitsPerKey: 10, compression: 'lz4' },
  plan: { style: 'fifo', ttlMs: 3_600_000, maxBytes: 2 ** 40 },
  catalogue: catalogueOf(
    new Map([
      ['', 1],
      ['café', 7],
    ]),
    9,
  ),
  version: Version.empty.with({
    removed: new Set(),
    added: [
      { level: 0, table: table(11, 'm') },
      { level: 0, table: table(9, 'a') },
      { level: 2, table: table(3, 'b') },
      { level: 2, table: table(4, 'c') },
      { level: 2, table: { ...table(5, 'd'), sequence: 77, minSequence: 77, maxSequence: 77 } },
    ],
  }),
}
