// HyperLogLogs: strings of Redis's own format, so that they can be moved to a real Redis and back (hyperloglog.c).
//
//    0   4  "HYLL"
//    4   1  encoding    0 dense, 1 sparse
//    5   3  0
//    8   8  the last count, little-endian; the highest bit set if it is out of date
//   16   …  dense: 16,384 registers of 6 bits, the lowest bits first
//           sparse: 00nnnnnn n+1 zeros; 01nnnnnn nnnnnnnn n+1 zeros; 1vvvvvnn n+1 registers of v+1
//
// The hash is MurmurHash2 of 64 bits (Appleby), the estimate that of Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches", 2017, §4.
import { Blob } from '../keyspace/blob.ts'
import { lengthOf, type StringValue, textOf } from '../keyspace/values.ts'
import type { Call, Handlers } from './call.ts'
import { fail, shown } from './errors.ts'
import { blobAt } from './strings.ts'

const REGISTERS = 16_384
const INDEX_BITS = 14n
const HASH_BITS = 50
const HEADER_BYTES = 16
const COUNT_AT = 8
const COUNT_BYTES = 8
const DENSE_BYTES = HEADER_BYTES + (REGISTERS * 6) / 8
/** The longest there can be: a sparse one with two bytes for each register. */
const MAX_BYTES = HEADER_BYTES + 2 * REGISTERS
/** Beyond this a sparse one becomes dense: hll-sparse-max-bytes. */
const MAX_SPARSE_BYTES = 3000
const MAX_SPARSE_VALUE = 32
/** PFSELFTEST: five standard errors of 1.04 / sqrt(registers). */
const TESTED_ELEMENTS = 20_000
const MAX_ERROR = 0.04
const ALPHA = 0.5 / Math.LN2
const MULTIPLIER = 0xc6a4a7935bd1e995n
const SEED = 0xadc83b19n
const NOT_VALID = 'WRONGTYPE Key is not a valid HyperLogLog string value.'
const CORRUPTED = 'INVALIDOBJ Corrupted HLL object detected'

export const HYPERLOGLOG_COMMANDS: Handlers = {
  pfadd(call, args) {
    const key = args[1] as string
    const existing = registersAt(call, key)
    const registers = existing?.registers ?? new Uint8Array(REGISTERS)
    let isChanged = existing === undefined
    for (let i = 2; i < args.length; i++) {
      const { index, value } = observe(args[i] as string)
      if ((registers[index] as number) >= value) continue
      registers[index] = value
      isChanged = true
    }
    if (isChanged) {
      write(call, key, registers, existing?.isDense === true)
      call.changed(key, '$', 'pfadd')
    }
    call.reply.integer(isChanged ? 1 : 0)
  },

  pfcount(call, args) {
    if (args.length > 2) call.reply.integer(estimate(merged(call, args).registers))
    else countOne(call, args[1] as string)
  },

  /** PFMERGE destination source...; the destination takes part. */
  pfmerge(call, args) {
    const { registers, isDense } = merged(call, args)
    const key = args[1] as string
    write(call, key, registers, isDense)
    call.changed(key, '$', 'pfadd')
    call.reply.ok()
  },

  pfdebug: debug,

  pfselftest({ random, reply }) {
    const registers = new Uint8Array(REGISTERS)
    for (let i = 0; i < TESTED_ELEMENTS; i++) {
      const { index, value } = observe(Buffer.from(random.bytes(8)).toString('latin1'))
      registers[index] = Math.max(value, registers[index] as number)
    }
    const error = Math.abs(estimate(registers) - TESTED_ELEMENTS) / TESTED_ELEMENTS
    if (error > MAX_ERROR) fail(`TESTFAILED the estimate is wrong by ${(100 * error).toFixed(1)} per cent`)
    const header = Buffer.alloc(HEADER_BYTES)
    const again = readDense(Buffer.concat([header, encodeDense(registers)]))
    if (!Buffer.from(again).equals(registers)) fail('TESTFAILED registers are not read as they were written')
    reply.ok()
  },
}

