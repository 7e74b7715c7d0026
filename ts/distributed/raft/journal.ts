// What the groups of a process have on disk beside their snapshots: one append log that they share, and so one fsync.
//
//   record     u8 version = 1 | u32 group | u8 parts, then the parts that it has, in this order:
//     1        hard state: u53 term | u53 vote (0: nobody)
//     2        snapshot: see entry-codec.ts
//     4        (with 2) the log begins anew behind the snapshot; otherwise the snapshot only becomes the newest
//     8        u53: entries from this index on go
//     16       entries: see entry-codec.ts
//
// A record is a change of the state that its group begins with after a crash, and is found again whole or not at all. Raft's
// own truncation is such a change, so the file only grows. Its beginning is let go of by writing the state of all groups once
// more and then cutting what is before: records say what is, not what was done, so reading an entry twice does no harm.

import { ByteReader, ByteWriter } from '../../base/binary.ts'
import { BedplateError } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import type { Disk } from '../../io/disk.ts'
import type { Random } from '../../io/random.ts'
import { openWritableLog } from '../../storage/append-log/open.ts'
import type { WritableLog } from '../../storage/append-log/writable-log.ts'
import { type Mutant as AnyMutant, lacks } from '../../storage/mutant.ts'
import { entriesSize, putEntries, putSnapshotMeta, takeEntries, takeSnapshotMeta } from './entry-codec.ts'
import { sizeOf } from './log.ts'
import type { Entry, HardState, LogIndex, SnapshotMeta } from './types.ts'

/** What a test can take away. */
export type JournalRule = 'hard state is synced' // a vote and a term count as durable when they are

/** A change of one group. */
export interface JournalRecord {
  readonly group: number
  readonly hardState: HardState | undefined
  readonly snapshot: SnapshotMeta | undefined
  /** The log begins anew behind `snapshot`. */
  readonly resets: boolean
  readonly truncateFrom: LogIndex | undefined
  readonly entries: readonly Entry[]
}

/** What the journal says of one group. */
export interface GroupState {
  hardState: HardState
  /** The newest one. */
  snapshot: SnapshotMeta | undefined
  entries: Entry[]
}

export interface JournalOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  /** The directory of its log. */
  readonly path: string
  /** Whether it is made if it is not there; default true. */
  readonly create?: boolean | 'new'
  /** The log grows by so much, and to twice what is needed, before it is written anew. Default 16 MiB. */
  readonly compactBytes?: number
  readonly mutant?: AnyMutant<JournalRule> | undefined
}

const VERSION = 1
/** Room for everything of a record but its entries and a long membership. */
const HEADER_BYTES = 128
const HARD_STATE = 1
const SNAPSHOT = 2
const RESETS = 4
const TRUNCATE = 8
const ENTRIES = 16
/** What is kept of the memory that records are made in. */
const KEPT_BYTES = 1024 * 1024
const COMPACT_BYTES = 16 * 1024 * 1024
/** Entries of one record when all are written anew. */
const BATCH_ENTRIES = 1024
const SEGMENT_BYTES = { firstSegmentBytes: 256 * 1024, maxSegmentBytes: 16 * 1024 * 1024 }

/** Opens the journal at `path` and reads it. @throws NOT_FOUND, LOCKED, CORRUPTION, INCOMPATIBLE, IO */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { disk, clock, random, path, create = true } = options
  const log = await openWritableLog({
    ...{ disk, clock, random, path, create, durability: 'sync', retention: {} },
    ...SEGMENT_BYTES,
  })
  try {
    const groups = new Map<number, GroupState>()
    let bytes = 0
    for await (const block of log.scan(log.firstOffset)) {
      for (const record of block) {
        bytes += record.length
        const change = decodeRecord(record.slice()) // entries stay views of their record, not of a larger block
        applyRecord(stateOf(groups, change.group), change)
      }
    }
    return new Journal(log, groups, bytes, options)
  } catch (error) {
    await log.close().catch(() => {})
    throw error
  }
}

/** Changes of groups, in order. Made by `openJournal`. */
export class Journal {
  private readonly log: WritableLog
  private readonly groups: Map<number, GroupState>
  private readonly writer = new ByteWriter()
  private readonly compactBytes: number
  private readonly mutant: AnyMutant<JournalRule> | undefined
  private bytes: number
  private liveBytes = 0
  private compacting: Promise<void> | undefined

  constructor(log: WritableLog, groups: Map<number, GroupState>, bytes: number, options: JournalOptions) {
    this.log = log
    this.groups = groups
    this.bytes = bytes
    this.compactBytes = options.compactBytes ?? COMPACT_BYTES
    this.mutant = options.mutant
  }

  /** What a group begins with. */
  state(group: number): Readonly<GroupState> {
    return stateOf(this.groups, group)
  }

  /** The bytes of all records since the log was last written anew. */
  get sizeBytes(): number {
    return this.bytes
  }

  /**
   * Writes a change behind all others.
   * @returns When it is durable: in the order of the calls. Rejects with IO if that is not known; then nothing more is taken.
   * @throws DISK_FULL, or what ended the journal.
   */
  append(record: JournalRecord): Promise<unknown> {
    const bytes = encodeRecord(record, this.writer.restart(KEPT_BYTES)) // the log copies it
    const done = this.log.append(bytes)
    this.bytes += bytes.length
    applyRecord(stateOf(this.groups, record.group), record)
    const isHardStateAlone = record.entries.length === 0 && record.snapshot === undefined
    if (isHardStateAlone && lacks(this.mutant, 'hard state is synced')) return Promise.resolve()
    return done
  }

