// Transactions: optimistic, serializable. A transaction reads a snapshot and writes into private overlays; at its end, in one
// instant, it checks that nobody changed what it read and applies its writes as one commit (Kung and Robinson, "On Optimistic
// Methods for Concurrency Control", TODS 1981, backward validation). One that only read needs no check.
import { BedplateError, isCode } from '../../base/errors.ts'
import { checkFunction } from '../../base/options.ts'
import { resolveBounds } from '../compare.ts'
import { lacks } from '../mutant.ts'
import type { KeyRange } from '../ordered-store.ts'
import { checkTreeName, checkValue, codecsOf, encodeBatch, type WriteOperation } from './arguments.ts'
import type { ByteReader } from './byte-reader.ts'
import { checkTreeOptions } from './check-options.ts'
import { type ByteOperation, DEFAULT_TREE } from './operation.ts'
import { Overlay } from './overlay.ts'
import type { ByteRange } from './range.ts'
import { type Codecs, Reader } from './reader.ts'
import type { Attempt, StoreEngine } from './store-engine.ts'
import {
  DEFAULT_TRANSACTION_BYTES,
  type Transaction,
  type TransactionOptions,
  type TransactionTree,
  type TreeBatchOperation,
  type TreeOptions,
} from './types.ts'

/** Transactions of one store run one after the other. */
export class TransactionQueue {
  private last: Promise<unknown> = Promise.resolve()
  /** True while the function of a transaction has not come to its first `await`. */
  private isCalling = false

  /** @throws INVALID_INPUT inside a transaction's function, as far as that can be told: it would wait for itself. */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.isCalling) {
      throw new BedplateError('INVALID_INPUT', 'a transaction cannot begin inside the function of another one', {
        hint: 'use the transaction that the function was given',
      })
    }
    const run = this.last.then(work)
    this.last = run.catch(() => {})
    return run
  }

  /** Calls the function of the transaction whose turn it is. */
  call<T>(fn: () => T): T {
    this.isCalling = true
    try {
      return fn()
    } finally {
      this.isCalling = false
    }
  }
}

/** Runs `fn` until it commits, fails, or has met `retries` conflicts; resolves when its writes are durable. */
export async function runTransaction<K, V, T>(
  engine: StoreEngine,
  queue: TransactionQueue,
  codecs: Codecs<K, V>,
  fn: (tx: Transaction<K, V>) => T | Promise<T>,
  options: TransactionOptions,
): Promise<T> {
  engine.assertWritable()
  checkFunction(fn, 'transaction')
  const { retries = 0, maxBytes = DEFAULT_TRANSACTION_BYTES } = options
  const { result, durable } = await queue.run(async () => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await attemptOnce(engine, codecs, (tx) => queue.call(() => fn(tx)), maxBytes)
      } catch (error) {
        if (!isCode(error, 'CONFLICT') || attempt >= retries) throw error
      }
    }
  })
  await durable
  return result
}

async function attemptOnce<K, V, T>(
  engine: StoreEngine,
  codecs: Codecs<K, V>,
  fn: (tx: Transaction<K, V>) => T | Promise<T>,
  maxBytes: number,
): Promise<{ result: T; durable: Promise<void> }> {
  const work = new TransactionWork(engine, maxBytes)
  try {
    const result = await fn(new TransactionHandle<K, V>(work, codecs))
    // No promise carries a promise: resolving with one would wait for durability before the next transaction starts.
    return { result, durable: work.commit() }
  } finally {
    work.close()
  }
}

/** Runs `fn` in this turn: nothing of this thread can come between but what `fn` itself writes past its transaction. */
export function runTransactionSync<K, V, T>(
  engine: StoreEngine,
  codecs: Codecs<K, V>,
  fn: (tx: Transaction<K, V>) => T,
): T {
  engine.assertWritable()
  checkFunction(fn, 'transactionSync')
  const work = new TransactionWork(engine, DEFAULT_TRANSACTION_BYTES)
  try {
    const result = fn(new TransactionHandle<K, V>(work, codecs))
    if (result instanceof Promise) {
      result.catch(() => {}) // it will fail on its closed transaction, and has been told why
      throw new BedplateError('INVALID_INPUT', 'transactionSync takes a function that does not wait', {
        hint: 'use transaction() for async functions',
      })
    }
    work.commit()
    return result
  } finally {
    work.close()
  }
}

/** A bound on what a transaction writes. */
class ByteBudget {
  private left: number
  private readonly total: number

  constructor(maxBytes: number) {
    this.left = maxBytes
    this.total = maxBytes
  }

