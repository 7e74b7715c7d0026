// One tree of an open LSM store: what every tree has, and changes of values that are not read.
import { BedplateError } from '../../base/errors.ts'
import { checkArray } from '../../base/options.ts'
import { resolveBounds } from '../compare.ts'
import { valueCodec } from '../encoding.ts'
import {
  checkEntries,
  checkEntry,
  checkOperation,
  encodeBatch,
  type OperationEncoder,
  treeOf,
} from '../ordered/arguments.ts'
import type { ByteReader } from '../ordered/byte-reader.ts'
import type { OperandOperation } from '../ordered/operation.ts'
import type { ByteRange } from '../ordered/range.ts'
import type { Codecs } from '../ordered/reader.ts'
import { TreeHandle, type TreeOwner } from '../ordered/tree-handle.ts'
import type { TreeBatchOperation } from '../ordered/types.ts'
import type { KeyRange } from '../ordered-store.ts'
import type { LsmOperation } from './commit.ts'
import type { ByteEntries } from './ingest.ts'
import { encodeIncrement } from './operand.ts'
import type { Entries, LsmBatchOperation, LsmTree } from './types.ts'

/** What a tree's handle needs of its engine. */
export interface LsmTreeOwner extends TreeOwner {
  /** Applies all of `operations` at one instant. @returns The promise of their durability. */
  apply(operations: readonly LsmOperation[]): Promise<void>
  /** Merges what tables hold of a range of a tree. */
  compact(tree: string, range: ByteRange): Promise<void>
  /** Puts entries above all that the tree holds. @returns How many. */
  ingest(tree: string, entries: ByteEntries): Promise<number>
}

const BATCH_TYPES = ['put', 'delete', 'increment', 'append']

type OperandOf<K, V> = Extract<LsmBatchOperation<K, V>, { type: 'increment' | 'append' }>

export class LsmTreeHandle<K, V> extends TreeHandle<K, V> implements LsmTree<K, V> {
  private readonly lsm: LsmTreeOwner

  /** @param live - Shows the current state of the tree. */
  constructor(owner: LsmTreeOwner, name: string, live: ByteReader, codecs: Codecs<K, V>) {
    super(owner, name, live, codecs)
    this.lsm = owner
  }

  increment(key: K, by: number | bigint = 1): Promise<void> {
    return this.lsm.apply([encodeOperand({ type: 'increment', key, by }, this.encoder)])
  }

  append(key: K, suffix: V): Promise<void> {
    return this.lsm.apply([encodeOperand({ type: 'append', key, value: suffix }, this.encoder)])
  }

  override batch(operations: readonly LsmBatchOperation<K, V>[]): Promise<void> {
    checkArray(operations, 'batch', 'operations')
    if (isPlain(operations)) return super.batch(operations)
    return this.lsm.apply(encodeLsmBatch(operations, this.encoder))
  }

  async compact(range: KeyRange<K> = {}): Promise<void> {
    await this.lsm.compact(this.name, resolveBounds(range, this.codecs.key, 'compact'))
  }

  async ingest(entries: Entries<K, V>): Promise<number> {
    return await this.lsm.ingest(this.name, encodeEntries(entries, this.encoder))
  }

  private get encoder(): LsmEncoder<K, V> {
    return {
      tree: this.name,
      key: (key) => this.encodeKey(key),
      value: (value) => this.encodeValue(value),
      values: this.codecs.value,
    }
  }
}

/** How a tree's handle turns operations into bytes. */
export interface LsmEncoder<K, V> extends OperationEncoder<K, V> {
  /** The encoding of values, which decides whether they can be appended to. */
  readonly values: Codecs<K, V>['value']
}

/** The operations of a batch in bytes. @throws INVALID_INPUT if any of them is wrong. */
export function encodeLsmBatch<K, V>(
  operations: readonly LsmBatchOperation<K, V>[],
  encoder: LsmEncoder<K, V>,
): LsmOperation[] {
  return operations.flatMap((operation): readonly LsmOperation[] => {
    checkOperation(operation, BATCH_TYPES)
    if (operation.type === 'increment' || operation.type === 'append') return [encodeOperand(operation, encoder)]
    return encodeBatch([operation], encoder)
  })
}

/** An increment or an append in bytes. @throws INVALID_INPUT if it is wrong. */
export function encodeOperand<K, V>(operation: OperandOf<K, V>, encoder: LsmEncoder<K, V>): OperandOperation {
  const tree = treeOf(operation, encoder)
  const key = encoder.key(operation.key)
  if (operation.type === 'increment') return { kind: 'increment', tree, key, value: encodeIncrement(operation.by) }
  if ((encoder.values as unknown) === valueCodec('json')) {
    throw new BedplateError('INVALID_INPUT', 'what is appended to JSON is none any more', {
      hint: 'append to values of encoding "utf8" or "buffer"',
    })
  }
  return { kind: 'append', tree, key, value: encoder.value(operation.value) }
}

/** What is to be ingested. @throws INVALID_INPUT if that is nothing with entries; each of them is checked when it comes. */
export function encodeEntries<K, V>(entries: Entries<K, V>, encoder: LsmEncoder<K, V>): ByteEntries {
  checkEntries(entries, 'ingest')
  return {
    from: entries,
    encode: (entry) => {
      checkEntry(entry, 'what is ingested')
      const [key, value] = entry as readonly [K, V]
      return [encoder.key(key), encoder.value(value)]
    },
  }
}

/** True if there are only puts and deletions in it. */
export function isPlain<K, V>(
  operations: readonly LsmBatchOperation<K, V>[],
): operations is readonly TreeBatchOperation<K, V>[] {
  return operations.every((operation) => operation?.type !== 'increment' && operation?.type !== 'append')
}
