// One tree of a B-tree store that the native engine runs.
import type { Clock } from '../../../io/clock.ts'
import { checkEntries, checkEntry } from '../../ordered/arguments.ts'
import { NativeTreeHandle, type TreeOwner } from '../../ordered/native/tree.ts'
import type { Codecs } from '../../ordered/reader.ts'
import type { BTreeTree } from '../types.ts'
import type { BTreeCore } from './core.ts'
import { BulkLoad } from './load.ts'

/** What a tree needs of its store. */
export interface BTreeOwner extends TreeOwner {
  readonly core: BTreeCore
  readonly clock: Clock
}

export class NativeBTreeHandle<K, V> extends NativeTreeHandle<K, V> implements BTreeTree<K, V> {
  private readonly store: BTreeOwner

  constructor(owner: BTreeOwner, name: string, codecs: Codecs<K, V>) {
    super(owner, name, codecs)
    this.store = owner
  }

  get keyCount(): number {
    const { core } = this.store
    core.assertUsable()
    const measured = core.raw.measure(this.open().handle)
    return measured === undefined ? core.fail() : measured.keyCount
  }

  async bulkLoad(entries: Iterable<readonly [K, V]> | AsyncIterable<readonly [K, V]>): Promise<number> {
    checkEntries(entries)
    const { core, clock } = this.store
    const load = new BulkLoad(core, this.open().handle)
    try {
      let isTurnDue = false
      for await (const entry of entries) {
        if (isTurnDue) await clock.turn()
        checkEntry(entry)
        isTurnDue = load.add(this.encodeKey(entry[0]), this.encodeValue(entry[1]))
      }
      return await load.finish()
    } finally {
      load.close()
    }
  }
}
