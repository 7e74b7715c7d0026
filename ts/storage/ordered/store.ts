// The handles of an open store, whatever engine is below: they check arguments and pass calls on.
import { checkOptions } from '../../base/options.ts'
import type { FlatBlock, KeyRange, OrderedReader, RangeIterable, RangeOptions } from '../ordered-store.ts'
import { checkNamedTree, checkTreeName, codecsOf } from './arguments.ts'
import { checkTransactionOptions, checkTreeOptions } from './check-options.ts'
import { DEFAULT_TREE } from './operation.ts'
import type { Codecs } from './reader.ts'
import type { Moment, StoreEngine } from './store-engine.ts'
import { runTransaction, runTransactionSync, TransactionQueue } from './transaction.ts'
import type {
  NamedTree,
  Snapshot,
  Transaction,
  TransactionOptions,
  TreeBatchOperation,
  TreeOptions,
  TreeStore,
} from './types.ts'

/** Reads what its engine's own reader reads. */
abstract class ReadingHandle<K, V, R extends OrderedReader<K, V>> implements OrderedReader<K, V> {
  protected readonly reader: R

  constructor(reader: R) {
    this.reader = reader
  }

  get(key: K): V | undefined {
    return this.reader.get(key)
  }

  getInto(key: K, target: Uint8Array): number | undefined {
    return this.reader.getInto(key, target)
  }

  getMany(keys: readonly K[]): (V | undefined)[] {
    return this.reader.getMany(keys)
  }

  has(key: K): boolean {
    return this.reader.has(key)
  }

  getAsync(key: K): Promise<V | undefined> {
    return this.reader.getAsync(key)
  }

  range(options?: RangeOptions<K>): RangeIterable<K, V> {
    return this.reader.range(options)
  }

  scan(options?: RangeOptions<K>): IterableIterator<FlatBlock> {
    return this.reader.scan(options)
  }
}

/** An open store: its default tree, and what concerns all of it. Each engine adds what it alone can do. */
export abstract class StoreHandle<K, V, T extends NamedTree<K, V>>
  extends ReadingHandle<K, V, T>
  implements TreeStore<K, V>
{
  readonly path: string
  readonly maxKeyBytes: number
  private readonly base: StoreEngine
  private readonly codecs: Codecs<K, V>
  private readonly transactions = new TransactionQueue()

  /** @param tree - The default tree of `engine`. */
  constructor(engine: StoreEngine, tree: T, codecs: Codecs<K, V>) {
    super(tree)
    this.base = engine
    this.codecs = codecs
    this.path = engine.path
    this.maxKeyBytes = engine.maxKeyBytes
  }

  // -- the default tree -----------------------------------------------------------------------------------------

  get name(): string {
    return DEFAULT_TREE
  }

  put(key: K, value: V): Promise<void> {
    return this.reader.put(key, value)
  }

  delete(key: K): Promise<void> {
    return this.reader.delete(key)
  }

  batch(operations: readonly TreeBatchOperation<K, V>[]): Promise<void> {
    return this.reader.batch(operations)
  }

  clear(range?: KeyRange<K>): Promise<void> {
    return this.reader.clear(range)
  }

  compareAndSwap(key: K, expected: V | undefined, value: V | undefined): Promise<boolean> {
    return this.reader.compareAndSwap(key, expected, value)
  }

  flushed(): Promise<void> {
    return this.reader.flushed()
  }

  // -- the whole store ------------------------------------------------------------------------------------------

  get durablePosition(): number {
    return this.base.durablePosition
  }

  get position(): number {
    return this.base.position
  }

  tree<K2, V2>(name: string, options: TreeOptions = {}): NamedTree<K2, V2> {
    return this.base.tree(checkTreeName(name), codecsOf<K2, V2>(checkTreeOptions(options)))
  }

  treeNames(): string[] {
    this.base.assertOpen()
    return this.base
      .treeNames()
      .filter((name) => name !== DEFAULT_TREE)
      .sort()
  }

  dropTree(name: string): Promise<void> {
    return this.base.apply([{ kind: 'drop', tree: checkNamedTree(name) }])
  }

  snapshot(): Snapshot<K, V>
  snapshot(options: { durable: true }): Promise<Snapshot<K, V>>
  snapshot(options?: { durable: true }): Snapshot<K, V> | Promise<Snapshot<K, V>> {
    checkOptions(options ?? {}, { durable: 'boolean' }, 'snapshot')
    const snapshot = new StoreSnapshot<K, V>(this.base.openMoment(), this.codecs)
    return options?.durable ? this.durably(snapshot) : snapshot
  }

  transaction<R>(fn: (tx: Transaction<K, V>) => R | Promise<R>, options: TransactionOptions = {}): Promise<R> {
    return runTransaction(this.base, this.transactions, this.codecs, fn, checkTransactionOptions(options))
  }

  transactionSync<R>(fn: (tx: Transaction<K, V>) => R): R {
    return runTransactionSync(this.base, this.codecs, fn)
  }

  close(): Promise<void> {
    return this.base.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async durably(snapshot: StoreSnapshot<K, V>): Promise<Snapshot<K, V>> {
    try {
      await this.base.flushedTo(snapshot.position)
      return snapshot
    } catch (error) {
      snapshot.close()
      throw error
    }
  }
}

/** A frozen moment of a store. */
class StoreSnapshot<K, V> extends ReadingHandle<K, V, OrderedReader<K, V>> implements Snapshot<K, V> {
  private readonly moment: Moment

  constructor(moment: Moment, codecs: Codecs<K, V>) {
    super(moment.reader(DEFAULT_TREE, codecs))
    this.moment = moment
  }

  get position(): number {
    return this.moment.position
  }

  tree<K2, V2>(name: string, options: TreeOptions = {}): OrderedReader<K2, V2> {
    this.moment.assertOpen()
    return this.moment.reader(checkTreeName(name), codecsOf<K2, V2>(checkTreeOptions(options)))
  }

  close(): void {
    this.moment.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
