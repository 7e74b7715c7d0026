// Protocol Buffers, the wire format of version 3 (https://protobuf.dev/programming-guides/encoding/), from tables of fields.
//
//   message = (tag value)*        tag = varint(field number << 3 | wire type)
//   wire type 0: varint           1: 8 bytes        2: varint length, then bytes        5: 4 bytes
//
// Unknown fields are passed over, the last of a field counts, and a field that has its default value is not written. Only
// what etcd's messages need is here: varints, bytes, nested messages, and lists of them. Tables instead of generated code or
// of .proto files read at start: opening a server costs no parsing, and the types follow from the tables.
import { BedplateError } from '../../base/errors.ts'

/** Messages may be nested so deep; protobuf's own decoders have the same bound. */
const MAX_DEPTH = 100
const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5
const MAX_VARINT_BYTES = 10
const TWO_TO_32 = 2 ** 32

/** A field of a message: `Out` is what decoding gives, `In` what encoding takes. */
export interface Field<Out, In = Out> {
  readonly number: number
  readonly wireType: typeof VARINT | typeof LENGTH_DELIMITED
  readonly isList: boolean
  /** What it is if the bytes do not name it. */
  readonly initial: Out
  read(reader: Reader, before: Out): Out
  write(writer: Writer, value: In): void
}

/** Fields by name. Codecs are the place where the types of all fields meet, hence the top and bottom types. */
type Fields = Readonly<Record<string, Field<unknown, never>>>
type OutOf<F> = F extends Field<infer Out, never> ? Out : never
type InOf<F> = F extends { write(writer: Writer, value: infer In): void } ? In : never

/** How messages of one kind become bytes and come back. */
export interface Codec<Out, In> {
  /** @throws INVALID_INPUT if the bytes are no such message. Byte fields are views of `bytes`. */
  decode(bytes: Uint8Array): Out
  encode(message: In): Uint8Array
  readFrom(reader: Reader): Out
  writeTo(writer: Writer, message: In): void
}

/** What decoding a message gives. */
export type Decoded<C> = C extends Codec<infer Out, never> ? Out : never

/**
 * A message of these fields.
 *
 * @example
 * const Point = message({ x: int64(1), y: int64(2) })
 * Point.decode(Point.encode({ x: 3 })) // { x: 3, y: 0 }
 */
export function message<F extends Fields>(
  fields: F,
): Codec<{ [K in keyof F]: OutOf<F[K]> }, { readonly [K in keyof F]?: InOf<F[K]> | undefined }> {
  type Out = { [K in keyof F]: OutOf<F[K]> }
  type In = { readonly [K in keyof F]?: InOf<F[K]> | undefined }
  const names = Object.keys(fields)
  const nameOf: (string | undefined)[] = []
  for (const name of names) nameOf[(fields[name] as Field<unknown>).number] = name
  const empty: Record<string, unknown> = {}
  for (const name of names) empty[name] = (fields[name] as Field<unknown>).initial

  const codec: Codec<Out, In> = {
    decode(bytes) {
      return codec.readFrom(new Reader(bytes))
    },
    encode(value) {
      const writer = new Writer()
      codec.writeTo(writer, value)
      return writer.finish()
    },
    readFrom(reader) {
      const out: Record<string, unknown> = { ...empty }
      while (reader.at < reader.end) {
        const { number, wireType } = reader.tag()
        const name = nameOf[number]
        const field = name === undefined ? undefined : (fields[name] as Field<unknown>)
        // Lists of numbers may come packed, a wire type of their own.
        if (field === undefined || (field.wireType !== wireType && !(field.isList && wireType === LENGTH_DELIMITED))) {
          reader.skip(wireType)
        } else if (field.wireType === wireType) {
          out[name as string] = field.read(reader, out[name as string])
        } else {
          const end = reader.enter()
          while (reader.at < reader.end) out[name as string] = field.read(reader, out[name as string])
          reader.leave(end)
        }
      }
      return out as Out
    },
    writeTo(writer, value) {
      for (const name of names) {
        const given = (value as Record<string, unknown>)[name]
        if (given !== undefined) (fields[name] as Field<unknown>).write(writer, given)
      }
    },
  }
  return codec
}

/** A number with a sign. Beyond 2^53 in either direction it becomes the largest that is exact. */
export function int64(number: number): Field<number> {
  return scalar(
    number,
    0,
    (reader) => reader.int64(),
    (writer, value) => writer.varint(value),
  )
}

