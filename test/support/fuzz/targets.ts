// Everything that is read from disk or comes from other nodes, given bytes that nobody wrote. A target takes a value out of them or says
// CORRUPTION or INCOMPATIBLE; it never ends otherwise, asks for no more memory than the files have bytes, and ends.
import { isCode } from '../../../ts/base/errors.ts'
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { decodePageNumbers, encodePageNumbers } from '../../../ts/storage/btree/free-list.ts'
import { decodeMeta, META_BYTES } from '../../../ts/storage/btree/meta.ts'
import {
  checkPage,
  childAt,
  inlineValueAt,
  isOverflowAt,
  keyAt,
  overflowAt,
  Page,
  PageType,
  pageProblem,
  search,
  slotProblem,
  usedBytes,
  valueLengthAt,
} from '../../../ts/storage/btree/page.ts'
import { checksumSeed, decodeFrameHeader, splitPayload } from '../../../ts/storage/log/frame.ts'
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../../ts/storage/log/segment.ts'
import { RecordWriter, visitRecord } from '../../../ts/storage/ordered/record.ts'
import { must } from '../btree-crash/expectation.ts'
import { DATA, readMetas } from '../btree-crash/metas.ts'
import { openStore, STORE_PATH } from '../btree-crash/store.ts'
import { below, pick } from '../btree-crash/workload.ts'
import { withAllocationLimit } from './allocation.ts'
import { fuzzLogRead, fuzzLogWritten, fuzzStart, fuzzWatermark } from './append-log-targets.ts'
import { fuzzHandshake, fuzzRaftMessage, fuzzStoreMessage } from './link-targets.ts'
import {
  fuzzBloom,
  fuzzDataBlock,
  fuzzLsmRead,
  fuzzLsmRepair,
  fuzzLsmWritten,
  fuzzLz4,
  fuzzManifest,
  fuzzTableTail,
} from './lsm-targets.ts'
import { mutate, mutateInPlace } from './mutate.ts'
import { fuzzClusterFile, fuzzReplicatedCommand, fuzzReplicatedSnapshot, fuzzSession } from './replication-targets.ts'
import { fuzzRespClient } from './resp-client-target.ts'
import { fuzzNotes, fuzzPeers, fuzzRingRecord, fuzzRows, fuzzVersions } from './ring-targets.ts'
import { frameOffsets, pageAt, type Sample, SETTINGS, sealFrame, sealPage, sealSegmentHeader } from './sample.ts'

type Target = (sample: Sample, random: Random) => void | Promise<void>

/** How often a checksum is made to match what was changed. */
const SEALED_CHANCE = 0.7
/** More entries than a damaged copy of the sample can have, unless it goes round in circles. */
const MOST_ENTRIES = 20_000
const MOST_PAGES = 100_000
/** What reading needs beside the files, at once. */
const SPARE_BYTES = 4 * 1024 * 1024

/** What reads bytes from disk, and from other nodes. */
export const TARGETS = {
  meta: fuzzMeta,
  page: fuzzPage,
  'free list': fuzzPageNumbers,
  record: fuzzRecord,
  'segment header': fuzzSegmentHeader,
  frame: fuzzFrame,
  FORMAT: fuzzFormat,
  'store read': fuzzStoreRead,
  'store written': fuzzStoreWritten,
  start: ({ log }, random) => fuzzStart(log, random),
  readable: ({ log }, random) => fuzzWatermark(log, random),
  'log read': ({ log }, random) => fuzzLogRead(log, random),
  'log written': ({ log }, random) => fuzzLogWritten(log, random),
  'lsm manifest': ({ lsm }, random) => fuzzManifest(lsm, random),
  'lsm data block': ({ lsm }, random) => fuzzDataBlock(lsm, random),
  'lsm table tail': ({ lsm }, random) => fuzzTableTail(lsm, random),
  'Bloom filter': ({ lsm }, random) => fuzzBloom(lsm, random),
  LZ4: ({ lsm }, random) => fuzzLz4(lsm, random),
  'lsm store read': ({ lsm }, random) => fuzzLsmRead(lsm, random),
  'lsm store written': ({ lsm }, random) => fuzzLsmWritten(lsm, random),
  'lsm store repaired': ({ lsm }, random) => fuzzLsmRepair(lsm, random),
  'link handshake': (_, random) => fuzzHandshake(random),
  'Raft message': (_, random) => fuzzRaftMessage(random),
  'replicated command': (_, random) => fuzzReplicatedCommand(random),
  'client of replicated-kv': (_, random) => fuzzRespClient(random),
  'replicated snapshot': (_, random) => fuzzReplicatedSnapshot(random),
  'cluster file': (_, random) => fuzzClusterFile(random),
  'session token': (_, random) => fuzzSession(random),
  'ring message': (_, random) => fuzzStoreMessage(random),
  'ring versions': (_, random) => fuzzVersions(random),
  'ring record': (_, random) => fuzzRingRecord(random),
  'ring rows': (_, random) => fuzzRows(random),
  'ring node notes': (_, random) => fuzzNotes(random),
  'ring node peers': (_, random) => fuzzPeers(random),
} satisfies Record<string, Target>