/** PFDEBUG GETREG | DECODE | ENCODING | TODENSE key */
function debug(call: Call, [, subcommand = '', key = '']: readonly string[]): void {
  const { reply } = call
  const sketch = registersAt(call, key) ?? fail('ERR The specified key does not exist')
  switch (subcommand.toLowerCase()) {
    case 'getreg':
      reply.array(REGISTERS)
      for (const value of sketch.registers) reply.integer(value)
      break
    case 'decode':
      if (sketch.isDense) fail('ERR HLL encoding is not sparse')
      reply.bulk(runsOf(Buffer.from(textOf(call.string(key) as StringValue), 'latin1')))
      break
    case 'encoding':
      reply.simple(sketch.isDense ? 'dense' : 'sparse')
      break
    case 'todense':
      if (!sketch.isDense) {
        write(call, key, sketch.registers, true)
        call.dirty++
      }
      reply.integer(sketch.isDense ? 0 : 1)
      break
    default:
      fail(`ERR Unknown PFDEBUG subcommand '${shown(subcommand)}'`)
  }
}

/** What a sparse one is made of: `z:n` and `Z:n` for zeros, `v:value,n` for registers. */
function runsOf(bytes: Uint8Array): string {
  const runs: string[] = []
  for (let at = HEADER_BYTES; at < bytes.length; at++) {
    const code = bytes[at] as number
    if ((code & 0x80) !== 0) runs.push(`v:${((code >> 2) & 0x1f) + 1},${(code & 3) + 1}`)
    else if ((code & 0x40) === 0) runs.push(`z:${(code & 0x3f) + 1}`)
    else runs.push(`Z:${(((code & 0x3f) << 8) | (bytes[++at] as number)) + 1}`)
  }
  return runs.join(' ')
}

/** Counts one sketch and keeps the count in it, until it is changed. */
function countOne(call: Call, key: string): void {
  const sketch = registersAt(call, key)
  if (sketch === undefined || sketch.count !== undefined) {
    call.reply.integer(sketch?.count ?? 0)
    return
  }
  const count = estimate(sketch.registers)
  const bytes = Buffer.alloc(COUNT_BYTES)
  bytes.writeUIntLE(count, 0, 6)
  blobAt(call, key).write(bytes.toString('latin1'), COUNT_AT)
  call.dirty++
  call.db.touch(key)
  call.reply.integer(count)
}

interface Registers {
  readonly registers: Uint8Array
  readonly isDense: boolean
  /** The count that was kept, if it still holds. */
  readonly count?: bigint | undefined
}

/** The registers of a key, one byte each; undefined if the key is not there. @throws CommandError if it is no HyperLogLog. */
function registersAt(call: Call, key: string): Registers | undefined {
  const value = call.string(key)
  if (value === undefined) return undefined
  // What cannot be a sketch is not copied to be looked at.
  const text = lengthOf(value) > MAX_BYTES ? '' : textOf(value)
  const bytes = Buffer.from(text, 'latin1')
  const encoding = bytes[4]
  const isDense = encoding === 0
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, 4) !== 'HYLL' || (!isDense && encoding !== 1)) {
    fail(NOT_VALID)
  }
  if (isDense && bytes.length !== DENSE_BYTES) fail(NOT_VALID)
  const registers = isDense ? readDense(bytes) : readSparse(bytes)
  const kept = bytes.readBigUInt64LE(COUNT_AT)
  return { registers: registers ?? fail(CORRUPTED), isDense, count: kept >> 63n === 0n ? kept : undefined }
}

function readDense(bytes: Uint8Array): Uint8Array {
  const registers = new Uint8Array(REGISTERS)
  for (let i = 0; i < REGISTERS; i++) {
    const bit = i * 6
    const at = HEADER_BYTES + (bit >> 3)
    const pair = (bytes[at] as number) | ((bytes[at + 1] ?? 0) << 8)
    registers[i] = (pair >> (bit & 7)) & 63
  }
  return registers
}

/** Undefined if the runs do not make exactly all registers. */
function readSparse(bytes: Uint8Array): Uint8Array | undefined {
  const registers = new Uint8Array(REGISTERS)
  let index = 0
  for (let at = HEADER_BYTES; at < bytes.length; at++) {
    const code = bytes[at] as number
    let length = (code & 0x3f) + 1
    if ((code & 0x80) !== 0) {
      length = (code & 3) + 1
      if (index + length > REGISTERS) return undefined
      registers.fill(((code >> 2) & 0x1f) + 1, index, index + length)
    } else if ((code & 0x40) !== 0) {
      const low = bytes[++at]
      if (low === undefined) return undefined
      length = (((code & 0x3f) << 8) | low) + 1
    }
    index += length
  }
  return index === REGISTERS ? registers : undefined
}

function write(call: Call, key: string, registers: Uint8Array, isDense: boolean): void {
  const sparse = isDense ? undefined : encodeSparse(registers)
  const body = sparse ?? encodeDense(registers)
  const header = Buffer.from([0x48, 0x59, 0x4c, 0x4c, sparse === undefined ? 0 : 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80])
  const text = header.toString('latin1') + Buffer.from(body).toString('latin1')
  call.db.set(key, sparse === undefined ? new Blob(text, DENSE_BYTES) : text, true)
}

