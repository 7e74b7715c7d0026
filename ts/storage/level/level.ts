// A Level database over a store of named trees: abstract-level's public half on top, the store's handles below. What is here
// is abstract-level's private half: keys and values are encoded already, and each call says in which format they are.
import {
  type AbstractBatchOperation,
  type AbstractBatchOptions,
  type AbstractChainedBatch,
  type AbstractDelOptions,
  AbstractLevel,
  type AbstractPutOptions,
  type AbstractSnapshot,
} from 'abstract-level'
import { BedplateError } from '../../base/errors.ts'
import { describe } from '../../base/options.ts'
import type { NamedTree, TreeBatchOperation, TreeStore } from '../ordered/types.ts'
import type { KeyRange, OrderedReader } from '../ordered-store.ts'
import { boundsOf, bytesOf, type Format, type Formatted, Handles } from './formats.ts'
import { type IteratorOptions, type IteratorSource, LevelIterator } from './iterator.ts'
import { type LevelOpening, openAsLevel } from './open.ts'
import { LevelSnapshot, readersOf, type SnapshotOptions } from './snapshot.ts'
import type { LevelFormat, LevelWriteOptions } from './types.ts'

/** A store whose keys and values are bytes, which is how a database opens it. */
type ByteTreeStore = TreeStore<Uint8Array, Uint8Array>

/** What the databases can do beyond what every Level database can: see abstract-level's manifest. */
const MANIFEST = {
  has: true,
  getSync: true,
  seek: true,
  permanence: true,
  implicitSnapshots: true,
  explicitSnapshots: true,
  createIfMissing: true,
  errorIfExists: true,
  encodings: { utf8: true, buffer: true, view: true },
  signals: { iterators: true },
}

/** Keys that `clear` deletes in one commit where it cannot name a range. */
const KEYS_A_CLEAR = 1000

/** The formats of a read. */
interface Reading {
  keyEncoding: Format
  valueEncoding?: Format
  snapshot?: AbstractSnapshot
}

/** The formats of a write. */
interface Writing extends LevelWriteOptions {
  keyEncoding: Format
  valueEncoding?: Format
}

type Operation =
  | { type: 'put'; key: Formatted; value: Formatted; keyEncoding: Format; valueEncoding: Format }
  | { type: 'del'; key: Formatted; keyEncoding: Format }

interface ClearOptions extends KeyRange<Formatted> {
  keyEncoding: Format
  reverse: boolean
  /** -1: none. */
  limit: number
  snapshot?: AbstractSnapshot
}

/** An open store, and its default tree in every pair of formats. */
interface Open<Store> {
  store: Store
  trees: Handles<NamedTree<Formatted, Formatted>>
}

export abstract class StoreLevel<Store extends ByteTreeStore, KDefault, VDefault> extends AbstractLevel<
  LevelFormat,
  KDefault,
  VDefault
