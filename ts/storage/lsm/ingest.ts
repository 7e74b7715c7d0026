// Tables from sorted entries, made beside the store's own work and then part of it at one instant.
import { BedplateError } from '../../base/errors.ts'
import { joinPath } from '../../io/disk.ts'
import { compareBytes } from '../compare.ts'
import type { ByteRange } from '../ordered/range.ts'
import { buildTables, discard, type Workshop } from './build-tables.ts'
import type { Engine } from './engine.ts'
import { type Entry, EntryKind, type Need, type VersionCursor } from './entry.ts'
import { internalKey, spanOf } from './internal-key.ts'
import { type TableInfo, tableName } from './table-format.ts'
import type { CompactionStyle } from './types.ts'

/** Entries in any encoding, and what makes bytes of one. */
export interface ByteEntries {
  readonly from: Iterable<unknown> | AsyncIterable<unknown>
  encode(entry: unknown): readonly [Uint8Array, Uint8Array]
}

/** What entries are ingested into, whatever engine runs it. */
export interface IngestTarget {
  /** The id of the tree. */
  readonly treeId: number
  readonly workshop: Workshop
  readonly style: CompactionStyle
  /** A table of a leveled store is full once its data has so many bytes. */
  readonly tableBytes: number
  /** @throws What ends the ingestion. */
  assertWritable(): void
  /**
   * Puts tables above all that the tree holds.
   * @returns Resolves when the manifest names them.
   * @throws Then nothing has changed, and the tables are removed.
   */
  attach(tables: readonly TableInfo[]): Promise<void>
}

/**
 * Writes entries, whose keys rise, to tables, and puts them above all that the tree holds. Nothing of it is seen until all is.
 * @returns How many there were, once the manifest names the tables.
 * @throws INVALID_INPUT if a key does not rise, and then nothing has changed; so also DISK_FULL, CONFLICT, CLOSED, and what
 *   `entries` throws.
 */
export async function ingest(engine: Engine, tree: string, entries: ByteEntries): Promise<number> {
  const { count, named } = await engine.during(async () => {
    const treeId = engine.idFor(tree)
    const { workshop, tableBytes, manifest } = engine.background.work
    const target: IngestTarget = {
      treeId,
      workshop,
      style: manifest.plan.style,
      tableBytes,
      assertWritable: () => engine.assertWritable(),
      attach: (tables) => engine.attach(tree, treeId, tables),
    }
    return await attachEntries(target, entries)
  })
  await named
  return count
}

/** @returns How many there were, and when the manifest names their tables: in an object, since that may wait for space. */
export async function attachEntries(
  target: IngestTarget,
  entries: ByteEntries,
): Promise<{ count: number; named: Promise<void> | undefined }> {
  const { workshop, style, tableBytes } = target
  const cursor = new EntryCursor(target.treeId, entries, () => target.assertWritable())
  try {
    const made = await buildTables(workshop, {
      versions: cursor,
      tombstones: [],
      tableBytes: style === 'leveled' ? tableBytes : Number.POSITIVE_INFINITY, // in the others, each is a run
      onSlice: async () => target.assertWritable(),
    })
    if (made.length === 0) return { count: 0, named: undefined }
    try {
      return { count: cursor.count, named: target.attach(made) }
    } catch (error) {
      for (const { number } of made) discard(workshop.disk, joinPath(workshop.path, tableName(number)))
      throw error
    }
  } finally {
    await cursor.close()
  }
}

/** Merges what tables hold of a range of a tree, if that exists. */
export function compactRange(engine: Engine, tree: string, range: ByteRange): Promise<void> {
  engine.assertWritable()
  const id = engine.memory.catalogue.ids.get(tree)
  const span = spanOf(id ?? 0, range)
  return id === undefined || compareBytes(span.start, span.end) >= 0 ? engine.flush() : engine.compact(span)
}

/** The entries as versions without a sequence. Those of an async iterable are waited for. */
class EntryCursor implements VersionCursor {
  count = 0
  private readonly treeId: number
  private readonly entries: ByteEntries
  private readonly assertWanted: () => void
  private readonly iterator: Iterator<unknown> | AsyncIterator<unknown>
  private readonly isAsync: boolean
  /** What an async iterable gave and was not looked at yet. */
  private arrived: IteratorResult<unknown> | undefined
  private current: Entry | undefined
  private hasEnded = false

  /** @param assertWanted - Throws once nobody wants more of an iterable that is waited for. */
  constructor(treeId: number, entries: ByteEntries, assertWanted: () => void) {
    const { from } = entries
    this.assertWanted = assertWanted
    this.treeId = treeId
    this.entries = entries
    this.isAsync = Symbol.asyncIterator in from
    this.iterator = Symbol.asyncIterator in from ? from[Symbol.asyncIterator]() : from[Symbol.iterator]()
  }

  get entry(): Entry {
    return this.current as Entry
  }

  step(): boolean | Need {
    if (this.isAsync && this.arrived === undefined) return this.need
    const result = this.arrived ?? (this.iterator.next() as IteratorResult<unknown>)
    this.arrived = undefined
    if (result.done) {
      this.hasEnded = true
      return false
    }
    this.current = this.versionOf(result.value)
    this.count++
    return true
  }

  /** Tells the iterable that no more of it is needed, unless it has ended by itself. */
  async close(): Promise<void> {
    if (!this.hasEnded) await this.iterator.return?.()
  }

  private readonly need: Need = {
    load: () => {
      throw new BedplateError('INTERNAL', 'entries that are waited for cannot be had at once')
    },
    loadAsync: async () => {
      this.arrived = await this.iterator.next()
      this.assertWanted()
    },
  }

  private versionOf(entry: unknown): Entry {
    const [key, value] = this.entries.encode(entry)
    const internal = internalKey(this.treeId, key)
    if (this.current !== undefined && compareBytes(this.current.key, internal) >= 0) {
      throw new BedplateError('INVALID_INPUT', `ingest: entry ${this.count + 1} is not greater than the one before`, {
        hint: 'sort the entries by the unsigned bytes of their keys, without duplicates; or use batch()',
      })
    }
    // The caller may use the memory of its value again.
    return { key: internal, sequence: 0, kind: EntryKind.put, value: Uint8Array.from(value) }
  }
}
