// An LSM store that has some of everything that can be on disk, to be damaged.
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { crc32c } from '../../../ts/storage/crc32c/index.ts'
import { BLOCK_HEADER_BYTES, tableSeed } from '../../../ts/storage/lsm/block.ts'
import { decodeManifest, type Manifest } from '../../../ts/storage/lsm/manifest.ts'
import { type TableInfo, tableName } from '../../../ts/storage/lsm/table-format.ts'
import { openStore, SMALL, STORE_PATH, type StoreSettings } from '../lsm-crash/store.ts'

export const LSM_SETTINGS: StoreSettings = {
  ...SMALL,
  shape: { blockBytes: 512, bitsPerKey: 10, compression: 'lz4' },
  memtableBytes: 16_384,
  memoryBytes: 100_000,
  tableBytes: 4096,
  levelBytes: 8192,
}

/** A store as it may lie on a disk. */
export interface LsmSample {
  image: DiskImage
  manifest: Manifest
  tables: readonly { path: string; info: TableInfo }[]
  /** Paths of the segments of its log. */
  segments: readonly string[]
}

/** Tables on two levels and of an ingestion, with every kind of version, and a log behind them. */
export async function makeLsmSample(): Promise<LsmSample> {
  const disk = new SimulatedDisk()
  const { store } = await openStore(disk, LSM_SETTINGS, { create: true })
  for (let i = 0; i < 300; i++) void store.put(`key-${i}`, `${i}`.repeat(1 + (i % 30)))
  for (let i = 0; i < 60; i++) void store.tree('other').put(`${i}`.repeat(1 + (i % 30)), 'v'.repeat(i))
  await store.compact()
  for (let i = 0; i < 100; i += 2) void store.delete(`key-${i}`)
  for (let i = 0; i < 40; i++) void store.increment(`count-${i % 10}`, i)
  for (let i = 0; i < 40; i++) void store.append(`key-${i}`, 'more')
  void store.clear({ gte: 'key-1', lt: 'key-15' })
  void store.put('long', 'x'.repeat(3000))
  await store.flush()
  await store.ingest(Array.from({ length: 50 }, (_, i) => [`loaded-${i + 100}`, `value ${i}`]))
  await store.batch([
    { type: 'put', key: 'new', value: 'tree', tree: 'third' },
    { type: 'increment', key: 'count-1', by: 7 },
    { type: 'append', key: 'key-2', value: 'x' },
  ])
  await store.clear({ gt: 'key-2', lte: 'key-21' })
  await store.dropTree('third')
  const image = disk.currentImage()
  await store.close()
  const manifest = decodeManifest(image.read(`${STORE_PATH}/manifest`), 'the sample')
  const tables = manifest.version.tables.map((info) => ({ path: `${STORE_PATH}/${tableName(info.number)}`, info }))
  const segments = image.files().filter((path) => /\/log-\d+$/.test(path))
  return { image, manifest, tables, segments }
}

/** Gives a manifest, or the footer of a table, the checksum of what it holds. */
export function sealWhole(bytes: Uint8Array): void {
  if (bytes.length >= 4) new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, crc32c(bytes.subarray(4)), true)
}

/** The same for a block of that table and place. */
export function sealBlockAt(block: Uint8Array, id: Uint8Array, offset: number): void {
  if (block.length < BLOCK_HEADER_BYTES) return
  const place = new Uint8Array(8)
  new DataView(place.buffer).setUint32(0, offset, true)
  const checksum = crc32c(block.subarray(4), crc32c(place, tableSeed(id)))
  new DataView(block.buffer, block.byteOffset).setUint32(0, checksum, true)
}
