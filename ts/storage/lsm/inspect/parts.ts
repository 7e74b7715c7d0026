// Reads fields one behind the other and notes where each was.
import { BedplateError } from '../../../base/errors.ts'
import { readU48 } from '../fields.ts'
import type { FilePart, FileSection } from './types.ts'

export class PartReader {
  readonly parts: FilePart[] = []
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.bytes.length - this.at
  }

  u8(name: string): number {
    return this.number(name, 1, (at) => this.view.getUint8(at))
  }

  u16(name: string): number {
    return this.number(name, 2, (at) => this.view.getUint16(at, true))
  }

  u32(name: string): number {
    return this.number(name, 4, (at) => this.view.getUint32(at, true))
  }

  u48(name: string): number {
    return this.number(name, 6, (at) => readU48(this.view, at))
  }

  u64(name: string): number {
    return this.number(name, 8, (at) => this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 2 ** 32)
  }

  /** Characters. */
  text(name: string, length: number): string {
    return this.piece(name, length, (bytes) => Buffer.from(bytes).toString('utf8'))
  }

  hex(name: string, length: number): string {
    return this.piece(name, length, (bytes) => Buffer.from(bytes).toString('hex'))
  }

  /** An internal key, its length before it. */
  key(name: string): Uint8Array {
    return this.piece(name, this.u16(`${name}Length`), (bytes) => bytes.slice())
  }

  /** A number that is shown as `hex` is: checksums are looked for in dumps. */
  checksum(): void {
    this.hex('checksum', 4)
  }

  /** Bytes that mean nothing by themselves. A view of them. */
  raw(name: string, length: number): Uint8Array {
    const offset = this.take(name, length)
    if (length > 0) this.parts.push({ name, offset, length })
    return this.bytes.subarray(offset, offset + length)
  }

  /** Several fields as one part. */
  group<T>(name: string, read: (reader: PartReader) => T): T {
    const offset = this.at
    const reader = new PartReader(this.bytes.subarray(offset))
    const result = read(reader)
    this.parts.push({ name, offset, length: reader.at })
    this.at += reader.at
    return result
  }

  private number(name: string, length: number, read: (at: number) => number): number {
    const offset = this.take(name, length)
    const value = read(offset)
    this.parts.push({ name, offset, length, value })
    return value
  }

  private piece<T extends string | Uint8Array>(name: string, length: number, read: (bytes: Uint8Array) => T): T {
    const offset = this.take(name, length)
    const value = read(this.bytes.subarray(offset, offset + length))
    if (length > 0) this.parts.push({ name, offset, length, value })
    return value
  }

  private take(name: string, length: number): number {
    if (length > this.left) throw new BedplateError('CORRUPTION', `it ends before its ${name}`)
    const { at } = this
    this.at += length
    return at
  }
}

/** Takes `bytes` apart by `read`; what that throws is the section's problem. */
export function sectionOf(
  place: Omit<FileSection, 'problem' | 'parts'>,
  read: (reader: PartReader) => void,
  check: () => void = () => {},
): FileSection {
  const reader = new PartReader(place.bytes)
  const problem = problemOf(() => read(reader)) ?? problemOf(check)
  return { ...place, parts: reader.parts, ...(problem !== undefined && { problem }) }
}

/** In words what is wrong, if `read` finds something. */
export function problemOf(read: () => void): string | undefined {
  try {
    read()
    return undefined
  } catch (error) {
    if (error instanceof BedplateError && (error.code === 'CORRUPTION' || error.code === 'INCOMPATIBLE'))
      return error.message
    throw error
  }
}
