// A snapshot as commands that make it anew, as `aof-use-rdb-preamble no` asks for (aof.c of Redis 7.0, rewriteAppendOnlyFileRio). It
// holds all that an RDB file does but for when keys and consumers were used.
import { formatDouble } from '../../wire/resp/index.ts'
import type { Hash } from '../keyspace/hash.ts'
import type { SortedSet } from '../keyspace/sorted-set.ts'
import type { Group, Stream } from '../keyspace/stream.ts'
import { formatId, type StreamId, ZERO_ID } from '../keyspace/stream-id.ts'
import { isString, textOf, type Value } from '../keyspace/values.ts'
import { ByteWriter } from './byte-writer.ts'
import { CommandStream } from './command-stream.ts'
import type { KeyFacts } from './rdb-file.ts'

/** A collection takes a command for so many elements, or half as many pairs of them. */
const ELEMENTS_A_COMMAND = 128

/** Makes commands of entries, piece by piece, as RdbEncoder makes a file of them. */
export class CommandEncoder {
  readonly #writer = new ByteWriter()
  readonly #stream = new CommandStream(this.#writer)

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#writer.length
  }

  /** A library of functions. */
  function(code: string): void {
    this.#stream.appendAnywhere(['FUNCTION', 'LOAD', code])
  }

  /** Commands have no place for hints. */
  resize(): void {}

  entry(database: number, key: string, value: Value, { expiresAtMs }: KeyFacts = {}): void {
    for (const args of commandsOf(key, value)) this.#stream.append(database, args)
    if (expiresAtMs !== undefined) this.#stream.append(database, ['PEXPIREAT', key, String(expiresAtMs)])
  }

  /** Nothing marks the end. */
  end(): void {}

  /** What was made since the last call, for the caller to keep. */
  take(): Uint8Array {
    return this.#writer.take()
  }
}

function commandsOf(key: string, value: Value): Iterable<readonly string[]> {
  if (isString(value)) return [['SET', key, textOf(value)]]
  switch (value.type) {
    case 'list':
      return inParts(['RPUSH', key], value.slice())
    case 'set':
      return inParts(['SADD', key], value.members())
    case 'zset':
      return inParts(['ZADD', key], scoresOf(value))
    case 'hash':
      return inParts(['HMSET', key], fieldsOf(value))
    case 'stream':
      return streamCommands(key, value)
  }
}

/** A few commands for many elements. */
function* inParts(head: readonly string[], elements: readonly string[]): Generator<readonly string[], void> {
  for (let start = 0; start < elements.length; start += ELEMENTS_A_COMMAND) {
    yield [...head, ...elements.slice(start, start + ELEMENTS_A_COMMAND)]
  }
}

function scoresOf(set: SortedSet): string[] {
  const pairs: string[] = []
  set.visit(0, set.size, false, (member, score) => pairs.push(formatDouble(score), member))
  return pairs
}

function fieldsOf({ fields }: Hash): string[] {
  const pairs: string[] = []
  for (let i = 0; i < fields.size; i++) pairs.push(fields.keyAt(i), fields.valueAt(i))
  return pairs
}

/** Entries that are gone and that a consumer has still to acknowledge stand in for themselves until they are claimed. */
function* streamCommands(key: string, stream: Stream): Generator<readonly string[], void> {
  const { length, groups, firstId, lastId, entriesAdded, maxDeletedId } = stream
  const missing = missingIds(stream)
  let next = 0
  for (let i = 0; i < length; i++) {
    const { id, fields } = stream.at(i)
    while (next < missing.length && (missing[next] as StreamId) < id) yield standIn(key, missing[next++] as StreamId)
    yield ['XADD', key, formatId(id), ...fields]
  }
  while (next < missing.length) yield standIn(key, missing[next++] as StreamId)
  if (length + missing.length === 0) yield ['XADD', key, 'MAXLEN', '0', '0-1', 'x', 'y']
  for (const [name, group] of groups) yield* groupCommands(key, name, group)
  // Trimming leaves no trace; what was deleted further on has left `maxDeletedId` behind, which is set below.
  const deleted = missing.filter((id) => length > 0 && id > firstId)
  yield* inParts(['XDEL', key], deleted.map(formatId))
  if (deleted.length < missing.length) yield ['XTRIM', key, 'MAXLEN', String(length)]
  const numbers = ['ENTRIESADDED', String(entriesAdded), 'MAXDELETEDID', formatId(maxDeletedId)]
  yield ['XSETID', key, formatId(lastId), ...numbers]
}

/** The IDs in order that are pending in a group and have no entry any more. */
function missingIds(stream: Stream): StreamId[] {
  const ids = new Set<StreamId>()
  for (const { pending } of stream.groups.values()) {
    for (const { id } of pending.from(ZERO_ID)) if (stream.get(id) === undefined) ids.add(id)
  }
  return [...ids].sort()
}

function standIn(key: string, id: StreamId): readonly string[] {
  return ['XADD', key, formatId(id), 'x', 'y']
}

function* groupCommands(key: string, name: string, group: Group): Generator<readonly string[], void> {
  yield ['XGROUP', 'CREATE', key, name, formatId(group.lastId), 'ENTRIESREAD', String(group.entriesRead ?? -1)]
  for (const consumer of group.consumers.values()) {
    yield ['XGROUP', 'CREATECONSUMER', key, name, consumer.name]
    for (const { id, deliveredAtMs, deliveryCount } of consumer.pending.from(ZERO_ID)) {
      const facts = ['TIME', String(deliveredAtMs), 'RETRYCOUNT', String(deliveryCount), 'JUSTID', 'FORCE']
      yield ['XCLAIM', key, name, consumer.name, '0', formatId(id), ...facts]
    }
  }
}
