// The payload of FUNCTION DUMP and RESTORE, a piece of an RDB file (rdb.c of Redis 7.0):
//
//   for each library   0xf5, its code as a string
//   at the end         2 bytes version (10), 8 bytes CRC-64 of all before; both with the low byte first
//
// A string is its length and its bytes, or compressed: 0xc3, the length compressed, the length, LZF. A length is 1 byte below 64,
// 2 bytes that begin with 01, or 0x80 and 4 bytes with the high byte first.

const FUNCTION_OPCODE = 0xf5
const VERSION = 10
const FOOTER_BYTES = 10
const LONG_LENGTH = 0x80
const COMPRESSED = 0xc3
/** What a compressed string may become at most. */
const MAX_CODE_BYTES = 64 * 2 ** 20
/** The polynomial of Jones, reflected. */
const POLYNOMIAL = 0x95ac9329ac4bc9b5n

/** The payload of these libraries. */
export function dumpFunctions(codes: readonly string[]): string {
  const parts: Buffer[] = []
  for (const code of codes)
    parts.push(Buffer.of(FUNCTION_OPCODE), lengthBytes(code.length), Buffer.from(code, 'latin1'))
  return seal(Buffer.concat(parts))
}

/** A payload of these bytes: version and checksum are put behind them. */
export function seal(body: Uint8Array): string {
  const versioned = Buffer.concat([body, Buffer.of(VERSION, 0)])
  const checksum = Buffer.alloc(8)
  checksum.writeBigUInt64LE(crc64(versioned))
  return versioned.toString('latin1') + checksum.toString('latin1')
}

/** The code of each library in a payload, or what is wrong with it. */
export function readFunctions(payload: string): string[] | string {
  const bytes = Buffer.from(payload, 'latin1')
  const end = bytes.length - FOOTER_BYTES
  const isWhole =
    end >= 0 &&
    bytes.readUInt16LE(end) <= VERSION &&
    bytes.readBigUInt64LE(end + 2) === crc64(bytes.subarray(0, end + 2))
  if (!isWhole) return 'DUMP payload version or checksum are wrong'
  const codes: string[] = []
  let at = 0
  while (at < end) {
    if (bytes[at] !== FUNCTION_OPCODE) return 'given type is not a function'
    const read = readString(bytes.subarray(0, end), at + 1)
    if (read === undefined) return 'Failed loading library payload'
    codes.push(read.text)
    at = read.next
  }
  return codes
}

function lengthBytes(length: number): Buffer {
  if (length < 64) return Buffer.of(length)
  if (length < 2 ** 14) return Buffer.of(0x40 | (length >>> 8), length & 0xff)
  const bytes = Buffer.alloc(5, LONG_LENGTH)
  bytes.writeUInt32BE(length, 1)
  return bytes
}

function readLength(bytes: Buffer, at: number): { value: number; next: number } | undefined {
  const first = bytes[at]
  if (first === undefined) return undefined
  if (first < 0x40) return { value: first, next: at + 1 }
  if (first < 0x80) {
    const second = bytes[at + 1]
    return second === undefined ? undefined : { value: ((first & 0x3f) << 8) | second, next: at + 2 }
  }
  if (first !== LONG_LENGTH || at + 5 > bytes.length) return undefined
  return { value: bytes.readUInt32BE(at + 1), next: at + 5 }
}

function readString(bytes: Buffer, at: number): { text: string; next: number } | undefined {
  if (bytes[at] !== COMPRESSED) {
    const length = readLength(bytes, at)
    if (length === undefined || length.next + length.value > bytes.length) return undefined
    const next = length.next + length.value
    return { text: bytes.toString('latin1', length.next, next), next }
  }
  const compressed = readLength(bytes, at + 1)
  const length = compressed && readLength(bytes, compressed.next)
  if (compressed === undefined || length === undefined || length.value > MAX_CODE_BYTES) return undefined
  const next = length.next + compressed.value
  if (next > bytes.length) return undefined
  const text = decompress(bytes.subarray(length.next, next), length.value)
  return text === undefined ? undefined : { text, next }
}

/** LZF: below 32 a run of bytes as they are, otherwise a length and a distance back. */
function decompress(bytes: Buffer, length: number): string | undefined {
  const out = Buffer.alloc(length)
  let [at, to] = [0, 0]
  while (at < bytes.length) {
    const control = bytes[at++] as number
    if (control < 32) {
      const count = control + 1
      if (at + count > bytes.length || to + count > length) return undefined
      bytes.copy(out, to, at, at + count)
      at += count
      to += count
      continue
    }
    let count = control >>> 5
    if (count === 7) count += bytes[at++] ?? 0
    const from = to - ((control & 0x1f) << 8) - (bytes[at++] ?? 0) - 1
    count += 2
    if (at > bytes.length || from < 0 || to + count > length) return undefined
    // Byte by byte: what is copied may overlap with what it becomes.
    for (let i = 0; i < count; i++) out[to + i] = out[from + i] as number
    to += count
  }
  return to === length ? out.toString('latin1') : undefined
}

let table: BigUint64Array | undefined

/** CRC-64/Jones as Redis computes it: no inversion at the beginning or the end. */
function crc64(bytes: Uint8Array): bigint {
  table ??= BigUint64Array.from({ length: 256 }, (_, byte) => {
    let crc = BigInt(byte)
    for (let i = 0; i < 8; i++) crc = crc & 1n ? (crc >> 1n) ^ POLYNOMIAL : crc >> 1n
    return crc
  })
  let crc = 0n
  for (const byte of bytes) crc = (table[Number(crc & 0xffn) ^ byte] as bigint) ^ (crc >> 8n)
  return crc
}
