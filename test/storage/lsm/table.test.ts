import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isCode } from '../../../ts/base/errors.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { hash64 } from '../../../ts/storage/bloom/index.ts'
import { DataBlock, DataBlockBuilder } from '../../../ts/storage/lsm/data-block.ts'
import { type Entry, EntryKind } from '../../../ts/storage/lsm/entry.ts'
import type { RangeTombstone } from '../../../ts/storage/lsm/range-tombstones.ts'
import { openTail } from '../../../ts/storage/lsm/table.ts'
import { RunCursor } from '../../../ts/storage/lsm/table-cursor.ts'
import { type TableInfo, tableName } from '../../../ts/storage/lsm/table-format.ts'
import { TableWriter } from '../../../ts/storage/lsm/table-writer.ts'
import { Tables } from '../../../ts/storage/lsm/tables.ts'
import type { Compression } from '../../../ts/storage/lsm/types.ts'
import { codeOf } from '../../support/errors.ts'
import { mutate } from '../../support/fuzz/mutate.ts'
import { drain, isInside, keys, show, spans, versions } from './support.ts'

const WHOLE = { start: new Uint8Array(0), end: Uint8Array.of(0xff) }

describe('a data block', () => {
  it('finds the place of every key and sequence', () => {
    fc.assert(
      fc.property(versions, keys, fc.integer({ min: 0, max: 31 }), (sorted, key, sequence) => {
        fc.pre(sorted.length > 0)
        const block = blockOf(sorted)
        expect(Array.from({ length: block.count }, (_, i) => show(block.entryAt(i)))).toEqual(sorted.map(show))
        const isBehind = (entry: Entry): boolean => {
          const order = Buffer.compare(entry.key, key)
          return order > 0 || (order === 0 && entry.sequence <= sequence)
        }
        const expected = sorted.findIndex(isBehind)
        expect(block.search(key, sequence)).toBe(expected < 0 ? sorted.length : expected)
      }),
    )
  })

  it('of bytes that nobody wrote gives entries or CORRUPTION', () => {
    const random = seededRandom(3)
    const good = payloadOf(sampleEntries(60))
    let refused = 0
    for (let i = 0; i < 3000; i++) {
      const bytes = i % 10 === 0 ? random.bytes(i % 200) : mutate(good, random)
      refused += refusals(() => {
        const block = new DataBlock(bytes, { path: '/t', offset: 0 })
        block.search(Buffer.from('key 0030'))
        for (let slot = 0; slot < block.count; slot++) block.entryAt(slot)
      })
    }
    expect(refused).toBeGreaterThan(300)
  })
})

