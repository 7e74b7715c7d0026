// What is measured, one turn of everything: the log and the plain calls take their figures right after each other.
import { closeSync, fdatasyncSync, fsyncSync, mkdirSync, openSync, readdirSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type AppendLog, openAppendLog } from '../../ts/storage/append-log/index.ts'
import { FRAME_HEADER_BYTES, PAGE_BYTES, RECORD_OVERHEAD_BYTES } from '../../ts/storage/log/frame.ts'

/** How much is measured. */
export interface Scale {
  /** Bytes of records in the tasks that go through many. */
  bytes: number
  /** How long each task runs that is repeated. */
  seconds: number
}

/** How many append at the same time. */
export const WRITERS = [1, 8, 64, 512] as const

const RECORD_BYTES = 100
const BATCH_RECORDS = 100
/** The log writes a group whenever the event loop comes round; so many batches are appended before each. */
const BATCHES_A_TURN = 50
const BLOCK_BYTES = 64 * 1024
/** As in the log: what is synced has been filled before. */
const RAW_FILE_BYTES = 16 * 1024 * 1024

const RECORD = Buffer.alloc(RECORD_BYTES, 'r')
const BATCH = Array.from({ length: BATCH_RECORDS }, () => RECORD)

/** All figures of one turn, by id: records or bytes a second. */
export async function measureTurn(directory: string, scale: Scale): Promise<Record<string, number>> {
  mkdirSync(directory, { recursive: true })
  const figures: Record<string, number> = {}
  const path = join(directory, 'log')
  figures['raw-write'] = rawWrite(join(directory, 'raw'), scale.bytes)
  figures['append'] = await append(path, scale.bytes)
  figures['raw-read'] = rateOf(scale.seconds, () => rawRead(path))
  await withLog(path, {}, async (log) => {
    figures['read'] = rateOf(scale.seconds, () => read(log, false))
    figures['iterate'] = rateOf(scale.seconds, () => read(log, true))
  })
  await withLog(path, { readOnly: true }, async (log) => {
    figures['read-other'] = rateOf(scale.seconds, () => read(log, false))
  })
  figures['raw-durable'] = rawDurable(join(directory, 'raw-durable'), scale.seconds)
  for (const writers of WRITERS) {
    await withLog(join(directory, `durable-${writers}`), { create: true }, async (log) => {
      figures[`durable-${writers}`] = await durable(log, writers, scale.seconds)
    })
  }
  return figures
}

async function withLog(
  path: string,
  options: Parameters<typeof openAppendLog>[1],
  work: (log: AppendLog) => Promise<void>,
): Promise<void> {
  const log = await openAppendLog(path, options)
  try {
    await work(log)
  } finally {
    await log.close()
  }
}

/** Bytes of records a second. */
async function append(path: string, bytes: number): Promise<number> {
  const log = await openAppendLog(path, { create: true, durability: 'os' })
  const started = performance.now()
  const batches = Math.ceil(bytes / RECORD_BYTES / BATCH_RECORDS)
  for (let i = 1; i <= batches; i++) {
    const done = log.append(BATCH)
    if (i % BATCHES_A_TURN === 0) await done
  }
  await log.flushed()
  const seconds = (performance.now() - started) / 1000
  await log.close()
  return (batches * BATCH_RECORDS * RECORD_BYTES) / seconds
}

/** The same frames by plain writes into a file that grows, and one sync. */
function rawWrite(path: string, bytes: number): number {
  const perFrame = BATCHES_A_TURN * BATCH_RECORDS
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + perFrame * (RECORD_OVERHEAD_BYTES + RECORD_BYTES), 'r')
  const frames = Math.ceil(bytes / RECORD_BYTES / perFrame)
  const file = openSync(path, 'w')
  const started = performance.now()
  for (let i = 0; i < frames; i++) writeSync(file, frame)
  fdatasyncSync(file)
  const seconds = (performance.now() - started) / 1000
  closeSync(file)
  return (frames * perFrame * RECORD_BYTES) / seconds
}

/** Records a second of so many writers, each of which waits for its record before it appends the next. */
async function durable(log: AppendLog, writers: number, seconds: number): Promise<number> {
  await log.append(RECORD) // the first one makes a segment
  const started = performance.now()
  const end = started + seconds * 1000
  let records = 0
  const write = async (): Promise<void> => {
    while (performance.now() < end) {
      await log.append(RECORD)
      records++
    }
  }
  await Promise.all(Array.from({ length: writers }, write))
  return records / ((performance.now() - started) / 1000)
}

/** The pages that the log writes for single records, into a file that was filled before. */
function rawDurable(path: string, seconds: number): number {
  const file = openSync(path, 'w')
  writeSync(file, Buffer.alloc(RAW_FILE_BYTES))
  fsyncSync(file)
  const page = Buffer.alloc(PAGE_BYTES, 'r')
  const started = performance.now()
  const end = started + seconds * 1000
  let records = 0
  for (; performance.now() < end; records++) {
    writeSync(file, page, 0, PAGE_BYTES, (records * PAGE_BYTES) % RAW_FILE_BYTES)
    fdatasyncSync(file)
  }
  const rate = records / ((performance.now() - started) / 1000)
  closeSync(file)
  return rate
}

/** Does `pass` again and again for about `seconds`. @param pass - Gives its bytes. @returns Bytes a second. */
function rateOf(seconds: number, pass: () => number): number {
  pass() // so that code is compiled
  const started = performance.now()
  let bytes = 0
  do bytes += pass()
  while (performance.now() - started < seconds * 1000)
  return bytes / ((performance.now() - started) / 1000)
}

/** Everything by offset. */
function read(log: AppendLog, isIterated: boolean): number {
  let bytes = 0
  let records = 0
  for (let next = log.firstOffset; ; ) {
    const block = log.read(next, BLOCK_BYTES)
    if (block.count === 0) break
    records += block.count
    if (isIterated) for (const record of block) bytes += record.length
    else bytes += block.bytes.length - block.count * RECORD_OVERHEAD_BYTES
    next = block.nextOffset
  }
  if (bytes !== records * RECORD_BYTES) throw new Error(`${records} records had ${bytes} bytes`)
  return bytes
}

/** Reads the segments as they are. */
function rawRead(directory: string): number {
  const buffer = Buffer.alloc(BLOCK_BYTES)
  let bytes = 0
  for (const name of readdirSync(directory).filter((one) => /^log-\d+$/.test(one))) {
    const file = openSync(join(directory, name), 'r')
    for (let count = 1; count > 0; bytes += count) count = readSync(file, buffer, 0, BLOCK_BYTES, null)
    closeSync(file)
  }
  return bytes
}
