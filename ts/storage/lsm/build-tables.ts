// Writes what a merge keeps to new tables, slice by slice, so that others get their turns.
import { assert } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import type { Random } from '../../io/random.ts'
import { compareBytes } from '../compare.ts'
import { lacks } from '../mutant.ts'
import { TABLE_ID_BYTES } from './block.ts'
import type { VersionCursor } from './entry.ts'
import type { Mutant } from './mutant.ts'
import type { RangeTombstone } from './range-tombstones.ts'
import { type TableInfo, tableName } from './table-format.ts'
import { type TableShape, TableWriter } from './table-writer.ts'

/** Bytes of entries that are merged before other work gets a turn: a millisecond or two. */
const SLICE_BYTES = 64 * 1024

/** Where tables are made, and how. */
export interface Workshop {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  /** The directory. */
  readonly path: string
  readonly shape: TableShape
  readonly mutant: Mutant | undefined
  /** The number of a table that is to be made. */
  takeNumber(): number
  /** Runs a sync, whose failure is final. */
  durably(sync: () => Promise<void>): Promise<void>
}

/** What goes into tables. */
export interface Batch {
  readonly versions: VersionCursor
  /** By their keys, in pieces that do not overlap unless they are the same. */
  readonly tombstones: readonly RangeTombstone[]
  /** A table is full once its data has so many bytes. */
  readonly tableBytes: number
  /** Called between slices; what it throws ends the work. */
  onSlice(): Promise<void>
}

interface Output {
  readonly file: DiskFile
  readonly writer: TableWriter
}

/**
 * Writes `batch` to as many tables as it takes, in order and without a shared key, and makes them durable.
 * @throws DISK_FULL: then nothing is left of them. What `durably` and `onSlice` throw.
 */
export async function buildTables(workshop: Workshop, batch: Batch): Promise<TableInfo[]> {
  const { disk, clock, mutant } = workshop
  const made: TableInfo[] = []
  let output: Output | undefined
  let start: Uint8Array | undefined
  let lastKey: Uint8Array | undefined
  let sliceBytes = 0
  try {
    for (;;) {
      const found = batch.versions.step()
      if (typeof found === 'object') {
        await found.loadAsync()
        continue
      }
      if (!found) break
      const { entry } = batch.versions
      const isFull = output !== undefined && output.writer.dataBytes >= batch.tableBytes
      if (isFull && lastKey !== undefined && compareBytes(lastKey, entry.key) !== 0) {
        await finish(workshop, output as Output, clip(batch.tombstones, start, entry.key), made)
        start = entry.key
        output = undefined
      }
      output ??= begin(workshop)
      output.writer.add(entry)
      lastKey = entry.key
      sliceBytes += entry.key.length + entry.value.length
      if (sliceBytes < SLICE_BYTES) continue
      sliceBytes = 0
      await clock.turn()
      await batch.onSlice()
    }
    const rest = clip(batch.tombstones, start, undefined)
    if (output !== undefined || rest.length > 0) {
      output ??= begin(workshop)
      await finish(workshop, output, rest, made)
      output = undefined
    }
    if (made.length > 0 && !lacks(mutant, 'table name sync'))
      await workshop.durably(() => disk.syncDirectory(workshop.path))
    return made
  } catch (error) {
    output?.file.close()
    if (output !== undefined) discard(disk, output.file.path)
    for (const { number } of made) discard(disk, joinPath(workshop.path, tableName(number)))
    throw error
  }
}

function begin({ disk, clock, random, path, shape, takeNumber }: Workshop): Output {
  const number = takeNumber()
  const file = disk.open(joinPath(path, tableName(number)), 'create')
  const identity = { number, id: random.bytes(TABLE_ID_BYTES), createdAtMs: Math.max(0, Math.floor(clock.now())) }
  return { file, writer: new TableWriter(file, identity, shape) }
}

async function finish(
  workshop: Workshop,
  { file, writer }: Output,
  tombstones: readonly RangeTombstone[],
  made: TableInfo[],
): Promise<void> {
  for (const _ of writer.buildFilter()) await workshop.clock.turn()
  const info = writer.finish(tombstones)
  assert(info !== undefined, 'a table is begun for something')
  if (!lacks(workshop.mutant, 'table sync')) await workshop.durably(() => file.sync())
  file.close()
  made.push(info)
}

/** What of `tombstones` lies from `start` up to and without `end`. */
function clip(
  tombstones: readonly RangeTombstone[],
  start: Uint8Array | undefined,
  end: Uint8Array | undefined,
): RangeTombstone[] {
  return tombstones
    .map((tombstone) => ({
      start: start !== undefined && compareBytes(tombstone.start, start) < 0 ? start : tombstone.start,
      end: end !== undefined && compareBytes(end, tombstone.end) < 0 ? end : tombstone.end,
      sequence: tombstone.sequence,
    }))
    .filter((tombstone) => compareBytes(tombstone.start, tombstone.end) < 0)
}

/** Removes a file that nothing names. If that fails, the next opening does. */
export function discard(disk: Disk, path: string): void {
  try {
    disk.unlink(path)
  } catch {
    // What led here is the error worth telling.
  }
}
