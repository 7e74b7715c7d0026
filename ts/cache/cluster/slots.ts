// Which slot a key belongs to: CRC16 of the key, or of its hash tag, modulo 16,384.
//
// Redis cluster specification, "Key distribution model" and "Hash tags": https://redis.io/docs/reference/cluster-spec/

/** Slots of a cluster, numbered from 0. */
export const SLOT_COUNT = 16_384

/** A set of slots as bits: slot `s` is bit `s & 7` of byte `s >> 3`. */
export type SlotBitmap = Uint8Array
export const BITMAP_BYTES = SLOT_COUNT / 8
export const NO_SLOTS: SlotBitmap = new Uint8Array(BITMAP_BYTES)

const CRC16_TABLE = buildTable()

/** Slots `first` to `last`, both included. */
export interface SlotRange {
  readonly first: number
  readonly last: number
}

/**
 * The slot of a key. If the key has a `{` and, after it, a `}` with at least one byte between the first of each, those bytes alone
 * count: keys with one tag lie together. O(length).
 *
 * @example
 * slotOf('{user:1}:name') === slotOf('{user:1}:mail') // true
 */
export function slotOf(key: string): number {
  return hashOf(key) % SLOT_COUNT
}

/** What decides on the slot: the CRC16 of a key, or of its hash tag. */
export function hashOf(key: string): number {
  return crc16(hashTag(key))
}

/** CRC16 of a string of bytes as XMODEM has it: polynomial 0x1021, from 0, not reflected; '123456789' gives 0x31c3. */
export function crc16(bytes: string): number {
  let crc = 0
  for (let i = 0; i < bytes.length; i++) {
    const index = ((crc >> 8) ^ bytes.charCodeAt(i)) & 0xff
    crc = ((crc << 8) & 0xffff) ^ (CRC16_TABLE[index] as number)
  }
  return crc
}

/** The ranges of the slots for which `isIn` is true, in order. */
export function rangesOf(isIn: (slot: number) => boolean): SlotRange[] {
  const ranges: SlotRange[] = []
  let first = -1
  for (let slot = 0; slot <= SLOT_COUNT; slot++) {
    const isHere = slot < SLOT_COUNT && isIn(slot)
    if (isHere && first === -1) first = slot
    if (isHere || first === -1) continue
    ranges.push({ first, last: slot - 1 })
    first = -1
  }
  return ranges
}

/** The slots of a bitmap, in order. O(bytes + slots). */
export function slotsIn(bitmap: SlotBitmap): number[] {
  const slots: number[] = []
  for (let index = 0; index < BITMAP_BYTES; index++) {
    const byte = bitmap[index] as number
    for (let bit = 0; byte >> bit !== 0; bit++) if (((byte >> bit) & 1) !== 0) slots.push(index * 8 + bit)
  }
  return slots
}

export function hasSlot(bitmap: SlotBitmap, slot: number): boolean {
  return (((bitmap[slot >> 3] as number) >> (slot & 7)) & 1) !== 0
}

export function sameSlots(a: SlotBitmap, b: SlotBitmap): boolean {
  return a === b || Buffer.compare(a, b) === 0
}

/** A range as Redis writes it: `5` or `5-9`. */
export function showRange({ first, last }: SlotRange): string {
  return first === last ? String(first) : `${first}-${last}`
}

function hashTag(key: string): string {
  const open = key.indexOf('{')
  if (open === -1) return key
  const close = key.indexOf('}', open + 1)
  return close === -1 || close === open + 1 ? key : key.slice(open + 1, close)
}

function buildTable(): Uint16Array {
  const table = new Uint16Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
    table[byte] = crc
  }
  return table
}
