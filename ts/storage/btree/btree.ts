// The public handles of a store: they check arguments, turn keys and values into bytes, and call the engine.

import { checkOptions } from '../../base/options.ts'
import { compareBytes, resolveBounds } from '../compare.ts'
import type { KeyRange } from '../ordered-store.ts'
import { checkEntries, checkEntry, checkTreeName, checkValue, codecsOf, encodeBatch, keyCheck } from './arguments.ts'
import { checkTransactionOptions, checkTreeOptions } from './check-options.ts'
import { DEFAULT_TREE, type Engine, type Pin } from './engine.ts'
import { describePage } from './inspect.ts'
import { backupStore, bulkLoadTree, compactStore } from './maintenance.ts'
import { type Codecs, Reader } from './reader.ts'
import { collectStats } from './stats.ts'
import { runTransaction, runTransactionSync, TransactionQueue } from './transaction.ts'
import {
  type BTree,
  type BTreeStats,
  type BTreeTree,
  maxKeyBytes,
  type PageDescription,
  type Snapshot,
  type Transaction,
  type TransactionOptions,
  type TreeBatchOperation,
  type TreeOptions,
  type VerifyReport,
} from './types.ts'
import { verifyState } from './verify.ts'
import { LiveReader, PinnedReader } from './walk.ts'

/** One tree of an open store. */
class TreeHandle<K, V> extends Reader<K, V> implements BTreeTree<K, V> {
  readonly name: string
  protected readonly engine: Engine

  constructor(engine: Engine, name: string, codecs: Codecs<K, V>) {
    super(new LiveReader(engine, name), codecs, keyCheck(engine.pager.pageSizeBytes))
    this.engine = engine
    this.name = name
  }

  get keyCount(): number {
    this.engine.assertOpen()
    return this.engine.catalogue.tree(this.name)?.keyCount ?? 0
  }

  put(key: K, value: V): Promise<void> {
    return this.engine.put(this.name, this.encodeKey(key), this.encodeValue(value))
  }

  delete(key: K): Promise<void> {
    return this.engine.apply([{ kind: 'delete', tree: this.name, key: this.encodeKey(key) }])
  }

  batch(operations: readonly TreeBatchOperation<K, V>[]): Promise<void> {
    return this.engine.apply(
      encodeBatch(operations, {
        tree: this.name,
        key: (key) => this.encodeKey(key),
        value: (value) => this.encodeValue(value),
      }),
    )
  }

  clear(range: KeyRange<K> = {}): Promise<void> {
    return this.engine.apply([{ kind: 'clear', tree: this.name, range: resolveBounds(range, this.codecs.key) }])
  }

  async compareAndSwap(key: K, expected: V | undefined, value: V | undefined): Promise<boolean> {
    const keyBytes = this.encodeKey(key)
    const wanted = expected === undefined ? undefined : this.encodeValue(expected)
    const next = value === undefined ? undefined : this.encodeValue(value)
    this.engine.assertWritable()
    if (!sameValue(this.engine.get(this.name, keyBytes), wanted)) return false
    if (next === undefined) await this.engine.apply([{ kind: 'delete', tree: this.name, key: keyBytes }])
    else await this.engine.put(this.name, keyBytes, next)
    return true
  }

  async bulkLoad(entries: Iterable<readonly [K, V]> | AsyncIterable<readonly [K, V]>): Promise<number> {
    checkEntries(entries)
    return await bulkLoadTree(this.engine, this.name, entries, (entry) => {
      checkEntry(entry)
      return [this.encodeKey(entry[0]), this.encodeValue(entry[1])]
    })
  }

  async flushed(): Promise<void> {
    this.engine.assertOpen()
    if (!this.engine.readOnly) await this.engine.log.flushed()
  }

  /** Closes the whole store: trees share it. */
  close(): Promise<void> {
    return this.engine.close()
  }

  protected encodeValue(value: V): Uint8Array {
    return checkValue(this.codecs.value.encode(value))
  }
}

/** An open store. */
export class Store<K, V> extends TreeHandle<K, V> implements BTree<K, V> {
  readonly path: string
  readonly pageSizeBytes: number
  readonly maxKeyBytes: number
  private readonly transactions: TransactionQueue
  private readonly onClose: () => void