describe('a table', () => {
  it('gives back the versions of any span, both ways, through a cache of any size', () => {
    fc.assert(
      fc.property(
        versions,
        spans,
        fc.constantFrom(0, 500, 100_000),
        fc.constantFrom(40, 200),
        fc.constantFrom('none' as const, 'lz4' as const),
        (sorted, span, cacheBytes, blockBytes, compression) => {
          fc.pre(sorted.length > 0)
          const { tables, info } = tableOf(sorted, [], { cacheBytes, blockBytes, compression })
          const expected = sorted.filter(({ key }) => isInside(key, span)).map(show)
          expect(drain(new RunCursor(tables, [info], { ...span, reverse: false }))).toEqual(expected)
          expect(drain(new RunCursor(tables, [info], { ...span, reverse: true }))).toEqual(expected.toReversed())
          tables.close()
        },
      ),
    )
  })

  it('that is packed takes less room, and the damage of a block is still named', () => {
    const sorted = sampleEntries(300)
    const { disk, info } = tableOf(sorted, [], { compression: 'lz4' })
    expect(info.dataBytes).toBeLessThan(0.7 * tableOf(sorted, []).info.dataBytes)
    const image = disk.currentImage()
    image.flipBit(`/${tableName(7)}`, 500, 3)
    const tables = new Tables({ disk: new SimulatedDisk({ image }), path: '/', cacheBytes: 0, maxOpenFiles: 1 })
    expect(() => drain(new RunCursor(tables, [info], { ...WHOLE, reverse: false }))).toThrow(
      /block at offset \d+ is dam/,
    )
    tables.close()
  })

  it('knows what it holds', () => {
    const sorted = sampleEntries(300)
    const tombstones = [{ start: Buffer.from('a'), end: Buffer.from('b'), sequence: 77 }]
    const { tables, info } = tableOf(sorted, tombstones)
    const meta = tables.meta(info)
    expect(meta.tombstones.list).toEqual(
      tombstones.map((each) => ({ ...each, start: bytesOf('a'), end: bytesOf('b') })),
    )
    expect(sorted.every(({ key }) => meta.filter?.mayHold(hash64(key)))).toBe(true)
    expect(meta.index.handles.length).toBeGreaterThan(10)
    expect(info).toMatchObject({
      start: bytesOf('a'),
      entryCount: 300,
      tombstoneCount: sorted.filter(({ kind }) => kind === EntryKind.delete).length,
      rangeTombstoneCount: 1,
      minSequence: 1,
      maxSequence: 300,
    })
    const { number, id, fileBytes, dataBytes, sequence, ...properties } = info
    expect(meta.properties).toEqual(properties)
    expect([number, id.length, fileBytes > dataBytes, sequence]).toEqual([7, 16, true, 0])
    tables.close()
  })

  it('of range tombstones alone is a table too', () => {
    const { tables, info } = tableOf([], [{ start: Buffer.from('a'), end: Buffer.from('z'), sequence: 5 }])
    expect(drain(new RunCursor(tables, [info], { ...WHOLE, reverse: true }))).toEqual([])
    expect(tables.meta(info).tombstones.covering(Buffer.from('m'), 9)).toBe(5)
    tables.close()
  })

  it('of nothing is none', () => {
    const disk = new SimulatedDisk()
    const file = disk.open('/none', 'create')
    const writer = new TableWriter(
      file,
      { number: 1, id: new Uint8Array(16), createdAtMs: 0 },
      { blockBytes: 256, bitsPerKey: 10, compression: 'none' },
    )
    expect([writer.finish([]), file.size()]).toEqual([undefined, 0])
    file.close()
  })

  it('with one damaged block names file and offset, and the other blocks are still read', () => {
    const sorted = sampleEntries(300)
    const { disk, info } = tableOf(sorted, [])
    const image = disk.currentImage()
    image.flipBit(`/${tableName(7)}`, 1000, 3)
    const tables = new Tables({ disk: new SimulatedDisk({ image }), path: '/', cacheBytes: 0, maxOpenFiles: 1 })
    const outcomes = sorted.map(({ key }) => {
      const cursor = new RunCursor(tables, [info], {
        start: key,
        end: Buffer.concat([key, Buffer.of(0)]),
        reverse: false,
      })
      try {
        return drain(cursor).length
      } catch (error) {
        if (!isCode(error, 'CORRUPTION')) throw error
        return (error as Error).message
      }
    })
    const texts = new Set(outcomes.filter((outcome) => typeof outcome === 'string'))
    expect([...texts]).toEqual([expect.stringMatching(/^\/000007\.sst: the block at offset \d+ is damaged/)])
    expect(outcomes.filter((outcome) => outcome === 1).length).toBeGreaterThan(250)
    tables.close()
  })

  it('takes no block for another one, of its own or of another table', () => {
    const sorted = sampleEntries(300)
    const { disk, info } = tableOf(sorted, [])
    const path = `/${tableName(7)}`
    const image = disk.currentImage()
    const bytes = image.read(path)
    const { handles } = metaOf(bytes, info).index
    const first = handles.find(({ length }, i) => handles.findLastIndex((other) => other.length === length) > i)
    const second = handles.findLast(({ length }) => length === first?.length)
    expect(second).toBeDefined()
    image.write(path, bytes.subarray(second?.offset, (second?.offset ?? 0) + (second?.length ?? 0)), first?.offset ?? 0)
    const tables = new Tables({ disk: new SimulatedDisk({ image }), path: '/', cacheBytes: 0, maxOpenFiles: 1 })
    expect(codeOf(() => drain(new RunCursor(tables, [info], { ...WHOLE, reverse: false })))).toBe('CORRUPTION')
    tables.close()
  })

  it('of bytes that nobody wrote gives CORRUPTION or INCOMPATIBLE, or what was written', () => {
    const random = seededRandom(5)
    const { disk, info } = tableOf(sampleEntries(120), [
      { start: Buffer.from('a'), end: Buffer.from('b'), sequence: 9 },
    ])
    const tail = disk
      .currentImage()
      .read(`/${tableName(7)}`)
      .subarray(info.dataBytes)
    let refused = 0
    for (let i = 0; i < 2000; i++) refused += refusals(() => openTail(mutate(tail, random), info, '/t'))
    expect(refused).toBeGreaterThan(1500)
    // With the checksums away, only what the bytes say is between them and a wrong answer.
    for (let i = 0; i < 2000; i++) {
      const mutant = { without: 'block checksum' as const, applied: 0 }
      refusals(() => openTail(mutate(tail, random), info, '/t', mutant))
    }
  })
})

function refusals(work: () => void): number {
  try {
    work()
    return 0
  } catch (error) {
    if (isCode(error, 'CORRUPTION') || isCode(error, 'INCOMPATIBLE')) return 1
    throw error
  }
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text))
}

function sampleEntries(count: number): Entry[] {
  return Array.from({ length: count }, (_, i): Entry => {
    const kind = i % 7 === 3 ? EntryKind.delete : EntryKind.put
    const value = kind === EntryKind.put ? Buffer.from(`value of number ${i}`) : new Uint8Array(0)
    return { key: Buffer.from(`key ${String(i).padStart(4, '0')}`), sequence: 1 + ((i * 37) % count), kind, value }
  })
}

function payloadOf(sorted: readonly Entry[]): Uint8Array {
  const builder = new DataBlockBuilder(4096)
  for (const entry of sorted) builder.add(entry)
  return builder.finish()
}

function blockOf(sorted: readonly Entry[]): DataBlock {
  return new DataBlock(payloadOf(sorted), { path: '/t', offset: 0 })
}

function tableOf(
  sorted: readonly Entry[],
  tombstones: readonly RangeTombstone[],
  { cacheBytes = 10_000, blockBytes = 256, compression = 'none' as Compression } = {},
): { disk: SimulatedDisk; tables: Tables; info: TableInfo } {
  const disk = new SimulatedDisk()
  const file = disk.open(`/${tableName(7)}`, 'create')
  const identity = { number: 7, id: seededRandom(1).bytes(16), createdAtMs: 1234 }
  const writer = new TableWriter(file, identity, { blockBytes, bitsPerKey: 10, compression })
  for (const entry of sorted) writer.add(entry)
  const info = writer.finish(tombstones) as TableInfo
  file.close()
  return { disk, info, tables: new Tables({ disk, path: '/', cacheBytes, maxOpenFiles: 1 }) }
}

function metaOf(bytes: Uint8Array, info: TableInfo): ReturnType<typeof openTail> {
  return openTail(bytes.subarray(info.dataBytes), info, '/t')
}
