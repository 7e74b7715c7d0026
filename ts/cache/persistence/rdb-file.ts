// RDB files: an encoder that is given entries, a decoder that gives them back. See rdb-format.ts and docs/formats/rdb-aof.md.
import { DEFAULT_ENCODING_LIMITS, type EncodingLimits } from '../keyspace/encoding.ts'
import type { Value } from '../keyspace/values.ts'
import { Crc64 } from './crc64.ts'
import { OPCODE, RDB_MAGIC, RDB_VERSION } from './rdb-format.ts'
import type { RdbReader } from './rdb-reader.ts'
import { readValue } from './rdb-values.ts'
import { RdbWriter } from './rdb-writer.ts'

/** What belongs to a key beside its value. */
export interface KeyFacts {
  /** Milliseconds since 1970; undefined if it does not expire. */
  readonly expiresAtMs?: number | undefined
  /** Seconds since its last use, where that is kept; and how often it is used, 0 to 255. */
  readonly idleSeconds?: number | undefined
  readonly frequency?: number | undefined
}

/**
 * Makes an RDB file, piece by piece.
 *
 * @example
 * const encoder = new RdbEncoder([['redis-ver', '7.0.15']])
 * encoder.entry(0, 'k', 'v')
 * encoder.end()
 * encoder.take() // the bytes of a file
 */
export class RdbEncoder {
  readonly #writer = new RdbWriter()
  readonly #crc = new Crc64()
  #database: number | undefined

  /** @param aux - Names and values that say where the file is from. */
  constructor(aux: readonly (readonly [string, string])[]) {
    const writer = this.#writer
    writer.text(`${RDB_MAGIC}${String(RDB_VERSION).padStart(4, '0')}`)
    for (const [name, value] of aux) {
      writer.u8(OPCODE.aux)
      writer.string(name)
      writer.string(value)
    }
  }

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#writer.length
  }

  /** A library of functions. */
  function(code: string): void {
    this.#writer.u8(OPCODE.function)
    this.#writer.string(code)
  }

  /** Announces how many keys a database has, and how many of them expire: a hint. */
  resize(database: number, keys: number, expiring: number): void {
    this.#select(database)
    this.#writer.u8(OPCODE.resize)
    this.#writer.count(keys)
    this.#writer.count(expiring)
  }

  entry(database: number, key: string, value: Value, facts: KeyFacts = {}): void {
    const writer = this.#writer
    this.#select(database)
    if (facts.expiresAtMs !== undefined) {
      writer.u8(OPCODE.expiryMs)
      writer.u64(BigInt(Math.trunc(facts.expiresAtMs)))
    }
    if (facts.idleSeconds !== undefined) {
      writer.u8(OPCODE.idle)
      writer.count(facts.idleSeconds)
    }
    if (facts.frequency !== undefined) {
      writer.u8(OPCODE.frequency)
      writer.u8(facts.frequency)
    }
    writer.type(value)
    writer.string(key)
    writer.value(value)
  }

  /** The end, with the checksum of everything. Nothing may come after. */
  end(): void {
    this.#writer.u8(OPCODE.end)
    const bytes = this.#writer.take()
    this.#crc.update(bytes)
    this.#writer.bytes(bytes)
    this.#writer.u64(this.#crc.value())
  }

  /** What was made since the last call, for the caller to keep. */
  take(): Uint8Array {
    const bytes = this.#writer.take()
    this.#crc.update(bytes)
    return bytes
  }

  #select(database: number): void {
    if (database === this.#database) return
    this.#database = database
    this.#writer.u8(OPCODE.select)
    this.#writer.count(database)
  }
}

/** What a file holds, in the order of the file. */
export type RdbItem =
  | { readonly kind: 'aux'; readonly name: string; readonly value: string }
  | { readonly kind: 'function'; readonly code: string }
  | { readonly kind: 'resize'; readonly database: number; readonly keys: number }
  | ({ readonly kind: 'key'; readonly database: number; readonly key: string; readonly value: Value } & KeyFacts)

/**
 * Takes an RDB file apart, of version 1 to 10. Memory is bounded by the largest value.
 *
 * @example
 * const decoder = new RdbDecoder(new RdbReader(source, 'dump.rdb'))
 * for (let item = decoder.next(); item !== undefined; item = decoder.next()) console.log(item.kind)
 */
export class RdbDecoder {
  readonly #reader: RdbReader
  readonly #limits: EncodingLimits
  #version = 0
  #database = 0
  #isEnded = false

  /** @param reader - Stands behind the end when all was read. */
  constructor(reader: RdbReader, limits: EncodingLimits = DEFAULT_ENCODING_LIMITS) {
    this.#reader = reader
    this.#limits = limits
  }

  /**
   * The next item; undefined at the end, when the checksum was right.
   * @throws CORRUPTION for anything that no such file holds, INCOMPATIBLE never: a newer version is corruption as far as can be told.
   */
  next(): RdbItem | undefined {
    if (this.#isEnded) return undefined
    const reader = this.#reader
    if (this.#version === 0) this.#version = readVersion(reader)
    let expiresAtMs: number | undefined
    let idleSeconds: number | undefined
    let frequency: number | undefined
    for (;;) {
      const opcode = reader.u8()
      switch (opcode) {
        case OPCODE.expiryMs:
          expiresAtMs = reader.ms()
          break
        case OPCODE.expirySeconds:
          expiresAtMs = reader.take(4).readInt32LE() * 1000
          break
        case OPCODE.idle:
          idleSeconds = Number(reader.unsigned())
          break
        case OPCODE.frequency:
          frequency = reader.u8()
          break
        case OPCODE.select:
          this.#database = reader.count()
          break
        case OPCODE.resize: {
          const keys = reader.count()
          reader.count()
          return { kind: 'resize', database: this.#database, keys }
        }
        case OPCODE.aux: {
          const name = reader.string()
          return { kind: 'aux', name, value: reader.string() }
        }
        case OPCODE.function:
          return { kind: 'function', code: reader.string() }
        case OPCODE.moduleAux:
        case OPCODE.functionOfPreview:
          return reader.refuse(`there is nothing here for opcode 0x${opcode.toString(16)}`)
        case OPCODE.end:
          this.#end()
          return undefined
        default: {
          const key = reader.string()
          const value = readValue(reader, opcode, this.#limits)
          // A collection without elements is passed over, as Redis does.
          if (value !== undefined) {
            return { kind: 'key', database: this.#database, key, value, expiresAtMs, idleSeconds, frequency }
          }
          expiresAtMs = undefined
          idleSeconds = undefined
          frequency = undefined
        }
      }
    }
  }

  #end(): void {
    const reader = this.#reader
    this.#isEnded = true
    if (this.#version < 5) return
    const computed = reader.checksum()
    const stored = reader.take(8).readBigUInt64LE()
    // Zero says that there is none: `rdbchecksum no`.
    if (stored !== 0n && stored !== computed) reader.refuse('the checksum is wrong')
  }
}

function readVersion(reader: RdbReader): number {
  if (reader.text(RDB_MAGIC.length) !== RDB_MAGIC) reader.refuse('this is no RDB file')
  const digits = reader.text(4)
  const version = /^\d{4}$/.test(digits) ? Number(digits) : 0
  if (version < 1 || version > RDB_VERSION) {
    reader.refuse(`version ${digits} of the format cannot be read, ${RDB_VERSION} is the newest that can`)
  }
  return version
}
