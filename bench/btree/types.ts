// What the parts of the B-tree benchmark hand to each other.

export type MaybePromise<T> = T | Promise<T>

/** What a store is opened for: filling without a sync for each commit, commits that must survive, reading. */
export type Access = 'fill' | 'durable' | 'read'

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

/** An engine in one of its modes. */
export interface Contestant {
  id: string
  label: string
  /** One of ours: its rows are the ones the others are compared with. */
  ours: boolean
  /** The npm package in bench/peers that it needs. */
  peer?: string
  /** What it promises when it acknowledges a write, and how it was opened. */
  modes: Partial<Record<Access, string>>
  /** All that it takes part in; without it everything. */
  tasks?: readonly TaskName[]
  /** Tasks that it cannot do, with the reason. */
  cannot?: Partial<Record<TaskName, string>>
  open(directory: string, options: OpenOptions): Promise<BenchStore>
  /** Makes the closed store in `directory` as small as its engine can. */
  compact(directory: string, options: OpenOptions): Promise<void>
  /** True if the file of that name is a log, whose size is counted apart. */
  isLog(file: string): boolean
}

/** The size of everything, the same for all contestants. */
export interface Scale {
  records: number
  /** How long to measure in the tasks that are not fills. */
  seconds: number
  cacheBytes: number
  seed: number
}

/** What a child process is asked for. */
export interface TaskRequest extends Scale {
  contestant: string
  task: TaskName
  /** The folder of the store; the parent has removed what was in it where the task fills it. */
  directory: string
}

/** What a child process found. */
export interface Outcome {
  /** Operations a second, in the unit of the task's row. */
  rate?: number
  /** The most memory that the process ever had, code and mapped files included. */
  rssBytes: number
  /** The most that the files other than logs had together while filling. */
  peakFileBytes?: number
  /** All files once closed, and those of them that are not logs. */
  closedFileBytes?: number
  closedDataBytes?: number
}
