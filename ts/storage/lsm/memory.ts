// What is in memory of a store: the catalogue, the memtable that is written to, and those that wait to become tables. Commits
// come as log records, live ones too, so that what is replayed is what was applied.
import { BedplateError } from '../../base/errors.ts'
import { WHOLE_RANGE } from '../ordered/range.ts'
import { type RecordVisitor, visitRecord } from '../ordered/record.ts'
import { type Catalogue, unknownTree, withoutTree, withTree } from './catalogue.ts'
import { EntryKind } from './entry.ts'
import { internalKey, spanOf } from './internal-key.ts'
import { Memtable } from './memtable.ts'
import { MAX_KEY_BYTES } from './types.ts'

/** A memtable that nobody writes to any more, with what the manifest will say once it is a table. */
export interface Frozen {
  readonly memtable: Memtable
  readonly position: number
  readonly catalogue: Catalogue
}

export class Memory {
  catalogue: Catalogue
  active = new Memtable()
  /** The newest first. */
  frozen: readonly Frozen[] = []
  /** The last log record that was applied. */
  position: number
  private readonly visitor: RecordVisitor

  constructor(catalogue: Catalogue, position: number) {
    this.catalogue = catalogue
    this.position = position
    this.visitor = this.makeVisitor()
  }

  get memtables(): Memtable[] {
    return [this.active, ...this.frozen.map(({ memtable }) => memtable)]
  }

  /** About what all memtables take. */
  get bytes(): number {
    return this.frozen.reduce((sum, { memtable }) => sum + memtable.bytes, this.active.bytes)
  }

  /** Applies the log record of number `position`, the one after `this.position`. @throws CORRUPTION if it is none. */
  apply(position: number, record: Uint8Array): void {
    this.position = position
    visitRecord(record, this.visitor)
  }

  /** What is written from now on goes to another memtable. */
  freeze(): void {
    const { active, position, catalogue } = this
    if (active.isEmpty) return
    this.frozen = [{ memtable: active, position, catalogue }, ...this.frozen]
    this.active = new Memtable()
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
      bulkLoad: (treeId) => {
        throw new BedplateError('CORRUPTION', `the log loads tree ${treeId}, which an LSM store never does`)
      },
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
