// What reads an LSM store from disk, given bytes that nobody wrote.
import { isCode } from '../../../ts/base/errors.ts'
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { BloomFilter } from '../../../ts/storage/bloom/index.ts'
import { BLOCK_HEADER_BYTES, type BlockHandle, BlockType, openBlock, tableSeed } from '../../../ts/storage/lsm/block.ts'
import { DataBlock } from '../../../ts/storage/lsm/data-block.ts'
import { decodeManifest } from '../../../ts/storage/lsm/manifest.ts'
import { repairStore } from '../../../ts/storage/lsm/repair.ts'
import { openTail } from '../../../ts/storage/lsm/table.ts'
import { decodeFooter, FOOTER_BYTES } from '../../../ts/storage/lsm/table-format.ts'
import { packLz4, unpackLz4 } from '../../../ts/storage/lz4.ts'
import { must } from '../btree-crash/expectation.ts'
import { ManualClock } from '../btree-crash/store.ts'
import { below, pick } from '../btree-crash/workload.ts'
import { openStore, STORE_PATH } from '../lsm-crash/store.ts'
import { LSM_SETTINGS, type LsmSample, sealBlockAt, sealWhole } from './lsm-sample.ts'
import { mutate, mutateInPlace } from './mutate.ts'
import { frameOffsets, sealFrame } from './sample.ts'

const MANIFEST = `${STORE_PATH}/manifest`
const SEALED_CHANCE = 0.7
const MOST_ENTRIES = 20_000
const TEXT = Buffer.from(Array.from({ length: 60 }, (_, i) => `key-${i}=${i * i};`).join(''))

export function fuzzManifest({ image }: LsmSample, random: Random): void {
  const { version, nextNumber } = decodeManifest(changed(image.read(MANIFEST), random, sealWhole), MANIFEST)
  for (const { number, dataBytes, fileBytes } of version.tables)
    must(number < nextNumber && dataBytes < fileBytes, 'a table that cannot be')
}

/** A block of data, packed or not: all that can be asked of it. */
export function fuzzDataBlock(sample: LsmSample, random: Random): void {
  const { info, bytes, handles } = anyTable(sample, random)
  const { offset, length } = pick(random, handles)
  const block = changed(bytes.subarray(offset, offset + length), random, (own) => sealBlockAt(own, info.id, offset))
  const payload = openBlock(BlockType.data, block, { seed: tableSeed(info.id), path: '/t' }, offset)
  const data = new DataBlock(payload, { path: '/t', offset })
  for (let slot = 0; slot < data.count; slot++) {
    const { key, value } = data.entryAt(slot)
    must(key.length <= 2052 && value.length <= payload.length, 'an entry that leaves its block')
  }
  const found = data.search(random.bytes(below(random, 20)))
  must(found >= 0 && found <= data.count, `a search led to entry ${found} of ${data.count}`)
}

/** What is behind the data: footer, filter, index, range tombstones, properties. */
export function fuzzTableTail(sample: LsmSample, random: Random): void {
  const { info, bytes } = anyTable(sample, random)
  const tail = bytes.slice(info.dataBytes)
  if (random.next() < 0.3) {
    const footer = mutateInPlace(tail.subarray(-FOOTER_BYTES), random)
    if (random.next() < SEALED_CHANCE) sealWhole(footer)
    tail.set(footer, tail.length - FOOTER_BYTES)
  } else {
    const { filter, index, tombstones, properties } = decodeFooter(tail.subarray(-FOOTER_BYTES), '/t', info.fileBytes)
    const { offset, length } = pick(random, [filter, index, index, tombstones, properties])
    const block = mutateInPlace(tail.subarray(offset - info.dataBytes, offset - info.dataBytes + length), random)
    if (random.next() < SEALED_CHANCE) sealBlockAt(block, info.id, offset)
    tail.set(block, offset - info.dataBytes)
  }
  const meta = openTail(tail, info, '/t')
  const found = meta.index.find(random.bytes(below(random, 20)))
  must(found >= 0 && found <= meta.index.handles.length, 'a search that leaves the index')
  for (const { offset, length } of meta.index.handles)
    must(offset + length <= info.dataBytes && length >= BLOCK_HEADER_BYTES, 'a block that is not in the data')
  meta.tombstones.covering(random.bytes(8), 2 ** 47)
  meta.filter?.mayHold({ high: below(random, 2 ** 32), low: below(random, 2 ** 32) })
}

export function fuzzBloom(sample: LsmSample, random: Random): void {
  const { info, bytes } = anyTable(sample, random)
  const { filter } = decodeFooter(bytes.subarray(-FOOTER_BYTES), '/t', info.fileBytes)
  const payload = bytes.subarray(filter.offset + BLOCK_HEADER_BYTES, filter.offset + filter.length)
  const bloom = new BloomFilter(
    changed(payload, random, () => {}),
    'a filter',
  )
  for (let i = 0; i < 10; i++) bloom.mayHold({ high: below(random, 2 ** 32), low: below(random, 2 ** 32) })
}

export function fuzzLz4(_sample: LsmSample, random: Random): void {
  const source = TEXT.subarray(below(random, 100), TEXT.length - below(random, 100))
  const packed = packLz4(source, 2 * source.length) as Uint8Array
  const rawLength = random.next() < 0.5 ? source.length : below(random, 4000)
  const unpacked = unpackLz4(
    changed(packed, random, () => {}),
    rawLength,
  )
  must(unpacked === undefined || unpacked.length === rawLength, 'a block that came to another length')
}

