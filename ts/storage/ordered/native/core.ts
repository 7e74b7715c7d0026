// What everything that stands on one open native store shares: the raw calls, the memory that keys and values go
// through, and whether they may still be used.
import { BedplateError } from '../../../base/errors.ts'
import { ViewMemory } from '../../../io/view-memory.ts'
import type { NativeError, NativeStore, NativeTree } from '../../../native/store.ts'
import { keyCheck } from '../arguments.ts'
import { Acknowledgements } from './acknowledgements.ts'
import { toError } from './errors.ts'

/** The size of buffers that are lent out, unless more is asked for. */
const SPARE_BYTES = 64 * 1024
const MAX_SPARES = 4
/** One huge answer is no reason to keep its memory. */
const MAX_SPARE_BYTES = 1024 * 1024

/** Little: a value that is kept keeps its pool. Node's own has half of it. */
const POOL_BYTES = 16 * 1024

/** Memory that the core writes values and small ranges to, one behind the other, and that is given away as views. */
class ValuePool {
  memory = new ViewMemory(0)
  /** Where the next value goes. */
  start = 0

  /** Gives away the next `length` bytes. @returns Where they begin. */
  take(length: number): number {
    const { start } = this
    this.start = start + length
    return start
  }

  /** A value of `length` had no room here. Small ones shall have it the next time. */
  missed(length: number): void {
    if (length <= POOL_BYTES / 2) this.renew()
  }

  renew(): ViewMemory {
    this.memory = new ViewMemory(POOL_BYTES)
    this.start = 0
    return this.memory
  }
}

/** What a core has to know of its store. */
export interface CoreOptions {
  path: string
  readOnly: boolean
  maxKeyBytes: number
  /** What to do about a key that is too long; may be empty. */
  longKeyHint: string
}

/** @typeParam S - The raw calls of the store, which are more than the common ones. */
export class NativeCore<S extends NativeStore = NativeStore> {
  readonly raw: S
  readonly path: string
  readonly readOnly: boolean
  readonly maxKeyBytes: number
  /** Checks a key's length. */
  readonly checkKey: (key: Uint8Array) => Uint8Array
  /** The memory shared with the core: keys from 0, values from `valueStart`. */
  readonly memory: Buffer
  readonly valueStart: number
  readonly pool = new ValuePool()
  readonly acknowledgements: Acknowledgements
  /** False from the call of `close` on: then no raw call but those of closing may be made. */
  isOpen = true

  private readonly trees = new Map<string, NativeTree>()
  private readonly jobs = new Set<Promise<unknown>>()
  private readonly spares: Buffer[] = []

  constructor(raw: S, { path, readOnly, maxKeyBytes, longKeyHint }: CoreOptions) {
    this.raw = raw
    this.path = path
    this.readOnly = readOnly
    this.maxKeyBytes = maxKeyBytes
    this.checkKey = keyCheck(maxKeyBytes, longKeyHint)
    this.memory = Buffer.from(raw.memory.buffer, raw.memory.byteOffset, raw.memory.byteLength)
    this.valueStart = raw.keyBytes
    this.acknowledgements = new Acknowledgements(raw, path)
  }

  assertOpen(): void {
    if (!this.isOpen) throw new BedplateError('CLOSED', `the store ${this.path} is closed`)
  }

  /** The same, and that it is sound: for calls that make no raw call which would say so. */
  assertUsable(): void {
    this.assertOpen()
    const failure = this.raw.failure()
    if (failure !== undefined) throw toError(failure)
  }

  assertWritable(): void {
    this.assertUsable()
    if (this.readOnly) throw new BedplateError('READ_ONLY', `the store ${this.path} was opened for reading only`)
  }

  /** Throws the error of the raw call that has just failed. */
  fail(): never {
    throw toError(this.raw.takeError() as NativeError)
  }

  /** `answer`, unless it says that the call failed: all failures are negative, and so is nothing else here. */
  checked(answer: number): number {
    return answer < 0 ? this.fail() : answer
  }

  /** The promise of a write that came out at `position`, or failed. */
  written(position: number): Promise<void> {
    return this.acknowledgements.of(this.checked(position))
  }

  /** A tree of the current state; there is one object for each name. */
  tree(name: string): NativeTree {
    let tree = this.trees.get(name)
    if (tree === undefined) {
      this.assertOpen()
      tree = this.raw.tree(name)
      this.trees.set(name, tree)
    }
    return tree
  }

  /** Waits for work on another thread. `close` waits too. */
  async run<T>(work: Promise<T>): Promise<T> {
    this.jobs.add(work)
    try {
      return await work
    } catch (error) {
      throw toError(error as NativeError)
    } finally {
      this.jobs.delete(work)
    }
  }

  async jobsEnded(): Promise<void> {
    while (this.jobs.size > 0) await Promise.allSettled(this.jobs)
  }

  /** A buffer for the time of a call or a walk. Whoever comes meanwhile gets another one. */
  lend(bytes = SPARE_BYTES): Buffer {
    const spare = this.spares.pop()
    return spare !== undefined && spare.length >= bytes ? spare : Buffer.allocUnsafeSlow(Math.max(bytes, SPARE_BYTES))
  }

  giveBack(buffer: Buffer): void {
    if (buffer.length >= SPARE_BYTES && buffer.length <= MAX_SPARE_BYTES && this.spares.length < MAX_SPARES)
      this.spares.push(buffer)
  }
}
