// A slotted page: the unit that is cached, copied on write and read from disk. Leaves and branches share one shape;
// byte layout (little-endian; also docs/formats/btree.md):
//
//   offset  size  field
//        0     4  checksum      CRC-32C of bytes 4 .. page size
//        4     1  type          1 leaf, 2 branch, 3 overflow, 4 free list
//        5     1  reserved      0
//        6     2  count         cells
//        8     6  pageNumber    its own address: a misdirected write is found
//       14     2  prefixLength  bytes that every key of the page begins with
//       16     6  birth         epoch that made it; the reference to it says the same: a lost write is found
//       22     2  capacity      room in the two slot arrays
//       24     4  heapStart     lowest byte in use by cells; the heap grows down from the page's end
//       28     4  garbageBytes  bytes in the heap that no cell uses any more
//       32     6  keyCount      in a tree's root page: keys in the whole tree; elsewhere 0
//       38     2  level         0 leaf; a branch is one above its children
//       40     4  treeId        the tree it belongs to
//       44     4  reserved      0
//       48    12  reference     branch: its leftmost child; overflow and free list: the next page
//       60     4  dataLength    overflow and free list: bytes of payload after the header
//       64     -  heads         u32[capacity]: the four bytes of the key after the prefix, as a big-endian number, zero padded
//        -     -  offsets       u16[capacity]: where the cell begins
//        -     -  prefix        prefixLength bytes
//        -     -  free space
//        -     -  heap          cells
//
//   leaf cell     suffixLength u16 | flags u8 (1: overflow) | 0 u8 | valueLength u32 | suffix | value, or a reference
//   branch cell   suffixLength u16 | reference to the child with keys >= this one | suffix
//   reference     pageNumber u48 | birth u48
//
// The heads array is the "poor man's normalised key" (Graefe and Larson, "B-Tree Indexes and CPU Caches", ICDE 2001, §3;
// Leis et al., "LeanStore", ICDE 2018): most steps of a search stay in one dense array. Prefix truncation:
// Bayer and Unterauer, "Prefix B-Trees", TODS 1977.
import { assert, BedplateError } from '../../base/errors.ts'
import { commonPrefixLength } from '../compare.ts'
import { crc32c } from '../crc32c/index.ts'
import { lacks } from '../mutant.ts'
import type { Mutant } from './mutant.ts'

export const PAGE_HEADER_BYTES = 64
export const REFERENCE_BYTES = 12
export const LEAF_CELL_HEADER_BYTES = 8
export const BRANCH_CELL_HEADER_BYTES = 2 + REFERENCE_BYTES
const SLOT_BYTES = 6
const OVERFLOW_FLAG = 1

export const PageType = { leaf: 1, branch: 2, overflow: 3, freeList: 4 } as const
export type PageType = (typeof PageType)[keyof typeof PageType]

/** Where a page is and which life of that place is meant. `page` 0 means none: the meta page is nobody's child. */
export interface PageReference {
  page: number
  birth: number
}

/** No page. */
export const NO_PAGE: PageReference = Object.freeze({ page: 0, birth: 0 })

/** A page in memory, with typed views on its bytes. The views rely on a little-endian host, as the native loader checks. */
export class Page {
  readonly bytes: Uint8Array
  readonly u16: Uint16Array
  readonly u32: Uint32Array
  /** Kept beside the bytes since the cache asks for them all the time. */
  pageNumber: number
  birth: number
  /** True while the bytes in memory are newer than those in the file. */
  dirty = false
  /** The cache's second-chance bit. */
  referenced = true

  constructor(pageSizeBytes: number) {
    const buffer = new ArrayBuffer(pageSizeBytes)
    this.bytes = new Uint8Array(buffer)
    this.u16 = new Uint16Array(buffer)
    this.u32 = new Uint32Array(buffer)
    this.pageNumber = 0
    this.birth = 0
  }

