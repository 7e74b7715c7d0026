// A moment of a native store that is kept readable: what snapshots and transactions read.
import { BedplateError } from '../../../base/errors.ts'
import type { NativeTree } from '../../../native/store.ts'
import type { OrderedReader } from '../../ordered-store.ts'
import { codecsOf } from '../arguments.ts'
import type { ByteReader, ByteWalk } from '../byte-reader.ts'
import type { ByteOperation } from '../operation.ts'
import type { WalkRange } from '../range.ts'
import { ReadSet } from '../read-set.ts'
import type { Codecs } from '../reader.ts'
import type { Attempt, Moment } from '../store-engine.ts'
import { watched } from '../watched-reader.ts'
import type { NativeCore } from './core.ts'
import { OperationList } from './operations.ts'
import { NativeReader } from './reader.ts'
import { EntryWalk } from './walk.ts'

export class NativeMoment implements Moment {
  readonly core: NativeCore
  readonly id: number
  readonly position: number
  private readonly trees = new Map<string, NativeTree>()
  private isOpen = true

  constructor(core: NativeCore) {
    core.assertOpen()
    this.core = core
    this.id = core.checked(core.raw.snapshot())
    this.position = core.raw.snapshotPosition(this.id)
  }

  assertOpen(): void {
    this.core.assertOpen()
    if (!this.isOpen) throw new BedplateError('CLOSED', 'the snapshot is closed')
  }

  /** A tree as it was. */
  tree(name: string): NativeTree {
    this.assertOpen()
    let tree = this.trees.get(name)
    if (tree === undefined) {
      tree = this.core.raw.treeIn(this.id, name) ?? this.core.fail()
      this.trees.set(name, tree)
    }
    return tree
  }

  reader<K, V>(tree: string, codecs: Codecs<K, V>): OrderedReader<K, V> {
    return new MomentReader(this, tree, codecs)
  }

  /** The same on bytes. */
  byteReader(tree: string): ByteReader {
    return new MomentBytes(this, tree)
  }

  /** Walks that began on it go on. */
  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    if (!this.core.isOpen) return
    for (const { handle } of this.trees.values()) this.core.raw.dropTree(handle)
    this.core.raw.closeSnapshot(this.id)
  }
}

class MomentReader<K, V> extends NativeReader<K, V> {
  protected readonly moment: NativeMoment
  private readonly name: string

  constructor(moment: NativeMoment, name: string, codecs: Codecs<K, V>) {
    super(moment.core, codecs)
    this.moment = moment
    this.name = name
  }

  open(): NativeTree {
    return this.moment.tree(this.name)
  }
}

const BYTES = codecsOf<Uint8Array, Uint8Array>({ keyEncoding: 'buffer', valueEncoding: 'buffer' })

class MomentBytes extends MomentReader<Uint8Array, Uint8Array> implements ByteReader {
  constructor(moment: NativeMoment, name: string) {
    super(moment, name, BYTES)
  }

  walk(range: WalkRange): ByteWalk {
    return new EntryWalk(this.core, this.open(), range)
  }
}

/** A run of a transaction that remembers what it has read: the core compares that with the present when it commits. */
export class NativeAttempt implements Attempt {
  private readonly core: NativeCore
  private readonly moment: NativeMoment
  private readonly reads = new ReadSet()

  constructor(core: NativeCore) {
    this.core = core
    this.moment = new NativeMoment(core)
  }

  reader(tree: string): ByteReader {
    return watched(this.moment.byteReader(tree), tree, this.reads)
  }

  commit(operations: readonly ByteOperation[]): Promise<void> {
    const { core, moment } = this
    const list = OperationList.of(core, operations)
    const { trees } = list
    const reads = new OperationList(core, trees)
    try {
      this.reads.visit(
        (tree, key) => reads.add({ kind: 'put', tree, key, value: NOTHING }),
        (tree, range) => reads.add({ kind: 'clear', tree, range }),
      )
      const { bytes, count } = list
      return core.written(core.raw.commit(bytes, count, trees.handles, moment.id, reads.bytes, reads.count))
    } finally {
      list.giveBack()
      reads.giveBack()
    }
  }

  close(): void {
    this.moment.close()
  }
}

const NOTHING = new Uint8Array(0)
