// Streams: https://redis.io/commands/?group=stream. What concerns consumer groups has a file of its own.
import { Stream } from '../keyspace/stream.ts'
import { formatId, type StreamId, ZERO_ID } from '../keyspace/stream-id.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, NO_SUCH_KEY, SYNTAX_ERROR } from './errors.ts'
import { idOf, lowerId, newId, parseTrimming, replyEntry, trim, upperId } from './stream-arguments.ts'
import { STREAM_GROUP_COMMANDS } from './stream-groups.ts'
import { STREAM_INFO_COMMANDS } from './stream-info.ts'
import { xread } from './stream-reading.ts'

export const STREAM_COMMANDS: Handlers = {
  ...STREAM_GROUP_COMMANDS,
  ...STREAM_INFO_COMMANDS,
  xadd,
  xlen: (call, [, key = '']) => call.reply.integer(call.stream(key)?.length ?? 0),
  xrange: (call, args) => range(call, args, false),
  xrevrange: (call, args) => range(call, args, true),

  xdel(call, args) {
    const key = args[1] as string
    const stream = call.stream(key)
    if (stream === undefined) return call.reply.integer(0)
    const ids = args.slice(2).map((text) => idOf(text))
    const count = stream.delete(ids)
    if (count > 0) call.changed(key, 't', 'xdel', count)
    call.reply.integer(count)
  },

  xtrim(call, args) {
    const key = args[1] as string
    const { trimming } = parseTrimming(call, args, 2, () => fail(SYNTAX_ERROR))
    if (trimming === undefined) fail('ERR syntax error, XTRIM must be called with a trimming strategy')
    const stream = call.stream(key)
    const count = stream === undefined ? 0 : trim(stream, trimming)
    if (count > 0) {
      call.changed(key, 't', 'xtrim', count)
      call.propagate(['XTRIM', key, 'MAXLEN', '=', String(stream?.length)])
    }
    call.reply.integer(count)
  },

  xread: (call, args) => xread(call, args, false),
  xreadgroup: (call, args) => xread(call, args, true),
  xsetid,
}

/** XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value... */
function xadd(call: Call, args: readonly string[]): void {
  const key = args[1] as string
  let makes = true
  const { trimming, next } = parseTrimming(call, args, 2, (index) => {
    if (!isWord(args[index], 'NOMKSTREAM')) {
      if (args[index] !== '*') idOf((args[index] as string).replace(/-\*$/, ''))
      return false
    }
    makes = false
    return true
  })
  const idText = args[next]
  const fields = args.slice(next + 1)
  const written = idText === undefined || idText === '*' ? undefined : idOf(idText.replace(/-\*$/, ''))
  if (idText === undefined || fields.length < 2 || fields.length % 2 !== 0) {
    fail("ERR wrong number of arguments for 'xadd' command")
  }
  if (written === ZERO_ID && !idText.endsWith('-*')) {
    fail('ERR The ID specified in XADD must be greater than 0-0')
  }
  const existing = call.stream(key)
  if (existing === undefined && !makes) {
    call.reply.nil()
    return
  }
  const stream = existing ?? new Stream()
  const id = newId(call, stream, idText)
  stream.append({ id, fields })
  if (existing === undefined) call.db.add(key, stream)
  call.changed(key, 't', 'xadd')
  const trimmed = trimming === undefined ? 0 : trim(stream, trimming)
  if (trimmed > 0) call.db.touch(key)
  if (trimmed > 0) call.engine.notify('t', 'xtrim', key, call.db.index)
  const kept = trimmed > 0 ? ['MAXLEN', '=', String(stream.length)] : []
  call.propagate(['XADD', key, ...kept, formatId(id), ...fields])
  call.reply.bulk(formatId(id))
}

/** XRANGE key start end [COUNT count]; XREVRANGE has the bounds the other way round. */
function range(call: Call, args: readonly string[], isReversed: boolean): void {
  const [, key = '', first = '', second = ''] = args
  const low = lowerId(isReversed ? second : first)
  const high = upperId(isReversed ? first : second)
  let count = Number.POSITIVE_INFINITY
  for (let i = 4; i < args.length; i += 2) {
    if (!isWord(args[i], 'COUNT') || args[i + 1] === undefined) fail(SYNTAX_ERROR)
    count = Math.max(0, call.position(args[i + 1] as string))
  }
  const stream = call.stream(key)
  if (stream === undefined) {
    call.reply.array(0)
    return
  }
  if (count === 0) {
    call.reply.nilArray()
    return
  }
  const [start, end] = [stream.countBelow(low), countUpTo(stream, high)]
  const size = Math.min(count, Math.max(0, end - start))
  call.reply.array(size)
  for (let i = 0; i < size; i++) {
    const entry = stream.at(isReversed ? end - 1 - i : start + i)
    replyEntry(call, entry.id, entry)
  }
}

function countUpTo(stream: Stream, id: StreamId): number {
  const count = stream.countBelow(id)
  return count < stream.length && stream.at(count).id === id ? count + 1 : count
}

/** XSETID key last-id [ENTRIESADDED count] [MAXDELETEDID id] */
function xsetid(call: Call, args: readonly string[]): void {
  const [, key = '', idText = ''] = args
  const id = idOf(idText)
  let entriesAdded: number | undefined
  let maxDeletedId: StreamId | undefined
  for (let i = 3; i < args.length; i += 2) {
    const value = args[i + 1]
    if (value !== undefined && isWord(args[i], 'ENTRIESADDED')) {
      entriesAdded = call.position(value)
      if (entriesAdded < 0) fail('ERR entries_added must be positive')
    } else if (value !== undefined && isWord(args[i], 'MAXDELETEDID')) {
      maxDeletedId = idOf(value)
      if (id < maxDeletedId) {
        fail('ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id')
      }
    } else fail(SYNTAX_ERROR)
  }
  const stream = call.stream(key) ?? fail(NO_SUCH_KEY)
  const lastEntry = stream.length === 0 ? undefined : stream.at(stream.length - 1)
  if (lastEntry !== undefined && id < lastEntry.id) {
    fail('ERR The ID specified in XSETID is smaller than the target stream top item')
  }
  if (lastEntry !== undefined && entriesAdded !== undefined && entriesAdded < stream.length) {
    fail('ERR The entries_added specified in XSETID is smaller than the target stream length')
  }
  stream.lastId = id
  if (entriesAdded !== undefined) stream.entriesAdded = entriesAdded
  if (maxDeletedId !== undefined && maxDeletedId !== ZERO_ID) stream.maxDeletedId = maxDeletedId
  call.changed(key, 't', 'xsetid')
  call.reply.ok()
}
