// What DUMP gives and RESTORE takes: type and value as in an RDB file | u16 version of the format | u64 CRC-64.
import { isCode } from '../../base/errors.ts'
import type { EncodingLimits } from '../keyspace/encoding.ts'
import type { Value } from '../keyspace/values.ts'
import { Crc64 } from './crc64.ts'
import { RDB_VERSION } from './rdb-format.ts'
import { RdbReader } from './rdb-reader.ts'
import { readValue } from './rdb-values.ts'
import { RdbWriter } from './rdb-writer.ts'

const FOOTER_BYTES = 10

/** A value as bytes. O(size). */
export function dumpValue(value: Value): Uint8Array {
  const writer = new RdbWriter()
  writer.type(value)
  writer.value(value)
  writer.u16(RDB_VERSION)
  const crc = new Crc64()
  crc.update(writer.view())
  writer.u64(crc.value())
  return writer.take()
}

/**
 * The value that was dumped.
 * @returns What is wrong: the footer, of another version or checksum, or the value itself.
 */
export function loadDump(bytes: Uint8Array, limits: EncodingLimits): Value | 'footer' | 'value' {
  if (bytes.length < FOOTER_BYTES) return 'footer'
  const footer = Buffer.from(bytes.buffer, bytes.byteOffset + bytes.length - FOOTER_BYTES, FOOTER_BYTES)
  if (footer.readUInt16LE() > RDB_VERSION) return 'footer'
  const crc = new Crc64()
  crc.update(bytes.subarray(0, -8))
  const stored = footer.readBigUInt64LE(2)
  if (stored !== 0n && stored !== crc.value()) return 'footer'
  let body: Uint8Array | undefined = bytes.subarray(0, -FOOTER_BYTES)
  const reader = new RdbReader(() => {
    const given = body
    body = undefined
    return given
  }, 'a dump')
  try {
    const value = readValue(reader, reader.u8(), limits)
    return value === undefined || reader.offset !== bytes.length - FOOTER_BYTES ? 'value' : value
  } catch (error) {
    if (isCode(error, 'CORRUPTION')) return 'value'
    throw error
  }
}
