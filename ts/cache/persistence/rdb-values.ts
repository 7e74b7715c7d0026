// Values from an RDB file, in every encoding that Redis has written up to 7.0. Modules are refused.
import { Blob } from '../keyspace/blob.ts'
import type { EncodingLimits } from '../keyspace/encoding.ts'
import { Hash } from '../keyspace/hash.ts'
import { List } from '../keyspace/list.ts'
import { parseDouble } from '../keyspace/numbers.ts'
import { MemberSet } from '../keyspace/set.ts'
import { SortedSet } from '../keyspace/sorted-set.ts'
import { type Consumer, type Group, makeGroup, PendingList, Stream } from '../keyspace/stream.ts'
import { makeId, msOf, type StreamId, sequenceOf } from '../keyspace/stream-id.ts'
import { compact, type Value } from '../keyspace/values.ts'
import { readListpack } from './listpack.ts'
import { readIntset, readZiplist, readZipmap } from './older-encodings.ts'
import { ENTRY, NODE, TYPE } from './rdb-format.ts'
import { type RdbReader, within } from './rdb-reader.ts'

/** Strings from this length on are kept as bytes: that costs no copy into a text. */
const MIN_BLOB_BYTES = 64 * 1024 * 1024
const MAX_UINT64 = 2n ** 64n - 1n

/**
 * Reads a value.
 * @returns Undefined for a collection without elements, which no command can make but old versions have written.
 * @throws CORRUPTION if the bytes are no value of that type, NOT_SUPPORTED never: an unknown type is corruption, too.
 */
export function readValue(reader: RdbReader, type: number, limits: EncodingLimits): Value | undefined {
  return within(reader, () => {
    switch (type) {
      case TYPE.string:
        return readString(reader)
      case TYPE.list:
        return listOf(strings(reader, reader.count()))
      case TYPE.listZiplist:
        return listOf(readZiplist(reader.stringBytes()))
      case TYPE.quicklist:
      case TYPE.quicklist2:
        return readQuicklist(reader, type)
      case TYPE.set:
        return setOf(reader, strings(reader, reader.count()), limits)
      case TYPE.intset:
        return setOf(reader, readIntset(reader.stringBytes()), limits)
      case TYPE.hash:
        return hashOf(reader, strings(reader, 2 * reader.count()), limits)
      case TYPE.zipmap:
        return hashOf(reader, readZipmap(reader.stringBytes()), limits)
      case TYPE.hashZiplist:
        return hashOf(reader, readZiplist(reader.stringBytes()), limits)
      case TYPE.hashListpack:
        return hashOf(reader, readListpack(reader.stringBytes()), limits)
      case TYPE.zset:
      case TYPE.zsetOfTexts:
        return zsetOf(reader, scored(reader, type), limits, 'skiplist')
      case TYPE.zsetZiplist:
        return zsetOf(reader, pairs(reader, readZiplist(reader.stringBytes())), limits)
      case TYPE.zsetListpack:
        return zsetOf(reader, pairs(reader, readListpack(reader.stringBytes())), limits)
      case TYPE.stream:
      case TYPE.stream2:
        return readStream(reader, type === TYPE.stream2)
      case TYPE.module:
      case TYPE.module2:
        return reader.refuse('a value of a module, and there are no modules')
      default:
        return reader.refuse(`no value has type ${type}`)
    }
  })
}

