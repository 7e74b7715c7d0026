// LZF, with which Redis compresses strings in snapshots (format of Marc Lehmann's LibLZF). A control byte begins each piece:
//
//   000lllll                      l + 1 bytes follow as they are
//   lllooooo oooooooo             l of 1 to 6: copy l + 2 bytes from o + 1 bytes back, which may overlap with what is written
//   111ooooo llllllll oooooooo    copy l + 9 bytes from o + 1 bytes back

const MAX_LITERAL = 32
const MAX_OFFSET = 8192
const MAX_MATCH = 264
/** The shortest copy, in bytes. */
const MIN_MATCH = 3
const HASH_BITS = 14
/** No three bytes of input make more than so many of output. */
const MAX_GROWTH = 88

/** Where three bytes with this hash were seen last, counted from `base` of that call: what is below it is of an earlier one. */
const seen = new Int32Array(1 << HASH_BITS)
let base = 1

/**
 * Compresses `input`. O(length).
 * @returns What it came to, or undefined if that is not shorter than `maxBytes`.
 */
export function compressLzf(input: Uint8Array, maxBytes: number): Uint8Array | undefined {
  if (base > 2 ** 30) {
    seen.fill(0)
    base = 1
  }
  const output = new Uint8Array(Math.max(0, maxBytes))
  const { length } = input
  let size = 0
  let literal = 0
  let at = 0
  /** Writes input[literal..at) as it is. @returns False if there is no room. */
  const flush = (): boolean => {
    while (literal < at) {
      const count = Math.min(MAX_LITERAL, at - literal)
      if (size + count + 1 > output.length) return false
      output[size++] = count - 1
      for (let i = 0; i < count; i++) output[size++] = input[literal++]!
    }
    return true
  }
  while (at + MIN_MATCH <= length) {
    const hash =
      (Math.imul(input[at]! | (input[at + 1]! << 8) | (input[at + 2]! << 16), 0x9e3779b1) >>> (32 - HASH_BITS)) | 0
    const before = seen[hash]! - base
    seen[hash] = base + at
    const offset = at - before
    const isMatch =
      before >= 0 &&
      offset <= MAX_OFFSET &&
      input[before] === input[at] &&
      input[before + 1] === input[at + 1] &&
      input[before + 2] === input[at + 2]
    if (!isMatch) {
      at++
      continue
    }
    if (!flush() || size + 3 > output.length) return ended(length)
    let count = MIN_MATCH
    const most = Math.min(MAX_MATCH, length - at)
    while (count < most && input[before + count] === input[at + count]) count++
    const distance = offset - 1
    if (count < 9) output[size++] = ((count - 2) << 5) | (distance >> 8)
    else {
      output[size++] = (7 << 5) | (distance >> 8)
      output[size++] = count - 9
    }
    output[size++] = distance & 0xff
    at += count
    literal = at
  }
  at = length
  const isDone = flush()
  ended(length)
  return isDone && size < maxBytes ? output.subarray(0, size) : undefined
}

function ended(length: number): undefined {
  base += length
  return undefined
}

/**
 * Takes apart what `compressLzf` or LibLZF made. Bounded by `length`, which is refused before anything is allocated if so few
 * bytes cannot have come from so many.
 * @param length - Of the result, in bytes, as it was announced.
 * @returns Undefined if the input is not what it should be.
 */
export function decompressLzf(input: Uint8Array, length: number): Uint8Array | undefined {
  if (length > input.length * MAX_GROWTH) return undefined
  const output = new Uint8Array(length)
  let size = 0
  let at = 0
  while (at < input.length) {
    const control = input[at++]!
    if (control < MAX_LITERAL) {
      const count = control + 1
      if (at + count > input.length || size + count > length) return undefined
      for (let i = 0; i < count; i++) output[size++] = input[at++]!
      continue
    }
    let count = (control >> 5) + 2
    if (count === 9) count += input[at++] ?? 0
    const low = input[at++]
    if (low === undefined) return undefined
    const from = size - (((control & 31) << 8) | low) - 1
    if (from < 0 || size + count > length) return undefined
    for (let i = 0; i < count; i++) output[size++] = output[from + i]!
  }
  return size === length ? output : undefined
}