  constructor(engine: Engine, codecs: Codecs<K, V>, onClose: () => void = () => {}) {
    super(engine, DEFAULT_TREE, codecs)
    this.path = engine.path
    this.pageSizeBytes = engine.pager.pageSizeBytes
    this.maxKeyBytes = maxKeyBytes(this.pageSizeBytes)
    this.transactions = new TransactionQueue()
    this.onClose = onClose
  }

  get durablePosition(): number {
    return this.engine.log.durablePosition
  }

  get position(): number {
    return this.engine.position
  }

  tree<K2 = string, V2 = string>(name: string, options: TreeOptions = {}): BTreeTree<K2, V2> {
    return new TreeHandle<K2, V2>(this.engine, checkTreeName(name), codecsOf<K2, V2>(checkTreeOptions(options)))
  }

  treeNames(): string[] {
    this.engine.assertOpen()
    return this.engine.catalogue
      .treeNames()
      .filter((name) => name !== DEFAULT_TREE)
      .sort()
  }

  dropTree(name: string): Promise<void> {
    return this.engine.apply([{ kind: 'drop', tree: checkTreeName(name) }])
  }

  snapshot(): Snapshot<K, V>
  snapshot(options: { durable: true }): Promise<Snapshot<K, V>>
  snapshot(options?: { durable: true }): Snapshot<K, V> | Promise<Snapshot<K, V>> {
    checkOptions(options ?? {}, { durable: 'boolean' }, 'snapshot')
    const snapshot = new StoreSnapshot<K, V>(this.engine, this.engine.pin(), this.codecs)
    return options?.durable ? this.durably(snapshot) : snapshot
  }

  transaction<T>(fn: (tx: Transaction<K, V>) => T | Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return runTransaction(this.engine, this.transactions, this.codecs, fn, checkTransactionOptions(options))
  }

  transactionSync<T>(fn: (tx: Transaction<K, V>) => T): T {
    return runTransactionSync(this.engine, this.codecs, fn)
  }

  checkpoint(): Promise<void> {
    return this.engine.checkpoint()
  }

  stats(): BTreeStats {
    return collectStats(this.engine)
  }

  async verify(): Promise<VerifyReport> {
    const { engine } = this
    const pin = engine.pin()
    try {
      const { freeList } = engine.pager
      const unused = [...freeList.unusedPages(), ...engine.unattached]
      const listPages = engine.metas.freeListPages
      return await verifyState(pin, { pageCount: freeList.pageCount, unused, listPages }, engine.clock)
    } finally {
      pin.close()
    }
  }

  backup(path: string): Promise<void> {
    return backupStore(this.engine, path)
  }

  compact(): Promise<void> {
    return compactStore(this.engine)
  }

  inspectPage(pageNumber: number): PageDescription {
    this.engine.assertOpen()
    return describePage(this.engine.pager.file, pageNumber, this.pageSizeBytes)
  }

  override async close(): Promise<void> {
    this.onClose()
    await this.engine.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async durably(snapshot: StoreSnapshot<K, V>): Promise<Snapshot<K, V>> {
    try {
      if (!this.engine.readOnly) await this.engine.log.flushedTo(snapshot.position)
      return snapshot
    } catch (error) {
      snapshot.close()
      throw error
    }
  }
}

/** A frozen moment of a store. */
class StoreSnapshot<K, V> extends Reader<K, V> implements Snapshot<K, V> {
  readonly position: number
  private readonly engine: Engine
  private readonly pin: Pin

  constructor(engine: Engine, pin: Pin, codecs: Codecs<K, V>) {
    super(new PinnedReader(engine, pin, DEFAULT_TREE), codecs, keyCheck(pin.pager.pageSizeBytes))
    this.engine = engine
    this.pin = pin
    this.position = pin.position
  }

  tree<K2 = string, V2 = string>(name: string, options: TreeOptions = {}): Reader<K2, V2> {
    this.pin.assertOpen()
    const reader = new PinnedReader(this.engine, this.pin, checkTreeName(name))
    return new Reader<K2, V2>(reader, codecsOf<K2, V2>(checkTreeOptions(options)), this.checkKey)
  }

  close(): void {
    this.pin.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function sameValue(found: Uint8Array | undefined, wanted: Uint8Array | undefined): boolean {
  if (found === undefined || wanted === undefined) return found === wanted
  return compareBytes(found, wanted) === 0
}