/** An unsigned number, also for enumerations: those have few values, and an unknown one is for whoever reads it to refuse. */
export function uint(number: number): Field<number> {
  return int64(number)
}

/** Sixty-four bits that are a name and no quantity, with a sign: ids of leases. */
export function id64(number: number): Field<bigint> {
  return scalar(
    number,
    0n,
    (reader) => BigInt.asIntN(64, reader.bits64()),
    (writer, value) => writer.varint64(value),
  )
}

/** The same without a sign: ids of clusters and members. */
export function uid64(number: number): Field<bigint> {
  return scalar(
    number,
    0n,
    (reader) => reader.bits64(),
    (writer, value) => writer.varint64(value),
  )
}

export function bool(number: number): Field<boolean> {
  return scalar(
    number,
    false,
    (reader) => reader.bits64() !== 0n,
    (writer, value) => writer.varint(value ? 1 : 0),
  )
}

/** Bytes as a string with one character for each: what can be compared, and be the key of a Map. */
export function key(number: number): Field<string> {
  return delimited(
    number,
    '',
    (bytes) => asBuffer(bytes).toString('latin1'),
    (text) => Buffer.from(text, 'latin1'),
  )
}

/** UTF-8. */
export function text(number: number): Field<string> {
  return delimited(
    number,
    '',
    (bytes) => asBuffer(bytes).toString('utf8'),
    (value) => Buffer.from(value, 'utf8'),
  )
}

const NO_BYTES = new Uint8Array(0)

export function bytes(number: number): Field<Uint8Array> {
  return delimited(
    number,
    NO_BYTES,
    (value) => value,
    (value) => value,
  )
}

/** A message within the message; undefined if it is not there. @param codec - A function, so that messages can hold themselves. */
export function nested<Out, In>(number: number, codec: () => Codec<Out, In>): Field<Out | undefined, In> {
  return {
    number,
    wireType: LENGTH_DELIMITED,
    isList: false,
    initial: undefined,
    read(reader) {
      const end = reader.enter()
      const value = codec().readFrom(reader)
      reader.leave(end)
      return value
    },
    write(writer, value) {
      writer.tag(number, LENGTH_DELIMITED)
      writer.delimited((inner) => codec().writeTo(inner, value))
    },
  }
}

/** Any number of messages. */
export function nestedList<Out, In>(number: number, codec: () => Codec<Out, In>): Field<readonly Out[], readonly In[]> {
  const one = nested(number, codec)
  return {
    ...one,
    isList: true,
    initial: [],
    read: (reader, before) => appended(before, one.read(reader, undefined) as Out),
    write(writer, values) {
      for (const value of values) one.write(writer, value)
    },
  }
}

/** Any number of what `field` is. */
export function list<T>(field: Field<T>): Field<readonly T[]> {
  const always = optional(field)
  return {
    number: field.number,
    wireType: field.wireType,
    isList: true,
    initial: [],
    read: (reader, before) => appended(before, field.read(reader, field.initial)),
    write(writer, values) {
      for (const value of values) always.write(writer, value)
    },
  }
}

/** A field that tells its default value from its absence, as one of several that exclude each other does. */
export function optional<T>(field: Field<T>): Field<T | undefined, T> {
  return {
    ...field,
    initial: undefined,
    read: (reader) => field.read(reader, field.initial),
    write(writer, value) {
      if (value !== field.initial) {
        field.write(writer, value)
        return
      }
      writer.tag(field.number, field.wireType)
      writer.varint(0) // zero, false, or a length of zero
    },
  }
}

function scalar<T>(
  number: number,
  initial: T,
  read: (reader: Reader) => T,
  write: (writer: Writer, value: T) => void,
): Field<T> {
  return {
    number,
    wireType: VARINT,
    isList: false,
    initial,
    read,
    write(writer, value) {
      if (value === initial) return
      writer.tag(number, VARINT)
      write(writer, value)
    },
  }
}

function delimited<T>(
  number: number,
  initial: T,
  read: (bytes: Uint8Array) => T,
  toBytes: (value: T) => Uint8Array,
): Field<T> {
  return {
    number,
    wireType: LENGTH_DELIMITED,
    isList: false,
    initial,
    read: (reader) => read(reader.bytes()),
    write(writer, value) {
      if (value === initial) return
      const content = toBytes(value)
      if (content.length === 0) return
      writer.tag(number, LENGTH_DELIMITED)
      writer.varint(content.length)
      writer.raw(content)
    },
  }
}