  /** @throws INVALID_INPUT if that is more than is left; then nothing is spent. */
  spend(bytes: number): void {
    if (bytes > this.left) {
      throw new BedplateError('INVALID_INPUT', `the transaction would hold more than ${this.total} bytes of writes`, {
        hint: 'commit in smaller steps, or raise maxBytes',
      })
    }
    this.left -= bytes
  }
}

/** What a change takes of the budget; one byte tells a put from a deletion. */
function sizeOf(operation: WriteOperation): number {
  return operation.key.length + 1 + (operation.kind === 'put' ? operation.value.length : 0)
}

/** One run of a transaction: its snapshot, its writes, and what to watch for. */
class TransactionWork {
  readonly engine: StoreEngine
  private readonly attempt: Attempt
  private readonly budget: ByteBudget
  private readonly overlays = new Map<string, Overlay>()
  private isOver = false

  constructor(engine: StoreEngine, maxBytes: number) {
    this.engine = engine
    this.attempt = engine.begin()
    this.budget = new ByteBudget(maxBytes)
  }

  /** Takes all of `operations` into the overlays, or none. */
  write(operations: readonly WriteOperation[]): void {
    this.assertRunning()
    this.budget.spend(operations.reduce((sum, operation) => sum + sizeOf(operation), 0))
    if (lacks(this.engine.mutant, 'private overlay')) void this.engine.apply(operations)
    for (const operation of operations) {
      const overlay = this.overlay(operation.tree)
      if (operation.kind === 'put') overlay.put(operation.key, operation.value)
      else overlay.delete(operation.key)
    }
  }

  clear(tree: string, range: ByteRange): void {
    this.assertRunning()
    this.budget.spend((range.lower?.length ?? 0) + (range.upper?.length ?? 0) + 1)
    this.overlay(tree).clear(range)
  }

  private overlay(tree: string): Overlay {
    let overlay = this.overlays.get(tree)
    if (overlay === undefined) {
      overlay = new Overlay(this.engine.maxKeyBytes)
      this.overlays.set(tree, overlay)
    }
    return overlay
  }

  /** What the transaction sees of a tree; notes what it reads of the snapshot. */
  reader(tree: string): ByteReader {
    this.assertRunning()
    const over = this.overlay(tree).over(this.attempt.reader(tree))
    return {
      get: (key) => this.whileRunning(() => over.get(key)),
      has: (key) => this.whileRunning(() => over.has(key)),
      getAsync: async (key) => await this.whileRunning(() => over.getAsync(key)),
      walk: (range) => this.whileRunning(() => over.walk(range)),
    }
  }

  private whileRunning<T>(read: () => T): T {
    this.assertRunning()
    return read()
  }

  private assertRunning(): void {
    this.engine.assertOpen()
    if (this.isOver) throw new BedplateError('CLOSED', 'the transaction is over: its handles end with its function')
  }

  /** Applies all writes at one instant. @throws CONFLICT if others changed what was read. */
  commit(): Promise<void> {
    const operations: ByteOperation[] = []
    for (const [tree, overlay] of this.overlays) if (!overlay.isEmpty) operations.push(...overlay.operations(tree))
    this.engine.assertWritable()
    if (operations.length === 0) return Promise.resolve()
    return this.attempt.commit(operations)
  }

  close(): void {
    this.isOver = true
    this.attempt.close()
  }
}

/** One tree as the function of a transaction sees it. */
class TransactionTreeHandle<K, V> extends Reader<K, V> implements TransactionTree<K, V> {
  protected readonly work: TransactionWork
  private readonly name: string

  constructor(work: TransactionWork, name: string, codecs: Codecs<K, V>) {
    super(work.reader(name), codecs, (key) => work.engine.checkKey(key))
    this.work = work
    this.name = name
  }

  put(key: K, value: V): void {
    this.batch([{ type: 'put', key, value }])
  }

  delete(key: K): void {
    this.batch([{ type: 'delete', key }])
  }

  batch(operations: readonly TreeBatchOperation<K, V>[]): void {
    this.work.write(
      encodeBatch(operations, {
        tree: this.name,
        key: (key) => this.encodeKey(key),
        value: (value) => checkValue(this.codecs.value.encode(value)),
      }),
    )
  }

  clear(range: KeyRange<K> = {}): void {
    this.work.clear(this.name, resolveBounds(range, this.codecs.key))
  }
}

class TransactionHandle<K, V> extends TransactionTreeHandle<K, V> implements Transaction<K, V> {
  constructor(work: TransactionWork, codecs: Codecs<K, V>) {
    super(work, DEFAULT_TREE, codecs)
  }

  tree<K2, V2>(name: string, options: TreeOptions = {}): TransactionTree<K2, V2> {
    return new TransactionTreeHandle<K2, V2>(
      this.work,
      checkTreeName(name),
      codecsOf<K2, V2>(checkTreeOptions(options)),
    )
  }
}
