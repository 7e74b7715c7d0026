// Values as an RDB file has them.
import { formatDouble } from '../../wire/resp/index.ts'
import { Blob } from '../keyspace/blob.ts'
import type { Hash } from '../keyspace/hash.ts'
import type { List } from '../keyspace/list.ts'
import { parseInteger } from '../keyspace/numbers.ts'
import type { MemberSet } from '../keyspace/set.ts'
import type { SortedSet } from '../keyspace/sorted-set.ts'
import type { Group, PendingList, Stream } from '../keyspace/stream.ts'
import { msOf, type StreamId, sequenceOf, ZERO_ID } from '../keyspace/stream-id.ts'
import { isString, textOf, type Value } from '../keyspace/values.ts'
import { ByteWriter } from './byte-writer.ts'
import { ListpackWriter } from './listpack.ts'
import { compressLzf } from './lzf.ts'
import { writeIntset } from './older-encodings.ts'
import { ENTRY, NODE, STRING, TYPE } from './rdb-format.ts'

/** Shorter strings are not worth compressing. */
const MIN_COMPRESSED_BYTES = 21
const MAX_INTEGER_CHARACTERS = 11
/** As Redis fills nodes of lists (list-max-listpack-size -2) and of streams (stream-node-max-bytes and -entries). */
const LIST_NODE_BYTES = 8192
const STREAM_NODE_BYTES = 4096
const STREAM_NODE_ENTRIES = 100
/** Longer elements get a node of their own, as they are; a listpack ends at 1 GiB. */
const MAX_PACKED_BYTES = 2 ** 20
/** A group of which it is unknown how many entries it has read. */
const UNKNOWN_COUNT = 2n ** 64n - 1n

/** Writes lengths, strings and values. Nothing here throws but for want of memory. */
export class RdbWriter extends ByteWriter {
  /** A length or count: 6, 14, 32 or 64 bits, unsigned. */
  count(value: number | bigint): void {
    if (value < 64) this.u8(Number(value))
    else if (value < 16_384) {
      this.u8(0x40 | (Number(value) >> 8))
      this.u8(Number(value) & 0xff)
    } else if (value < 2 ** 32) {
      this.u8(0x80)
      this.u32BigEndian(Number(value))
    } else {
      this.u8(0x81)
      this.u64BigEndian(value)
    }
  }

  string(text: string): void {
    if (text.length <= MAX_INTEGER_CHARACTERS && this.#integer(text)) return
    if (text.length >= MIN_COMPRESSED_BYTES && this.#compressed(Buffer.from(text, 'latin1'))) return
    this.count(text.length)
    this.text(text)
  }

  stringBytes(bytes: Uint8Array): void {
    if (bytes.length >= MIN_COMPRESSED_BYTES && this.#compressed(bytes)) return
    this.count(bytes.length)
    this.bytes(bytes)
  }

  /** The byte that says how `value` writes a value. */
  type(value: Value): void {
    this.u8(rdbTypeOf(value))
  }

  value(value: Value): void {
    if (isString(value)) {
      if (value instanceof Blob) this.stringBytes(value.bytes())
      else this.string(textOf(value))
      return
    }
    switch (value.type) {
      case 'list':
        this.#list(value)
        break
      case 'set':
        this.#set(value)
        break
      case 'zset':
        this.#zset(value)
        break
      case 'hash':
        this.#hash(value)
        break
      case 'stream':
        this.#stream(value)
        break
    }
  }

  /** @returns False if the text is no whole number of 32 bits. */
  #integer(text: string): boolean {
    const value = parseInteger(text)
    if (value === undefined || value < -(2 ** 31) || value >= 2 ** 31) return false
    const number = Number(value)
    if (number >= -128 && number < 128) {
      this.u8(0xc0 | STRING.int8)
      this.u8(number & 0xff)
    } else if (number >= -(2 ** 15) && number < 2 ** 15) {
      this.u8(0xc0 | STRING.int16)
      this.u16(number & 0xffff)
    } else {
      this.u8(0xc0 | STRING.int32)
      this.u32(number)
    }
    return true
  }

  /** @returns False if that would not be shorter. */
  #compressed(bytes: Uint8Array): boolean {
    const compressed = compressLzf(bytes, bytes.length - 4)
    if (compressed === undefined) return false
    this.u8(0xc0 | STRING.lzf)
    this.count(compressed.length)
    this.count(bytes.length)
    this.bytes(compressed)
    return true
  }

  #list(list: List): void {
    const nodes: (string | Uint8Array)[] = []
    const pack = new ListpackWriter()
    const flush = (): void => {
      if (pack.count > 0) nodes.push(pack.take())
    }
    for (let i = 0; i < list.length; i++) {
      const element = list.at(i)
      if (pack.length + element.length > LIST_NODE_BYTES) flush()
      if (element.length > MAX_PACKED_BYTES) nodes.push(element)
      else pack.add(element)
    }
    flush()
    this.count(nodes.length)
    for (const node of nodes) {
      this.count(typeof node === 'string' ? NODE.plain : NODE.packed)
      if (typeof node === 'string') this.string(node)
      else this.stringBytes(node)
    }
  }

