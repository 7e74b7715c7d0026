// A store over the engine: its trees, and the engine as the handles of ../ordered see it.
import { checkTreeName, codecsOf, keyCheck } from '../ordered/arguments.ts'
import { checkTreeOptions } from '../ordered/check-options.ts'
import { PinnedMoment, type PinnedState, WatchedAttempt } from '../ordered/moment.ts'
import { DEFAULT_TREE } from '../ordered/operation.ts'
import type { ByteRange } from '../ordered/range.ts'
import type { Codecs } from '../ordered/reader.ts'
import { StoreHandle } from '../ordered/store.ts'
import type { Attempt, Moment, StoreEngine } from '../ordered/store-engine.ts'
import type { TreeOptions } from '../ordered/types.ts'
import type { KeyRange } from '../ordered-store.ts'
import { backupStore } from './backup.ts'
import type { LsmOperation } from './commit.ts'
import type { Engine } from './engine.ts'
import { checkListener, type LsmEvents, type LsmListener } from './events.ts'
import { type ByteEntries, compactRange, ingest } from './ingest.ts'
import { EVERYTHING } from './internal-key.ts'
import { LiveReader, PinnedReader } from './readers.ts'
import { collectStats } from './stats.ts'
import { LsmTreeHandle, type LsmTreeOwner } from './tree-handle.ts'
import {
  type Entries,
  type Lsm,
  type LsmBatchOperation,
  type LsmStats,
  type LsmTree,
  type LsmVerifyReport,
  MAX_KEY_BYTES,
} from './types.ts'
import { verifyTables } from './verify.ts'

/** The engine, as the handles of a store see it. */
class LsmEngine implements StoreEngine, LsmTreeOwner {
  readonly maxKeyBytes = MAX_KEY_BYTES
  readonly checkKey = keyCheck(MAX_KEY_BYTES, '')
  readonly path: string
  readonly mutant: StoreEngine['mutant']
  private readonly engine: Engine

  constructor(engine: Engine) {
    this.engine = engine
    this.path = engine.path
    this.mutant = engine.mutant
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

  tree<K, V>(name: string, codecs: Codecs<K, V>): LsmTree<K, V> {
    return new LsmTreeHandle(this, name, new LiveReader(this.engine, name), codecs)
  }

  treeNames(): string[] {
    return [...this.engine.memory.catalogue.ids.keys()]
  }

  put(tree: string, key: Uint8Array, value: Uint8Array): Promise<void> {
    return this.engine.apply([{ kind: 'put', tree, key, value }])
  }

  apply(operations: readonly LsmOperation[]): Promise<void> {
    return this.engine.apply(operations)
  }

  compact(tree: string, range: ByteRange): Promise<void> {
    return compactRange(this.engine, tree, range)
  }

  ingest(tree: string, entries: ByteEntries): Promise<number> {
    return ingest(this.engine, tree, entries)
  }

  openMoment(): Moment {
    return new PinnedMoment(pinnedState(this.engine), this.checkKey)
  }

  begin(): Attempt {
    return new WatchedAttempt(this.engine, pinnedState(this.engine))
  }

  async flushed(): Promise<void> {
    this.engine.assertOpen()
    await this.flushedTo(this.position)
  }

  async flushedTo(position: number): Promise<void> {
    if (!this.engine.readOnly) await this.engine.flushedTo(position)
  }

  close(): Promise<void> {
    return this.engine.close()
  }
}

/** An open store: its default tree, and what concerns all of it. */
export class LsmHandle<K, V> extends StoreHandle<K, V, LsmTree<K, V>> implements Lsm<K, V> {
  private readonly engine: Engine
  private readonly stopFigures: () => void
  private readonly seam: LsmEngine

  /** @param stopFigures - Called when the store is closed. */
  constructor(engine: Engine, codecs: Codecs<K, V>, stopFigures: () => void = () => {}) {
    const seam = new LsmEngine(engine)
    super(seam, seam.tree(DEFAULT_TREE, codecs), codecs)
    this.engine = engine
    this.stopFigures = stopFigures
    this.seam = seam
  }

  override tree<K2, V2>(name: string, options: TreeOptions = {}): LsmTree<K2, V2> {
    return this.seam.tree(checkTreeName(name), codecsOf<K2, V2>(checkTreeOptions(options)))
  }

  override batch(operations: readonly LsmBatchOperation<K, V>[]): Promise<void> {
    return this.reader.batch(operations)
  }

  increment(key: K, by?: number | bigint): Promise<void> {
    return this.reader.increment(key, by)
  }

  append(key: K, suffix: V): Promise<void> {
    return this.reader.append(key, suffix)
  }

  flush(): Promise<void> {
    return this.engine.flush()
  }

  async compact(range?: KeyRange<K>): Promise<void> {
    await (range === undefined ? this.engine.compact(EVERYTHING) : this.reader.compact(range))
  }

  ingest(entries: Entries<K, V>): Promise<number> {
    return this.reader.ingest(entries)
  }

  async backup(path: string): Promise<void> {
    await backupStore(this.engine, path)
  }

  on<E extends keyof LsmEvents>(event: E, listener: LsmListener<E>): () => void {
    checkListener(event, listener)
    return this.engine.events.on(event, listener)
  }

  stats(): LsmStats {
    return collectStats(this.engine)
  }

  override close(): Promise<void> {
    this.stopFigures()
    return super.close()
  }

  async verify(): Promise<LsmVerifyReport> {
    const { engine } = this
    engine.assertOpen()
    const version = engine.versions.current
    const release = engine.versions.hold()
    try {
      return await verifyTables(version, engine.tables, {
        clock: engine.clock,
        assertOpen: () => engine.assertOpen(),
      })
    } finally {
      release()
    }
  }
}

/** Pins the state of this moment. */
function pinnedState(engine: Engine): PinnedState {
  const pin = engine.pin()
  return {
    position: pin.position,
    assertOpen: () => pin.assertOpen(),
    reader: (tree) => new PinnedReader(engine, tree, pin),
    close: () => pin.close(),
  }
}
