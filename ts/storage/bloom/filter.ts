// Bloom filters in blocks of one cache line: a key's bits all lie in the 64 bytes that its hash chooses, so that a test costs
// one miss of the cache (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007, §3).
//
//   0   4  magic      "BPBF"
//   4   4  lineCount  64-byte lines, 1 to MAX_LINES
//   8   1  probes     bits a key, 1 to 16
//   9   1  version    1
//  10  54             0
//  64  64 x lineCount lines; bit b of a line is bit b % 8 of its byte b / 8
//
// A filter has no checksum of its own: whoever keeps it has one around it.
import { BedplateError } from '../../base/errors.ts'
import type { Hash64 } from './hash.ts'

const MAGIC = 0x46425042 // "BPBF"
const VERSION = 1
const HEADER_BYTES = 64
const LINE_BYTES = 64
const BITS_A_LINE = 8 * LINE_BYTES
/** 128 MiB; up to here a line is chosen exactly in the 53 bits of a number. */
const MAX_LINES = 2 ** 21
const MAX_PROBES = 16
/** The next bit of a key, and the line of it, come from the highest bits of products with this (Knuth, TAOCP 3, §6.4). */
const GOLDEN_RATIO = 0x9e3779b9

export const DEFAULT_BITS_A_KEY = 10
export const MAX_BITS_A_KEY = 64

/** How many bits to set for a key: the textbook's ln 2 per bit, rounded down since lines are not all equally full. */
function probesFor(bitsPerKey: number): number {
  return Math.min(MAX_PROBES, Math.max(1, Math.floor(bitsPerKey * Math.LN2)))
}

/** Builds the filter of a set of keys, in steps for those who have other things to do in between. */
export class FilterBuilder {
  /** The filter, once all keys were added: 64 bytes and 64 a line. Equal keys give equal bytes, in whatever order. */
  readonly bytes: Uint8Array
  private readonly lineCount: number
  private readonly probes: number

  /**
   * @param keyCount - Of all keys that will be added.
   * @param bitsPerKey - 1 to MAX_BITS_A_KEY. With 10, one test in a hundred that should fail succeeds.
   */
  constructor(keyCount: number, bitsPerKey: number) {
    this.lineCount = Math.min(MAX_LINES, Math.max(1, Math.ceil((keyCount * bitsPerKey) / BITS_A_LINE)))
    this.probes = probesFor(bitsPerKey)
    this.bytes = new Uint8Array(HEADER_BYTES + LINE_BYTES * this.lineCount)
    const view = new DataView(this.bytes.buffer)
    view.setUint32(0, MAGIC, true)
    view.setUint32(4, this.lineCount, true)
    this.bytes[8] = this.probes
    this.bytes[9] = VERSION
  }

  /** @param hashes - Two numbers a key: the high and the low half of `hash64`. */
  add(hashes: Uint32Array): void {
    const { bytes, lineCount, probes } = this
    for (let i = 0; i < hashes.length; i += 2) {
      const start = lineStart(hashes[i] as number, lineCount)
      let hash = hashes[i + 1] as number
      for (let probe = 0; probe < probes; probe++) {
        const at = start + (hash >>> 26)
        bytes[at] = (bytes[at] as number) | (1 << ((hash >>> 23) & 7))
        hash = Math.imul(hash, GOLDEN_RATIO)
      }
    }
  }
}

/** A filter to be asked. */
export class BloomFilter {
  private readonly bytes: Uint8Array
  private readonly lineCount: number
  private readonly probes: number

  /**
   * @param bytes - What `FilterBuilder` gave; may come straight from disk.
   * @param where - What holds it, for the text of errors.
   * @throws CORRUPTION if the bytes are no filter, INCOMPATIBLE if a later version made it.
   */
  constructor(bytes: Uint8Array, where: string) {
    if (bytes.length < HEADER_BYTES) throw corruption(where, `it has ${bytes.length} bytes`)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (view.getUint32(0, true) !== MAGIC) throw corruption(where, 'it does not begin with BPBF')
    const version = bytes[9] as number
    if (version > VERSION)
      throw new BedplateError('INCOMPATIBLE', `${where}: a Bloom filter of version ${version}`, {
        hint: 'update bedplate',
      })
    const lineCount = view.getUint32(4, true)
    const probes = bytes[8] as number
    if (lineCount < 1 || lineCount > MAX_LINES || bytes.length !== HEADER_BYTES + LINE_BYTES * lineCount)
      throw corruption(where, `${lineCount} lines do not make ${bytes.length} bytes`)
    if (probes < 1 || probes > MAX_PROBES) throw corruption(where, `${probes} bits a key`)
    this.bytes = bytes
    this.lineCount = lineCount
    this.probes = probes
  }

  /** False if the key of that hash is not in the set; true if it is, and now and then if it is not. O(probes), one line. */
  mayHold({ high, low }: Hash64): boolean {
    const { bytes, probes } = this
    const start = lineStart(high, this.lineCount)
    let hash = low
    for (let probe = 0; probe < probes; probe++) {
      if (((bytes[start + (hash >>> 26)] as number) & (1 << ((hash >>> 23) & 7))) === 0) return false
      hash = Math.imul(hash, GOLDEN_RATIO)
    }
    return true
  }
}

/** Where the line of a key begins: the high half, scaled to the number of lines. */
function lineStart(high: number, lineCount: number): number {
  return HEADER_BYTES + LINE_BYTES * Math.floor((high * lineCount) / 2 ** 32)
}

function corruption(where: string, problem: string): BedplateError {
  return new BedplateError('CORRUPTION', `${where}: the Bloom filter is broken: ${problem}`)
}