  get sizeBytes(): number {
    return this.bytes.length
  }
  get type(): number {
    return this.bytes[4]!
  }
  get isLeaf(): boolean {
    return this.bytes[4] === PageType.leaf
  }
  get count(): number {
    return this.u16[3]!
  }
  get prefixLength(): number {
    return this.u16[7]!
  }
  get capacity(): number {
    return this.u16[11]!
  }
  get heapStart(): number {
    return this.u32[6]!
  }
  get garbageBytes(): number {
    return this.u32[7]!
  }
  get level(): number {
    return this.u16[19]!
  }
  get treeId(): number {
    return this.u32[10]!
  }
  get dataLength(): number {
    return this.u32[15]!
  }
  get keyCount(): number {
    return readU48(this.bytes, 32)
  }
  set keyCount(value: number) {
    writeU48(this.bytes, 32, value)
  }
  /** Branch: the leftmost child. Overflow and free list: the next page of the chain. */
  get reference(): PageReference {
    return readReference(this.bytes, 48)
  }
  set reference(reference: PageReference) {
    writeReference(this.bytes, 48, reference)
  }
  set dataLength(value: number) {
    this.u32[15] = value
  }

  /** Gives the page its address and its life. */
  identify(pageNumber: number, birth: number): void {
    this.pageNumber = pageNumber
    this.birth = birth
    writeU48(this.bytes, 8, pageNumber)
    writeU48(this.bytes, 16, birth)
  }

  /** Makes the page an empty one of the given type. Keeps its address and birth. */
  format(type: PageType, treeId: number, level: number): void {
    const { pageNumber, birth } = this
    this.bytes.fill(0)
    this.bytes[4] = type
    this.u32[6] = this.sizeBytes
    this.u32[10] = treeId
    this.u16[19] = level
    this.identify(pageNumber, birth)
  }

  /** Sets the checksum: the last thing before the page is written. */
  seal(): void {
    this.u32[0] = crc32c(this.bytes.subarray(4))
  }
}

export function readU48(bytes: Uint8Array, offset: number): number {
  return (
    bytes[offset]! +
    bytes[offset + 1]! * 0x100 +
    bytes[offset + 2]! * 0x10000 +
    bytes[offset + 3]! * 0x1000000 +
    (bytes[offset + 4]! + bytes[offset + 5]! * 0x100) * 0x100000000
  )
}

export function writeU48(bytes: Uint8Array, offset: number, value: number): void {
  const high = Math.floor(value / 0x100000000)
  bytes[offset] = value
  bytes[offset + 1] = value >>> 8
  bytes[offset + 2] = value >>> 16
  bytes[offset + 3] = value >>> 24
  bytes[offset + 4] = high
  bytes[offset + 5] = high >>> 8
}

export function readReference(bytes: Uint8Array, offset: number): PageReference {
  return { page: readU48(bytes, offset), birth: readU48(bytes, offset + 6) }
}

export function writeReference(bytes: Uint8Array, offset: number, reference: PageReference): void {
  writeU48(bytes, offset, reference.page)
  writeU48(bytes, offset + 6, reference.birth)
}

function readU32(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>> 0
}

function readU16(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! | (bytes[offset + 1]! << 8)
}

// ---------------------------------------------------------------------------------------------------------------
// Reading

/** Where the cell of slot `index` begins. */
export function cellOffset(page: Page, index: number): number {
  return page.u16[(PAGE_HEADER_BYTES >> 1) + 2 * page.capacity + index]!
}

function prefixOffset(page: Page): number {
  return PAGE_HEADER_BYTES + SLOT_BYTES * page.capacity
}

function suffixStart(page: Page, cell: number): number {
  return cell + (page.isLeaf ? LEAF_CELL_HEADER_BYTES : BRANCH_CELL_HEADER_BYTES)
}

/**
 * Finds `key` among the page's keys.
 * @returns The slot that holds it, or the bitwise complement of the slot where it would be inserted.
 */
