// A store over the TypeScript engine: its trees, and the engine as the handles of store.ts see it.
import { compareBytes, resolveBounds } from '../compare.ts'
import type { KeyRange, OrderedReader } from '../ordered-store.ts'
import { checkEntries, checkEntry, checkValue, encodeBatch, keyCheck } from './arguments.ts'
import type { Engine, Pin } from './engine.ts'
import { describePage } from './inspect.ts'
import { backupStore, bulkLoadTree, closeStore, compactStore } from './maintenance.ts'
import type { ByteOperation } from './operation.ts'
import { ConflictWatch } from './read-set.ts'
import { type Codecs, Reader } from './reader.ts'
import { collectStats } from './stats.ts'
import { StoreHandle } from './store.ts'
import type { Attempt, Moment, StoreEngine } from './store-engine.ts'
import type { BTreeStats, BTreeTree, PageDescription, TreeBatchOperation, VerifyReport } from './types.ts'
import { verifyState } from './verify.ts'
import { type ByteReader, LiveReader, PinnedReader } from './walk.ts'
import { watched } from './watched-reader.ts'

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
    return closeStore(this.engine)
  }

  protected encodeValue(value: V): Uint8Array {
    return checkValue(this.codecs.value.encode(value))
  }
}

/** The TypeScript engine, as the handles of a store see it. */
class TypeScriptEngine implements StoreEngine {
  private readonly engine: Engine

  constructor(engine: Engine) {
    this.engine = engine
  }

  get mutant(): StoreEngine['mutant'] {
    return this.engine.mutant
  }

  get path(): string {
    return this.engine.path
  }

  get pageSizeBytes(): number {
    return this.engine.pager.pageSizeBytes
  }

  get position(): number {
    return this.engine.position
  }

  get durablePosition(): number {
    return this.engine.log.durablePosition
  }

  assertOpen(): void {
    this.engine.assertOpen()
  }

  assertWritable(): void {
    this.engine.assertWritable()
  }

  tree<K, V>(name: string, codecs: Codecs<K, V>): BTreeTree<K, V> {
    return new TreeHandle(this.engine, name, codecs)
  }

  treeNames(): string[] {
    return this.engine.catalogue.treeNames()
  }

  apply(operations: readonly ByteOperation[]): Promise<void> {
    return this.engine.apply(operations)
  }

  openMoment(): Moment {
    return new PinnedMoment(this.engine, this.engine.pin())
  }

  begin(): Attempt {
    return new WatchedAttempt(this.engine)
  }

  async flushedTo(position: number): Promise<void> {
    if (!this.engine.readOnly) await this.engine.log.flushedTo(position)
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
    return describePage(this.engine.pager.file, pageNumber, this.pageSizeBytes)
  }

  close(): Promise<void> {
    return closeStore(this.engine)
  }
}

/** A store that the TypeScript engine runs. */
export class Store<K, V> extends StoreHandle<K, V> {
  private readonly onClose: () => void

  constructor(engine: Engine, codecs: Codecs<K, V>, onClose: () => void = () => {}) {
    super(new TypeScriptEngine(engine), codecs)
    this.onClose = onClose
  }

  override async close(): Promise<void> {
    this.onClose()
    await super.close()
  }
}

class PinnedMoment implements Moment {
  private readonly engine: Engine
  private readonly pin: Pin

  constructor(engine: Engine, pin: Pin) {
    this.engine = engine
    this.pin = pin
  }

  get position(): number {
    return this.pin.position
  }

  assertOpen(): void {
    this.pin.assertOpen()
  }

  reader<K, V>(tree: string, codecs: Codecs<K, V>): OrderedReader<K, V> {
    const { engine, pin } = this
    return new Reader(new PinnedReader(engine, pin, tree), codecs, keyCheck(pin.pager.pageSizeBytes))
  }

  close(): void {
    this.pin.close()
  }
}

/** A run of a transaction that is told of every write of others while it lasts. */
class WatchedAttempt implements Attempt {
  private readonly engine: Engine
  private readonly pin: Pin
  private readonly watch = new ConflictWatch()

  constructor(engine: Engine) {
    this.engine = engine
    this.pin = engine.pin()
    engine.observers.add(this.watch)
  }

  reader(tree: string): ByteReader {
    return watched(new PinnedReader(this.engine, this.pin, tree), tree, this.watch)
  }

  commit(operations: readonly ByteOperation[]): Promise<void> {
    this.watch.check()
    return this.engine.apply(operations)
  }

  close(): void {
    this.engine.observers.delete(this.watch)
    this.pin.close()
  }
}

function sameValue(found: Uint8Array | undefined, wanted: Uint8Array | undefined): boolean {
  if (found === undefined || wanted === undefined) return found === wanted
  return compareBytes(found, wanted) === 0
}
