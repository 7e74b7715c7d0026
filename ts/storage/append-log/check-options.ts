// Checks of everything that callers pass.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions, describe } from '../../base/options.ts'
import { PAGE_BYTES } from '../log/frame.ts'
import { type Durability, MAX_RECORD_BYTES } from '../log/types.ts'
import { batchBytes } from '../log/writer.ts'
import {
  type AppendLogOptions,
  DEFAULT_POLL_MS,
  DEFAULT_READ_BYTES,
  DEFAULT_SEGMENT_BYTES,
  type FollowOptions,
  LARGEST_SEGMENT_BYTES,
  MIN_SEGMENT_BYTES,
  type Retention,
} from './types.ts'

/** The options of a log with every default filled in. */
export type CheckedOptions = Required<AppendLogOptions>

const MAX_POLL_MS = 60_000

export function checkLogOptions(options: AppendLogOptions): CheckedOptions {
  checkOptions(
    options,
    {
      create: 'any',
      durability: 'any',
      readOnly: 'boolean',
      segmentBytes: 'number',
      retention: 'any',
      pollMs: 'number',
    },
    'openAppendLog',
  )
  const { create = false, durability = 'sync', readOnly = false } = options
  const { segmentBytes = DEFAULT_SEGMENT_BYTES, retention = {}, pollMs = DEFAULT_POLL_MS } = options
  if (create !== 'new' && typeof create !== 'boolean') {
    throw invalid(`create must be true, false or "new", got ${describe(create)}`)
  }
  if (create !== false && readOnly) throw invalid('a log cannot be created for reading only: give create or readOnly')
  if (!isSegmentSize(segmentBytes)) {
    const range = `from ${MIN_SEGMENT_BYTES} to ${LARGEST_SEGMENT_BYTES}`
    throw invalid(`segmentBytes must be a multiple of ${PAGE_BYTES} ${range}, got ${segmentBytes}`)
  }
  if (!(pollMs >= 1 && pollMs <= MAX_POLL_MS)) throw invalid(`pollMs must be from 1 to ${MAX_POLL_MS}, got ${pollMs}`)
  checkDurability(durability)
  checkRetention(retention)
  return { create, durability, readOnly, segmentBytes, retention, pollMs }
}

/** What `append` was given as a list, with the bytes that it takes. */
export function checkRecords(given: unknown): { records: readonly Uint8Array[]; bytes: number } {
  const records: readonly unknown[] = Array.isArray(given) ? given : [given]
  if (records.length === 0) throw new BedplateError('INVALID_INPUT', 'append takes at least one record')
  for (const record of records) {
    if (record instanceof Uint8Array) continue
    throw new BedplateError('INVALID_INPUT', `append: a record must be a Uint8Array, got ${describe(record)}`, {
      hint: 'encode it first, for instance with Buffer.from(text)',
    })
  }
  const bytes = batchBytes(records as readonly Uint8Array[])
  if (bytes <= MAX_RECORD_BYTES) return { records: records as readonly Uint8Array[], bytes }
  throw new BedplateError('INVALID_INPUT', `append: ${bytes} bytes are more than the ${MAX_RECORD_BYTES} that fit`)
}

export function checkOffset(given: unknown, what: string): asserts given is number {
  if (Number.isSafeInteger(given) && (given as number) >= 0) return
  throw new BedplateError('INVALID_INPUT', `${what} must be an offset, a whole number >= 0, got ${describe(given)}`)
}

export function checkMaxBytes(given: unknown, where: string): number {
  if (given === undefined) return DEFAULT_READ_BYTES
  if (Number.isSafeInteger(given) && (given as number) >= 1) return given as number
  throw new BedplateError('INVALID_INPUT', `${where}: maxBytes must be a whole number >= 1, got ${describe(given)}`)
}

export function checkFollowOptions(
  options: FollowOptions,
  where: string,
): { signal: AbortSignal | undefined; maxBytes: number } {
  checkOptions(options, { signal: 'any', maxBytes: 'any' }, where)
  const { signal, maxBytes } = options
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new BedplateError('INVALID_INPUT', `${where}: signal must be an AbortSignal, got ${describe(signal)}`)
  }
  return { signal, maxBytes: checkMaxBytes(maxBytes, where) }
}

export function checkTime(given: unknown): void {
  if (typeof given === 'number' && Number.isFinite(given)) return
  throw new BedplateError('INVALID_INPUT', `offsetAt takes milliseconds since 1970, got ${describe(given)}`)
}

function checkDurability(durability: Durability): void {
  if (durability === 'sync' || durability === 'os' || durability === 'memory') return
  if (typeof durability === 'object' && durability !== null) {
    checkOptions(durability, { intervalMs: 'number' }, 'durability')
    if (durability.intervalMs >= 1 && durability.intervalMs <= 3_600_000) return
    throw invalid(`durability.intervalMs must be from 1 to 3,600,000, got ${durability.intervalMs}`)
  }
  throw invalid(`durability must be "sync", "os", "memory" or { intervalMs }, got ${describe(durability)}`)
}

function checkRetention(retention: Retention): void {
  checkOptions(retention, { bytes: 'number', ageMs: 'number' }, 'retention')
  for (const name of ['bytes', 'ageMs'] as const) {
    const value = retention[name]
    if (value !== undefined && !(value >= 1)) throw invalid(`retention.${name} must be at least 1, got ${value}`)
  }
}

function isSegmentSize(bytes: number): boolean {
  return bytes % PAGE_BYTES === 0 && bytes >= MIN_SEGMENT_BYTES && bytes <= LARGEST_SEGMENT_BYTES
}

function invalid(problem: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `openAppendLog: ${problem}`)
}