export function search(page: Page, key: Uint8Array): number {
  const { bytes, count } = page
  const prefixLength = page.prefixLength
  const prefixAt = prefixOffset(page)
  const shared = Math.min(prefixLength, key.length)
  for (let i = 0; i < shared; i++) {
    const difference = key[i]! - bytes[prefixAt + i]!
    if (difference !== 0) return difference < 0 ? ~0 : ~count
  }
  if (key.length < prefixLength) return ~0

  const head = headOf(key, prefixLength)
  const { u32, u16 } = page
  const offsetsAt = (PAGE_HEADER_BYTES >> 1) + 2 * page.capacity
  const cellHeader = page.isLeaf ? LEAF_CELL_HEADER_BYTES : BRANCH_CELL_HEADER_BYTES
  // Invariant: keys before `low` are < key; keys from `high` on are >= key.
  let low = 0
  let high = count
  let exact = false
  while (low < high) {
    const middle = (low + high) >>> 1
    const middleHead = u32[(PAGE_HEADER_BYTES >> 2) + middle]!
    let order: number
    if (middleHead !== head) order = middleHead < head ? -1 : 1
    else order = compareSuffix(bytes, u16[offsetsAt + middle]!, cellHeader, key, prefixLength)
    if (order < 0) low = middle + 1
    else {
      high = middle
      exact = order === 0 // `high` is the answer if the search ends here
    }
  }
  return exact ? high : ~high
}

/** Orders the suffix of the cell at `cell` against the rest of `key` after `prefixLength`. */
function compareSuffix(
  bytes: Uint8Array,
  cell: number,
  cellHeader: number,
  key: Uint8Array,
  prefixLength: number,
): number {
  const suffixLength = readU16(bytes, cell)
  const start = cell + cellHeader
  const keyLength = key.length - prefixLength
  const shared = Math.min(suffixLength, keyLength)
  for (let i = 0; i < shared; i++) {
    const difference = bytes[start + i]! - key[prefixLength + i]!
    if (difference !== 0) return difference
  }
  return suffixLength - keyLength
}

/** The four bytes of `key` from `from` on, as a big-endian number, zero padded. */
function headOf(key: Uint8Array, from: number): number {
  const length = key.length
  let head = 0
  if (from < length) head = key[from]! << 24
  if (from + 1 < length) head |= key[from + 1]! << 16
  if (from + 2 < length) head |= key[from + 2]! << 8
  if (from + 3 < length) head |= key[from + 3]!
  return head >>> 0
}

/** The whole key of slot `index`, in fresh memory. */
export function keyAt(page: Page, index: number): Uint8Array {
  const { bytes, prefixLength } = page
  const cell = cellOffset(page, index)
  const suffixLength = readU16(bytes, cell)
  const key = new Uint8Array(prefixLength + suffixLength)
  copyKey(page, cell, key, 0)
  return key
}

/** The length of the whole key of slot `index`. */
export function keyLengthAt(page: Page, index: number): number {
  return page.prefixLength + readU16(page.bytes, cellOffset(page, index))
}

/** Copies the whole key of slot `index` to `target` at `offset`. */
export function copyKeyAt(page: Page, index: number, target: Uint8Array, offset: number): void {
  copyKey(page, cellOffset(page, index), target, offset)
}

function copyKey(page: Page, cell: number, target: Uint8Array, offset: number): void {
  const { bytes, prefixLength } = page
  const prefixAt = prefixOffset(page)
  for (let i = 0; i < prefixLength; i++) target[offset + i] = bytes[prefixAt + i]!
  const start = suffixStart(page, cell)
  const suffixLength = readU16(bytes, cell)
  for (let i = 0; i < suffixLength; i++) target[offset + prefixLength + i] = bytes[start + i]!
}

/** The length of the value in slot `index` of a leaf, wherever it is kept. */
export function valueLengthAt(page: Page, index: number): number {
  return readU32(page.bytes, cellOffset(page, index) + 4)
}

/** True if the value of slot `index` is kept in overflow pages. */
export function isOverflowAt(page: Page, index: number): boolean {
  return (page.bytes[cellOffset(page, index) + 2]! & OVERFLOW_FLAG) !== 0
}

/** The first overflow page of slot `index`'s value. */
export function overflowAt(page: Page, index: number): PageReference {
  const cell = cellOffset(page, index)
  return readReference(page.bytes, cell + LEAF_CELL_HEADER_BYTES + readU16(page.bytes, cell))
}

/** A view of the inline value of slot `index`. It dies with the next change of the page. */
export function inlineValueAt(page: Page, index: number): Uint8Array {
  const { bytes } = page
  const cell = cellOffset(page, index)
  const start = cell + LEAF_CELL_HEADER_BYTES + readU16(bytes, cell)
  return bytes.subarray(start, start + readU32(bytes, cell + 4))
}