/** The list of the message being read, which nobody else has yet; the empty one of the table is everybody's. */
function appended<T>(before: readonly T[], value: T): readonly T[] {
  if (before.length === 0) return [value]
  ;(before as T[]).push(value)
  return before
}

/** Reads bytes from outside; every length is checked before it is followed. */
export class Reader {
  readonly #bytes: Uint8Array
  at = 0
  end: number
  #depth = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.end = bytes.length
  }

  tag(): { number: number; wireType: number } {
    const tag = this.#varint32('a tag')
    const number = tag >>> 3
    if (number === 0) throw malformed('a field has the number 0')
    return { number, wireType: tag & 7 }
  }

  int64(): number {
    const { low, high } = this.#halves()
    const value = (high | 0) * TWO_TO_32 + low
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))
  }

  bits64(): bigint {
    const { low, high } = this.#halves()
    return high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low)
  }

  bytes(): Uint8Array {
    const length = this.#length()
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }

  /** Steps into a nested message. @returns What `leave` takes. */
  enter(): number {
    if (++this.#depth > MAX_DEPTH) throw malformed(`messages are nested deeper than ${MAX_DEPTH}`)
    const length = this.#length()
    const outer = this.end
    this.end = this.at + length
    return outer
  }

  leave(outer: number): void {
    this.#depth--
    this.end = outer
  }

  /** Passes over the value of an unknown field. */
  skip(wireType: number): void {
    switch (wireType) {
      case VARINT:
        this.#halves()
        return
      case FIXED64:
        this.#advance(8)
        return
      case LENGTH_DELIMITED:
        this.#advance(this.#length())
        return
      case FIXED32:
        this.#advance(4)
        return
      default:
        throw malformed(`a field has the wire type ${wireType}`)
    }
  }

  #length(): number {
    const length = this.#varint32('a length')
    if (length > this.end - this.at) throw malformed(`a length of ${length} leads beyond the end`)
    return length
  }

  #advance(count: number): void {
    if (count > this.end - this.at) throw malformed('it ends within a field')
    this.at += count
  }

  #varint32(what: string): number {
    const { low, high } = this.#halves()
    if (high !== 0) throw malformed(`${what} is larger than 32 bits`)
    return low
  }

  #halves(): { low: number; high: number } {
    let low = 0
    let high = 0
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      if (this.at >= this.end) throw malformed('it ends within a number')
      const byte = this.#bytes[this.at++] as number
      const part = byte & 0x7f
      if (i < 4) low |= part << (7 * i)
      else if (i === 4) {
        low |= part << 28
        high |= part >>> 4
      } else if (i < 9) high |= part << (7 * i - 32)
      else high |= part << 31
      if (byte < 0x80) return { low: low >>> 0, high: high >>> 0 }
    }
    throw malformed(`a number has more than ${MAX_VARINT_BYTES} bytes`)
  }
}

/** Collects the bytes of a message. */
export class Writer {
  #bytes = Buffer.allocUnsafe(128)
  #length = 0

  tag(number: number, wireType: number): void {
    this.varint(number * 8 + wireType)
  }

  /** A whole number; a negative one takes ten bytes. */
  varint(value: number): void {
    if (value < 0) {
      this.varint64(BigInt(value))
      return
    }
    this.#reserve(MAX_VARINT_BYTES)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#length++] = rest
  }

  varint64(value: bigint): void {
    this.#reserve(MAX_VARINT_BYTES)
    const rest = BigInt.asUintN(64, value)
    // In two halves of numbers, which are several times as fast as large integers; the fifth byte has bits of both.
    let low = Number(rest & 0xffff_ffffn)
    let high = Number(rest >> 32n)
    while (high > 0 || low >= 0x80) {
      this.#bytes[this.#length++] = (low & 0x7f) | 0x80
      low = ((low >>> 7) | (high << 25)) >>> 0
      high >>>= 7
    }
    this.#bytes[this.#length++] = low
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** What `fill` writes, behind its length. */
  delimited(fill: (writer: Writer) => void): void {
    this.#reserve(1)
    const start = ++this.#length // most lengths have one byte; there is room for it
    fill(this)
    const length = this.#length - start
    if (length < 0x80) {
      this.#bytes[start - 1] = length
      return
    }
    const content = Buffer.from(this.#bytes.subarray(start, this.#length))
    this.#length = start - 1
    this.varint(length)
    this.raw(content)
  }

  /** What was written; a view, so the writer is done with. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + count))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

function asBuffer(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

function malformed(what: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `not a message of Protocol Buffers: ${what}`)
}
