// IDs of stream entries: 64 bits of milliseconds and 64 bits of sequence. Kept as 16 characters of 0 to 255, big-endian, so that
// comparing them as strings orders them; written `ms-seq`.

const MAX_UINT64 = 2n ** 64n - 1n
const HALF = 2 ** 32
/** Redis looks at no more. */
const MAX_ID_CHARACTERS = 127

/** 16 bytes. */
export type StreamId = string

export const ZERO_ID: StreamId = '\0'.repeat(16)
export const MAX_ID: StreamId = '\xff'.repeat(16)

/** Both halves must be of 64 bits, unsigned. */
export function makeId(ms: bigint, sequence: bigint): StreamId {
  return encode(ms) + encode(sequence)
}

export function msOf(id: StreamId): bigint {
  return decode(id, 0)
}

export function sequenceOf(id: StreamId): bigint {
  return decode(id, 8)
}

/** `1526919030474-55` */
export function formatId(id: StreamId): string {
  return `${msOf(id)}-${sequenceOf(id)}`
}

/** The ID after; undefined after the last one. */
export function nextId(id: StreamId): StreamId | undefined {
  const [ms, sequence] = [msOf(id), sequenceOf(id)]
  if (sequence < MAX_UINT64) return makeId(ms, sequence + 1n)
  return ms < MAX_UINT64 ? makeId(ms + 1n, 0n) : undefined
}

/** The ID before; undefined before 0-0. */
export function previousId(id: StreamId): StreamId | undefined {
  const [ms, sequence] = [msOf(id), sequenceOf(id)]
  if (sequence > 0n) return makeId(ms, sequence - 1n)
  return ms > 0n ? makeId(ms - 1n, MAX_UINT64) : undefined
}

/**
 * Reads `ms-seq` or `ms`.
 * @param missing - The sequence if none is written.
 * @returns Undefined if it is no ID.
 */
export function parseId(text: string, missing: bigint): StreamId | undefined {
  if (text.length > MAX_ID_CHARACTERS) return undefined
  const [msText = '', sequenceText, ...rest] = text.split('-')
  const ms = parseUint64(msText)
  const sequence = sequenceText === undefined ? missing : parseUint64(sequenceText)
  return ms === undefined || sequence === undefined || rest.length > 0 ? undefined : makeId(ms, sequence)
}

/** A whole number of 64 bits; spaces, a plus and zeros may come first, as C's strtoull has it. */
function parseUint64(text: string): bigint | undefined {
  if (!/^[ \t\n\v\f\r]*\+?\d+$/.test(text)) return undefined
  const value = BigInt(text)
  return value > MAX_UINT64 ? undefined : value
}

function encode(half: bigint): string {
  const high = Number(half >> 32n)
  const low = Number(half & 0xffffffffn)
  return String.fromCharCode(
    high >>> 24,
    (high >>> 16) & 0xff,
    (high >>> 8) & 0xff,
    high & 0xff,
    low >>> 24,
    (low >>> 16) & 0xff,
    (low >>> 8) & 0xff,
    low & 0xff,
  )
}

function decode(id: StreamId, at: number): bigint {
  const high = word(id, at)
  const low = word(id, at + 4)
  return high < 0x200000 ? BigInt(high * HALF + low) : (BigInt(high) << 32n) | BigInt(low)
}

function word(id: StreamId, at: number): number {
  const [a, b, c, d] = [id.charCodeAt(at), id.charCodeAt(at + 1), id.charCodeAt(at + 2), id.charCodeAt(at + 3)]
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}
