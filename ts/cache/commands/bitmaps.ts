// Strings as arrays of bits: bit 0 is the highest bit of byte 0. https://redis.io/commands/?group=bitmap
import { Blob } from '../keyspace/blob.ts'
import { type StringValue, textOf } from '../keyspace/values.ts'
import { bitfield, parseBitOffset } from './bitfield.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import { blobAt } from './strings.ts'

const BITS_SET = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)

export const BITMAP_COMMANDS: Handlers = {
  setbit(call, [, key = '', offsetText = '', bitText = '']) {
    const offset = parseBitOffset(offsetText)
    if (bitText !== '0' && bitText !== '1') fail('ERR bit is not an integer or out of range')
    call.string(key)
    const blob = blobAt(call, key, Math.floor(offset / 8) + 1)
    const index = Math.floor(offset / 8)
    const mask = 0x80 >> (offset % 8)
    blob.grow(index + 1)
    const byte = blob.byte(index)
    blob.setByte(index, bitText === '1' ? byte | mask : byte & ~mask)
    call.changed(key, '$', 'setbit')
    call.reply.integer((byte & mask) === 0 ? 0 : 1)
  },

  getbit(call, [, key = '', offsetText = '']) {
    const offset = parseBitOffset(offsetText)
    const byte = byteOf(call.string(key), Math.floor(offset / 8))
    call.reply.integer((byte & (0x80 >> (offset % 8))) === 0 ? 0 : 1)
  },

  bitcount,
  bitpos,
  bitop,
  bitfield: (call, args) => bitfield(call, args, false),
  bitfield_ro: (call, args) => bitfield(call, args, true),
}

function byteOf(value: StringValue | undefined, index: number): number {
  if (value === undefined) return 0
  if (value instanceof Blob) return value.byte(index)
  const text = textOf(value)
  return index < text.length ? text.charCodeAt(index) : 0
}

function bytesOf(value: StringValue | undefined): Uint8Array {
  if (value instanceof Blob) return value.bytes()
  return Buffer.from(textOf(value ?? ''), 'latin1')
}

interface BitRange {
  /** The first and the last bit. */
  readonly first: number
  readonly last: number
}

/** A range of bytes or bits of a string as arguments give it, negative ones from the end; undefined if it is empty. */
function parseRange(call: Call, args: readonly string[], lengthBytes: number): BitRange | undefined {
  const [startText = '0', endText, unit] = args
  if (unit !== undefined && !isWord(unit, 'BIT') && !isWord(unit, 'BYTE')) fail(SYNTAX_ERROR)
  const isBits = isWord(unit, 'BIT')
  let start = call.position(startText)
  let end = endText === undefined ? -1 : call.position(endText)
  const length = isBits ? 8 * lengthBytes : lengthBytes
  if (start < 0 && end < 0 && start > end) return undefined
  if (start < 0) start = Math.max(0, length + start)
  if (end < 0) end = Math.max(0, length + end)
  end = Math.min(end, length - 1)
  if (start > end) return undefined
  return isBits ? { first: start, last: end } : { first: 8 * start, last: 8 * end + 7 }
}

/** BITCOUNT key [start end [BYTE | BIT]] */
function bitcount(call: Call, args: readonly string[]): void {
  const value = call.string(args[1] as string)
  if (value === undefined) {
    call.reply.integer(0)
    return
  }
  if (args.length === 3 || args.length > 5) fail(SYNTAX_ERROR)
  const bytes = bytesOf(value)
  const range = parseRange(call, args.slice(2), bytes.length)
  if (range === undefined) {
    call.reply.integer(0)
    return
  }
  const [firstByte, lastByte] = [Math.floor(range.first / 8), Math.floor(range.last / 8)]
  let count = 0
  for (let i = firstByte; i <= lastByte; i++) count += BITS_SET[maskedByte(bytes, i, range)] as number
  call.reply.integer(count)
}

/** A byte of the range, the bits outside of the range as 0. */
function maskedByte(bytes: Uint8Array, index: number, { first, last }: BitRange): number {
  let byte = bytes[index] as number
  if (index === Math.floor(first / 8)) byte &= 0xff >> (first % 8)
  if (index === Math.floor(last / 8)) byte &= (0xff << (7 - (last % 8))) & 0xff
  return byte
}

/** BITPOS key bit [start [end [BYTE | BIT]]] */
function bitpos(call: Call, args: readonly string[]): void {
  const [, key = '', bitText = ''] = args
  const bit = call.integer(bitText)
  if (bit !== 0 && bit !== 1) fail('ERR The bit argument must be 1 or 0.')
  if (args.length > 6) fail(SYNTAX_ERROR)
  const value = call.string(key)
  if (value === undefined) {
    call.reply.integer(bit === 1 ? -1 : 0)
    return
  }
  const bytes = bytesOf(value)
  const range = parseRange(call, args.slice(3), bytes.length)
  if (range === undefined) {
    call.reply.integer(-1)
    return
  }
  const skipped = bit === 1 ? 0 : 0xff
  for (let i = Math.floor(range.first / 8); i <= Math.floor(range.last / 8); i++) {
    if (bytes[i] === skipped) continue
    const from = Math.max(range.first, 8 * i)
    for (let at = from; at <= Math.min(range.last, 8 * i + 7); at++) {
      if ((((bytes[i] as number) >> (7 - (at % 8))) & 1) === bit) {
        call.reply.integer(at)
        return
      }
    }
  }
  // A string without an end given is as if followed by zeros.
  call.reply.integer(bit === 0 && args.length < 5 ? 8 * bytes.length : -1)
}

/** BITOP AND | OR | XOR | NOT destination key... */
function bitop(call: Call, args: readonly string[]): void {
  const [, operationText = '', destination = '', ...keys] = args
  const operation = operationText.toUpperCase()
  if (!['AND', 'OR', 'XOR', 'NOT'].includes(operation)) fail(SYNTAX_ERROR)
  if (operation === 'NOT' && keys.length !== 1) fail('ERR BITOP NOT must be called with a single source key.')
  const sources = keys.map((key) => bytesOf(call.string(key)))
  const length = sources.reduce((longest, source) => Math.max(longest, source.length), 0)
  const result = Buffer.alloc(length)
  for (let i = 0; i < length; i++) {
    let byte = sources[0]?.[i] ?? 0
    if (operation === 'NOT') byte = ~byte
    for (let source = 1; source < sources.length; source++) {
      const other = sources[source]?.[i] ?? 0
      byte = operation === 'AND' ? byte & other : operation === 'OR' ? byte | other : byte ^ other
    }
    result[i] = byte
  }
  call.store(destination, length === 0 ? undefined : new Blob(result.toString('latin1')), '$', 'set')
  call.reply.integer(length)
}
