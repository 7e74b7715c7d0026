import { crc32cPortable } from './portable.ts'

/**
 * The CRC-32C of `bytes`, continuing from `initial` (the CRC of what came before; 0 at the start).
 * @returns An unsigned 32-bit whole number; 0 for no bytes.
 *
 * @example
 * crc32c(new TextEncoder().encode('123456789')) // 0xe3069283
 */
export const crc32c: (bytes: Uint8Array, initial?: number) => number = crc32cPortable