> {
  /** The directory of the store, as given to the constructor. */
  readonly location: string
  private opened: Open<Store> | undefined

  constructor(location: string, options: object | undefined) {
    if (typeof location !== 'string' || location === '') {
      throw new BedplateError('INVALID_INPUT', `location must be the name of a directory, got ${describe(location)}`)
    }
    super(MANIFEST, options)
    this.location = location
  }

  /**
   * The store below, for what Level has no word for: transactions, trees, figures, compaction. Its own handle gives and takes
   * bytes; `store.tree('', { valueEncoding: 'utf8' })` is the same tree in other encodings.
   * @throws CLOSED while the database is not open
   */
  get store(): Store {
    return this.current.store
  }

  // -- writes with options of ours ------------------------------------------------------------------------------

  override put(key: KDefault, value: VDefault): Promise<void>
  override put<K = KDefault, V = VDefault>(
    key: K,
    value: V,
    options: AbstractPutOptions<K, V> & LevelWriteOptions,
  ): Promise<void>
  override put<K, V>(key: K, value: V, options?: AbstractPutOptions<K, V> & LevelWriteOptions): Promise<void> {
    return super.put(key, value, options as AbstractPutOptions<K, V>)
  }

  override del(key: KDefault): Promise<void>
  override del<K = KDefault>(key: K, options: AbstractDelOptions<K> & LevelWriteOptions): Promise<void>
  override del<K>(key: K, options?: AbstractDelOptions<K> & LevelWriteOptions): Promise<void> {
    return super.del(key, options as AbstractDelOptions<K>)
  }

  override batch(operations: AbstractBatchOperation<this, KDefault, VDefault>[]): Promise<void>
  override batch<K = KDefault, V = VDefault>(
    operations: AbstractBatchOperation<this, K, V>[],
    options: AbstractBatchOptions<K, V> & LevelWriteOptions,
  ): Promise<void>
  override batch(): AbstractChainedBatch<this, KDefault, VDefault>
  override batch(...given: [] | [operations: unknown, options?: unknown]): unknown {
    return (super.batch as (...given: unknown[]) => unknown).apply(this, given)
  }

  // -- opening and closing --------------------------------------------------------------------------------------

  /** Opens the store in `location` with those of `options` that it knows, among them `create` and the encodings. */
  protected abstract openStore(location: string, options: object): Promise<Store>

  protected async _open(options: LevelOpening): Promise<void> {
    const store = await openAsLevel(this.location, options, (own) => this.openStore(this.location, own))
    const trees = new Handles((tree, encodings) => store.tree<Formatted, Formatted>(tree, encodings))
    this.opened = { store, trees }
  }

  protected async _close(): Promise<void> {
    await this.current.store.close()
    this.opened = undefined
  }

  // -- reading --------------------------------------------------------------------------------------------------

  protected _getSync(key: Formatted, options: Reading): Formatted | undefined {
    return this.reader(options).get(key)
  }

  protected async _get(key: Formatted, options: Reading): Promise<Formatted | undefined> {
    return this.reader(options).get(key)
  }

  protected async _getMany(keys: Formatted[], options: Reading): Promise<(Formatted | undefined)[]> {
    return this.reader(options).getMany(keys)
  }

  protected async _has(key: Formatted, options: Reading): Promise<boolean> {
    return this.reader(options).has(key)
  }

  protected async _hasMany(keys: Formatted[], options: Reading): Promise<boolean[]> {
    const reader = this.reader(options)
    return keys.map((key) => reader.has(key))
  }

  protected _iterator<K, V>(options: IteratorOptions & Reading): LevelIterator<this, K, V> {
    return new LevelIterator<this, K, V>(this, options, this.sourceOf(options))
  }

  protected _snapshot(options: SnapshotOptions): LevelSnapshot {
    return new LevelSnapshot(this.current.store, options)
  }

  // -- writing --------------------------------------------------------------------------------------------------

  protected async _put(key: Formatted, value: Formatted, options: Writing): Promise<void> {
    await this.tree(options).put(key, value)
    if (options.sync === true) await this.current.store.flushed()
  }

  protected async _del(key: Formatted, options: Writing): Promise<void> {
    await this.tree(options).delete(key)
    if (options.sync === true) await this.current.store.flushed()
  }

  /** One commit. */
  protected async _batch(operations: readonly Operation[], options: LevelWriteOptions | undefined): Promise<void> {
    const keyEncoding = operations.every((operation) => operation.keyEncoding === 'utf8') ? 'utf8' : 'buffer'
    const valueEncoding = operations.every(isPutOfTextOrDelete) ? 'utf8' : 'buffer'
    const asKey = keyEncoding === 'utf8' ? asItIs : bytesOf
    const asValue = valueEncoding === 'utf8' ? asItIs : bytesOf
    const batch = operations.map((operation): TreeBatchOperation<Formatted, Formatted> => {
      const key = asKey(operation.key)
      return operation.type === 'del' ? { type: 'delete', key } : { type: 'put', key, value: asValue(operation.value) }
    })
    await this.tree({ keyEncoding, valueEncoding }).batch(batch)
    if (options?.sync === true) await this.current.store.flushed()
  }

  /** A range is one record of the log. With a limit or a snapshot its keys are looked up and deleted in commits of many. */
  protected async _clear(options: ClearOptions): Promise<void> {
    const tree = this.tree(options)
    const bounds = boundsOf(options)
    if (options.limit === -1 && options.snapshot === undefined) return await tree.clear(bounds)
    const limit = options.limit === -1 ? Number.POSITIVE_INFINITY : options.limit
    let deletes: TreeBatchOperation<Formatted, Formatted>[] = []
    for (const [key] of this.reader(options).range({ ...bounds, reverse: options.reverse, limit })) {
      if (deletes.push({ type: 'delete', key }) < KEYS_A_CLEAR) continue
      await tree.batch(deletes)
      deletes = []
    }
    if (deletes.length > 0) await tree.batch(deletes)
  }

  // -- what is below --------------------------------------------------------------------------------------------

  private get current(): Open<Store> {
    if (this.opened !== undefined) return this.opened
    throw new BedplateError('CLOSED', `the database ${this.location} is not open`, { hint: 'await its open() first' })
  }

  private tree({ keyEncoding, valueEncoding }: Writing): NamedTree<Formatted, Formatted> {
    return this.current.trees.in(keyEncoding, valueEncoding)
  }

  private reader({ keyEncoding, valueEncoding, snapshot }: Reading): OrderedReader<Formatted, Formatted> {
    const readers = snapshot == null ? this.current.trees : this.own(snapshot).readers
    return readers.in(keyEncoding, valueEncoding)
  }

  /** Where an iterator reads: the snapshot that it was given, or the moment at which it is made. */
  private sourceOf(options: IteratorOptions & Reading): IteratorSource {
    const { keyEncoding, snapshot } = options
    const valueEncoding = options.values ? options.valueEncoding : 'buffer' // nobody looks at them: no text is made of them
    if (snapshot != null) {
      return { reader: () => this.reader({ keyEncoding, valueEncoding, snapshot }), close: () => {} }
    }
    const moment = this.current.store.snapshot()
    return { reader: () => readersOf(moment).in(keyEncoding, valueEncoding), close: () => moment.close() }
  }

  private own(snapshot: AbstractSnapshot): LevelSnapshot {
    if (snapshot instanceof LevelSnapshot && snapshot.store === this.opened?.store) return snapshot
    throw new BedplateError('INVALID_INPUT', `the snapshot is not one of the database ${this.location}`)
  }
}

function asItIs(formatted: Formatted): Formatted {
  return formatted
}

function isPutOfTextOrDelete(operation: Operation): boolean {
  return operation.type === 'del' || operation.valueEncoding === 'utf8'
}
