import { BedplateError } from '../../base/errors.ts'
import { loadNative } from '../../native/loader.ts'
import { crc32cPortable } from './portable.ts'

/**
 * Longer inputs go to the native core. A call into it costs about 70 ns, in which the twin does 70 bytes; and up to 64
 * bytes V8 keeps a Uint8Array on its own heap, and would have to move it out first.
 */
const TWIN_MAX_BYTES = 64

/**
 * The CRC-32C of `bytes`, continuing from `initial` (the CRC of what came before; 0 at the start).
 * @param initial - An unsigned 32-bit whole number.
 * @returns An unsigned 32-bit whole number; `initial` for no bytes.
 * @throws INVALID_INPUT if `bytes` is no Uint8Array or `initial` out of range.
 *
 * @example
 * crc32c(new TextEncoder().encode('123456789')) // 0xe3069283
 */
export function crc32c(bytes: Uint8Array, initial = 0): number {
  if (!(bytes instanceof Uint8Array) || initial >>> 0 !== initial) throw badInput(bytes)
  return bytes.length <= TWIN_MAX_BYTES ? crc32cPortable(bytes, initial) : extendLong(bytes, initial)
}

/** Replaced at its first call by the native core or the twin. */
let extendLong = (bytes: Uint8Array, initial: number): number => {
  extendLong = loadNative()?.crc32c ?? crc32cPortable
  return extendLong(bytes, initial)
}

function badInput(bytes: unknown): BedplateError {
  const fault = bytes instanceof Uint8Array ? 'initial must be an unsigned 32-bit number' : 'bytes must be a Uint8Array'
  return new BedplateError('INVALID_INPUT', `crc32c: ${fault}`)
}