  #set(set: MemberSet): void {
    const members = set.members()
    if (set.encoding === 'intset') {
      this.stringBytes(writeIntset(members.map((member) => parseInteger(member) as number | bigint)))
      return
    }
    this.count(members.length)
    for (const member of members) this.string(member)
  }

  #zset(set: SortedSet): void {
    if (set.encoding === 'listpack') {
      const pack = new ListpackWriter()
      set.visit(0, set.size, false, (member, score) => {
        pack.add(member)
        pack.add(formatDouble(score))
      })
      this.stringBytes(pack.take())
      return
    }
    this.count(set.size)
    // From the last to the first: who loads it inserts at the head of a skip list each time.
    set.visit(0, set.size, true, (member, score) => {
      this.string(member)
      this.f64(score)
    })
  }

  #hash({ fields, encoding }: Hash): void {
    const pack = encoding === 'listpack' ? new ListpackWriter() : undefined
    if (pack === undefined) this.count(fields.size)
    for (let i = 0; i < fields.size; i++) {
      const [field, value] = [fields.keyAt(i), fields.valueAt(i)]
      if (pack === undefined) {
        this.string(field)
        this.string(value)
      } else {
        pack.add(field)
        pack.add(value)
      }
    }
    if (pack !== undefined) this.stringBytes(pack.take())
  }

  #stream(stream: Stream): void {
    const nodes = streamNodes(stream)
    this.count(nodes.length)
    for (const { id, pack } of nodes) {
      this.string(id)
      this.stringBytes(pack)
    }
    this.count(stream.length)
    this.#id(stream.lastId)
    this.#id(stream.firstId)
    this.#id(stream.maxDeletedId)
    this.count(stream.entriesAdded)
    this.count(stream.groups.size)
    for (const [name, group] of stream.groups) this.#group(name, group)
  }

  #group(name: string, { lastId, entriesRead, pending, consumers }: Group): void {
    this.string(name)
    this.#id(lastId)
    this.count(entriesRead ?? UNKNOWN_COUNT)
    this.#pending(pending, true)
    this.count(consumers.size)
    for (const consumer of consumers.values()) {
      this.string(consumer.name)
      this.u64(consumer.seenAtMs)
      this.#pending(consumer.pending, false)
    }
  }

  #pending(list: PendingList, isWhole: boolean): void {
    this.count(list.size)
    for (const { id, deliveredAtMs, deliveryCount } of list.from(ZERO_ID)) {
      this.text(id)
      if (!isWhole) continue
      this.u64(deliveredAtMs)
      this.count(deliveryCount)
    }
  }

  #id(id: StreamId): void {
    this.count(msOf(id))
    this.count(sequenceOf(id))
  }
}

function rdbTypeOf(value: Value): number {
  if (isString(value)) return TYPE.string
  switch (value.type) {
    case 'list':
      return TYPE.quicklist2
    case 'set':
      return value.encoding === 'intset' ? TYPE.intset : TYPE.set
    case 'zset':
      return value.encoding === 'listpack' ? TYPE.zsetListpack : TYPE.zset
    case 'hash':
      return value.encoding === 'listpack' ? TYPE.hashListpack : TYPE.hash
    case 'stream':
      return TYPE.stream2
  }
}

/**
 * The entries of a stream in listpacks, each under the ID of its first one (t_stream.c):
 *
 *   count | deleted | number of fields | fields | 0          the master entry
 *   flags | ms and sequence above the master's | values, or a count with fields and values | elements of this entry
 */
function streamNodes(stream: Stream): { readonly id: StreamId; readonly pack: Uint8Array }[] {
  const nodes: { id: StreamId; pack: Uint8Array }[] = []
  for (let first = 0; first < stream.length; ) {
    const { id, fields } = stream.at(first)
    const names = fields.filter((_, i) => i % 2 === 0)
    const count = nodeEntries(stream, first)
    const pack = new ListpackWriter()
    for (const number of [count, 0, names.length]) pack.addInteger(number)
    for (const name of names) pack.add(name)
    pack.addInteger(0)
    const [ms, sequence] = [msOf(id), sequenceOf(id)]
    for (let i = first; i < first + count; i++) {
      const entry = stream.at(i)
      const isSame = entry.fields.length === fields.length && names.every((name, j) => entry.fields[2 * j] === name)
      pack.addInteger(isSame ? ENTRY.sameFields : 0)
      pack.addInteger(msOf(entry.id) - ms)
      pack.addInteger(BigInt.asIntN(64, sequenceOf(entry.id) - sequence))
      if (!isSame) pack.addInteger(entry.fields.length / 2)
      for (let j = isSame ? 1 : 0; j < entry.fields.length; j += isSame ? 2 : 1) pack.add(entry.fields[j] as string)
      pack.addInteger(isSame ? names.length + 3 : entry.fields.length + 4)
    }
    nodes.push({ id, pack: pack.take() })
    first += count
  }
  return nodes
}

/** How many entries from `first` on make a node; at least one. */
function nodeEntries(stream: Stream, first: number): number {
  let bytes = 0
  let count = 0
  while (first + count < stream.length && count < STREAM_NODE_ENTRIES) {
    for (const text of stream.at(first + count).fields) bytes += text.length + 2
    if (count > 0 && bytes > STREAM_NODE_BYTES) break
    count++
  }
  return count
}
