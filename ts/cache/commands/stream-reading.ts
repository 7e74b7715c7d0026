// XREAD and XREADGROUP.
import { type Consumer, type Group, type Pending, PendingList, type Stream } from '../keyspace/stream.ts'
import { formatId, MAX_ID, nextId, type StreamId, ZERO_ID } from '../keyspace/stream-id.ts'
import type { Call } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import { groupAt, idOf, replyEntry } from './stream-arguments.ts'

/** How much a blocked XREAD without COUNT is given at once. */
const BLOCKED_COUNT = 1000
const FOREIGN_OPTION = (name: string): string =>
  `ERR The ${name} option is only supported by XREADGROUP. You called XREAD instead.`
const MEANINGLESS_ID =
  'ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying ' +
  'a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.'
const NEW_MESSAGES_ONLY =
  'ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.'
const UNBALANCED = "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified."

interface ReadRequest {
  readonly count: number
  /** Undefined if it does not block, else how long in milliseconds, 0 for ever. */
  readonly blockMs: number | undefined
  readonly group: string | undefined
  readonly consumer: string
  readonly acknowledges: boolean
  readonly keys: readonly string[]
  readonly ids: readonly string[]
}

/** XREAD [COUNT count] [BLOCK ms] STREAMS key... id...; XREADGROUP begins with GROUP group consumer and knows NOACK. */
export function xread(call: Call, args: readonly string[], isGroup: boolean): void {
  const request = parseRequest(call, args, isGroup)
  const { keys, ids, group, count } = request
  const delivered = new Map<string, StreamId>()
  const reads = keys.map((key, i) => plan(call, key, ids[i] as string, request, delivered))
  const ready = reads.filter(({ isReady }) => isReady)
  if (ready.length > 0) {
    if (group !== undefined) call.instead = []
    if (call.reply.protocol === 3) call.reply.map(ready.length)
    else call.reply.array(ready.length)
    for (const read of ready) {
      if (call.reply.protocol === 2) call.reply.array(2)
      call.reply.bulk(read.key)
      if (group === undefined) replyAfter(call, read.stream as Stream, read.after, count)
      else deliver(call, read, request)
    }
    return
  }
  if (request.blockMs === undefined) {
    call.reply.nilArray()
    return
  }
  // What `$` means is fixed now; later entries must count as new.
  const after = reads.map((read, i) => (ids[i] === '$' ? formatId(read.after) : (ids[i] as string)))
  const limit = ['COUNT', String(count === Number.POSITIVE_INFINITY ? BLOCKED_COUNT : count)]
  const head = group === undefined ? ['XREAD'] : ['XREADGROUP', 'GROUP', group, request.consumer]
  const tail = request.acknowledges ? [] : ['NOACK']
  const untilMs = request.blockMs === 0 ? undefined : call.now + request.blockMs
  const argsFor = (key: string): string[] => {
    return [...head, ...limit, 'BLOCK', '0', ...tail, 'STREAMS', key, after[keys.indexOf(key)] as string]
  }
  call.block({ argsFor, keys, type: 'stream', untilMs })
}

function parseRequest(call: Call, args: readonly string[], isGroup: boolean): ReadRequest {
  let count = Number.POSITIVE_INFINITY
  let blockMs: number | undefined
  let [group, consumer]: [string | undefined, string] = [undefined, '']
  let acknowledges = true
  for (let i = 1; i < args.length; i++) {
    const left = args.length - i - 1
    if (isWord(args[i], 'BLOCK') && left > 0) {
      blockMs = call.position(args[++i] as string, 'ERR timeout is not an integer or out of range')
      if (blockMs < 0) fail('ERR timeout is negative')
    } else if (isWord(args[i], 'COUNT') && left > 0) {
      const given = call.position(args[++i] as string)
      count = given <= 0 ? Number.POSITIVE_INFINITY : given
    } else if (isWord(args[i], 'STREAMS') && left > 0) {
      if (left % 2 !== 0) fail(UNBALANCED)
      if (isGroup && group === undefined) fail('ERR Missing GROUP option for XREADGROUP')
      const middle = i + 1 + left / 2
      return { count, blockMs, group, consumer, acknowledges, keys: args.slice(i + 1, middle), ids: args.slice(middle) }
    } else if (isWord(args[i], 'GROUP') && left >= 2) {
      if (!isGroup) fail(FOREIGN_OPTION('GROUP'))
      group = args[++i] as string
      consumer = args[++i] as string
    } else if (isWord(args[i], 'NOACK')) {
      if (!isGroup) fail(FOREIGN_OPTION('NOACK'))
      acknowledges = false
    } else fail(SYNTAX_ERROR)
  }
  return fail(SYNTAX_ERROR)
}

/** What is to be read of one stream. */
interface Read {
  readonly key: string
  readonly stream: Stream | undefined
  readonly group: Group | undefined
  /** Only entries above this. */
  readonly after: StreamId
  /** True if the consumer wants what it was given before. */
  readonly isHistory: boolean
  readonly isReady: boolean
}

