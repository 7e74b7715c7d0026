// Keys, values and names as callers give them: turned into bytes, and refused where a store could not keep them.
import { BedplateError } from '../../base/errors.ts'
import { checkArray, describe } from '../../base/options.ts'
import { keyCodec, valueCodec } from '../encoding.ts'
import { type ByteOperation, DEFAULT_TREE } from './operation.ts'
import type { Codecs } from './reader.ts'
import { MAX_TREE_NAME_BYTES, MAX_VALUE_BYTES, type TreeBatchOperation, type TreeOptions } from './types.ts'

/** The codecs that options ask for; names and types were checked before. */
export function codecsOf<K, V>(options: TreeOptions): Codecs<K, V> {
  return {
    key: keyCodec(options.keyEncoding ?? 'utf8') as unknown as Codecs<K, V>['key'],
    value: valueCodec(options.valueEncoding ?? 'utf8') as unknown as Codecs<K, V>['value'],
  }
}

/** Refuses keys of more than `limit` bytes. @param hint - What to do about it, beside hashing them. */
export function keyCheck(limit: number, hint: string): (key: Uint8Array) => Uint8Array {
  return (key) => {
    if (key.length <= limit) return key
    throw new BedplateError(
      'INVALID_INPUT',
      `a key of ${key.length} bytes is longer than the ${limit} that this store takes`,
      { hint: `use a hash of it as the key${hint}` },
    )
  }
}

/** Refuses values that are longer than the log can carry in one record. */
export function checkValue(value: Uint8Array): Uint8Array {
  if (value.length <= MAX_VALUE_BYTES) return value
  throw new BedplateError(
    'INVALID_INPUT',
    `a value of ${value.length} bytes is longer than the ${MAX_VALUE_BYTES} that a store takes`,
  )
}

/** Refuses names that the catalogue cannot hold. */
export function checkTreeName(name: string): string {
  if (typeof name !== 'string')
    throw new BedplateError('INVALID_INPUT', `a tree's name must be a string, got ${typeof name}`)
  const length = Buffer.byteLength(name)
  if (length >= 1 && length <= MAX_TREE_NAME_BYTES && !/\p{Surrogate}/u.test(name)) return name
  throw new BedplateError(
    'INVALID_INPUT',
    `a tree's name must have 1 to ${MAX_TREE_NAME_BYTES} bytes of UTF-8, got ${length}`,
  )
}

/** Refuses what cannot be gone through: strings too, which are iterable but never meant. @param where - For the text. */
export function checkEntries(entries: unknown, where = 'bulk load'): void {
  const isObject = typeof entries === 'object' && entries !== null
  if (isObject && (Symbol.iterator in entries || Symbol.asyncIterator in entries)) return
  throw new BedplateError('INVALID_INPUT', `${where} takes an iterable of [key, value], got ${describe(entries)}`)
}

/** Refuses what is no pair of key and value. @param whole - What it is of, for the text. */
export function checkEntry(entry: unknown, whole = 'a bulk load'): void {
  if (Array.isArray(entry)) return
  throw new BedplateError('INVALID_INPUT', `an entry of ${whole} must be [key, value], got ${describe(entry)}`)
}

/** A change of one key, in bytes. */
export type WriteOperation = Extract<ByteOperation, { kind: 'put' | 'delete' }>

/** How a handle turns the keys and values of its own tree into bytes, refusing what cannot be kept. */
export interface OperationEncoder<K, V> {
  tree: string
  key(key: K): Uint8Array
  value(value: V): Uint8Array
}

/** The operations of a batch in bytes. @throws INVALID_INPUT if any of them is wrong. */
export function encodeBatch<K, V>(
  operations: readonly TreeBatchOperation<K, V>[],
  encoder: OperationEncoder<K, V>,
): WriteOperation[] {
  checkArray(operations, 'batch', 'operations')
  return operations.map((operation) => {
    checkOperation(operation)
    const { type } = operation
    const tree = treeOf(operation, encoder)
    const key = encoder.key(operation.key)
    if (type === 'delete') return { kind: 'delete', tree, key }
    return { kind: 'put', tree, key, value: encoder.value(operation.value) }
  })
}

/** The tree that an operation of a batch goes to. @throws INVALID_INPUT if there can be none of that name. */
export function treeOf({ tree }: { tree?: string }, own: { tree: string }): string {
  if (tree === undefined) return own.tree
  return tree === own.tree || tree === DEFAULT_TREE ? tree : checkTreeName(tree)
}

/** Refuses what is no operation of a batch. @param types - Those that the store takes. */
export function checkOperation(operation: unknown, types: readonly string[] = BATCH_TYPES): void {
  const type = typeof operation === 'object' && operation !== null && 'type' in operation ? operation.type : undefined
  if (type === 'put' || type === 'delete' || types.includes(type as string)) return
  throw new BedplateError(
    'INVALID_INPUT',
    type === undefined
      ? `an operation of a batch must be an object with a type, got ${describe(operation)}`
      : `an operation of a batch has the type ${describe(type)}; it must be ${types.map((each) => `"${each}"`).join(' or ')}`,
  )
}

/** What the batches of every store consist of. */
const BATCH_TYPES = ['put', 'delete']