function encodeDense(registers: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(DENSE_BYTES - HEADER_BYTES)
  for (let i = 0; i < REGISTERS; i++) {
    const bit = i * 6
    const at = bit >> 3
    const shifted = (registers[i] as number) << (bit & 7)
    bytes[at] = (bytes[at] as number) | (shifted & 0xff)
    if (at + 1 < bytes.length) bytes[at + 1] = (bytes[at + 1] as number) | (shifted >> 8)
  }
  return bytes
}

/** Undefined if it would be too long, or a register too large. */
function encodeSparse(registers: Uint8Array): number[] | undefined {
  const bytes: number[] = []
  for (let i = 0; i < REGISTERS; ) {
    const value = registers[i] as number
    if (value > MAX_SPARSE_VALUE) return undefined
    const longest = value === 0 ? REGISTERS : 4
    let length = 1
    while (length < longest && i + length < REGISTERS && registers[i + length] === value) length++
    if (value > 0) bytes.push(0x80 | ((value - 1) << 2) | (length - 1))
    else if (length <= 64) bytes.push(length - 1)
    else bytes.push(0x40 | ((length - 1) >> 8), (length - 1) & 0xff)
    if (bytes.length + HEADER_BYTES > MAX_SPARSE_BYTES) return undefined
    i += length
  }
  return bytes
}

/** The largest registers of all keys that are named; dense if one of them is. */
function merged(call: Call, args: readonly string[]): Registers {
  const registers = new Uint8Array(REGISTERS)
  let isDense = false
  for (let i = 1; i < args.length; i++) {
    const one = registersAt(call, args[i] as string)
    if (one === undefined) continue
    isDense ||= one.isDense
    for (let at = 0; at < REGISTERS; at++) {
      if ((one.registers[at] as number) > (registers[at] as number)) registers[at] = one.registers[at] as number
    }
  }
  return { registers, isDense }
}

/** The register of an element, and one more than the zeros that follow in its hash. */
function observe(element: string): { index: number; value: number } {
  const hash = murmur64(element)
  let rest = hash >> INDEX_BITS
  let value = 1
  while (value <= HASH_BITS && (rest & 1n) === 0n) {
    rest >>= 1n
    value++
  }
  return { index: Number(hash & BigInt(REGISTERS - 1)), value }
}

function murmur64(text: string): bigint {
  const bytes = Buffer.from(text, 'latin1')
  const whole = bytes.length - (bytes.length % 8)
  let hash = SEED ^ times(BigInt(bytes.length))
  for (let i = 0; i < whole; i += 8) {
    let word = times(bytes.readBigUInt64LE(i))
    word ^= word >> 47n
    hash = times(hash ^ times(word))
  }
  if (whole < bytes.length) {
    let word = 0n
    for (let i = bytes.length - 1; i >= whole; i--) word = (word << 8n) | BigInt(bytes[i] as number)
    hash = times(hash ^ word)
  }
  hash = times(hash ^ (hash >> 47n))
  return hash ^ (hash >> 47n)
}

function times(value: bigint): bigint {
  return BigInt.asUintN(64, value * MULTIPLIER)
}

function estimate(registers: Uint8Array): number {
  const counts = new Array<number>(64).fill(0)
  for (const value of registers) counts[value] = (counts[value] as number) + 1
  let z = REGISTERS * tau((REGISTERS - (counts[HASH_BITS + 1] as number)) / REGISTERS)
  for (let value = HASH_BITS; value >= 1; value--) z = (z + (counts[value] as number)) * 0.5
  z += REGISTERS * sigma((counts[0] as number) / REGISTERS)
  return Math.round((ALPHA * REGISTERS * REGISTERS) / z)
}

function sigma(start: number): number {
  if (start === 1) return Number.POSITIVE_INFINITY
  let [x, y, z, previous] = [start, 1, start, Number.NaN]
  while (z !== previous) {
    x *= x
    previous = z
    z += x * y
    y += y
  }
  return z
}

function tau(start: number): number {
  if (start === 0 || start === 1) return 0
  let [x, y, z, previous] = [start, 1, 1 - start, Number.NaN]
  while (z !== previous) {
    x = Math.sqrt(x)
    previous = z
    y *= 0.5
    z -= (1 - x) ** 2 * y
  }
  return z / 3
}