export type TargetName = keyof typeof TARGETS

export const TARGET_NAMES = Object.keys(TARGETS) as readonly TargetName[]

/** Runs the case of that number. @throws whatever must not come out of reading a disk. */
export async function fuzzOnce(name: TargetName, sample: Sample, seed: number): Promise<void> {
  const { image } = sample
  const mostBytes = SPARE_BYTES + 2 * image.files().reduce((sum, path) => sum + image.size(path), 0)
  const target: Target = TARGETS[name]
  await withAllocationLimit(mostBytes, async () => {
    try {
      await target(sample, seededRandom(seed))
    } catch (error) {
      if (!isCode(error, 'CORRUPTION') && !isCode(error, 'INCOMPATIBLE')) throw error
    }
  })
}

// -- decoders ---------------------------------------------------------------------------------------------------------

/** Random bytes now and then, else what was written, changed. */
function damaged(valid: Uint8Array, random: Random, seal: (bytes: Uint8Array) => void = () => {}): Uint8Array {
  const bytes = random.next() < 0.1 ? random.bytes(below(random, valid.length + 1)) : mutate(valid, random)
  if (random.next() < SEALED_CHANCE) seal(bytes)
  return bytes
}

function fuzzMeta(sample: Sample, random: Random): void {
  const valid = pageAt(sample, below(random, 2)).subarray(0, META_BYTES)
  const result = decodeMeta(damaged(valid, random, (bytes) => sealPage(bytes, true)))
  if (result.kind !== 'ok') return
  const { pageCount, catalogue, freeList, freeCount } = result.meta
  must(Math.max(catalogue.page, freeList.page, freeCount) <= pageCount, 'a meta that leads out of the file')
}

function fuzzPage(sample: Sample, random: Random): void {
  const number = 2 + below(random, sample.pageCount - 2)
  const page = new Page(sample.pageSizeBytes)
  page.bytes.set(damaged(pageAt(sample, number), random).subarray(0, sample.pageSizeBytes))
  if (random.next() < SEALED_CHANCE) page.seal()
  const birth = random.next() < 0.5 ? readBirth(page) : readBirth(pageAt(sample, number))
  checkPage(page, { page: number, birth }, 'data')
  readPage(page, random)
}

function readBirth(page: Page | Uint8Array): number {
  const bytes = page instanceof Page ? page.bytes : page
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readUIntLE(16, 6)
}

/** Takes everything out of a page that was accepted. */
function readPage(page: Page, random: Random): void {
  must(pageProblem(page) === undefined, 'a page with a problem was accepted')
  if (page.type === PageType.overflow || page.type === PageType.freeList) return
  slotProblem(page)
  usedBytes(page)
  for (let slot = 0; slot < page.count; slot++) {
    const key = keyAt(page, slot)
    search(page, key)
    if (!page.isLeaf) childAt(page, slot)
    else if (isOverflowAt(page, slot)) overflowAt(page, slot)
    else must(inlineValueAt(page, slot).length === valueLengthAt(page, slot), 'a value leaves its page')
  }
  const found = search(page, random.bytes(below(random, 20)))
  must(found >= ~page.count && found < page.count, `a search led to slot ${found} of ${page.count}`)
}

