// Keys, values and names as callers give them: turned into bytes, and refused where a store could not keep them.
import { BedplateError } from '../../base/errors.ts'
import { keyCodec, valueCodec } from '../encoding.ts'
import type { Codecs } from './reader.ts'
import { MAX_TREE_NAME_BYTES, MAX_VALUE_BYTES, maxKeyBytes, type TreeOptions } from './types.ts'

/** The codecs that options ask for; names and types were checked before. */
export function codecsOf<K, V>(options: TreeOptions): Codecs<K, V> {
  return {
    key: keyCodec(options.keyEncoding ?? 'utf8') as unknown as Codecs<K, V>['key'],
    value: valueCodec(options.valueEncoding ?? 'utf8') as unknown as Codecs<K, V>['value'],
  }
}

/** Refuses keys that are longer than a page can carry. */
export function keyCheck(pageSizeBytes: number): (key: Uint8Array) => Uint8Array {
  const limit = maxKeyBytes(pageSizeBytes)
  return (key) => {
    if (key.length <= limit) return key
    throw new BedplateError(
      'INVALID_INPUT',
      `a key of ${key.length} bytes is longer than the ${limit} that this store takes`,
      {
        hint: 'use a hash of it as the key, or make the store with larger pages (pageSizeBytes): a key may have an eighth of a page',
      },
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

/** The error for an operation of a batch that is neither put nor delete. */
export function unknownBatchType(type: unknown): BedplateError {
  return new BedplateError(
    'INVALID_INPUT',
    `an operation of a batch has the type ${JSON.stringify(type)}; it must be "put" or "delete"`,
  )
}