/** A branch has count + 1 children: child 0 is the leftmost, child i + 1 belongs to cell i. */
export function childAt(page: Page, child: number): PageReference {
  return child === 0 ? page.reference : readReference(page.bytes, cellOffset(page, child - 1) + 2)
}

/** The child whose subtree would hold `key`. */
export function childIndexFor(page: Page, key: Uint8Array): number {
  const slot = search(page, key)
  return slot >= 0 ? slot + 1 : ~slot
}

function cellBytesAt(page: Page, cell: number): number {
  const { bytes } = page
  const suffixLength = readU16(bytes, cell)
  if (!page.isLeaf) return BRANCH_CELL_HEADER_BYTES + suffixLength
  const overflow = (bytes[cell + 2]! & OVERFLOW_FLAG) !== 0
  return LEAF_CELL_HEADER_BYTES + suffixLength + (overflow ? REFERENCE_BYTES : readU32(bytes, cell + 4))
}

/** Bytes in use: header, one slot a cell, prefix and live cells; what a page without slack would need. */
export function usedBytes(page: Page): number {
  return (
    PAGE_HEADER_BYTES +
    SLOT_BYTES * page.count +
    page.prefixLength +
    (page.sizeBytes - page.heapStart) -
    page.garbageBytes
  )
}

// ---------------------------------------------------------------------------------------------------------------
// Changing. A change that does not fit leaves the page as it was and answers false; the tree then splits.

/** What goes into a leaf beside the key: the bytes themselves, or where they are kept. */
export interface LeafValue {
  /** Length of the value, in bytes. */
  length: number
  /** The value, if it is kept in the leaf. */
  inline?: Uint8Array
  /** Its first overflow page otherwise. */
  overflow?: PageReference
}

/** Puts `key` with `value` before slot `index`. The caller has found that the key is absent and belongs there. */
export function insertIntoLeaf(page: Page, index: number, key: Uint8Array, value: LeafValue): boolean {
  const bodyBytes = LEAF_CELL_HEADER_BYTES + storedBytes(value)
  const cell = openSlot(page, index, key, bodyBytes)
  if (cell < 0) return false
  const { bytes, prefixLength } = page
  const suffixLength = key.length - prefixLength
  bytes[cell] = suffixLength
  bytes[cell + 1] = suffixLength >>> 8
  const suffixAt = cell + LEAF_CELL_HEADER_BYTES
  for (let i = 0; i < suffixLength; i++) bytes[suffixAt + i] = key[prefixLength + i]!
  writeLeafValue(bytes, cell, suffixAt + suffixLength, value)
  return true
}

/** Gives the key of slot `index` a new value. */
export function replaceInLeaf(page: Page, index: number, value: LeafValue): boolean {
  const { bytes } = page
  const cell = cellOffset(page, index)
  const suffixLength = readU16(bytes, cell)
  const oldBytes = cellBytesAt(page, cell)
  const newBytes = LEAF_CELL_HEADER_BYTES + suffixLength + storedBytes(value)
  if (newBytes <= oldBytes) {
    page.u32[7]! += oldBytes - newBytes
    writeLeafValue(bytes, cell, cell + LEAF_CELL_HEADER_BYTES + suffixLength, value)
    return true
  }
  if (usedBytes(page) - oldBytes + newBytes > page.sizeBytes) return false
  const key = keyAt(page, index)
  removeCell(page, index)
  const inserted = insertIntoLeaf(page, index, key, value)
  assert(inserted, 'a replacement that was measured to fit does fit')
  return true
}

/** Puts a separator and the child right of it before slot `index` of a branch. */
export function insertIntoBranch(page: Page, index: number, key: Uint8Array, child: PageReference): boolean {
  const cell = openSlot(page, index, key, BRANCH_CELL_HEADER_BYTES)
  if (cell < 0) return false
  const { bytes, prefixLength } = page
  const suffixLength = key.length - prefixLength
  bytes[cell] = suffixLength
  bytes[cell + 1] = suffixLength >>> 8
  writeReference(bytes, cell + 2, child)
  const suffixAt = cell + BRANCH_CELL_HEADER_BYTES
  for (let i = 0; i < suffixLength; i++) bytes[suffixAt + i] = key[prefixLength + i]!
  return true
}