function fuzzPageNumbers(_sample: Sample, random: Random): void {
  const numbers = new Set(Array.from({ length: below(random, 50) }, () => 2 + below(random, 100_000)))
  const valid = encodePageNumbers(Float64Array.from(numbers).sort())
  const count = random.next() < 0.7 ? numbers.size : below(random, 1e9)
  const found = decodePageNumbers(damaged(valid, random), count, 100_002)
  const isRising = found?.every((page, i) => page > (found[i - 1] ?? 1) && page < 100_002) ?? true
  must(isRising, 'a list that does not rise')
}

function fuzzRecord(_sample: Sample, random: Random): void {
  const writer = new RecordWriter()
  writer.begin()
  for (let i = below(random, 6); i > 0; i--) writeOperation(writer, random)
  const record = damaged(writer.bytes, random)
  const lengths: number[] = []
  visitRecord(record, {
    put: (_, key, value) => lengths.push(key.length, value.length),
    delete: (_, key) => lengths.push(key.length),
    clear: (_, { lower, upper }) => lengths.push(lower?.length ?? 0, upper?.length ?? 0),
    createTree: (_, name) => lengths.push(name.length),
    dropTree: () => {},
    bulkLoad: () => {},
    increment: (_, key, by) => lengths.push(key.length, by.length),
    append: (_, key, suffix) => lengths.push(key.length, suffix.length),
  })
  must(lengths.reduce((a, b) => a + b, 0) <= record.length, 'a record gave more than it has')
}

function writeOperation(writer: RecordWriter, random: Random): void {
  const [a, b] = [random.bytes(below(random, 200)), random.bytes(below(random, 200))]
  switch (below(random, 6)) {
    case 0:
      writer.put(below(random, 300), a, b)
      break
    case 1:
      writer.delete(1, a)
      break
    case 2:
      writer.clear(1, { lower: a, lowerInclusive: true, upper: b, upperInclusive: false })
      break
    case 3:
      writer.increment(1, a, random.bytes(8))
      break
    case 4:
      writer.append(1, a, b)
      break
    default:
      writer.createTree(2, a)
  }
}

function fuzzSegmentHeader(sample: Sample, random: Random): void {
  const valid = sample.image.read(pick(random, sample.segments)).subarray(0, SEGMENT_HEADER_BYTES)
  const result = decodeSegmentHeader(damaged(valid, random, sealSegmentHeader), sample.uuid)
  if (result.kind === 'ok') must(result.header.firstRecord >= 1, 'a segment that starts before the first record')
}

function fuzzFrame(sample: Sample, random: Random): void {
  const segment = sample.image.read(pick(random, sample.segments))
  const offset = pick(random, frameOffsets(segment))
  const view = new DataView(segment.buffer)
  const valid = segment.subarray(offset, offset + 64 + view.getUint32(offset + 12, true))
  const bytes = damaged(valid, random, (frame) => sealFrame(frame, 0, sample.uuid))
  const address = { generation: view.getUint32(offset + 24, true), segment: view.getUint32(offset + 32, true), offset }
  const header = decodeFrameHeader(bytes, address, checksumSeed(sample.uuid))
  if (header === undefined) return
  const records = splitPayload(bytes.subarray(64, 64 + header.payloadBytes), header.recordCount) ?? []
  const total = records.reduce((sum, record) => sum + record.length + 4, 0)
  must(total <= bytes.length, 'records that are larger than their frame')
}

// -- whole stores -----------------------------------------------------------------------------------------------------

async function fuzzFormat({ image }: Sample, random: Random): Promise<void> {
  const copy = image.clone()
  replace(copy, `${STORE_PATH}/FORMAT`, damaged(image.read(`${STORE_PATH}/FORMAT`), random))
  const { store } = await openStore(new SimulatedDisk({ image: copy }), SETTINGS, { readOnly: true })
  await store.close()
}

async function fuzzStoreRead(sample: Sample, random: Random): Promise<void> {
  const disk = new SimulatedDisk({ image: damagedStore(sample, random) })
  try {
    const { store } = await openStore(disk, SETTINGS, { readOnly: true })
    try {
      await readAll(store)
    } finally {
      await store.close()
    }
  } finally {
    must(disk.openHandles + disk.heldLocks === 0, 'files were left open')
  }
}

