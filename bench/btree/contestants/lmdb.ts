import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { loadPeer } from '../../contest/peers.ts'
import type { Access } from '../../contest/types.ts'
import type { BenchStore, BTreeContestant } from '../types.ts'

/** What is used of the package `lmdb`. */
interface Database {
  batch(action: () => void): Promise<unknown>
  put(key: Buffer, value: Buffer): Promise<unknown>
  get(key: Buffer): Buffer | undefined
  getBinaryFast(key: Buffer): Buffer | undefined
  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]>
  getRange(options: { start?: Buffer; limit: number }): Iterable<{ key: Buffer; value: Buffer }>
  backup(path: string, compact: boolean): Promise<void>
  close(): Promise<void>
}
interface Lmdb {
  open(path: string, options: Record<string, unknown>): Database
}

const DURABLE = 'overlappingSync: false, one fdatasync a commit'

export const lmdb = contestant('lmdb', 'lmdb', false, {
  modes: { fill: 'default: each commit is synced in the background', durable: DURABLE },
  cannot: { 'flat-scan': 'has no such call' },
})

export const lmdbNoSync = contestant('lmdb-nosync', 'lmdb noSync', true, {
  modes: { fill: 'noSync: handed to the kernel' },
  tasks: ['empty', 'fill-sequential', 'fill-random', 'compact'],
})

function contestant(
  id: string,
  label: string,
  noSync: boolean,
  rest: Pick<BTreeContestant, 'modes' | 'tasks' | 'cannot'>,
): BTreeContestant {
  const open = (directory: string, access: Access): Database =>
    loadPeer<Lmdb>('lmdb').open(directory, {
      keyEncoding: 'binary',
      encoding: 'binary',
      noSync,
      ...(access === 'durable' ? { overlappingSync: false } : {}),
    })
  return {
    id,
    label,
    ours: false,
    peer: 'lmdb',
    ...rest,
    isLog: (file) => file === 'lock.mdb',
    open: async (directory, { access }) => new LmdbStore(open(directory, access)),
    async compact(directory) {
      const copy = `${directory}-compacted`
      mkdirSync(copy)
      const database = open(directory, 'read')
      await database.backup(copy, true)
      await database.close()
      rmSync(directory, { recursive: true })
      renameSync(copy, directory)
    },
  }
}

class LmdbStore implements BenchStore {
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  batch(keys: readonly Buffer[], values: readonly Buffer[]): Promise<unknown> {
    return this.database.batch(() => {
      for (let i = 0; i < keys.length; i++) void this.database.put(keys[i]!, values[i]!)
    })
  }

  put(key: Buffer, value: Buffer): Promise<unknown> {
    return this.database.put(key, value)
  }

  get(key: Buffer): Buffer | undefined {
    return this.database.get(key)
  }

  getShared(key: Buffer): Buffer | undefined {
    return this.database.getBinaryFast(key)
  }

  async getMany(keys: readonly Buffer[]): Promise<number> {
    return (await this.database.getMany(keys)).filter((value) => value !== undefined).length
  }

  range(start: Buffer | undefined, limit: number): number {
    let count = 0
    for (const { key, value } of this.database.getRange(start === undefined ? { limit } : { start, limit })) {
      if (key.length + value.length > 0) count++
    }
    return count
  }

  close(): Promise<void> {
    return this.database.close()
  }
}
