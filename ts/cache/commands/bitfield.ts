// BITFIELD: whole numbers of 1 to 64 bits at any offset of a string.
import { MAX_STRING_BYTES } from '../../wire/resp/index.ts'
import { Blob } from '../keyspace/blob.ts'
import { parseSafeInteger } from '../keyspace/numbers.ts'
import { lengthOf, type StringValue, textOf } from '../keyspace/values.ts'
import type { Call } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import { blobAt } from './strings.ts'

const MAX_BITS = 8 * MAX_STRING_BYTES
const BAD_OFFSET = 'ERR bit offset is not an integer or out of range'
const BAD_TYPE = 'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.'

interface FieldType {
  readonly isSigned: boolean
  readonly bits: number
}

type Overflow = 'WRAP' | 'SAT' | 'FAIL'

interface Operation {
  readonly name: 'GET' | 'SET' | 'INCRBY'
  readonly type: FieldType
  /** Of its highest bit. */
  readonly offset: number
  readonly value: bigint
  readonly overflow: Overflow
}

/** An offset in bits of the longest string there can be. @throws CommandError */
export function parseBitOffset(text: string, unitBits = 1): number {
  const offset = (parseSafeInteger(text) ?? fail(BAD_OFFSET)) * unitBits
  return offset < 0 || offset >= MAX_BITS ? fail(BAD_OFFSET) : offset
}

/** BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value | INCRBY type offset by]... */
export function bitfield(call: Call, args: readonly string[], isReadOnly: boolean): void {
  const key = args[1] as string
  const operations = parseOperations(call, args)
  const writes = operations.filter(({ name }) => name !== 'GET')
  if (isReadOnly && writes.length > 0) fail('ERR BITFIELD_RO only supports the GET subcommand')
  const value = call.string(key)
  const oldLength = value === undefined ? -1 : lengthOf(value)
  let blob = value instanceof Blob ? value : new Blob(textOf((value ?? '') as StringValue))
  if (writes.length > 0) {
    blob = blobAt(call, key)
    // As in Redis, the string grows to hold every field that may be written, even if none is in the end.
    blob.grow(writes.reduce((longest, { offset, type }) => Math.max(longest, Math.ceil((offset + type.bits) / 8)), 0))
  }
  call.reply.array(operations.length)
  let changes = 0
  for (const operation of operations) {
    const old = read(blob, operation)
    if (operation.name === 'GET') {
      call.reply.integer(old)
      continue
    }
    const wanted = operation.name === 'SET' ? settable(operation) : old + operation.value
    const written = clamp(wanted, operation)
    if (written === undefined) call.reply.nil()
    else {
      write(blob, operation, written)
      if (written !== old || blob.length > oldLength) changes++
      call.reply.integer(operation.name === 'SET' ? old : written)
    }
  }
  if (changes > 0) call.changed(key, '$', 'setbit', changes)
  else if (blob.length > oldLength) {
    // Longer all the same. Redis forgets to tell its replicas.
    call.dirty++
    call.db.touch(key)
  }
}

function parseOperations(call: Call, args: readonly string[]): Operation[] {
  const operations: Operation[] = []
  let overflow: Overflow = 'WRAP'
  let i = 2
  while (i < args.length) {
    const left = args.length - i - 1
    if (isWord(args[i], 'OVERFLOW') && left >= 1) {
      const name = (args[i + 1] as string).toUpperCase()
      if (name !== 'WRAP' && name !== 'SAT' && name !== 'FAIL') fail('ERR Invalid OVERFLOW type specified')
      overflow = name
      i += 2
      continue
    }
    const name = (args[i] as string).toUpperCase()
    const isRead = name === 'GET' && left >= 2
    const isWrite = (name === 'SET' || name === 'INCRBY') && left >= 3
    if (!isRead && !isWrite) fail(SYNTAX_ERROR)
    const type = parseType(args[i + 1] as string)
    const offset = parseOffset(args[i + 2] as string, type)
    const value = isRead ? 0n : BigInt(call.integer(args[i + 3] as string))
    operations.push({ name: name as Operation['name'], type, offset, value, overflow })
    i += isRead ? 3 : 4
  }
  return operations
}

function parseType(text: string): FieldType {
  const [, sign, digits = ''] = /^([iu])(\d+)$/.exec(text) ?? fail(BAD_TYPE)
  const bits = parseSafeInteger(digits) ?? fail(BAD_TYPE)
  const isSigned = sign === 'i'
  if (bits < 1 || bits > (isSigned ? 64 : 63)) fail(BAD_TYPE)
  return { isSigned, bits }
}

/** `#n` counts in fields of the type. */
function parseOffset(text: string, { bits }: FieldType): number {
  const offset = text.startsWith('#') ? parseBitOffset(text.slice(1), bits) : parseBitOffset(text)
  return offset + bits > MAX_BITS ? fail(BAD_OFFSET) : offset
}

function read(blob: Blob, { offset, type }: Operation): bigint {
  let value = 0n
  const last = offset + type.bits - 1
  for (let index = Math.floor(offset / 8); index <= Math.floor(last / 8); index++) {
    value = (value << 8n) | BigInt(blob.byte(index))
  }
  value = BigInt.asUintN(type.bits, value >> BigInt(7 - (last % 8)))
  return type.isSigned ? BigInt.asIntN(type.bits, value) : value
}

function write(blob: Blob, { offset, type }: Operation, value: bigint): void {
  for (let bit = 0; bit < type.bits; bit++) {
    const at = offset + bit
    const mask = 0x80 >> (at % 8)
    const isSet = (value >> BigInt(type.bits - 1 - bit)) & 1n
    const byte = blob.byte(Math.floor(at / 8))
    blob.setByte(Math.floor(at / 8), isSet === 1n ? byte | mask : byte & ~mask)
  }
}

/** What SET sets: a negative number is a large one to a field without sign. */
function settable({ type, value }: Operation): bigint {
  return type.isSigned ? value : BigInt.asUintN(64, value)
}

/** The value in the field's range; undefined if it does not fit and OVERFLOW is FAIL. */
function clamp(value: bigint, { type, overflow }: Operation): bigint | undefined {
  const bits = BigInt(type.bits)
  const low = type.isSigned ? -(1n << (bits - 1n)) : 0n
  const high = type.isSigned ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n
  if (value >= low && value <= high) return value
  if (overflow === 'FAIL') return undefined
  if (overflow === 'SAT') return value < low ? low : high
  return type.isSigned ? BigInt.asIntN(type.bits, value) : BigInt.asUintN(type.bits, value)
}
