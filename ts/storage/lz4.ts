// The LZ4 block format, without frame or checksum: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
//
//   sequence = token u8 | more literals | literals | offset u16 LE | more match
//   token      upper half: how many literals, lower half: the length of the match less 4; 15: bytes follow that are added, up
//              to one below 255
//   offset     how far back the match begins; it may overlap what it makes
//   The last sequence ends after its literals. A match begins at least 12 bytes before the end, and leaves the last 5 alone.

const LEAST_MATCH = 4
/** No match begins nearer to the end. */
const MATCH_MARGIN = 12
const LAST_LITERALS = 5
const MAX_OFFSET = 0xffff
/** A length in a half of the token; more than that is in the bytes behind it. */
const MAX_NIBBLE = 15
/** What a byte of a packed block can stand for, at most. */
export const MAX_LZ4_RATIO = 255

const HASH_BITS = 12
/** Up to so many bytes a loop is faster than a call out of JavaScript. */
const SHORT = 32
/** A match is looked for less often the longer none was found. */
const SKIP_SHIFT = 6
const NONE = -1
/** Where four bytes with some hash were seen last. Only `packLz4` uses it, which never waits. */
const places = new Int32Array(1 << HASH_BITS)

/**
 * Packs `source`: greedily, the last place of each hash of four bytes being the only one that is tried.
 * @returns undefined if it would have more than `mostBytes`.
 */
export function packLz4(source: Uint8Array, mostBytes: number): Uint8Array | undefined {
  const writer = new SequenceWriter(source, mostBytes)
  places.fill(NONE)
  const matchEnd = source.length - LAST_LITERALS
  for (let at = 0; at + MATCH_MARGIN <= source.length; ) {
    const word = wordAt(source, at)
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS)
    const found = places[slot] as number
    places[slot] = at
    if (found === NONE || at - found > MAX_OFFSET || wordAt(source, found) !== word) {
      at += 1 + ((at - writer.anchor) >> SKIP_SHIFT)
      continue
    }
    let end = at + LEAST_MATCH
    while (end < matchEnd && source[end] === source[end - at + found]) end++
    if (!writer.match(at, { offset: at - found, length: end - at })) return undefined
    at = end
  }
  return writer.finish()
}

/** Writes sequences into memory of a fixed size. */
class SequenceWriter {
  /** What lies before it in the source was written. */
  anchor = 0
  private readonly source: Uint8Array
  private readonly target: Uint8Array
  private length = 0

  constructor(source: Uint8Array, mostBytes: number) {
    this.source = source
    this.target = new Uint8Array(mostBytes)
  }

  /** What was not written yet up to `at` as literals, then a match that stands for what follows. @returns False: no room. */
  match(at: number, { offset, length }: { offset: number; length: number }): boolean {
    const code = length - LEAST_MATCH
    if (!this.literals(at, code, 2 + moreBytes(code))) return false
    this.target[this.length++] = offset
    this.target[this.length++] = offset >> 8
    this.writeMore(code)
    this.anchor = at + length
    return true
  }

  /** The rest as literals. @returns The block, undefined if there is no room. */
  finish(): Uint8Array | undefined {
    return this.literals(this.source.length, 0, 0) ? this.target.subarray(0, this.length) : undefined
  }

  /** @param matchCode - For the token; what follows it takes `matchBytes`. */
  private literals(end: number, matchCode: number, matchBytes: number): boolean {
    const { source, target, anchor } = this
    const count = end - anchor
    if (this.length + 1 + moreBytes(count) + count + matchBytes > target.length) return false
    target[this.length++] = (Math.min(count, MAX_NIBBLE) << 4) | Math.min(matchCode, MAX_NIBBLE)
    this.writeMore(count)
    if (count > SHORT) target.set(source.subarray(anchor, end), this.length)
    else for (let i = 0; i < count; i++) target[this.length + i] = source[anchor + i] as number
    this.length += count
    return true
  }

  /** What of a length does not fit into the token. */
  private writeMore(length: number): void {
    if (length < MAX_NIBBLE) return
    let rest = length - MAX_NIBBLE
    for (; rest >= 255; rest -= 255) this.target[this.length++] = 255
    this.target[this.length++] = rest
  }
}

/** Bytes that a length takes beside its token. */
function moreBytes(length: number): number {
  return length < MAX_NIBBLE ? 0 : Math.floor((length - MAX_NIBBLE) / 255) + 1
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}

/**
 * Unpacks a block; any bytes are fine, and no more than `rawLength` bytes are taken for them.
 * @returns undefined if it is not a block of exactly `rawLength` bytes.
 */
export function unpackLz4(packed: Uint8Array, rawLength: number): Uint8Array | undefined {
  const target = new Uint8Array(rawLength)
  let at = 0
  let made = 0
  /** What is added to a half of a token that is full. */
  const more = (): number => {
    let length = 0
    for (let byte = 255; byte === 255; length += byte) byte = packed[at++] ?? Number.POSITIVE_INFINITY
    return length
  }
  while (at < packed.length) {
    const token = packed[at++] as number
    let literals = token >> 4
    if (literals === MAX_NIBBLE) literals += more()
    if (literals > packed.length - at || literals > rawLength - made) return undefined
    if (literals > SHORT) target.set(packed.subarray(at, at + literals), made)
    else for (let i = 0; i < literals; i++) target[made + i] = packed[at + i] as number
    at += literals
    made += literals
    if (at === packed.length) return made === rawLength ? target : undefined
    const offset = (packed[at] as number) | ((packed[at + 1] ?? 0) << 8)
    at += 2
    let length = (token & MAX_NIBBLE) + LEAST_MATCH
    if (length === MAX_NIBBLE + LEAST_MATCH) length += more()
    if (offset === 0 || offset > made || length > rawLength - made) return undefined
    copyMatch(target, made, offset, length)
    made += length
  }
  return undefined
}

/** Copies what began `offset` bytes before `to`; what it makes may be part of what it copies. */
function copyMatch(target: Uint8Array, to: number, offset: number, length: number): void {
  if (offset >= length && length > SHORT) target.copyWithin(to, to - offset, to - offset + length)
  else for (let i = to; i < to + length; i++) target[i] = target[i - offset] as number
}
