// The raw calls that all native stores of named trees share (native/binding/ordered_calls.h, ordered_binding.h). Nothing is
// checked below: a wrong argument, or any call after `close`, crashes the process.
//
// Keys go in, and values come out, through `memory`: a key area of `keyBytes`, then a value area. Numbers are bytes,
// counts or log positions; the three below say what no number can.

/** There is no such key. */
export const ABSENT = -1
/** The answer is larger than the memory for it: another call gives it. */
export const SPILLED = -2
/** `takeError` says why. */
export const FAILED = -3

/** There is not enough room left in a pool. */
export const NO_ROOM = -4
/** The answer takes a read of the disk. */
export const NOT_AT_HAND = -5

/** More than the entries of a range that a pool can hold. */
export const RANGE_BYTES_UNIT = 4096

/** The bits of a range: whether it has each bound, and whether that counts itself; and which way to walk it. */
export const RangeFlag = { lower: 1, lowerInclusive: 2, upper: 4, upperInclusive: 8, reverse: 16 } as const

/** What the operations of `apply` do. The last two are for LSM stores alone. */
export const OperationKind = { put: 0, delete: 1, clear: 2, drop: 3, increment: 4, append: 5 } as const

/** The levels of durability. */
export const NativeDurability = { sync: 0, interval: 1, os: 2, memory: 3 } as const

/** An error, before it is one of JavaScript. Promises reject with it too. */
export interface NativeError {
  code: string
  message: string
  hint?: string
}

/** Stands for a tree where one has to be passed. */
export type NativeTreeHandle = object & { readonly __brand?: 'NativeTreeHandle' }

/** A tree of the current state, or of a snapshot: then it is for reading only. */
export interface NativeTree {
  readonly handle: NativeTreeHandle
  /** The bytes of the value, which is in the value area; ABSENT, FAILED, or SPILLED: `takeSpill` gives it. */
  get(keyBytes: number): number
  /** The same of what is in memory; NOT_AT_HAND. */
  tryGet(keyBytes: number): number
  /** The bytes of the value, which is in `pool` from `start` on; ABSENT, FAILED, or SPILLED if it does not fit there. */
  getToPool(keyBytes: number, pool: Uint8Array, start: number): number
  /** The bytes of the value, which is in `target` if it fits; ABSENT or FAILED. */
  getInto(keyBytes: number, target: Uint8Array): number
  /** 1, 0 or FAILED. */
  has(keyBytes: number): number
  /**
   * @param keys - `length u32 | key`, `count` times.
   * @param target - Gets `length u32 (all ones: absent) | value` for each.
   * @returns 0; SPILLED if `target` is too small: `takeSpill` gives all of it; FAILED.
   */
  getMany(keys: Uint8Array, count: number, target: Uint8Array): number
  getAsync(key: Uint8Array): Promise<Uint8Array | undefined>
  /** The position of the commit; FAILED. */
  put(keyBytes: number, valueBytes: number): number
  /** The same for a value that the value area cannot hold. */
  putLarge(keyBytes: number, value: Uint8Array): number
  /**
   * The number of entries of a range, plus RANGE_BYTES_UNIT times their bytes, which are all in `pool` from `start` on.
   * NO_ROOM if they are too many for what is
   * left of it: `takeRange` then gives them. SPILLED if `pool` as a whole is too small, or a page is not in memory: it takes
   * a walk. FAILED. Bounds and flags as those of `walk`.
   */
  readRange(
    lowerBytes: number,
    upperBytes: number,
    flags: number,
    limit: number,
    pool: Uint8Array,
    start: number,
  ): number
  /** The id of a walk over a range: the lower bound in the key area, the upper one in the value area; FAILED. */
  walk(lowerBytes: number, upperBytes: number, flags: number, limit: number): number
}

/** An open store, as one thread sees it. Each engine adds what it alone can do. */
export interface NativeStore {
  readonly memory: Uint8Array
  readonly keyBytes: number

  takeError(): NativeError | undefined
  /** Why the store takes no more work, undefined while it is sound. */
  failure(): NativeError | undefined
  /** The range that had no room goes to the start of `pool`, another one of the same size. @returns As `readRange`. */
  takeRange(pool: Uint8Array): number
  spillLength(): number
  takeSpill(target: Uint8Array): void
  /** 1 if this thread is the one that keeps the figures that onlookers read. */
  keepsFigures(): number

  tree(name: string): NativeTree
  /** Undefined, and an error to take, if the snapshot cannot be read. */
  treeIn(snapshot: number, name: string): NativeTree | undefined
  dropTree(tree: NativeTreeHandle): void
  treeNames(): string[]

  /**
   * @param operations - `kind u8 | tree u32 | flags u8 | length u32 | length u32 | key or lower bound | value or upper bound`,
   *   `count` times; `tree` is an index into `trees`.
   * @returns The position; FAILED.
   */
  apply(operations: Uint8Array, count: number, trees: readonly NativeTreeHandle[]): number
  /** The same if what was read of the snapshot has not changed: `reads` are puts for keys and clears for ranges. */
  commit(
    operations: Uint8Array,
    count: number,
    trees: readonly NativeTreeHandle[],
    snapshot: number,
    reads: Uint8Array,
    readCount: number,
  ): number
  /** 1, 0 or FAILED. */
  compareAndSwap(
    tree: NativeTreeHandle,
    key: Uint8Array,
    expected: Uint8Array | undefined,
    value: Uint8Array | undefined,
  ): number

  /** Its id; FAILED. */
  snapshot(): number
  snapshotPosition(snapshot: number): number
  closeSnapshot(snapshot: number): void

  /** The number of entries, which are in `target`; 0 at the end; FAILED, or SPILLED: `takeBlock` gives them. */
  nextBlock(walk: number, maxBytes: number, target: Uint8Array): number
  /** The number of entries, 0 at the end: `takeBlock` gives them. */
  nextBlockAsync(walk: number, maxBytes: number): Promise<number>
  blockLength(walk: number): number
  /** Gives the number of entries. */
  takeBlock(walk: number, target: Uint8Array): number
  closeWalk(walk: number): void

  position(): number
  durablePosition(): number
  acknowledgedPosition(): number
  /** Has the log write what was committed: without it, that waits for other writes, a sync or the end. */
  submit(): void
  /** Asks for everything up to `position` to be made durable. */
  requestSync(position: number): void
  /** Keeps the event loop alive, or no longer. */
  hold(isHeld: boolean): void

  close(): Promise<number>
}