/** Points child number `child` of a branch elsewhere. */
export function setChildAt(page: Page, child: number, reference: PageReference): void {
  if (child === 0) page.reference = reference
  else writeReference(page.bytes, cellOffset(page, child - 1) + 2, reference)
}

/** Removes slot `index` with its cell. */
export function removeCell(page: Page, index: number): void {
  const cell = cellOffset(page, index)
  const { count } = page
  page.u32[7]! += cellBytesAt(page, cell)
  const headAt = (PAGE_HEADER_BYTES >> 2) + index
  const offsetAt = (PAGE_HEADER_BYTES >> 1) + 2 * page.capacity + index
  page.u32.copyWithin(headAt, headAt + 1, headAt + count - index)
  page.u16.copyWithin(offsetAt, offsetAt + 1, offsetAt + count - index)
  page.u16[3] = count - 1
  if (count === 1) resetHeap(page)
}

/** An empty page has no prefix, no heap and no garbage. */
function resetHeap(page: Page): void {
  page.u16[7] = 0
  page.u32[6] = page.sizeBytes
  page.u32[7] = 0
}

/**
 * Makes room for a cell of `bodyBytes` plus the suffix of `key` at slot `index`, and sets head and offset.
 * @returns The offset of the new cell, or -1 if it does not fit.
 */
function openSlot(page: Page, index: number, key: Uint8Array, bodyBytes: number): number {
  const { count } = page
  let cellBytes = bodyBytes + key.length - page.prefixLength
  const hasPrefix = startsWithPrefix(page, key)
  const gap = page.heapStart - prefixOffset(page) - page.prefixLength
  if (!hasPrefix || count === page.capacity || gap < cellBytes) {
    if (!rebuildFor(page, index, key, bodyBytes)) return -1
    cellBytes = bodyBytes + key.length - page.prefixLength
  }
  const headAt = (PAGE_HEADER_BYTES >> 2) + index
  const offsetAt = (PAGE_HEADER_BYTES >> 1) + 2 * page.capacity + index
  page.u32.copyWithin(headAt + 1, headAt, headAt + count - index)
  page.u16.copyWithin(offsetAt + 1, offsetAt, offsetAt + count - index)
  const cell = page.heapStart - cellBytes
  page.u32[headAt] = headOf(key, page.prefixLength)
  page.u16[offsetAt] = cell
  page.u32[6] = cell
  page.u16[3] = count + 1
  return cell
}

function startsWithPrefix(page: Page, key: Uint8Array): boolean {
  const { bytes, prefixLength } = page
  if (key.length < prefixLength) return false
  const prefixAt = prefixOffset(page)
  for (let i = 0; i < prefixLength; i++) if (bytes[prefixAt + i] !== key[i]) return false
  return true
}

/** Lays the page out anew so that one more cell finds room: best prefix, no garbage, more slots. */
function rebuildFor(page: Page, index: number, key: Uint8Array, bodyBytes: number): boolean {
  const { count, sizeBytes } = page
  const prefixLength = prefixLengthWith(page, index, key)
  const liveBytes = sizeBytes - page.heapStart - page.garbageBytes + count * (page.prefixLength - prefixLength)
  const cellBytes = bodyBytes + key.length - prefixLength
  const fixedBytes = PAGE_HEADER_BYTES + prefixLength + liveBytes + cellBytes
  const needed = count + 1
  if (fixedBytes + SLOT_BYTES * needed > sizeBytes) return false
  rebuild(page, prefixLength, slotsFor(sizeBytes - fixedBytes, needed, liveBytes + cellBytes))
  return true
}

/**
 * How many slots to lay out for `needed` cells of `cellBytes` together: for as many cells of their average size as the page
 * will hold, but never more than there is room for. In whole numbers, so that every engine lays out the same.
 */
function slotsFor(freeBytes: number, needed: number, cellBytes: number): number {
  const spare = freeBytes - SLOT_BYTES * needed
  return needed + Math.floor((spare * needed) / (cellBytes + SLOT_BYTES * needed))
}

/** The bytes shared by all keys of the page and `key`, which would stand at slot `index`. */
function prefixLengthWith(page: Page, index: number, key: Uint8Array): number {
  const { count } = page
  if (count === 0) return 0 // one key alone has no prefix worth cutting off
  const first = index === 0 ? key : keyAt(page, 0)
  const last = index === count ? key : keyAt(page, count - 1)
  return commonPrefixLength(first, last)
}