  /** Entries of a group up to `upTo` are not needed any more. Gives space back now and then. */
  discard(group: number, upTo: LogIndex): void {
    const state = stateOf(this.groups, group)
    const first = state.entries.findIndex((entry) => entry.index > upTo)
    state.entries = first === -1 ? [] : state.entries.slice(first)
    if (this.bytes < this.compactBytes + 2 * this.liveBytes || this.compacting !== undefined) return
    this.compacting = this.compact().finally(() => {
      this.compacting = undefined
    })
    this.compacting.catch(() => {}) // the next append says what is wrong
  }

  /** Resolves once a compaction that is under way has ended, whichever way. */
  async settled(): Promise<void> {
    await this.compacting?.catch(() => {})
  }

  async close(): Promise<void> {
    await this.settled()
    await this.log.close()
  }

  /** Ends as a killed process does. */
  abandon(): void {
    this.log.abandon()
  }

  private async compact(): Promise<void> {
    const records: Uint8Array[] = []
    let live = 0
    for (const [group, state] of this.groups) {
      for (const record of restate(group, state)) records.push(encodeRecord(record))
      for (const entry of state.entries) live += sizeOf(entry)
    }
    const start = this.log.nextOffset
    const done = this.log.append(records) // all or none of them
    this.liveBytes = live
    this.bytes = records.reduce((sum, { length }) => sum + length, 0)
    await done
    await this.log.truncateBefore(start)
  }
}

/** A group as records that say all of it. */
function* restate(group: number, { hardState, snapshot, entries }: GroupState): Generator<JournalRecord> {
  const nothing = { group, hardState: undefined, snapshot: undefined, resets: false, truncateFrom: undefined }
  yield { ...nothing, hardState, snapshot, entries: entries.slice(0, BATCH_ENTRIES) }
  for (let at = BATCH_ENTRIES; at < entries.length; at += BATCH_ENTRIES) {
    yield { ...nothing, entries: entries.slice(at, at + BATCH_ENTRIES) }
  }
}

function stateOf(groups: Map<number, GroupState>, group: number): GroupState {
  const known = groups.get(group)
  if (known !== undefined) return known
  const state = { hardState: { term: 0, votedFor: undefined }, snapshot: undefined, entries: [] }
  groups.set(group, state)
  return state
}

function applyRecord(state: GroupState, { hardState, snapshot, resets, truncateFrom, entries }: JournalRecord): void {
  if (hardState !== undefined) state.hardState = hardState
  if (snapshot !== undefined && snapshot.index >= (state.snapshot?.index ?? 0)) {
    state.snapshot = snapshot
    if (resets) state.entries = []
  }
  if (truncateFrom !== undefined) cutFrom(state, truncateFrom)
  for (const entry of entries) {
    const first = state.entries[0]
    const known = first === undefined ? undefined : state.entries[entry.index - first.index]
    if (known?.term === entry.term) continue
    const next = (state.entries.at(-1)?.index ?? entry.index - 1) + 1
    if (entry.index !== next) {
      throw new BedplateError('CORRUPTION', `the journal has entry ${entry.index} where ${next} follows`)
    }
    state.entries.push(entry)
  }
}

function cutFrom(state: GroupState, index: LogIndex): void {
  const first = state.entries[0]?.index ?? index
  state.entries.length = Math.max(0, Math.min(state.entries.length, index - first))
}

export function encodeRecord(
  { group, hardState, snapshot, resets, truncateFrom, entries }: JournalRecord,
  writer: ByteWriter = new ByteWriter(HEADER_BYTES + entriesSize(entries)),
): Uint8Array {
  let parts = 0
  if (hardState !== undefined) parts |= HARD_STATE
  if (snapshot !== undefined) parts |= SNAPSHOT
  if (resets) parts |= RESETS
  if (truncateFrom !== undefined) parts |= TRUNCATE
  if (entries.length > 0) parts |= ENTRIES
  writer.u8(VERSION).u32(group).u8(parts)
  if (hardState !== undefined) writer.u53(hardState.term).u53(hardState.votedFor ?? 0)
  if (snapshot !== undefined) putSnapshotMeta(writer, snapshot)
  if (truncateFrom !== undefined) writer.u53(truncateFrom)
  if (entries.length > 0) putEntries(writer, entries)
  return writer.finish()
}

/** Commands are views of `bytes`. @throws CORRUPTION, INCOMPATIBLE */
export function decodeRecord(bytes: Uint8Array): JournalRecord {
  const reader = new ByteReader(bytes, 'record of the journal')
  const version = reader.u8()
  if (version !== VERSION) {
    throw new BedplateError('INCOMPATIBLE', `the journal has a record of version ${version}, and ${VERSION} is known`, {
      hint: 'update bedplate',
    })
  }
  const group = reader.u32()
  const parts = reader.choice(2 * ENTRIES)
  const has = (part: number): boolean => (parts & part) !== 0
  if (has(RESETS) && !has(SNAPSHOT)) throw reader.corrupt('begins a log behind no snapshot')
  const hardState = has(HARD_STATE) ? { term: reader.u53(), votedFor: reader.u53() || undefined } : undefined
  const snapshot = has(SNAPSHOT) ? takeSnapshotMeta(reader) : undefined
  const truncateFrom = has(TRUNCATE) ? reader.u53() : undefined
  const entries = has(ENTRIES) ? takeEntries(reader) : []
  reader.end()
  return { group, hardState, snapshot, resets: has(RESETS), truncateFrom, entries }
}
