// The hash of the ring: MurmurHash3_x86_128 with seed 0, of which the first 64 bits count (Appleby, SMHasher, 2011).
//
// Why this one: it takes multiplications of 32 bits alone, so JavaScript computes it without BigInt; it passes SMHasher's tests of
// distribution; and every language has it, so clients elsewhere find the same node. In Python:
//
//   mmh3.hash64(key, x64arch=False, signed=False)[0] >> 11
//
// It is not for secrets, and has none: whoever chooses keys can choose them so that they meet on one node.
import { BedplateError } from '../../base/errors.ts'
import { describe } from '../../base/options.ts'
import type { Key, Position } from './types.ts'

/** 64 bits in two unsigned halves. */
export interface Hash64 {
  readonly high: number
  readonly low: number
}

const C1 = 0x239b961b
const C2 = 0xab0e9789
const C3 = 0x38b34ae5
const C4 = 0xa1e38b93

const encoder = new TextEncoder()
/** The four words of the last hash: the caller reads them before the next one. */
const words = new Int32Array(4)
/** Every character of the text that was read last, together: above 0x7f if one of them is no ASCII. */
let charactersSeen = 0

/** Where a key lies on a ring. O(length), some ten nanoseconds for short text. @throws INVALID_INPUT if it is no key. */
export function positionOf(key: Key): Position {
  hashInto(words, key)
  // The hash as a 64-bit number has the second word above the first, as a little-endian machine would read it.
  return ((words[1] as number) >>> 0) * 0x200000 + ((words[0] as number) >>> 11)
}

/** The 64 bits of a key's hash, for what needs all of them. @throws INVALID_INPUT if it is no key. */
export function hashKey(key: Key): Hash64 {
  hashInto(words, key)
  return { high: (words[1] as number) >>> 0, low: (words[0] as number) >>> 0 }
}

/** All 128 bits with any seed: four words, the first 32 bits first. */
export function murmur3(bytes: Uint8Array, seed: number): Uint32Array {
  murmur(bytes, bytes.length, seed, words)
  return Uint32Array.from(words, (word) => word >>> 0)
}

function hashInto(out: Int32Array, key: Key): void {
  if (typeof key === 'string') {
    // ASCII is its own UTF-8, and keys are ASCII nearly always: whether that was right shows when all of it was read.
    charactersSeen = 0
    murmur(key, key.length, 0, out)
    if (charactersSeen <= 0x7f) return
    const bytes = encoder.encode(key)
    murmur(bytes, bytes.length, 0, out)
    return
  }
  if (!(key instanceof Uint8Array)) {
    throw new BedplateError('INVALID_INPUT', `a key must be a string or a Uint8Array, got ${describe(key)}`)
  }
  murmur(key, key.length, 0, out)
}

function murmur(bytes: Key, length: number, seed: number, out: Int32Array): void {
  let h1 = seed | 0
  let h2 = h1
  let h3 = h1
  let h4 = h1
  const blocksEnd = length - (length % 16)
  for (let at = 0; at < blocksEnd; at += 16) {
    h1 = (rotate(h1 ^ scramble(wordAt(bytes, at), C1, 15, C2), 19) + h2) | 0
    h1 = (Math.imul(h1, 5) + 0x561ccd1b) | 0
    h2 = (rotate(h2 ^ scramble(wordAt(bytes, at + 4), C2, 16, C3), 17) + h3) | 0
    h2 = (Math.imul(h2, 5) + 0x0bcaa747) | 0
    h3 = (rotate(h3 ^ scramble(wordAt(bytes, at + 8), C3, 17, C4), 15) + h4) | 0
    h3 = (Math.imul(h3, 5) + 0x96cd1c35) | 0
    h4 = (rotate(h4 ^ scramble(wordAt(bytes, at + 12), C4, 18, C1), 13) + h1) | 0
    h4 = (Math.imul(h4, 5) + 0x32ac3b17) | 0
  }
  // What is left fills up with zeros, and a word of zeros changes nothing.
  h1 ^= scramble(lastWordAt(bytes, blocksEnd, length), C1, 15, C2)
  h2 ^= scramble(lastWordAt(bytes, blocksEnd + 4, length), C2, 16, C3)
  h3 ^= scramble(lastWordAt(bytes, blocksEnd + 8, length), C3, 17, C4)
  h4 ^= scramble(lastWordAt(bytes, blocksEnd + 12, length), C4, 18, C1)

  h1 ^= length
  h2 ^= length
  h3 ^= length
  h4 ^= length
  h1 = (h1 + h2 + h3 + h4) | 0
  h2 = (h2 + h1) | 0
  h3 = (h3 + h1) | 0
  h4 = (h4 + h1) | 0
  h1 = mix32(h1)
  h2 = mix32(h2)
  h3 = mix32(h3)
  h4 = mix32(h4)
  h1 = (h1 + h2 + h3 + h4) | 0
  out[0] = h1
  out[1] = h2 + h1
  out[2] = h3 + h1
  out[3] = h4 + h1
}

/** Lets every bit change every other one: MurmurHash3's finalizer. @returns A signed word. */
export function mix32(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

function scramble(word: number, before: number, bits: number, after: number): number {
  return Math.imul(rotate(Math.imul(word, before), bits), after)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

/** The four bytes from `at` on, all of which are there. */
function wordAt(bytes: Key, at: number): number {
  if (typeof bytes !== 'string') {
    return (
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    )
  }
  const [a, b] = [bytes.charCodeAt(at), bytes.charCodeAt(at + 1)]
  const [c, d] = [bytes.charCodeAt(at + 2), bytes.charCodeAt(at + 3)]
  charactersSeen |= a | b | c | d
  return a | (b << 8) | (c << 16) | (d << 24)
}

/** The same where the bytes may end before: what is beyond `end` is 0. */
function lastWordAt(bytes: Key, at: number, end: number): number {
  if (at >= end) return 0
  if (at + 4 <= end) return wordAt(bytes, at)
  let word = 0
  for (let i = end - 1; i >= at; i--) {
    const byte = typeof bytes === 'string' ? bytes.charCodeAt(i) : (bytes[i] as number)
    if (typeof bytes === 'string') charactersSeen |= byte
    word = (word << 8) | byte
  }
  return word
}