let scratch = new Page(0)

/** A copy of `page` to read from while it is written anew; good until the next call. */
function copyToScratch(page: Page): Page {
  if (scratch.sizeBytes !== page.sizeBytes) scratch = new Page(page.sizeBytes)
  scratch.bytes.set(page.bytes)
  return scratch
}

/** Rewrites the page with another prefix and capacity; cells end up in slot order, the last one lowest. */
function rebuild(page: Page, prefixLength: number, capacity: number): void {
  const before = copyToScratch(page)
  clearCells(page)
  layOut(page, capacity, before.count > 0 ? keyAt(before, 0) : new Uint8Array(0), prefixLength)
  appendCells(page, before, 0, before.count)
}

/** Sets capacity and prefix of a page without cells; the prefix is the beginning of `key`. */
function layOut(page: Page, capacity: number, key: Uint8Array, prefixLength: number): void {
  page.u16[11] = capacity
  page.u16[7] = prefixLength
  page.bytes.set(key.subarray(0, prefixLength), prefixOffset(page))
}

/** Forgets all cells of the page, keeping its header's identity. */
function clearCells(page: Page): void {
  page.u16[3] = 0
  resetHeap(page)
}

/**
 * Appends cells [from, to) of `source` to `page`, whose prefix must be a prefix of their keys and which must have room.
 * Zeroes nothing between: only the bytes that count are written.
 */
function appendCells(page: Page, source: Page, from: number, to: number): void {
  const headerBytes = page.isLeaf ? LEAF_CELL_HEADER_BYTES : BRANCH_CELL_HEADER_BYTES
  const targetPrefix = page.prefixLength
  const sourcePrefix = source.prefixLength
  const sourcePrefixAt = prefixOffset(source)
  const { bytes } = page
  const headsAt = PAGE_HEADER_BYTES >> 2
  const offsetsAt = (PAGE_HEADER_BYTES >> 1) + 2 * page.capacity
  let count = page.count
  let heap = page.heapStart
  for (let index = from; index < to; index++) {
    const cell = cellOffset(source, index)
    const oldSuffix = readU16(source.bytes, cell)
    const newSuffix = sourcePrefix + oldSuffix - targetPrefix
    const bodyBytes = cellBytesAt(source, cell) - headerBytes - oldSuffix
    heap -= headerBytes + newSuffix + bodyBytes
    for (let i = 2; i < headerBytes; i++) bytes[heap + i] = source.bytes[cell + i]!
    bytes[heap] = newSuffix
    bytes[heap + 1] = newSuffix >>> 8
    let target = heap + headerBytes
    // The new suffix begins in the old prefix if the prefix got shorter, and inside the old suffix if it got longer.
    for (let i = targetPrefix; i < sourcePrefix; i++) bytes[target++] = source.bytes[sourcePrefixAt + i]!
    const skipped = Math.max(0, targetPrefix - sourcePrefix)
    const rest = cell + headerBytes + skipped
    const restBytes = oldSuffix - skipped + bodyBytes
    if (restBytes > 32) bytes.set(source.bytes.subarray(rest, rest + restBytes), target)
    else for (let i = 0; i < restBytes; i++) bytes[target + i] = source.bytes[rest + i]!
    page.u32[headsAt + count] = headAtOffset(bytes, heap + headerBytes, newSuffix)
    page.u16[offsetsAt + count] = heap
    count++
  }
  page.u16[3] = count
  page.u32[6] = heap
}

function headAtOffset(bytes: Uint8Array, start: number, length: number): number {
  let head = 0
  if (length > 0) head = bytes[start]! << 24
  if (length > 1) head |= bytes[start + 1]! << 16
  if (length > 2) head |= bytes[start + 2]! << 8
  if (length > 3) head |= bytes[start + 3]!
  return head >>> 0
}

function storedBytes(value: LeafValue): number {
  return value.inline === undefined ? REFERENCE_BYTES : value.length
}

