// A store that has some of everything that can be on disk, to be damaged.
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { META_BYTES } from '../../../ts/storage/btree/meta.ts'
import { crc32c } from '../../../ts/storage/crc32c/index.ts'
import { checksumSeed, FRAME_HEADER_BYTES } from '../../../ts/storage/log/frame.ts'
import { DATA, readMetas } from '../btree-crash/metas.ts'
import { openStore, SMALL, STORE_PATH, type StoreSettings } from '../btree-crash/store.ts'
import { type LogSample, makeLogSample } from './append-log-sample.ts'
import { type LsmSample, makeLsmSample } from './lsm-sample.ts'

export const SETTINGS: StoreSettings = { ...SMALL, checkpointLogBytes: 1024 * 1024 }

/** A store as it may lie on a disk. */
export interface Sample {
  image: DiskImage
  pageSizeBytes: number
  pageCount: number
  uuid: Uint8Array
  /** Paths of the segments of its log. */
  segments: readonly string[]
  /** An append log beside it. */
  log: LogSample
  /** And an LSM store. */
  lsm: LsmSample
}

/** Two trees of several levels, long values, free pages, and a log with records behind the last checkpoint. */
export async function makeSample(): Promise<Sample> {
  const disk = new SimulatedDisk()
  const { store } = await openStore(disk, SETTINGS, { create: true })
  for (let i = 0; i < 200; i++) void store.put(`key-${i}`, `${i}`.repeat(1 + (i % 30)))
  for (let i = 0; i < 60; i++) void store.tree('other').put(`${i}`.repeat(i % 30), 'v'.repeat(i))
  for (let i = 0; i < 6; i++) void store.put(`long-${i}`, `${i}`.repeat(1500 + i))
  await store.checkpoint()
  void store.clear({ gte: 'key-1', lt: 'key-15' })
  for (let i = 0; i < 5; i++) await store.batch([{ type: 'put', key: `key-${i}`, value: 'again' }])
  await store.checkpoint()
  await store.put('long-2', 'x'.repeat(2000))
  await store.batch([
    { type: 'delete', key: 'key-3' },
    { type: 'put', key: 'new', value: 'tree', tree: 'third' },
  ])
  await store.clear({ gt: 'key-2', lte: 'key-21' })
  await store.dropTree('third')
  const image = disk.currentImage()
  await store.close()

  const [meta] = readMetas(image, SETTINGS.pageSizeBytes)
  if (meta === undefined) throw new Error('the sample has no meta')
  return {
    image,
    pageSizeBytes: SETTINGS.pageSizeBytes,
    pageCount: Math.floor(image.size(DATA) / SETTINGS.pageSizeBytes),
    uuid: meta.meta.uuid,
    log: await makeLogSample(),
    lsm: await makeLsmSample(),
    segments: disk.list(STORE_PATH).flatMap((name) => (/^log-\d+$/.test(name) ? [`${STORE_PATH}/${name}`] : [])),
  }
}

/** Where a page of the sample is. */
export function pageAt(sample: Sample, number: number): Uint8Array {
  const offset = number * sample.pageSizeBytes
  return sample.image.read(DATA).subarray(offset, offset + sample.pageSizeBytes)
}

/** Gives a page (or with `isMeta` a meta block) the checksum of what it holds. */
export function sealPage(bytes: Uint8Array, isMeta = false): void {
  if (bytes.length < 4) return
  setU32(bytes, 0, crc32c(bytes.subarray(4, isMeta ? META_BYTES : bytes.length)))
}

/** The same for the header of a segment. */
export function sealSegmentHeader(bytes: Uint8Array): void {
  if (bytes.length >= 8) setU32(bytes, 4, crc32c(bytes.subarray(8, 4096)))
}

/** The same for the frame that begins at `offset`. */
export function sealFrame(bytes: Uint8Array, offset: number, uuid: Uint8Array): void {
  if (offset + FRAME_HEADER_BYTES > bytes.length) return
  const payload = bytes.subarray(offset + FRAME_HEADER_BYTES)
  const payloadBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset + 12, true)
  setU32(bytes, offset + 8, crc32c(payload.subarray(0, payloadBytes)))
  setU32(bytes, offset + 4, crc32c(bytes.subarray(offset + 8, offset + FRAME_HEADER_BYTES), checksumSeed(uuid)))
}

/** Where frames begin in a segment that is whole. */
export function frameOffsets(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const offsets: number[] = []
  for (let at = 4096; at + FRAME_HEADER_BYTES <= bytes.length; at += 64) {
    if (view.getUint32(at, true) === 0x464c5042) offsets.push(at)
  }
  return offsets
}

function setU32(bytes: Uint8Array, offset: number, value: number): void {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(offset, value, true)
}
