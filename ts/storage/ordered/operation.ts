// What a commit consists of, on bytes.
import { BedplateError } from '../../base/errors.ts'
import { MAX_RECORD_BYTES } from '../log/types.ts'
import type { ByteRange } from './range.ts'

/** The name of the tree that a store's own `get` and `put` work on. */
export const DEFAULT_TREE = ''

/** One change, on bytes. */
export type ByteOperation =
  | { kind: 'put'; tree: string; key: Uint8Array; value: Uint8Array }
  | { kind: 'delete'; tree: string; key: Uint8Array }
  | { kind: 'clear'; tree: string; range: ByteRange }
  | { kind: 'drop'; tree: string }

/** A change of the value that a key has, which is not looked at for it. LSM stores alone take these. */
export type OperandOperation = {
  kind: 'increment' | 'append'
  tree: string
  key: Uint8Array
  /** What to add, eight bytes, or what to append. */
  value: Uint8Array
}

/** The bytes that `operations` put. */
export function contentBytes(operations: readonly (ByteOperation | OperandOperation)[]): number {
  let bytes = 0
  for (const operation of operations) if ('value' in operation) bytes += operation.key.length + operation.value.length
  return bytes
}

/** Refuses a commit that no record can hold. */
export function checkCommitBytes(bytes: number): void {
  if (bytes <= MAX_RECORD_BYTES) return
  throw new BedplateError(
    'INVALID_INPUT',
    `a commit of ${bytes} bytes is larger than the ${MAX_RECORD_BYTES} that the log takes`,
    { hint: 'write in smaller batches' },
  )
}
