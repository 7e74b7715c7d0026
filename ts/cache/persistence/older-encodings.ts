// Compact encodings that are read and, but for the intset, no longer written: what Redis kept small values in before listpacks.

import { ByteView } from './byte-view.ts'
import { ByteWriter } from './byte-writer.ts'

const END = 0xff

/**
 * An intset: u32 bytes of each, u32 count, whole numbers in ascending order.
 * @param values - In ascending order.
 */
export function writeIntset(values: readonly (number | bigint)[]): Uint8Array {
  const [first = 0, last = 0] = [values[0], values.at(-1)]
  const fits = (bits: number): boolean => first >= -(2 ** (bits - 1)) && last < 2 ** (bits - 1)
  const width = fits(16) ? 2 : fits(32) ? 4 : 8
  const writer = new ByteWriter()
  writer.u32(width)
  writer.u32(values.length)
  for (const value of values) {
    if (width === 2) writer.u16(Number(value) & 0xffff)
    else if (width === 4) writer.u32(Number(value))
    else writer.u64(value)
  }
  return writer.take()
}

/** @throws MalformedError if it is none. */
export function readIntset(bytes: Uint8Array): string[] {
  const view = new ByteView(bytes, 'intset')
  const width = view.u32()
  const count = view.u32()
  if (width !== 2 && width !== 4 && width !== 8) view.refuse(`numbers of ${width} bytes`)
  if (view.left !== count * width) view.refuse('its length is wrong')
  const members: string[] = []
  for (let i = 0; i < count; i++) members.push(String(width === 8 ? view.i64() : view.signed(width)))
  return members
}

/**
 * A ziplist (ziplist.c): u32 bytes, u32 where the last one begins, u16 count, entries, 0xff. An entry says how long the one
 * before it is, how it is encoded, and what it is.
 * @throws MalformedError if it is none.
 */
export function readZiplist(bytes: Uint8Array): string[] {
  const view = new ByteView(bytes, 'ziplist')
  if (view.u32() !== bytes.length) view.refuse('its length is wrong')
  view.skip(4)
  const announced = view.u16()
  const elements: string[] = []
  while (view.peek() !== END) {
    if (view.u8() === 0xfe) view.skip(4)
    elements.push(readZiplistEntry(view))
  }
  if (view.left !== 1) view.refuse('something follows its end')
  if (announced !== 0xffff && announced !== elements.length) view.refuse('its count is wrong')
  return elements
}

function readZiplistEntry(view: ByteView): string {
  const first = view.u8()
  if (first < 0x40) return view.text(first)
  if (first < 0x80) return view.text(((first & 0x3f) << 8) | view.u8())
  if (first < 0xc0) return view.text(view.u32BigEndian())
  switch (first) {
    case 0xc0:
      return String(view.signed(2))
    case 0xd0:
      return String(view.signed(4))
    case 0xe0:
      return String(view.i64())
    case 0xf0:
      return String(view.signed(3))
    case 0xfe:
      return String(view.signed(1))
    default:
      if (first > 0xf0 && first < 0xfe) return String((first & 0x0f) - 1)
      return view.refuse(`no entry begins with 0x${first.toString(16)}`)
  }
}

/**
 * A zipmap (zipmap.c): u8 count, then fields and values in turn, each behind its length; behind that of a value stands how many
 * unused bytes follow it. 0xff ends it.
 * @throws MalformedError if it is none.
 */
export function readZipmap(bytes: Uint8Array): string[] {
  const view = new ByteView(bytes, 'zipmap')
  view.skip(1)
  const elements: string[] = []
  for (let first = view.u8(); first !== END; first = view.u8()) {
    elements.push(view.text(zipmapLength(view, first)))
    const length = zipmapLength(view, view.u8())
    const unused = view.u8()
    elements.push(view.text(length))
    view.skip(unused)
  }
  if (view.left !== 0) view.refuse('something follows its end')
  return elements
}

function zipmapLength(view: ByteView, first: number): number {
  if (first < 254) return first
  return first === 254 ? view.u32() : view.refuse('a length is missing')
}