function writeLeafValue(bytes: Uint8Array, cell: number, valueAt: number, value: LeafValue): void {
  const { length, inline, overflow } = value
  bytes[cell + 2] = inline === undefined ? OVERFLOW_FLAG : 0
  bytes[cell + 3] = 0
  bytes[cell + 4] = length
  bytes[cell + 5] = length >>> 8
  bytes[cell + 6] = length >>> 16
  bytes[cell + 7] = length >>> 24
  if (inline !== undefined) bytes.set(inline, valueAt)
  else writeReference(bytes, valueAt, overflow as PageReference)
}

// ---------------------------------------------------------------------------------------------------------------
// Splitting and merging

/**
 * Where to cut a full page in two before one more cell of `cellBytes` goes in at `index`: the first slot of the right page.
 * Balanced by bytes, counting the new cell; never 0 and never `count`, so both pages keep a cell.
 */
export function splitPoint(page: Page, index: number, cellBytes: number): number {
  const { count } = page
  const total = usedBytes(page) - PAGE_HEADER_BYTES - page.prefixLength + cellBytes
  let left = 0
  for (let slot = 0; slot < count; slot++) {
    if (slot === index) left += cellBytes
    left += cellBytesAt(page, cellOffset(page, slot)) + SLOT_BYTES
    if (left * 2 >= total) return Math.min(Math.max(slot + 1, 1), count - 1)
  }
  return count - 1
}

/** Moves cells [from, count) of `page` to the empty formatted page `right`, dropping `skip` of them at the front. */
export function moveCells(page: Page, right: Page, from: number, skip = 0): void {
  const before = copyToScratch(page)
  fillFrom(right, before, from + skip, before.count)
  fillFrom(page, before, 0, from)
}

/** Fills `page` with cells [from, to) of `source`, with the best prefix and room for more. */
function fillFrom(page: Page, source: Page, from: number, to: number): void {
  clearCells(page)
  const count = to - from
  if (count === 0) {
    page.u16[11] = 0
    return
  }
  const first = keyAt(source, from)
  const prefixLength = count === 1 ? 0 : commonPrefixLength(first, keyAt(source, to - 1))
  let liveBytes = count * (source.prefixLength - prefixLength)
  for (let index = from; index < to; index++) liveBytes += cellBytesAt(source, cellOffset(source, index))
  const freeBytes = page.sizeBytes - PAGE_HEADER_BYTES - prefixLength - liveBytes
  layOut(page, slotsFor(freeBytes, count, liveBytes), first, prefixLength)
  appendCells(page, source, from, to)
}

/**
 * Moves everything of `right` behind the cells of `left`, if it fits.
 * @param separator - Branches only: the key between them in their parent; it comes down between the two.
 * @returns False if it does not fit; nothing has changed then.
 */
export function mergeInto(left: Page, right: Page, separator?: Uint8Array): boolean {
  const count = left.count + right.count + (separator === undefined ? 0 : 1)
  const prefixLength = mergedPrefixLength(left, right, separator, count)
  let liveBytes = heapBytes(left) + left.count * (left.prefixLength - prefixLength)
  liveBytes += heapBytes(right) + right.count * (right.prefixLength - prefixLength)
  if (separator !== undefined) liveBytes += BRANCH_CELL_HEADER_BYTES + separator.length - prefixLength
  const freeBytes = left.sizeBytes - PAGE_HEADER_BYTES - prefixLength - liveBytes
  if (freeBytes < SLOT_BYTES * count) return false

  const before = copyToScratch(left)
  clearCells(left)
  layOut(
    left,
    count === 0 ? 0 : slotsFor(freeBytes, count, liveBytes),
    firstKey(before, right, separator),
    prefixLength,
  )
  appendCells(left, before, 0, before.count)
  if (separator !== undefined) {
    const inserted = insertIntoBranch(left, left.count, separator, right.reference)
    assert(inserted, 'a separator that was measured to fit does fit')
  }
  appendCells(left, right, 0, right.count)
  return true
}

function heapBytes(page: Page): number {
  return page.sizeBytes - page.heapStart - page.garbageBytes
}

function firstKey(left: Page, right: Page, separator: Uint8Array | undefined): Uint8Array {
  if (left.count > 0) return keyAt(left, 0)
  return separator ?? (right.count > 0 ? keyAt(right, 0) : new Uint8Array(0))
}

