// Strings as arrays of bits: bit 0 is the highest bit of byte 0. https://redis.io/commands/?group=bitmap
import { Blob } from '../keyspace/blob.ts'
import { lengthOf, type StringValue, textOf } from '../keyspace/values.ts'
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
    const value = call.string(key)
    const index = Math.floor(offset / 8)
    const mask = 0x80 >> (offset % 8)
    const isLonger = value === undefined || lengthOf(value) <= index
    const blob = blobAt(call, key, index + 1)
    blob.grow(index + 1)
    const byte = blob.byte(index)
    const changed = bitText === '1' ? byte | mask : byte & ~mask
    blob.setByte(index, changed)
    if (isLonger || changed !== byte) call.changed(key, '$', 'setbit')
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

/** A range of bytes or bits of a string, where negative ends count from its end; undefined if it is empty. */
function makeRange(startGiven: number, endGiven: number, isBits: boolean, lengthBytes: number): BitRange | undefined {
  const length = isBits ? 8 * lengthBytes : lengthBytes
  const start = startGiven < 0 ? Math.max(0, length + startGiven) : startGiven
  const end = Math.min(endGiven < 0 ? Math.max(0, length + endGiven) : endGiven, length - 1)
  if (start > end) return undefined
  return isBits ? { first: start, last: end } : { first: 8 * start, last: 8 * end + 7 }
}

/** Whether ranges count in bits. */
function parseUnit(text: string | undefined): boolean {
  const isBits = isWord(text, 'BIT')
  return isBits || text === undefined || isWord(text, 'BYTE') ? isBits : fail(SYNTAX_ERROR)
}

/** BITCOUNT key [start end [BYTE | BIT]] */
function bitcount(call: Call, args: readonly string[]): void {
  const value = call.string(args[1] as string)
  if (value === undefined) {
    call.reply.integer(0)
    return
  }
  if (args.length === 3 || args.length > 5) fail(SYNTAX_ERROR)
  const [start, end] =
    args.length === 2 ? [0, -1] : [call.position(args[2] as string), call.position(args[3] as string)]
  const isInverse = start < 0 && end < 0 && start > end
  const bytes = bytesOf(value)
  const range = isInverse ? undefined : makeRange(start, end, parseUnit(args[4]), bytes.length)
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
  const value = call.string(key)
  if (value === undefined) {
    call.reply.integer(bit === 1 ? -1 : 0)
    return
  }
  if (args.length > 6) fail(SYNTAX_ERROR)
  const start = args[3] === undefined ? 0 : call.position(args[3])
  const isBits = parseUnit(args[5])
  const end = args[4] === undefined ? -1 : call.position(args[4])
  const bytes = bytesOf(value)
  const range = makeRange(start, end, isBits, bytes.length)
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
  const values = keys.map((key) => call.string(key) ?? '')
  const length = values.reduce((longest: number, value) => Math.max(longest, lengthOf(value)), 0)
  const result = new Uint8Array(length)
  // One source after the other, so that no more than one is in memory as bytes.
  for (const [index, value] of values.entries()) {
    const source = bytesOf(value)
    if (operation === 'NOT') for (let i = 0; i < length; i++) result[i] = ~(source[i] as number)
    else if (index === 0) result.set(source)
    else combine(operation, result, source)
  }
  call.store(destination, length === 0 ? undefined : Blob.of(result), '$', 'set')
  call.reply.integer(length)
}

/** Changes `result` to what it gives with `other`, which counts as zeros beyond its end. */
function combine(operation: string, result: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < other.length; i++) {
    const [a, b] = [result[i] as number, other[i] as number]
    result[i] = operation === 'AND' ? a & b : operation === 'OR' ? a | b : a ^ b
  }
  if (operation === 'AND') result.fill(0, other.length)
}
