// Listpacks, in which Redis keeps small values (listpack.c of Redis 7.0, and its specification by S. Sanfilippo):
//
//   u32 bytes of all | u16 elements, 65535 for "count them" | elements | 0xff
//
// An element is an encoding with its data, and behind it how long that was, to be read backwards, 7 bits a byte:
//
//   0vvvvvvv            whole number 0..127             10llllll             text of l bytes
//   110vvvvv vvvvvvvv   whole number of 13 bits         1110llll llllllll    text of l bytes
//   f1 f2 f3 f4         of 16, 24, 32, 64 bits          f0 llll              text of l bytes, 32 bits
import { parseInteger } from '../keyspace/numbers.ts'
import { ByteView } from './byte-view.ts'
import { ByteWriter } from './byte-writer.ts'

const END = 0xff
const UNCOUNTED = 0xffff
/** Longer texts are no numbers. */
const MAX_INTEGER_CHARACTERS = 20

/** Writes one listpack. Text that is a whole number of 64 bits is kept as one. */
export class ListpackWriter {
  readonly #writer = new ByteWriter()
  #count = 0

  constructor() {
    this.#begin()
  }

  /** Bytes of what it will be. */
  get length(): number {
    return this.#writer.length + 1
  }

  get count(): number {
    return this.#count
  }

  add(text: string): void {
    const value = text.length <= MAX_INTEGER_CHARACTERS ? parseInteger(text) : undefined
    if (value !== undefined) {
      this.addInteger(value)
      return
    }
    const writer = this.#writer
    const start = writer.length
    const { length } = text
    if (length < 64) writer.u8(0x80 | length)
    else if (length < 4096) {
      writer.u8(0xe0 | (length >> 8))
      writer.u8(length & 0xff)
    } else {
      writer.u8(0xf0)
      writer.u32(length)
    }
    writer.text(text)
    this.#close(start)
  }

  /** @param value - A whole number of 64 bits. */
  addInteger(value: number | bigint): void {
    const writer = this.#writer
    const start = writer.length
    if (value >= 0 && value <= 127) writer.u8(Number(value))
    else if (value >= -4096 && value <= 4095) {
      const bits = Number(value) & 0x1fff
      writer.u8(0xc0 | (bits >> 8))
      writer.u8(bits & 0xff)
    } else if (value >= -(2 ** 15) && value < 2 ** 15) {
      writer.u8(0xf1)
      writer.u16(Number(value) & 0xffff)
    } else if (value >= -(2 ** 23) && value < 2 ** 23) {
      writer.u8(0xf2)
      writer.u16(Number(value) & 0xffff)
      writer.u8((Number(value) >> 16) & 0xff)
    } else if (value >= -(2 ** 31) && value < 2 ** 31) {
      writer.u8(0xf3)
      writer.u32(Number(value))
    } else {
      writer.u8(0xf4)
      writer.u64(value)
    }
    this.#close(start)
  }

  /** What was added, for the caller to keep; the writer begins anew. */
  take(): Uint8Array {
    this.#writer.u8(END)
    const view = this.#writer.view()
    view.writeUInt32LE(view.length, 0)
    view.writeUInt16LE(Math.min(this.#count, UNCOUNTED), 4)
    const bytes = this.#writer.take()
    this.#begin()
    return bytes
  }

  #begin(): void {
    this.#count = 0
    this.#writer.u32(0)
    this.#writer.u16(0)
  }

  /** How long the element was, as it is read from behind: the last byte has bit 7 clear when read first. */
  #close(start: number): void {
    const writer = this.#writer
    const length = writer.length - start
    const count = backwardBytes(length)
    for (let i = count - 1; i >= 0; i--) {
      const bits = Math.floor(length / 2 ** (7 * i)) & 0x7f
      writer.u8(i === count - 1 ? bits : bits | 0x80)
    }
    this.#count++
  }
}

/** Bytes of the length behind an element, with Redis's own limits. */
function backwardBytes(length: number): number {
  if (length <= 127) return 1
  if (length < 16_383) return 2
  if (length < 2_097_151) return 3
  return length < 268_435_455 ? 4 : 5
}

/**
 * The elements of a listpack, whole numbers as decimal text. O(length).
 * @throws MalformedError if it is none.
 */
export function readListpack(bytes: Uint8Array): string[] {
  const view = new ByteView(bytes, 'listpack')
  if (view.u32() !== bytes.length) view.refuse('its length is wrong')
  const announced = view.u16()
  const elements: string[] = []
  while (view.peek() !== END) {
    const start = view.at
    elements.push(readElement(view))
    const length = view.at - start
    // What lies behind an element is for walking backwards: it is only stepped over.
    view.skip(backwardBytes(length))
  }
  if (view.at !== bytes.length - 1) view.refuse('something follows its end')
  if (announced !== UNCOUNTED && announced !== elements.length) view.refuse('its count is wrong')
  return elements
}

function readElement(view: ByteView): string {
  const first = view.u8()
  if (first < 0x80) return String(first)
  if (first < 0xc0) return view.text(first & 0x3f)
  if (first < 0xe0) return String(((((first & 0x1f) << 8) | view.u8()) << 19) >> 19)
  if (first < 0xf0) return view.text(((first & 0x0f) << 8) | view.u8())
  switch (first) {
    case 0xf0:
      return view.text(view.u32())
    case 0xf1:
      return String(view.signed(2))
    case 0xf2:
      return String(view.signed(3))
    case 0xf3:
      return String(view.signed(4))
    case 0xf4:
      return String(view.i64())
    default:
      return view.refuse(`no element begins with 0x${first.toString(16)}`)
  }
}