async function fuzzStoreWritten(sample: Sample, random: Random): Promise<void> {
  const image = damagedStore(sample, random)
  // A meta that was made up may place pages behind the end of any file: then writing is the file system's to refuse.
  if (readMetas(image, sample.pageSizeBytes).some(({ meta }) => meta.pageCount > MOST_PAGES)) return
  const disk = new SimulatedDisk({ image })
  try {
    const { store } = await openStore(disk, SETTINGS)
    try {
      const writes = Array.from({ length: 20 }, () => below(random, 200)).map((i) =>
        i % 3 === 0 ? store.delete(`key-${i}`) : store.put(`key-${i}`, 'y'.repeat(i)),
      )
      await Promise.all(writes)
      await store.clear({ gte: 'key-4', lt: 'key-5' })
      await store.checkpoint()
    } finally {
      await store.close()
    }
  } finally {
    must(disk.openHandles + disk.heldLocks === 0, 'files were left open')
  }
}

type Store = Awaited<ReturnType<typeof openStore>>['store']

/** Everything that can be read. Goes on where a part is damaged. */
async function readAll(store: Store): Promise<void> {
  const { problems } = await store.verify()
  must(problems.length <= 100, 'too long a list of problems')
  for (let page = 0; page < 4; page++) store.inspectPage(page)
  store.stats()
  for (const name of store.treeNames().slice(0, 10)) {
    await tolerantly(async () => {
      let count = 0
      for (const _ of store.tree(name).range({ limit: MOST_ENTRIES })) count++
      must(count < MOST_ENTRIES, 'a walk without end')
    })
  }
  for (let i = 0; i < 6; i++) await tolerantly(async () => void (await store.getAsync(`long-${i}`)))
  for (const _ of store.range({ reverse: true, limit: MOST_ENTRIES }));
}

async function tolerantly(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isCode(error, 'CORRUPTION')) throw error
  }
}

/** The sample with something changed in its data file or its log, with matching checksums more often than not. */
function damagedStore(sample: Sample, random: Random): DiskImage {
  const image = sample.image.clone()
  for (let i = 1 + below(random, 2); i > 0; i--) {
    if (random.next() < 0.6) damageData(image, sample, random)
    else damageLog(image, sample, random)
  }
  return image
}

function damageData(image: DiskImage, sample: Sample, random: Random): void {
  const { pageSizeBytes, pageCount } = sample
  if (random.next() < 0.1) {
    replace(image, DATA, mutate(image.read(DATA), random))
    return
  }
  const number = random.next() < 0.2 ? below(random, 2) : below(random, pageCount)
  const bytes = mutateInPlace(pageAt(sample, number), random)
  if (random.next() < SEALED_CHANCE) sealPage(bytes, number < 2)
  image.write(DATA, bytes, number * pageSizeBytes)
}

function damageLog(image: DiskImage, { segments, uuid }: Sample, random: Random): void {
  const path = pick(random, segments)
  const bytes = image.read(path)
  const shape = random.next()
  if (shape < 0.2) {
    replace(image, path, mutate(bytes, random))
    return
  }
  if (shape < 0.4) {
    const header = mutateInPlace(bytes.subarray(0, SEGMENT_HEADER_BYTES), random)
    sealSegmentHeader(header)
    image.write(path, header, 0)
    return
  }
  const offset = pick(random, frameOffsets(bytes))
  const end = offset + 64 + new DataView(bytes.buffer).getUint32(offset + 12, true)
  // Mostly what the frame carries: its header has little to say.
  const from = random.next() < 0.8 ? offset + 64 : offset
  bytes.set(mutateInPlace(bytes.subarray(from, end), random), from)
  if (random.next() < SEALED_CHANCE) sealFrame(bytes, offset, uuid)
  image.write(path, bytes, 0)
}

function replace(image: DiskImage, path: string, bytes: Uint8Array): void {
  image.truncate(path, 0)
  image.write(path, bytes, 0)
}
