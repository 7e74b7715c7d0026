// XINFO: what a stream, its groups and their consumers look like.
import type { Group, Stream } from '../keyspace/stream.ts'
import { formatId, MAX_ID, type StreamId, ZERO_ID } from '../keyspace/stream-id.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, failSubcommand, NO_SUCH_KEY, shown } from './errors.ts'
import { replyEntry } from './stream-arguments.ts'
import { inOrder } from './stream-groups.ts'

const DEFAULT_COUNT = 10

export const STREAM_INFO_COMMANDS: Handlers = {
  /** XINFO STREAM key [FULL [COUNT count]] */
  'xinfo|stream'(call, args) {
    const [, , key = '', full, word, countText] = args
    const stream = call.stream(key) ?? fail(NO_SUCH_KEY)
    if (full !== undefined && !isWord(full, 'FULL')) failSubcommand(args)
    if (word !== undefined && (!isWord(word, 'COUNT') || args.length !== 6)) failSubcommand(args)
    const given = countText === undefined ? DEFAULT_COUNT : call.position(countText)
    if (full === undefined) describeShortly(call, stream)
    else describeFully(call, stream, given === 0 ? Number.POSITIVE_INFINITY : given < 0 ? DEFAULT_COUNT : given)
  },

  'xinfo|groups'(call, [, , key = '']) {
    const stream = call.stream(key) ?? fail(NO_SUCH_KEY)
    call.reply.array(stream.groups.size)
    for (const [name, group] of groupsInOrder(stream)) {
      call.reply.map(6)
      named(call, 'name', name)
      numbered(call, 'consumers', group.consumers.size)
      numbered(call, 'pending', group.pending.size)
      named(call, 'last-delivered-id', formatId(group.lastId))
      numbered(call, 'entries-read', group.entriesRead)
      numbered(call, 'lag', lagOf(stream, group))
    }
  },

  'xinfo|consumers'(call, [, , key = '', groupName = '']) {
    const stream = call.stream(key) ?? fail(NO_SUCH_KEY)
    const group = stream.groups.get(groupName)
    if (group === undefined) fail(`NOGROUP No such consumer group '${shown(groupName)}' for key name '${shown(key)}'`)
    call.reply.array(group.consumers.size)
    for (const { name, pending, seenAtMs } of inOrder(group.consumers)) {
      call.reply.map(3)
      named(call, 'name', name)
      numbered(call, 'pending', pending.size)
      numbered(call, 'idle', Math.max(0, call.now - seenAtMs))
    }
  },
}

function named({ reply }: Call, name: string, value: string): void {
  reply.bulk(name)
  reply.bulk(value)
}

function numbered({ reply }: Call, name: string, value: number | undefined): void {
  reply.bulk(name)
  if (value === undefined) reply.nil()
  else reply.integer(value)
}

function groupsInOrder({ groups }: Stream): [string, Group][] {
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** How many entries a group has yet to read; undefined if deletions have made that unknown. */
function lagOf(stream: Stream, group: Group): number | undefined {
  if (stream.entriesAdded === 0) return 0
  const isCounted = group.entriesRead !== undefined && !stream.hasGap(group.lastId, MAX_ID)
  const read = isCounted ? group.entriesRead : stream.countEverUpTo(group.lastId)
  return read === undefined ? undefined : stream.entriesAdded - read
}

/** What both forms begin with. Redis keeps a radix tree of nodes; its numbers are told as they would be there. */
function describeCommon(call: Call, stream: Stream): void {
  const nodes = Math.ceil(stream.length / 100)
  numbered(call, 'length', stream.length)
  numbered(call, 'radix-tree-keys', nodes)
  numbered(call, 'radix-tree-nodes', nodes + 1)
  named(call, 'last-generated-id', formatId(stream.lastId))
  named(call, 'max-deleted-entry-id', formatId(stream.maxDeletedId))
  numbered(call, 'entries-added', stream.entriesAdded)
  named(call, 'recorded-first-entry-id', formatId(stream.firstId))
}

function describeShortly(call: Call, stream: Stream): void {
  call.reply.map(10)
  describeCommon(call, stream)
  numbered(call, 'groups', stream.groups.size)
  for (const [name, index] of [['first-entry', 0] as const, ['last-entry', stream.length - 1] as const]) {
    call.reply.bulk(name)
    if (stream.length === 0) call.reply.nil()
    else replyEntry(call, stream.at(index).id, stream.at(index))
  }
}

function describeFully(call: Call, stream: Stream, count: number): void {
  const { reply } = call
  reply.map(9)
  describeCommon(call, stream)
  reply.bulk('entries')
  const size = Math.min(count, stream.length)
  reply.array(size)
  for (let i = 0; i < size; i++) replyEntry(call, stream.at(i).id, stream.at(i))
  reply.bulk('groups')
  reply.array(stream.groups.size)
  for (const [name, group] of groupsInOrder(stream)) {
    reply.map(7)
    named(call, 'name', name)
    named(call, 'last-delivered-id', formatId(group.lastId))
    numbered(call, 'entries-read', group.entriesRead)
    numbered(call, 'lag', lagOf(stream, group))
    numbered(call, 'pel-count', group.pending.size)
    reply.bulk('pending')
    const pending = group.pending.slice(ZERO_ID, count)
    reply.array(pending.length)
    for (const each of pending) replyPending(call, each.id, each.consumer.name, each)
    reply.bulk('consumers')
    reply.array(group.consumers.size)
    for (const consumer of inOrder(group.consumers)) {
      reply.map(4)
      named(call, 'name', consumer.name)
      numbered(call, 'seen-time', consumer.seenAtMs)
      numbered(call, 'pel-count', consumer.pending.size)
      reply.bulk('pending')
      const own = consumer.pending.slice(ZERO_ID, count)
      reply.array(own.length)
      for (const each of own) replyPending(call, each.id, undefined, each)
    }
  }
}

function replyPending(
  { reply }: Call,
  id: StreamId,
  consumer: string | undefined,
  { deliveredAtMs, deliveryCount }: { deliveredAtMs: number; deliveryCount: number },
): void {
  reply.array(consumer === undefined ? 3 : 4)
  reply.bulk(formatId(id))
  if (consumer !== undefined) reply.bulk(consumer)
  reply.integer(deliveredAtMs)
  reply.integer(deliveryCount)
}