function readString(reader: RdbReader): Value {
  const bytes = reader.stringBytes()
  if (bytes.length >= MIN_BLOB_BYTES) return Blob.of(Uint8Array.from(bytes))
  return compact(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
}

function* strings(reader: RdbReader, count: number): Generator<string, void> {
  for (let i = 0; i < count; i++) yield reader.string()
}

function listOf(elements: Iterable<string>): List | undefined {
  const list = new List()
  for (const element of elements) list.push(element)
  return list.length === 0 ? undefined : list
}

function readQuicklist(reader: RdbReader, type: number): List | undefined {
  const list = new List()
  for (let left = reader.count(); left > 0; left--) {
    const node = type === TYPE.quicklist2 ? reader.count() : undefined
    if (node === NODE.plain) list.push(reader.string())
    else if (node === undefined) for (const element of readZiplist(reader.stringBytes())) list.push(element)
    else if (node === NODE.packed) for (const element of readListpack(reader.stringBytes())) list.push(element)
    else reader.refuse(`a list has a node of kind ${node}`)
  }
  return list.length === 0 ? undefined : list
}

function setOf(reader: RdbReader, members: Iterable<string>, limits: EncodingLimits): MemberSet | undefined {
  const set = new MemberSet()
  for (const member of members) if (!set.add(member, limits)) reader.refuse('a set has a member twice')
  return set.size === 0 ? undefined : set
}

function hashOf(reader: RdbReader, fieldsAndValues: Iterable<string>, limits: EncodingLimits): Hash | undefined {
  const hash = new Hash()
  let field: string | undefined
  for (const text of fieldsAndValues) {
    if (field === undefined) field = text
    else {
      if (!hash.set(field, text, limits)) reader.refuse('a hash has a field twice')
      field = undefined
    }
  }
  if (field !== undefined) reader.refuse('a hash has a field without a value')
  return hash.fields.size === 0 ? undefined : hash
}

type Scored = readonly [member: string, score: number]

/** @param encoding - What it was: only a skip list knows -0. One that is small enough becomes a listpack after. */
function zsetOf(
  reader: RdbReader,
  members: Iterable<Scored>,
  limits: EncodingLimits,
  encoding: SortedSet['encoding'] = 'listpack',
): SortedSet | undefined {
  const set = new SortedSet()
  set.encoding = encoding
  for (const [member, score] of members) {
    if (Number.isNaN(score)) reader.refuse('a score is no number')
    if (!set.set(member, score, limits)) reader.refuse('a sorted set has a member twice')
  }
  if (encoding === 'skiplist') set.compact(limits)
  return set.size === 0 ? undefined : set
}

function* scored(reader: RdbReader, type: number): Generator<Scored, void> {
  for (let left = reader.count(); left > 0; left--) {
    const member = reader.string()
    yield [member, type === TYPE.zset ? reader.take(8).readDoubleLE() : readScore(reader)]
  }
}

/** A score as text behind one byte of length; three lengths mean that there is no text. */
function readScore(reader: RdbReader): number {
  const length = reader.u8()
  if (length === 255) return Number.NEGATIVE_INFINITY
  if (length === 254) return Number.POSITIVE_INFINITY
  return length === 253 ? Number.NaN : (parseDouble(reader.text(length)) ?? Number.NaN)
}

function* pairs(reader: RdbReader, elements: readonly string[]): Generator<Scored, void> {
  if (elements.length % 2 !== 0) reader.refuse('a sorted set has a member without a score')
  for (let i = 0; i < elements.length; i += 2) {
    yield [elements[i] as string, parseDouble(elements[i + 1] as string) ?? Number.NaN]
  }
}

function readStream(reader: RdbReader, isNewer: boolean): Stream {
  const stream = new Stream()
  for (let left = reader.count(); left > 0; left--) {
    const id = reader.string()
    if (id.length !== 16) reader.refuse('the ID of a stream has not 16 bytes')
    readStreamNode(reader, stream, id)
  }
  if (reader.count() !== stream.length) reader.refuse('the length of a stream is wrong')
  const lastId = readId(reader)
  if (lastId < stream.lastId) reader.refuse('the last ID of a stream is below one of its entries')
  stream.lastId = lastId
  stream.entriesAdded = stream.length
  if (isNewer) {
    readId(reader) // the first one, which is known
    stream.maxDeletedId = readId(reader)
    stream.entriesAdded = Number(reader.unsigned())
  }
  for (let left = reader.count(); left > 0; left--) {
    const name = reader.string()
    if (stream.groups.has(name)) reader.refuse('a stream has a group twice')
    stream.groups.set(name, readGroup(reader, stream, isNewer))
  }
  return stream
}

/** See rdb-writer.ts for what is in it. */
function readStreamNode(reader: RdbReader, stream: Stream, master: StreamId): void {
  const elements = readListpack(reader.stringBytes())
  let at = 0
  const text = (): string => elements[at++] ?? reader.refuse('an entry of a stream ends too early')
  const integer = (): bigint => {
    const digits = text()
    return /^-?\d{1,19}$/.test(digits)
      ? BigInt(digits)
      : reader.refuse('an entry of a stream has no number where one must be')
  }
  const size = (): number => {
    const value = integer()
    return value >= 0n && value <= BigInt(elements.length)
      ? Number(value)
      : reader.refuse('a count in a stream is wrong')
  }
  const [ms, sequence] = [msOf(master), sequenceOf(master)]
  const entries = size() + size()
  const names = Array.from({ length: size() }, text)
  if (integer() !== 0n) reader.refuse('the first entry of a stream does not end')
  for (let left = entries; left > 0; left--) {
    const flags = Number(integer())
    const [entryMs, entrySequence] = [ms + integer(), BigInt.asUintN(64, sequence + integer())]
    if (entryMs < 0n || entryMs > MAX_UINT64) reader.refuse('an ID of a stream is out of range')
    const fields: string[] = []
    if ((flags & ENTRY.sameFields) !== 0) for (const name of names) fields.push(name, text())
    else for (let i = 2 * size(); i > 0; i--) fields.push(text())
    text() // how many elements it has, for walking backwards
    if ((flags & ENTRY.deleted) !== 0) continue
    const id = makeId(entryMs, entrySequence)
    if (id <= stream.lastId) reader.refuse('the IDs of a stream do not rise')
    stream.append({ id, fields })
  }
  if (at !== elements.length) reader.refuse('something follows the entries of a stream')
}

function readGroup(reader: RdbReader, stream: Stream, isNewer: boolean): Group {
  const lastId = readId(reader)
  const read = isNewer ? reader.unsigned() : undefined
  // What was not written is known where nothing was deleted.
  const entriesRead = read === undefined ? stream.countEverUpTo(lastId) : typeof read === 'number' ? read : undefined
  const group = makeGroup(lastId, entriesRead)
  const delivered = new Map<StreamId, { readonly deliveredAtMs: number; readonly deliveryCount: number }>()
  for (let left = reader.count(); left > 0; left--) {
    const id = reader.text(16)
    if (delivered.has(id)) reader.refuse('a group has a pending entry twice')
    delivered.set(id, { deliveredAtMs: reader.ms(), deliveryCount: reader.count() })
  }
  for (let left = reader.count(); left > 0; left--) {
    const consumer: Consumer = { name: reader.string(), seenAtMs: reader.ms(), pending: new PendingList() }
    if (group.consumers.has(consumer.name)) reader.refuse('a group has a consumer twice')
    group.consumers.set(consumer.name, consumer)
    for (let ids = reader.count(); ids > 0; ids--) {
      const id = reader.text(16)
      const found = delivered.get(id) ?? reader.refuse('a consumer has an entry that is not pending')
      delivered.delete(id)
      const pending = { id, consumer, ...found }
      consumer.pending.set(pending)
      group.pending.set(pending)
    }
  }
  if (delivered.size > 0) reader.refuse('a pending entry has no consumer')
  return group
}

function readId(reader: RdbReader): StreamId {
  const ms = BigInt(reader.unsigned())
  return makeId(ms, BigInt(reader.unsigned()))
}
