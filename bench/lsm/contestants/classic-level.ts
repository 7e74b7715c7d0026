// classic-level, which is LevelDB in Node: with the default pool of four threads, and with one for each of 64 writers.
import { loadPeer } from '../../contest/peers.ts'
import type { Contestant } from '../../contest/types.ts'
import type { BenchStore, Bounds, OpenOptions } from '../types.ts'
import { engineContestant } from './engine.ts'

/** What is used of the package `classic-level`. */
interface Level {
  open(): Promise<void>
  batch(): LevelBatch
  put(key: Buffer, value: Buffer, options: { sync: boolean }): Promise<void>
  get(key: Buffer): Promise<Buffer | undefined>
  getSync(key: Buffer): Buffer | undefined
  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]>
  iterator(options: Bounds & { fillCache: boolean }): LevelIterator
  close(): Promise<void>
}
/** Seven times as fast as handing over an array of operations. */
interface LevelBatch {
  put(key: Buffer, value: Buffer): LevelBatch
  del(key: Buffer): LevelBatch
  write(options: { sync: boolean }): Promise<void>
}
interface LevelIterator {
  nextv(count: number): Promise<[Buffer, Buffer][]>
  close(): Promise<void>
}
interface ClassicLevelModule {
  ClassicLevel: new (path: string, options: Record<string, unknown>) => Level
}

/** Entries that an iterator hands over at a time: more than its default, which is what it likes best. */
const ENTRIES_A_STEP = 1000
const WRITERS = 64

const PEER: Omit<Contestant, 'id' | 'label'> = {
  ours: false,
  peer: 'classic-level',
  modes: { fill: 'sync: false, handed to the kernel', durable: 'sync: true, one fdatasync a put' },
  cannot: { 'flat-scan': 'has no such call' },
}

const engine = {
  isLog: (file: string) => /\.log$|^LOG/.test(file),
  open: async (directory: string, { access, cacheBytes }: OpenOptions) =>
    new LevelStore(await open(directory, cacheBytes), access === 'durable'),
}

export const classicLevel = engineContestant({ ...PEER, id: 'classic-level', label: 'classic-level' }, engine)

export const classicLevel64 = engineContestant(
  {
    ...PEER,
    id: 'classic-level-64',
    label: 'classic-level, 64 threads',
    modes: { durable: 'the same with UV_THREADPOOL_SIZE=64: its writers are as many as those threads' },
    tasks: ['durable-64'],
    cannot: {},
    environment: { UV_THREADPOOL_SIZE: String(WRITERS) },
  },
  engine,
)

async function open(directory: string, cacheBytes: number): Promise<Level> {
  const { ClassicLevel } = loadPeer<ClassicLevelModule>('classic-level')
  const level = new ClassicLevel(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer', cacheSize: cacheBytes })
  await level.open()
  return level
}

class LevelStore implements BenchStore {
  private readonly level: Level
  private readonly sync: boolean

  constructor(level: Level, sync: boolean) {
    this.level = level
    this.sync = sync
  }

  batch(keys: readonly Buffer[], values: readonly Buffer[]): Promise<void> {
    const batch = this.level.batch()
    for (let i = 0; i < keys.length; i++) batch.put(keys[i]!, values[i]!)
    return batch.write({ sync: this.sync })
  }

  remove(keys: readonly Buffer[]): Promise<void> {
    const batch = this.level.batch()
    for (const key of keys) batch.del(key)
    return batch.write({ sync: this.sync })
  }

  put(key: Buffer, value: Buffer): Promise<void> {
    return this.level.put(key, value, { sync: this.sync })
  }

  get(key: Buffer): Buffer | undefined {
    return this.level.getSync(key)
  }

  getAwaited(key: Buffer): Promise<Buffer | undefined> {
    return this.level.get(key)
  }

  async getMany(keys: readonly Buffer[]): Promise<number> {
    return (await this.level.getMany(keys)).filter((value) => value !== undefined).length
  }

  async range(bounds: Bounds): Promise<number> {
    const iterator = this.level.iterator({ ...bounds, fillCache: true })
    let count = 0
    for (;;) {
      const entries = await iterator.nextv(Math.min(ENTRIES_A_STEP, bounds.limit))
      for (const [key, value] of entries) if (key.length + value.length > 0) count++
      if (entries.length === 0 || count >= bounds.limit) break
    }
    await iterator.close()
    return count
  }

  close(): Promise<void> {
    return this.level.close()
  }
}
