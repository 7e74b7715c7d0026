// What is in memory of a store: the catalogue, the memtable that is written to, and those that wait to become tables. Commits
// come as log records, live ones too, so that what is replayed is what was applied.
import { BedplateError } from '../../base/errors.ts'
import { WHOLE_RANGE } from '../ordered/range.ts'
import { type RecordVisitor, visitRecord } from '../ordered/record.ts'
import { type Catalogue, unknownTree, withoutTree, withTree } from './catalogue.ts'
import { EntryKind } from './entry.ts'
import { internalKey, spanOf } from './internal-key.ts'
import { Memtable } from './memtable.ts'
import type { TableInfo } from './table-format.ts'
import { MAX_KEY_BYTES, MAX_MEMTABLE_TOMBSTONES } from './types.ts'

/** What the manifest will say once it names the tables that a part of memory has become. */
interface Stand {
  readonly position: number
  readonly catalogue: Catalogue
}

/** A memtable that nobody writes to any more. */
export interface Frozen extends Stand {
  readonly memtable: Memtable
}

/** Tables that were made apart, in order and without a shared key: seen from `position` on. */
export interface Ingested extends Stand {
  readonly tables: readonly TableInfo[]
}

/** Where reads look, one behind the other: a memtable, or tables in order that share no key. */
export type Layer = Memtable | readonly TableInfo[]

export class Memory {
  catalogue: Catalogue
  active = new Memtable()
  /** What waits to be named by the manifest, the newest first. A value: each change makes another one. */
  waiting: readonly (Frozen | Ingested)[] = []
  /** The last log record that was applied. */
  position: number
  private readonly visitor: RecordVisitor
  /** The manifest names all up to here, or will once it names what waits. */
  private settled: number

  constructor(catalogue: Catalogue, position: number) {
    this.catalogue = catalogue
    this.position = position
    this.settled = position
    this.visitor = this.makeVisitor()
  }

  /** The newest first. Only the first one is still written to. */
  get layers(): Layer[] {
    return [this.active, ...this.waiting.map((each) => ('memtable' in each ? each.memtable : each.tables))]
  }

  get frozenCount(): number {
    let count = 0
    for (const each of this.waiting) if ('memtable' in each) count++
    return count
  }

  /** True if tables were ingested that no manifest names. */
  get hasIngested(): boolean {
    return this.waiting.some((each) => 'tables' in each)
  }

  /** About what all memtables take. */
  get bytes(): number {
    let bytes = this.active.bytes
    for (const each of this.waiting) if ('memtable' in each) bytes += each.memtable.bytes
    return bytes
  }

  /** True if the active memtable should be frozen: by its bytes, or by its range tombstones. */
  isFull(memtableBytes: number): boolean {
    return this.active.bytes >= memtableBytes || this.active.tombstones.count >= MAX_MEMTABLE_TOMBSTONES
  }

  /** Applies the log record of number `position`, the one after `this.position`. @throws CORRUPTION if it is none. */
  apply(position: number, record: Uint8Array): void {
    this.position = position
    visitRecord(record, this.visitor)
  }

  /** What is written from now on goes to another memtable. One of a tree that was only made has nothing in it. */
  freeze(): void {
    const { active, position, catalogue } = this
    if (position === this.settled) return
    this.settled = position
    this.waiting = [{ memtable: active, position, catalogue }, ...this.waiting]
    this.active = new Memtable()
  }

  /** Puts tables above all that there is. They are of the position that was applied last, at which nothing was written. */
  ingest(tables: readonly TableInfo[]): void {
    const { position, catalogue } = this
    this.settled = position
    this.waiting = [{ tables, position, catalogue }, ...this.waiting]
  }

  private makeVisitor(): RecordVisitor {
    return {
      put: (treeId, key, value) => this.add(treeId, key, EntryKind.put, value),
      delete: (treeId, key) => this.add(treeId, key, EntryKind.delete, NOTHING),
      clear: (treeId, range) => {
        this.checkTree(treeId)
        this.active.addTombstone(spanOf(treeId, range), this.position)
      },
      createTree: (treeId, name) => {
        this.catalogue = withTree(this.catalogue, treeId, Buffer.from(name).toString())
      },
      dropTree: (treeId) => {
        this.checkTree(treeId)
        this.active.addTombstone(spanOf(treeId, WHOLE_RANGE), this.position)
        this.catalogue = withoutTree(this.catalogue, treeId)
      },
      increment: (treeId, key, by) => this.add(treeId, key, EntryKind.increment, by),
      append: (treeId, key, suffix) => this.add(treeId, key, EntryKind.append, suffix),
      // What was ingested lies in tables: either the manifest names them, and is past this record, or they never came to be.
      bulkLoad: (treeId) => this.checkTree(treeId),
    }
  }

  private add(treeId: number, key: Uint8Array, kind: EntryKind, value: Uint8Array): void {
    this.checkTree(treeId)
    if (key.length > MAX_KEY_BYTES)
      throw new BedplateError('CORRUPTION', `a log record has a key of ${key.length} bytes`)
    this.active.add({ key: internalKey(treeId, key), sequence: this.position, kind, value })
  }

  private checkTree(treeId: number): void {
    if (!this.catalogue.known.has(treeId)) throw unknownTree(treeId)
  }
}

const NOTHING = new Uint8Array(0)