function mergedPrefixLength(left: Page, right: Page, separator: Uint8Array | undefined, count: number): number {
  if (count < 2) return 0
  const first = firstKey(left, right, separator)
  if (right.count > 0) return commonPrefixLength(first, keyAt(right, right.count - 1))
  return commonPrefixLength(first, separator ?? keyAt(left, left.count - 1))
}

// ---------------------------------------------------------------------------------------------------------------
// Trust

/**
 * Checks everything about a page that was just read: nothing in it may lead outside it. O(count).
 * @returns What is wrong, or undefined. The checksum has to be checked before: this is against our own bugs and forged files.
 */
export function pageProblem(page: Page): string | undefined {
  const { type, count, capacity, prefixLength, heapStart, sizeBytes } = page
  if (type === PageType.overflow || type === PageType.freeList) {
    return page.dataLength <= sizeBytes - PAGE_HEADER_BYTES
      ? undefined
      : `payload of ${page.dataLength} bytes leaves the page`
  }
  if (type !== PageType.leaf && type !== PageType.branch) return `unknown page type ${type}`
  if ((type === PageType.leaf) !== (page.level === 0)) return `type ${type} at level ${page.level}`
  if (count > capacity) return `${count} cells in ${capacity} slots`
  const arraysEnd = PAGE_HEADER_BYTES + SLOT_BYTES * capacity + prefixLength
  if (arraysEnd > heapStart || heapStart > sizeBytes) return `slots end at ${arraysEnd}, heap starts at ${heapStart}`
  const headerBytes = type === PageType.leaf ? LEAF_CELL_HEADER_BYTES : BRANCH_CELL_HEADER_BYTES
  let liveBytes = 0
  for (let index = 0; index < count; index++) {
    const cell = cellOffset(page, index)
    const hasHeader = cell >= heapStart && cell + headerBytes <= sizeBytes
    const cellBytes = hasHeader ? cellBytesAt(page, cell) : 0
    if (!hasHeader || cell + cellBytes > sizeBytes) return `cell ${index} at ${cell} leaves the page`
    liveBytes += cellBytes
  }
  // The room for more cells is reckoned from this.
  const heap = heapBytes(page)
  return liveBytes === heap ? undefined : `heap accounts for ${heap} live bytes, cells for ${liveBytes}`
}

/**
 * Checks what a search relies on but `pageProblem` takes on trust: heads, and cells that do not overlap. For `verify`; the
 * page has passed `pageProblem`. O(count log count).
 */
export function slotProblem(page: Page): string | undefined {
  const cells = Array.from({ length: page.count }, (_, index) => cellOffset(page, index))
  for (let index = 0; index < page.count; index++) {
    if (headOf(keyAt(page, index), page.prefixLength) !== page.u32[(PAGE_HEADER_BYTES >> 2) + index]) {
      return `head ${index} does not match its key`
    }
  }
  cells.sort((a, b) => a - b)
  for (let i = 1; i < cells.length; i++) {
    const before = cells[i - 1] as number
    if (before + cellBytesAt(page, before) > (cells[i] as number)) return `cells at ${before} and ${cells[i]} overlap`
  }
  return undefined
}

/** Checks checksum, address and life of a page that was read for `reference`, then its inside. */
export function checkPage(page: Page, reference: PageReference, where: string, mutant?: Mutant): void {
  const at = `${where}, page ${reference.page} (offset ${reference.page * page.sizeBytes})`
  if (crc32c(page.bytes.subarray(4)) !== page.u32[0] && !lacks(mutant, 'page checksum')) {
    throw corruption(`${at}: checksum does not match`)
  }
  const pageNumber = readU48(page.bytes, 8)
  if (pageNumber !== reference.page && !lacks(mutant, 'page address')) {
    throw corruption(`${at}: holds page ${pageNumber} (a misdirected write)`)
  }
  const birth = readU48(page.bytes, 16)
  if (birth !== reference.birth && !lacks(mutant, 'page birth')) {
    throw corruption(`${at}: is of epoch ${birth} where ${reference.birth} was written (a lost write)`)
  }
  const problem = pageProblem(page)
  if (problem !== undefined) throw corruption(`${at}: ${problem}`)
}

function corruption(message: string): BedplateError {
  return new BedplateError('CORRUPTION', message, {
    hint: 'restore a backup, or export what can still be read; `verify` lists every broken page',
  })
}