/** @param delivered - Up to where new entries of a group will have been read by what was planned before. */
function plan(call: Call, key: string, idText: string, request: ReadRequest, delivered: Map<string, StreamId>): Read {
  if (request.group === undefined) {
    const stream = call.stream(key)
    if (idText === '>') fail(NEW_MESSAGES_ONLY)
    const after = idText === '$' ? (stream?.lastId ?? ZERO_ID) : idOf(idText)
    const isReady = stream !== undefined && lastIdOf(stream) > after
    return { key, stream, group: undefined, after, isHistory: false, isReady }
  }
  const { stream, group } = groupAt(call, key, request.group, ' in XREADGROUP with GROUP option')
  if (idText === '$') fail(MEANINGLESS_ID)
  // To Redis the greatest ID is the same as `>`.
  const id = idText === '>' ? MAX_ID : idOf(idText)
  const isHistory = id !== MAX_ID
  const after = isHistory ? id : (delivered.get(key) ?? group.lastId)
  const isReady = isHistory || lastIdOf(stream) > after
  if (isReady && !isHistory) {
    const end = Math.min(stream.length, stream.countBelow(nextId(after) as StreamId) + request.count)
    delivered.set(key, stream.at(end - 1).id)
  }
  return { key, stream, group, after, isHistory, isReady }
}

/** The ID of the last entry that is there. */
function lastIdOf(stream: Stream): StreamId {
  return stream.length === 0 ? ZERO_ID : stream.at(stream.length - 1).id
}

function replyAfter(call: Call, stream: Stream, after: StreamId, count: number): void {
  const start = stream.countBelow(nextId(after) ?? MAX_ID)
  const size = Math.min(count, stream.length - start)
  call.reply.array(size)
  for (let i = 0; i < size; i++) replyEntry(call, stream.at(start + i).id, stream.at(start + i))
}

/** Gives a consumer new entries of its group, or once more those that it has not acknowledged. */
function deliver(call: Call, read: Read, request: ReadRequest): void {
  const { key, after, isHistory } = read
  const [stream, group] = [read.stream as Stream, read.group as Group]
  const name = request.group as string
  const consumer = consumerOf(call, group, request.consumer, { key, name })
  call.dirty++
  if (isHistory) {
    const pending = consumer.pending.slice(nextId(after) as StreamId, request.count)
    call.reply.array(pending.length)
    for (const each of pending) {
      const entry = stream.get(each.id)
      replyEntry(call, each.id, entry)
      if (entry === undefined) continue
      each.deliveredAtMs = call.now
      each.deliveryCount++
      propagateClaim(call, key, name, group, each)
    }
    return
  }
  const start = stream.countBelow(nextId(after) as StreamId)
  const size = Math.min(request.count, stream.length - start)
  call.reply.array(size)
  for (let i = 0; i < size; i++) {
    const entry = stream.at(start + i)
    advance(stream, group, entry.id)
    replyEntry(call, entry.id, entry)
    if (!request.acknowledges) continue
    const pending = assign(group, entry.id, consumer)
    pending.deliveredAtMs = call.now
    pending.deliveryCount = 1
    propagateClaim(call, key, name, group, pending)
  }
  call.db.touch(key)
  if (size === 0) return
  // After XCLAIM too, which does not tell how many entries the group has read.
  const entriesRead = String(group.entriesRead ?? -1)
  call.propagate(['XGROUP', 'SETID', key, name, formatId(group.lastId), 'ENTRIESREAD', entriesRead])
}

/** The consumer of a name, made if it is new; it counts as seen now. */
export function consumerOf(
  call: Call,
  group: Group,
  consumerName: string,
  where: { key: string; name: string },
): Consumer {
  const existing = group.consumers.get(consumerName)
  if (existing !== undefined) {
    existing.seenAtMs = call.now
    return existing
  }
  return createConsumer(call, group, consumerName, where)
}

export function createConsumer(
  call: Call,
  group: Group,
  consumerName: string,
  where: { key: string; name: string },
): Consumer {
  const consumer: Consumer = { name: consumerName, seenAtMs: call.now, pending: new PendingList() }
  group.consumers.set(consumerName, consumer)
  call.db.weigh(where.key)
  call.dirty++
  call.engine.notify('t', 'xgroup-createconsumer', where.key, call.db.index)
  call.propagate(['XGROUP', 'CREATECONSUMER', where.key, where.name, consumerName])
  return consumer
}

/** Makes an entry pending for a consumer, whoever had it before. */
export function assign(group: Group, id: StreamId, consumer: Consumer): Pending {
  const existing = group.pending.get(id)
  const pending = existing ?? { id, consumer, deliveredAtMs: 0, deliveryCount: 1 }
  if (existing === undefined) group.pending.set(pending)
  else existing.consumer.pending.delete(id)
  pending.consumer = consumer
  consumer.pending.set(pending)
  return pending
}

/** Notes that a group was given an entry. */
function advance(stream: Stream, group: Group, id: StreamId): void {
  if (id <= group.lastId) return
  if (group.entriesRead !== undefined && !stream.hasGap(id, MAX_ID)) group.entriesRead++
  else if (stream.entriesAdded > 0) group.entriesRead = stream.countEverUpTo(id)
  group.lastId = id
}

/** Deliveries depend on the clock, so replicas are told who has what since when. */
export function propagateClaim(call: Call, key: string, name: string, group: Group, pending: Pending): void {
  const { id, consumer, deliveredAtMs, deliveryCount } = pending
  const head = ['XCLAIM', key, name, consumer.name, '0', formatId(id)]
  const times = ['TIME', String(deliveredAtMs), 'RETRYCOUNT', String(deliveryCount)]
  call.propagate([...head, ...times, 'FORCE', 'JUSTID', 'LASTID', formatId(group.lastId)])
}
