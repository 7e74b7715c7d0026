// What DUMP and FUNCTION DUMP give and RESTORE and FUNCTION RESTORE take: a type and a value, or libraries, as in an RDB file | u16
// version of the format | u64 CRC-64.
import { isCode } from '../../base/errors.ts'
import type { EncodingLimits } from '../keyspace/encoding.ts'
import type { Value } from '../keyspace/values.ts'
import { Crc64 } from './crc64.ts'
import { OPCODE, RDB_VERSION } from './rdb-format.ts'
import { RdbReader } from './rdb-reader.ts'
import { readValue } from './rdb-values.ts'
import { RdbWriter } from './rdb-writer.ts'

const FOOTER_BYTES = 10
const CHECKSUM_BYTES = 8

/** A value as bytes. O(size). */
export function dumpValue(value: Value): Uint8Array {
  const writer = new RdbWriter()
  writer.type(value)
  writer.value(value)
  return sealed(writer)
}

/** Libraries of functions, by their code, as bytes. */
export function dumpFunctions(codes: readonly string[]): Uint8Array {
  const writer = new RdbWriter()
  for (const code of codes) {
    writer.u8(OPCODE.function)
    writer.string(code)
  }
  return sealed(writer)
}

/**
 * The value that was dumped, in an object: a string may be any word.
 * @returns Or what is wrong: the footer, of another version or checksum, or the value itself.
 */
export function loadDump(bytes: Uint8Array, limits: EncodingLimits): { readonly value: Value } | 'footer' | 'value' {
  const reader = opened(bytes)
  if (reader === undefined) return 'footer'
  return within(() => {
    const value = readValue(reader, reader.u8(), limits)
    return value === undefined || reader.hasMore() ? undefined : { value }
  })
}

/**
 * The code of each library that was dumped.
 * @returns What is wrong: the footer, something that is no library, or a library that ends too early.
 */
export function loadFunctions(bytes: Uint8Array): string[] | 'footer' | 'type' | 'value' {
  const reader = opened(bytes)
  if (reader === undefined) return 'footer'
  return within((): string[] | 'type' => {
    const codes: string[] = []
    while (reader.hasMore()) {
      if (reader.u8() !== OPCODE.function) return 'type'
      codes.push(reader.string())
    }
    return codes
  })
}

/** What was written, with its footer. */
export function sealed(writer: RdbWriter): Uint8Array {
  writer.u16(RDB_VERSION)
  const crc = new Crc64()
  crc.update(writer.view())
  writer.u64(crc.value())
  return writer.take()
}

/** Reads what is before the footer; undefined if the version or the checksum is wrong. */
function opened(bytes: Uint8Array): RdbReader | undefined {
  if (bytes.length < FOOTER_BYTES) return undefined
  const footer = Buffer.from(bytes.buffer, bytes.byteOffset + bytes.length - FOOTER_BYTES, FOOTER_BYTES)
  const crc = new Crc64()
  crc.update(bytes.subarray(0, -CHECKSUM_BYTES))
  if (footer.readUInt16LE() > RDB_VERSION || footer.readBigUInt64LE(2) !== crc.value()) return undefined
  let body: Uint8Array | undefined = bytes.subarray(0, -FOOTER_BYTES)
  return new RdbReader(() => {
    const given = body
    body = undefined
    return given
  }, 'a dump')
}

function within<T>(read: () => T | undefined): T | 'value' {
  try {
    return read() ?? 'value'
  } catch (error) {
    if (isCode(error, 'CORRUPTION')) return 'value'
    throw error
  }
}
