// Operands are changes of a value that nobody has looked at: increments and appends. A read applies them, the oldest first, to
// the newest version below them that is a value or a deletion; merges do so earlier, where they can.
import { BedplateError } from '../../base/errors.ts'
import { INCREMENT_BYTES } from '../ordered/record.ts'
import { MAX_VALUE_BYTES } from '../ordered/types.ts'
import { type Entry, EntryKind } from './entry.ts'

/** Appends of one key become one version while they have fewer bytes. */
const MAX_FOLDED_APPEND_BYTES = 1024 * 1024
const MAX_INTEGER = 2n ** 63n - 1n
const MIN_INTEGER = -(2n ** 63n)
const INTEGER = /^-?(0|[1-9][0-9]*)$/
/** No integer of 64 bits is longer. */
export const MAX_INTEGER_CHARACTERS = 20

/** A change of a value. */
export type Operand = Pick<Entry, 'kind' | 'value'>

export function isOperand(kind: EntryKind): boolean {
  return kind === EntryKind.increment || kind === EntryKind.append
}

/** What an increment adds, as bytes. @throws INVALID_INPUT unless it is a whole number of 64 bits. */
export function encodeIncrement(by: number | bigint): Uint8Array {
  const isWhole = typeof by === 'bigint' ? by >= MIN_INTEGER && by <= MAX_INTEGER : Number.isSafeInteger(by)
  if (!isWhole) {
    throw new BedplateError('INVALID_INPUT', `increment: by must be a whole number of 64 bits, got ${String(by)}`, {
      hint: 'numbers from 2^53 on are exact as bigint alone',
    })
  }
  return incrementOf(BigInt(by))
}

/**
 * Applies `operands`, the oldest first, to `base`: undefined stands for no value.
 * @returns undefined if the value would have more bytes than a value may have.
 */
export function applyOperands(base: Uint8Array | undefined, operands: readonly Operand[]): Uint8Array | undefined {
  let parts = base === undefined ? [] : [base]
  let length = base?.length ?? 0
  for (const { kind, value } of operands) {
    if (kind === EntryKind.increment) {
      parts = [textOf(BigInt.asIntN(64, integerOf(parts, length) + numberOf(value)))]
      length = (parts[0] as Uint8Array).length
    } else {
      parts.push(value)
      length += value.length
    }
  }
  if (length > MAX_VALUE_BYTES) return undefined
  return parts.length === 1 ? parts[0] : join(parts, length)
}

/**
 * Folds what `operands`, the newest first, come to without their base: each version of the answer stands for neighbours of one
 * kind, and has the sequence of the newest of them.
 */
export function foldOperands(operands: readonly Entry[]): Entry[] {
  const folded: Entry[] = []
  for (let first = 0; first < operands.length; ) {
    const newest = operands[first] as Entry
    let bytes = newest.value.length
    let end = first + 1
    for (let next = operands[end]; next?.kind === newest.kind; next = operands[++end]) {
      if (newest.kind === EntryKind.append && bytes + next.value.length >= MAX_FOLDED_APPEND_BYTES) break
      bytes += next.value.length
    }
    const own = operands.slice(first, end)
    folded.push(own.length === 1 ? newest : { ...newest, value: sumOf(newest.kind, own.reverse()) })
    first = end
  }
  return folded
}

/**
 * What two changes of one key in one commit come to.
 * @throws CORRUPTION for an increment and an append of a value that is not known: no commit holds both.
 */
export function combine(earlier: Entry, later: Entry): Entry {
  if (!isOperand(later.kind)) return later
  if (isOperand(earlier.kind)) {
    if (earlier.kind !== later.kind)
      throw new BedplateError('CORRUPTION', 'a log record increments a key and appends to it, blindly')
    return { ...later, value: sumOf(later.kind, [earlier, later]) }
  }
  const value = applyOperands(earlier.kind === EntryKind.put ? earlier.value : undefined, [later])
  if (value === undefined) throw new BedplateError('CORRUPTION', 'a log record makes a value that is too long')
  return { ...later, kind: EntryKind.put, value }
}

/** The error for a read of a value that appends have made too long. @param key - As its tree knows it. */
export function tooLong(key: Uint8Array): BedplateError {
  const name = JSON.stringify(Buffer.from(key.subarray(0, 60)).toString())
  return new BedplateError(
    'INVALID_INPUT',
    `appends made the value of key ${name} longer than ${MAX_VALUE_BYTES} bytes`,
    {
      hint: 'put or delete the key; other keys can be read',
    },
  )
}

/** What operands of one kind, the oldest first, come to: the sum of increments, or appends one behind the other. */
export function sumOf(kind: EntryKind, operands: readonly Operand[]): Uint8Array {
  if (kind === EntryKind.increment) return incrementOf(operands.reduce((sum, { value }) => sum + numberOf(value), 0n))
  const values = operands.map(({ value }) => value)
  return join(
    values,
    values.reduce((bytes, { length }) => bytes + length, 0),
  )
}

function incrementOf(by: bigint): Uint8Array {
  const bytes = new Uint8Array(INCREMENT_BYTES)
  new DataView(bytes.buffer).setBigInt64(0, BigInt.asIntN(64, by), true)
  return bytes
}

function numberOf(operand: Uint8Array): bigint {
  return new DataView(operand.buffer, operand.byteOffset, operand.byteLength).getBigInt64(0, true)
}

/** The integer that a value is the decimal text of; 0 if it is none. */
function integerOf(parts: readonly Uint8Array[], length: number): bigint {
  if (length === 0 || length > MAX_INTEGER_CHARACTERS) return 0n
  const text = Buffer.from(join(parts, length)).toString('latin1')
  if (!INTEGER.test(text)) return 0n
  const value = BigInt(text)
  return value >= MIN_INTEGER && value <= MAX_INTEGER ? value : 0n
}

function textOf(value: bigint): Uint8Array {
  return Buffer.from(value.toString())
}

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
