// A place for stores with everything small (deep trees, short segments, a cache that evicts) on either engine: the
// TypeScript one on a simulated disk, the native one, which has its own disk, in a temporary directory.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { realClock } from '../../ts/io/clock.ts'
import { realRandom } from '../../ts/io/random.ts'
import { realDisk } from '../../ts/io/real-disk.ts'
import { SimulatedDisk } from '../../ts/io/simulated-disk.ts'
import type { NativeOpen } from '../../ts/native/btree.ts'
import { loadNative } from '../../ts/native/loader.ts'
import { Store } from '../../ts/storage/btree/btree.ts'
import type { Engine } from '../../ts/storage/btree/engine.ts'
import type { BTree, TreeOptions } from '../../ts/storage/btree/index.ts'
import type { NativeEngine } from '../../ts/storage/btree/native/engine.ts'
import { openNativeEngine } from '../../ts/storage/btree/native/open.ts'
import { openEngine } from '../../ts/storage/btree/open.ts'
import { BTreeHandle } from '../../ts/storage/btree/store.ts'
import { codecsOf } from '../../ts/storage/ordered/arguments.ts'
import { ManualClock, SMALL, type StoreSettings } from './btree-crash/store.ts'
import { ENGINES } from './engines.ts'
import { temporaryDirectory } from './temporary-directory.ts'

export interface BedOptions extends TreeOptions {
  /** Makes the store if there is none. */
  create?: boolean
  readOnly?: boolean
  /** The name of the store, of several. */
  name?: string
}

export interface StoreBed {
  readonly engine: 'typescript' | 'native'
  /** Only where it is simulated. */
  readonly disk: SimulatedDisk
  /** Only where time moves by hand. */
  readonly clock: ManualClock
  open<K = string, V = string>(options?: BedOptions): Promise<BTree<K, V>>
  /** Another handle of the store that was opened last: both end when one is closed. */
  handle<K, V>(options: TreeOptions): BTree<K, V>
  /** The path of something beside the stores. */
  path(name: string): string
  /** The names of what is in the directory of the stores, or in that of one of them. */
  list(name?: string): string[]
  /** What a killed process leaves, as far as that can be had without one: else what closing leaves. */
  kill(store: { flushed(): Promise<void>; close(): Promise<void> }): Promise<void>
  /** Fails if anything is open. */
  assertIdle(): void
  remove(): void
}

/** An engine that runs here, and how it is tested. */
export interface BedMaker {
  name: 'typescript' | 'native'
  make(settings?: StoreSettings): StoreBed
  /** Registers a test that tells the disk what to do: only the simulated one can be told. */
  itSteersTheDisk(title: string, test: () => Promise<void>): void
}

export const BEDS: readonly BedMaker[] = ENGINES.map(({ name, native }) => ({
  name,
  make: (settings = SMALL) => (native ? new RealBed(settings) : new SimulatedBed(settings)),
  itSteersTheDisk: native ? () => {} : it,
}))

const STORE = 'store'

class SimulatedBed implements StoreBed {
  readonly engine = 'typescript'
  disk = new SimulatedDisk()
  readonly clock = new ManualClock()
  private opened: Engine | undefined
  private readonly settings: StoreSettings

  constructor(settings: StoreSettings) {
    this.settings = settings
  }

  async open<K, V>({
    create = false,
    readOnly = false,
    name = STORE,
    ...encodings
  }: BedOptions = {}): Promise<BTree<K, V>> {
    const { disk, clock, settings } = this
    const path = this.path(name)
    const outside = { disk, clock, random: realRandom }
    this.opened = await openEngine({ ...settings, ...outside, path, create, readOnly })
    return this.handle(encodings)
  }

  handle<K, V>(options: TreeOptions): BTree<K, V> {
    return new Store<K, V>(this.opened as Engine, codecsOf<K, V>(options))
  }

  path(name: string): string {
    return `/${name}`
  }

  list(name = ''): string[] {
    return this.disk.list(`/${name}`)
  }

  async kill(store: { flushed(): Promise<void> }): Promise<void> {
    await store.flushed()
    this.disk = new SimulatedDisk({ image: this.disk.currentImage() })
  }

  assertIdle(): void {
    expect([this.disk.openHandles, this.disk.heldLocks]).toEqual([0, 0])
  }

  remove(): void {}
}

class RealBed implements StoreBed {
  readonly engine = 'native'
  private readonly settings: StoreSettings
  private readonly directory = temporaryDirectory()
  private opened: NativeEngine | undefined

  get disk(): never {
    throw new Error('the native engine has a disk of its own: use itSteersTheDisk')
  }

  get clock(): never {
    throw new Error('the native engine has a clock of its own: use itSteersTheDisk')
  }

  constructor(settings: StoreSettings) {
    this.settings = settings
  }

  async open<K, V>({
    create = false,
    readOnly = false,
    name = STORE,
    ...encodings
  }: BedOptions = {}): Promise<BTree<K, V>> {
    const outside = { disk: realDisk, clock: realClock, random: realRandom }
    const options = { ...this.settings, ...outside, path: this.path(name), create, readOnly }
    this.opened = await openNativeEngine(loadNative()?.openBTree as NativeOpen, options)
    return this.handle(encodings)
  }

  handle<K, V>(options: TreeOptions): BTree<K, V> {
    return new BTreeHandle<K, V>(this.opened as NativeEngine, codecsOf<K, V>(options))
  }

  path(name: string): string {
    return join(this.directory.path, name)
  }

  list(name = ''): string[] {
    return readdirSync(this.path(name)).sort()
  }

  async kill(store: { close(): Promise<void> }): Promise<void> {
    await store.close()
  }

  assertIdle(): void {
    const path = this.path(STORE)
    if (!existsSync(path)) return
    expect(this.list(STORE).filter((name) => name.startsWith('LOCK') || name.startsWith('stats'))).toEqual([])
  }

  remove(): void {
    this.directory.remove()
  }
}
