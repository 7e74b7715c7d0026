// What the parts of the B-tree benchmark hand to each other.
import type { Access, Contestant, MaybePromise } from '../contest/types.ts'

/** One run of one child process, in the order of a turn. Those from `get` on read the store that `fill-random` left. */
export const TASKS = [
  'empty',
  'fill-sequential',
  'durable-1',
  'durable-64',
  'fill-random',
  'get',
  'get-shared',
  'get-many',
  'range-100',
  'scan',
  'flat-scan',
  'get-4-workers',
  'compact',
] as const
export type TaskName = (typeof TASKS)[number]

/** The tasks that need the store of `fill-random`. */
export const NEEDS_STORE: readonly TaskName[] = TASKS.slice(TASKS.indexOf('get'))

export interface OpenOptions {
  access: Access
  cacheBytes: number
}

/** A store as the tasks use it: buffers in, buffers out. Keys and values may be used again once a call is answered. */
export interface BenchStore {
  /** One commit of all `keys` with the values beside them. */
  batch(keys: readonly Buffer[], values: readonly Buffer[]): MaybePromise<unknown>
  put(key: Buffer, value: Buffer): MaybePromise<unknown>
  /** In memory of the caller's own. */
  get(key: Buffer): Uint8Array | undefined
  /** Without an allocation: valid until the next call. */
  getShared?(key: Buffer): Uint8Array | undefined
  /** How many of `keys` have a value; each was fetched. */
  getMany(keys: readonly Buffer[]): MaybePromise<number>
  /** Visits at most `limit` entries from `start` on, key and value in buffers. @returns How many there were. */
  range(start: Buffer | undefined, limit: number): MaybePromise<number>
  /** Visits all entries as flat memory, finding where each key and value lies. @returns How many there were. */
  flatScan?(): number
  close(): MaybePromise<unknown>
}

/** An engine that has stores of records. */
export interface BTreeContestant extends Contestant {
  open(directory: string, options: OpenOptions): Promise<BenchStore>
  /** Makes the closed store in `directory` as small as its engine can. */
  compact(directory: string, options: OpenOptions): Promise<void>
  /** True if the file of that name is a log, whose size is counted apart. */
  isLog(file: string): boolean
}