export async function fuzzLsmRead(sample: LsmSample, random: Random): Promise<void> {
  const disk = new SimulatedDisk({ image: damagedStore(sample, random) })
  try {
    const { store } = await openStore(disk, LSM_SETTINGS, { readOnly: true })
    try {
      const { problems } = await store.verify()
      must(problems.length <= 100, 'too long a list of problems')
      store.stats()
      for (const name of ['', ...store.treeNames().slice(0, 5)]) {
        const tree = name === '' ? store : store.tree(name)
        await tolerantly(async () => {
          let count = 0
          for await (const _ of tree.range({ limit: MOST_ENTRIES, reverse: random.next() < 0.5 })) count++
          must(count < MOST_ENTRIES, 'a walk without end')
        })
      }
      for (let i = 0; i < 20; i++) await tolerantly(async () => void store.get(`key-${below(random, 300)}`))
    } finally {
      await store.close()
    }
  } finally {
    must(disk.openHandles + disk.heldLocks === 0, 'files were left open')
  }
}

export async function fuzzLsmWritten(sample: LsmSample, random: Random): Promise<void> {
  const disk = new SimulatedDisk({ image: damagedStore(sample, random) })
  try {
    const { store } = await openStore(disk, LSM_SETTINGS)
    try {
      for (let i = 0; i < 100; i++) void store.put(`key-${below(random, 300)}`, 'y'.repeat(i))
      void store.clear({ gte: 'key-4', lt: 'key-5' })
      void store.increment('count-1')
      await tolerantly(() => store.flush())
      await tolerantly(() => store.compact())
      must(store.get('count-1') !== undefined, 'what was written is not there')
    } finally {
      await store.close()
    }
  } finally {
    must(disk.openHandles + disk.heldLocks === 0, 'files were left open')
  }
}

/** After it the store opens, unless what was made up was believed by its checksum. */
export async function fuzzLsmRepair(sample: LsmSample, random: Random): Promise<void> {
  const disk = new SimulatedDisk({ image: damagedStore(sample, random) })
  const { shape, plan, tableBytes } = LSM_SETTINGS
  const outside = { disk, clock: new ManualClock(), random: seededRandom(below(random, 1e9)) }
  try {
    await repairStore({ ...outside, path: STORE_PATH, defaults: { shape, plan }, tableBytes })
    const { store } = await openStore(disk, LSM_SETTINGS)
    try {
      let count = 0
      for (const _ of store.range({ limit: MOST_ENTRIES })) count++
      must(count < MOST_ENTRIES, 'a walk without end')
    } finally {
      await store.close()
    }
  } finally {
    must(disk.openHandles + disk.heldLocks === 0, 'files were left open')
  }
}

function anyTable(
  { image, tables }: LsmSample,
  random: Random,
): { info: LsmSample['tables'][number]['info']; bytes: Uint8Array; handles: readonly BlockHandle[] } {
  const { path, info } = pick(random, tables)
  const bytes = image.read(path)
  return { info, bytes, handles: openTail(bytes.subarray(info.dataBytes), info, path).index.handles }
}

/** The sample with something changed in one or two of its files, with matching checksums more often than not. */
function damagedStore(sample: LsmSample, random: Random): DiskImage {
  const image = sample.image.clone()
  for (let i = 1 + below(random, 2); i > 0; i--) {
    const shape = random.next()
    if (shape < 0.2) replace(image, MANIFEST, changed(image.read(MANIFEST), random, sealWhole))
    else if (shape < 0.8) damageTable(image, sample, random)
    else damageLog(image, sample, random)
  }
  return image
}

function damageTable(image: DiskImage, sample: LsmSample, random: Random): void {
  const { path, info } = pick(random, sample.tables)
  const bytes = sample.image.read(path)
  const shape = random.next()
  if (shape < 0.1) {
    replace(image, path, mutate(bytes, random))
    return
  }
  const footer = decodeFooter(bytes.subarray(-FOOTER_BYTES), path, info.fileBytes)
  const { handles } = openTail(bytes.subarray(info.dataBytes), info, path).index
  const { offset, length } = pick(random, [
    ...handles,
    footer.index,
    footer.index,
    footer.tombstones,
    footer.properties,
    footer.filter,
  ])
  const block = mutateInPlace(bytes.subarray(offset, offset + length), random)
  if (random.next() < SEALED_CHANCE) sealBlockAt(block, info.id, offset)
  image.write(path, block, offset)
}

function damageLog(image: DiskImage, { segments, manifest }: LsmSample, random: Random): void {
  const path = pick(random, segments)
  const bytes = image.read(path)
  const offsets = frameOffsets(bytes)
  if (offsets.length === 0) return
  const offset = pick(random, offsets)
  const end = offset + 64 + new DataView(bytes.buffer).getUint32(offset + 12, true)
  bytes.set(mutateInPlace(bytes.subarray(offset + 64, end), random), offset + 64)
  if (random.next() < SEALED_CHANCE) sealFrame(bytes, offset, manifest.uuid)
  image.write(path, bytes, 0)
}

/** Random bytes now and then, else what was written, changed. */
function changed(valid: Uint8Array, random: Random, seal: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = random.next() < 0.1 ? random.bytes(below(random, valid.length + 1)) : mutate(valid, random)
  if (random.next() < SEALED_CHANCE) seal(bytes)
  return bytes
}

function replace(image: DiskImage, path: string, bytes: Uint8Array): void {
  image.truncate(path, 0)
  image.write(path, bytes, 0)
}

async function tolerantly(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isCode(error, 'CORRUPTION') && !isCode(error, 'INCOMPATIBLE')) throw error
  }
}
