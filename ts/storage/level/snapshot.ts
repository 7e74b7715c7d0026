// An explicit snapshot of a Level database: a moment of the store that stays readable until it is closed.
import { AbstractSnapshot } from 'abstract-level'
import type { Snapshot, TreeStore } from '../ordered/types.ts'
import type { OrderedReader } from '../ordered-store.ts'
import { type Formatted, Handles } from './formats.ts'

/** Its published types leave the constructor out. */
const Base = AbstractSnapshot as unknown as new (options: SnapshotOptions) => AbstractSnapshot

/** What abstract-level gives `_snapshot`. */
export interface SnapshotOptions {
  /** The database or sublevel that closes the snapshot when it is closed itself. */
  owner: object
}

export class LevelSnapshot extends Base {
  /** The store that it is of. */
  readonly store: TreeStore<Uint8Array, Uint8Array>
  /** Show the moment. */
  readonly readers: Handles<OrderedReader<Formatted, Formatted>>
  private readonly moment: Snapshot<Uint8Array, Uint8Array>

  constructor(store: TreeStore<Uint8Array, Uint8Array>, options: SnapshotOptions) {
    super(options)
    this.store = store
    this.moment = store.snapshot()
    this.readers = readersOf(this.moment)
  }

  protected async _close(): Promise<void> {
    this.moment.close()
  }
}

/** The readers of a moment. */
export function readersOf(moment: Snapshot<Uint8Array, Uint8Array>): Handles<OrderedReader<Formatted, Formatted>> {
  return new Handles((tree, options) => moment.tree<Formatted, Formatted>(tree, options))
}
