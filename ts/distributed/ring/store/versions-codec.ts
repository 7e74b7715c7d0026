// What is known of a key as bytes: in messages, and on disk. Whole numbers are little-endian; see base/binary.ts.
//
//   versions   vector | list of siblings, sorted by node and count
//   vector     list of dots, each node once
//   dot        text node | u53 count
//   sibling    dot | value | u53 milliseconds since 1970
//   value      u8 1 | u32 length, bytes     or u8 0: the write was a deletion
//   record     u8 version = 1 | versions: what a store has under a key
import { type ByteReader, ByteWriter, ByteReader as Reader } from '../../../base/binary.ts'
import { BedplateError } from '../../../base/errors.ts'
import { MAX_COUNTED, MAX_NAME_BYTES, MAX_REPLICAS, MAX_VALUE_BYTES } from './limits.ts'
import {
  covers,
  type Dot,
  MAX_COUNT,
  MAX_SIBLINGS,
  MAX_VECTOR_NODES,
  type Sibling,
  type Versions,
  type VersionVector,
} from './versions.ts'

const VERSION = 1
/** Each replica that takes writes of a key lets so many in; merged, they may be more. */
const MOST_NODES = MAX_REPLICAS * MAX_VECTOR_NODES
const MOST_SIBLINGS = MAX_REPLICAS * MAX_SIBLINGS
const DOT_BYTES = 12

export function putVector(body: ByteWriter, vector: VersionVector): void {
  body.list([...vector], ([node, count]) => putDot(body, { node, count }))
}

export function putDot(body: ByteWriter, { node, count }: Dot): void {
  body.text(node).u53(count)
}

export function putValue(body: ByteWriter, value: Uint8Array | undefined): void {
  if (value === undefined) body.u8(0)
  else body.u8(1).blob(value)
}

export function putVersions(body: ByteWriter, { context, siblings }: Versions): void {
  putVector(body, context)
  body.list(siblings, ({ dot, value, writtenMs }) => {
    putDot(body, dot)
    putValue(body, value)
    body.u53(writtenMs)
  })
}

export function takeVector(reader: ByteReader): VersionVector {
  const dots = reader.list({ most: MOST_NODES, itemBytes: DOT_BYTES }, () => takeDot(reader))
  const vector = new Map(dots.map(({ node, count }) => [node, count]))
  if (vector.size < dots.length) throw reader.corrupt('names a node twice')
  return vector
}

export function takeDot(reader: ByteReader): Dot {
  const dot = { node: takeName(reader), count: reader.u53() }
  if (dot.count < 1 || dot.count > MAX_COUNT) throw reader.corrupt('has a write with a number that cannot be')
  return dot
}

export function takeName(reader: ByteReader): string {
  const name = reader.text(MAX_NAME_BYTES)
  if (name === '') throw reader.corrupt('has a node without a name')
  return name
}

/** A number that nodes count on from: one more is still exact. */
export function takeCounted(reader: ByteReader): number {
  const number = reader.u53()
  if (number > MAX_COUNTED) throw reader.corrupt('has a number that no node counts to')
  return number
}

export function takeValue(reader: ByteReader): Uint8Array | undefined {
  return reader.flag() ? reader.blob(MAX_VALUE_BYTES) : undefined
}

export function takeVersions(reader: ByteReader): Versions {
  const context = takeVector(reader)
  const siblings = reader.list({ most: MOST_SIBLINGS, itemBytes: DOT_BYTES + 9 }, (): Sibling => {
    return { dot: takeDot(reader), value: takeValue(reader), writtenMs: reader.u53() }
  })
  for (const [index, { dot }] of siblings.entries()) {
    const before = siblings[index - 1]?.dot
    if (before !== undefined && !isBefore(before, dot)) throw reader.corrupt('has siblings out of order')
    if (!covers(context, dot)) throw reader.corrupt('has a sibling that its context does not know')
  }
  return { context, siblings }
}

/** A record of a store. */
export function encodeVersions(versions: Versions): Uint8Array {
  const body = new ByteWriter().u8(VERSION)
  putVersions(body, versions)
  return body.finish()
}

/** Values are views of the bytes that were given. @throws CORRUPTION, INCOMPATIBLE for a record of a later version. */
export function decodeVersions(bytes: Uint8Array): Versions {
  const reader = new Reader(bytes, 'record')
  const version = reader.u8()
  if (version > VERSION) {
    throw new BedplateError('INCOMPATIBLE', `a record has version ${version}, and ${VERSION} is known`, {
      hint: 'update bedplate',
    })
  }
  if (version !== VERSION) throw reader.corrupt('has version 0')
  const versions = takeVersions(reader)
  reader.end()
  return versions
}

function isBefore(a: Dot, b: Dot): boolean {
  return a.node === b.node ? a.count < b.count : a.node < b.node
}
