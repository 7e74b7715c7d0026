// All trees of a store lie in one order of keys: the id of the tree, big-endian, then the key. Ranges are half-open.
import type { ByteRange } from '../ordered/range.ts'
import { MAX_KEY_BYTES } from './types.ts'

const TREE_ID_BYTES = 4
export const FIRST_TREE_ID = 1
/** One less than what four bytes hold, so that the end of every tree can be named. */
export const MAX_TREE_ID = 0xfffffffe
/** A bound may be the successor of a key. */
export const MAX_BOUND_BYTES = TREE_ID_BYTES + MAX_KEY_BYTES + 1

/** The keys from `start` up to and without `end`. */
export interface KeySpan {
  readonly start: Uint8Array
  readonly end: Uint8Array
}

/** The key of a tree in the order of all. */
export function internalKey(treeId: number, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(TREE_ID_BYTES + key.length)
  writeTreeId(bytes, treeId)
  bytes.set(key, TREE_ID_BYTES)
  return bytes
}

/** The key as its tree knows it. A view. */
export function userKey(internal: Uint8Array): Uint8Array {
  return internal.subarray(TREE_ID_BYTES)
}

/** The least byte string above `key`. */
export function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}

/** The keys of a tree that lie in `range`. It is empty if the bounds cross: then `end` may be before `start`. */
export function spanOf(treeId: number, range: ByteRange): KeySpan {
  const { lower, lowerInclusive, upper, upperInclusive } = range
  return {
    start: lower === undefined ? internalKey(treeId, NOTHING) : boundOf(treeId, lower, !lowerInclusive),
    end: upper === undefined ? internalKey(treeId + 1, NOTHING) : boundOf(treeId, upper, upperInclusive),
  }
}

/**
 * A bound that is longer than any key divides keys as the successor of its beginning does: no key lies between the two.
 */
function boundOf(treeId: number, bound: Uint8Array, isBehind: boolean): Uint8Array {
  const isLong = bound.length > MAX_KEY_BYTES
  const key = internalKey(treeId, isLong ? bound.subarray(0, MAX_KEY_BYTES) : bound)
  return isLong || isBehind ? successor(key) : key
}

function writeTreeId(bytes: Uint8Array, treeId: number): void {
  bytes[0] = treeId >>> 24
  bytes[1] = treeId >>> 16
  bytes[2] = treeId >>> 8
  bytes[3] = treeId
}

const NOTHING = new Uint8Array(0)

/** All keys of all trees, to be walked. */
export const EVERYTHING = { start: NOTHING, end: internalKey(MAX_TREE_ID + 1, NOTHING), reverse: false }
