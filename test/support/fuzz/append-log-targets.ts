// What reads an append log from disk, given bytes that nobody wrote.
import { isCode } from '../../../ts/base/errors.ts'
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import type { Random } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { decodeStart, START_FILE } from '../../../ts/storage/append-log/start.ts'
import type { AppendLog } from '../../../ts/storage/append-log/types.ts'
import { decodeWatermark, WATERMARK_FILE } from '../../../ts/storage/append-log/watermark.ts'
import { crc32c } from '../../../ts/storage/crc32c/index.ts'
import { checksumSeed } from '../../../ts/storage/log/frame.ts'
import { fill, LOG_PATH, LogBed, readAll } from '../append-log.ts'
import { must } from '../btree-crash/expectation.ts'
import { below, pick } from '../btree-crash/workload.ts'
import type { LogSample } from './append-log-sample.ts'
import { mutate, mutateInPlace } from './mutate.ts'
import { frameOffsets, sealFrame, sealSegmentHeader } from './sample.ts'

const START = `${LOG_PATH}/${START_FILE}`
const WATERMARK = `${LOG_PATH}/${WATERMARK_FILE}`
const SEALED_CHANCE = 0.7
const MOST_RECORDS = 1_000_000

export function fuzzStart({ image }: LogSample, random: Random): void {
  const result = decodeStart(changed(image.read(START), random, (bytes) => seal(bytes)))
  if (result.kind === 'ok') must(result.start.uuid.length === 16, 'a uuid of another length')
}

export function fuzzWatermark({ image, uuid }: LogSample, random: Random): void {
  const seed = checksumSeed(uuid)
  const watermark = decodeWatermark(
    changed(image.read(WATERMARK), random, (bytes) => seal(bytes, seed)),
    seed,
  )
  if (watermark !== undefined) must(watermark.readableOffset >= 0, 'a negative offset')
}

export async function fuzzLogRead(sample: LogSample, random: Random): Promise<void> {
  const bed = new LogBed(new SimulatedDisk({ image: damagedLog(sample, random) }))
  try {
    const reader = bed.openReader()
    try {
      await use(reader, random)
    } finally {
      await reader.close()
    }
  } finally {
    must(bed.disk.openHandles === 0, 'files were left open')
  }
}

export async function fuzzLogWritten(sample: LogSample, random: Random): Promise<void> {
  const bed = new LogBed(new SimulatedDisk({ image: damagedLog(sample, random) }))
  try {
    const log = await bed.open()
    try {
      await use(log, random)
      await fill(log, 5)
      if (log.nextOffset - 3 >= log.firstOffset) await log.truncateAfter(log.nextOffset - 3)
      await fill(log, 5)
    } finally {
      await log.close()
    }
  } finally {
    must(bed.disk.openHandles + bed.disk.heldLocks === 0, 'files were left open')
  }
}

async function use(log: AppendLog, random: Random): Promise<void> {
  const { problems, recordCount } = await log.verify()
  must(problems.length <= 100 && recordCount < MOST_RECORDS, 'a report without end')
  log.offsetAt(below(random, 2_000_000))
  log.stats()
  try {
    readAll(log)
  } catch (error) {
    // What says where the log begins may be looked at again in the middle of it; then that is where it begins.
    if (!isCode(error, 'NOT_FOUND')) throw error
    readAll(log)
  }
}

/** The sample with something changed in one or two of its files, with matching checksums more often than not. */
function damagedLog(sample: LogSample, random: Random): DiskImage {
  const image = sample.image.clone()
  for (let i = 1 + below(random, 2); i > 0; i--) {
    const shape = random.next()
    if (shape < 0.15)
      replace(
        image,
        START,
        changed(image.read(START), random, (bytes) => seal(bytes)),
      )
    else if (shape < 0.4) damageWatermark(image, sample, random)
    else damageSegment(image, sample, random)
  }
  return image
}

function damageWatermark(image: DiskImage, { uuid }: LogSample, random: Random): void {
  replace(
    image,
    WATERMARK,
    changed(image.read(WATERMARK), random, (bytes) => seal(bytes, checksumSeed(uuid))),
  )
}

function damageSegment(image: DiskImage, { segments, uuid }: LogSample, random: Random): void {
  const path = pick(random, segments)
  const bytes = image.read(path)
  const offsets = frameOffsets(bytes)
  if (random.next() < 0.3 || offsets.length === 0) {
    const header = mutateInPlace(bytes.subarray(0, 128), random)
    bytes.set(header)
    sealSegmentHeader(bytes)
  } else {
    const offset = pick(random, offsets)
    bytes.set(mutateInPlace(bytes.subarray(offset, offset + 64 + below(random, 64)), random), offset)
    if (random.next() < SEALED_CHANCE) sealFrame(bytes, offset, uuid)
  }
  replace(image, path, bytes)
}

/** Random bytes now and then, else what was written, changed. */
function changed(valid: Uint8Array, random: Random, close: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = random.next() < 0.1 ? random.bytes(below(random, valid.length + 1)) : mutate(valid, random)
  if (random.next() < SEALED_CHANCE) close(bytes)
  return bytes
}

/** Gives one of the small files the checksum of what it holds. */
function seal(bytes: Uint8Array, seed = 0): void {
  if (bytes.length >= 8)
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(4, crc32c(bytes.subarray(8, 64), seed), true)
}

function replace(image: DiskImage, path: string, bytes: Uint8Array): void {
  image.truncate(path, 0)
  image.write(path, bytes, 0)
}
