// What the parts of the LSM benchmark hand to each other.
import type { Access, Contestant, MaybePromise, TaskRequest } from '../contest/types.ts'

/**
 * One run of one child process, in the order of a turn. Those from `get` on work on the store that `fill-random` left; the last
 * ones change it.
 */
export const TASKS = [
  'empty',
  'fill-sequential',
  'durable-1',
  'durable-64',
  'fill-random',
  'get',
  'get-awaited',
  'get-many',
  'get-absent',
  'range-100',
  'prefix-1000',
  'scan',
  'flat-scan',
  'read-while-writing',
  'overwrite',
  'delete',
] as const
export type TaskName = (typeof TASKS)[number]

/** The tasks that need the store of `fill-random`. */
export const NEEDS_STORE: readonly TaskName[] = TASKS.slice(TASKS.indexOf('get'))

/** What a task found, by name. */
export type Figures = Partial<Record<string, number>>

/** Somebody who does the tasks in whatever way. */
export interface LsmContestant extends Contestant {
  run(request: TaskRequest): Promise<Figures>
}

export interface OpenOptions {
  access: Access
  cacheBytes: number
}

/** What to visit: from the first key >= `gte` to the last one < `lt`, at most `limit`. */
export interface Bounds {
  gte?: Buffer
  lt?: Buffer
  limit: number
}

/** A store as the tasks use it: buffers in, buffers out. Keys and values may be used again once a call is answered. */
export interface BenchStore {
  /** One commit of all `keys` with the values beside them. */
  batch(keys: readonly Buffer[], values: readonly Buffer[]): MaybePromise<unknown>
  /** One commit that deletes all `keys`. */
  remove(keys: readonly Buffer[]): MaybePromise<unknown>
  put(key: Buffer, value: Buffer): MaybePromise<unknown>
  /** In memory of the caller's own. */
  get(key: Buffer): Uint8Array | undefined
  /** The same without blocking the caller's thread for the disk. */
  getAwaited(key: Buffer): Promise<Uint8Array | undefined>
  /** How many of `keys` have a value; each was fetched. */
  getMany(keys: readonly Buffer[]): MaybePromise<number>
  /** Visits entries, key and value in buffers. @returns How many there were. */
  range(bounds: Bounds): MaybePromise<number>
  /** Visits all entries as flat memory, finding where each key and value lies. @returns How many there were. */
  flatScan?(): number
  /** Writes what is in memory to files, where the engine can be asked to. */
  flush?(): Promise<void>
  /** Places that a read of an absent key may have to look at, where the engine says so. */
  readAmplification?(): number
  close(): MaybePromise<unknown>
}

/** An engine that runs in our process. */
export interface Engine {
  open(directory: string, options: OpenOptions): Promise<BenchStore>
  /** True if the file of that name is a log, whose size is counted apart. */
  isLog(file: string): boolean
}
