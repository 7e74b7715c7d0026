// Consumer groups: XGROUP, XACK, XPENDING, XCLAIM, XAUTOCLAIM.
import { type Consumer, type Group, makeGroup, type Pending, Stream } from '../keyspace/stream.ts'
import { formatId, parseId, type StreamId, ZERO_ID } from '../keyspace/stream-id.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, failSubcommand, SYNTAX_ERROR, shown } from './errors.ts'
import { groupAt, idOf, looseId, lowerId, replyEntry, upperId } from './stream-arguments.ts'
import { assign, consumerOf, createConsumer, propagateClaim } from './stream-reading.ts'

const NEEDS_KEY =
  'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to ' +
  'create an empty stream automatically.'
/** XAUTOCLAIM looks at so many pending entries for each that it may claim. */
const ATTEMPTS = 10
const DEFAULT_COUNT = 100

export const STREAM_GROUP_COMMANDS: Handlers = {
  /** XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD count] */
  'xgroup|create'(call, args) {
    const [, , key = '', name = '', idText = ''] = args
    let makes = false
    let entriesRead: number | undefined
    for (let i = 5; i < args.length; i++) {
      if (isWord(args[i], 'MKSTREAM')) makes = true
      else if (isWord(args[i], 'ENTRIESREAD') && i + 1 < args.length)
        entriesRead = parseEntriesRead(call, args[++i] as string)
      else failSubcommand(args)
    }
    const existing = call.stream(key)
    if (existing === undefined && !makes) fail(NEEDS_KEY)
    const stream = existing ?? new Stream()
    const id = idText === '$' ? stream.lastId : idOf(idText)
    if (stream.groups.has(name)) fail('BUSYGROUP Consumer Group name already exists')
    if (existing === undefined) call.db.add(key, stream)
    stream.groups.set(name, makeGroup(id, entriesRead))
    call.changed(key, 't', 'xgroup-create')
    call.reply.ok()
  },

  /** XGROUP SETID key group id | $ [ENTRIESREAD count] */
  'xgroup|setid'(call, args) {
    const [, , key = '', name = '', idText = ''] = args
    let entriesRead: number | undefined
    for (let i = 5; i < args.length; i += 2) {
      if (!isWord(args[i], 'ENTRIESREAD') || i + 1 >= args.length) failSubcommand(args)
      entriesRead = parseEntriesRead(call, args[i + 1] as string)
    }
    const { stream, group } = existingGroup(call, key, name)
    group.lastId = idText === '$' ? stream.lastId : looseId(idText)
    group.entriesRead = entriesRead
    call.changed(key, 't', 'xgroup-setid')
    call.reply.ok()
  },

  'xgroup|destroy'(call, [, , key = '', name = '']) {
    const stream = call.stream(key) ?? fail(NEEDS_KEY)
    const existed = stream.groups.delete(name)
    if (existed) call.changed(key, 't', 'xgroup-destroy')
    call.reply.integer(existed ? 1 : 0)
  },

  'xgroup|createconsumer'(call, [, , key = '', name = '', consumerName = '']) {
    const { group } = existingGroup(call, key, name)
    if (group.consumers.has(consumerName)) return call.reply.integer(0)
    createConsumer(call, group, consumerName, { key, name })
    call.db.touch(key)
    call.reply.integer(1)
  },

  'xgroup|delconsumer'(call, [, , key = '', name = '', consumerName = '']) {
    const { group } = existingGroup(call, key, name)
    const consumer = group.consumers.get(consumerName)
    if (consumer === undefined) return call.reply.integer(0)
    for (const { id } of consumer.pending.from(ZERO_ID)) group.pending.delete(id)
    group.consumers.delete(consumerName)
    call.changed(key, 't', 'xgroup-delconsumer')
    call.reply.integer(consumer.pending.size)
  },

  xack(call, args) {
    const [, key = '', name = '', ...idTexts] = args
    const group = call.stream(key)?.groups.get(name)
    if (group === undefined) return call.reply.integer(0)
    const ids = idTexts.map((text) => idOf(text))
    let count = 0
    for (const id of ids) if (forget(group, id)) count++
    if (count > 0) {
      call.dirty += count
      call.db.touch(key)
    }
    call.reply.integer(count)
  },

  xpending,
  xclaim,
  xautoclaim,
}

function parseEntriesRead(call: Call, text: string): number | undefined {
  const count = call.position(text)
  if (count < -1) fail('ERR value for ENTRIESREAD must be positive or -1')
  return count === -1 ? undefined : count
}

function existingGroup(call: Call, key: string, name: string): { stream: Stream; group: Group } {
  const stream = call.stream(key) ?? fail(NEEDS_KEY)
  const group = stream.groups.get(name)
  return group === undefined
    ? fail(`NOGROUP No such consumer group '${shown(name)}' for key name '${shown(key)}'`)
    : { stream, group }
}

/** Takes an entry from who has it. @returns False if nobody has. */
function forget(group: Group, id: StreamId): boolean {
  const pending = group.pending.get(id)
  if (pending === undefined) return false
  pending.consumer.pending.delete(id)
  return group.pending.delete(id)
}

/** XPENDING key group [[IDLE ms] start end count [consumer]] */
function xpending(call: Call, args: readonly string[]): void {
  const [, key = '', name = ''] = args
  const { reply } = call
  if (args.length === 3) {
    summarise(call, groupAt(call, key, name).group)
    return
  }
  if (args.length < 6 || args.length > 9) fail(SYNTAX_ERROR)
  const hasIdle = isWord(args[3], 'IDLE')
  const minIdleMs = hasIdle ? call.position(args[4] as string) : 0
  if (hasIdle && args.length < 8) fail(SYNTAX_ERROR)
  const [startText = '', endText = '', countText = '', consumerName] = args.slice(hasIdle ? 5 : 3)
  const count = Math.max(0, call.position(countText))
  const [low, high] = [lowerId(startText), upperId(endText)]
  const { group } = groupAt(call, key, name)
  const list = consumerName === undefined ? group.pending : group.consumers.get(consumerName)?.pending
  const found: Pending[] = []
  for (const pending of list?.from(low) ?? []) {
    if (pending.id > high || found.length >= count) break
    if (call.now - pending.deliveredAtMs >= minIdleMs) found.push(pending)
  }
  reply.array(found.length)
  for (const { id, consumer, deliveredAtMs, deliveryCount } of found) {
    reply.array(4)
    reply.bulk(formatId(id))
    reply.bulk(consumer.name)
    reply.integer(Math.max(0, call.now - deliveredAtMs))
    reply.integer(deliveryCount)
  }
}

/** How many are pending, the first and the last of them, and how many each consumer has. */
function summarise({ reply }: Call, { pending, consumers }: Group): void {
  reply.array(4)
  reply.integer(pending.size)
  const [first, last] = [pending.first(), pending.last()]
  if (first === undefined || last === undefined) {
    reply.nil()
    reply.nil()
    reply.nilArray()
    return
  }
  reply.bulk(formatId(first.id))
  reply.bulk(formatId(last.id))
  const busy = inOrder(consumers).filter((consumer) => consumer.pending.size > 0)
  reply.array(busy.length)
  for (const consumer of busy) {
    reply.array(2)
    reply.bulk(consumer.name)
    reply.bulk(String(consumer.pending.size))
  }
}

/** Consumers by name, as Redis's tree has them. */
export function inOrder(consumers: ReadonlyMap<string, Consumer>): Consumer[] {
  return [...consumers.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** XCLAIM key group consumer min-idle-ms id... [IDLE ms | TIME ms] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id] */
function xclaim(call: Call, args: readonly string[]): void {
  const [, key = '', name = '', consumerName = '', minIdleText = ''] = args
  const { stream, group } = groupAt(call, key, name)
  const minIdleMs = Math.max(0, call.position(minIdleText, 'ERR Invalid min-idle-time argument for XCLAIM'))
  const ids: StreamId[] = []
  let i = 5
  for (; i < args.length; i++) {
    const id = parseId(args[i] as string, 0n)
    if (id === undefined) break
    ids.push(id)
  }
  let deliveredAtMs = call.now
  let retryCount: number | undefined
  let [forces, onlyIds] = [false, false]
  let lastId = ZERO_ID
  for (; i < args.length; i++) {
    const hasMore = i + 1 < args.length
    const invalid = `ERR Invalid ${(args[i] as string).toUpperCase()} option argument for XCLAIM`
    if (isWord(args[i], 'FORCE')) forces = true
    else if (isWord(args[i], 'JUSTID')) onlyIds = true
    else if (isWord(args[i], 'IDLE') && hasMore) deliveredAtMs = call.now - call.position(args[++i] as string, invalid)
    else if (isWord(args[i], 'TIME') && hasMore) deliveredAtMs = call.position(args[++i] as string, invalid)
    else if (isWord(args[i], 'RETRYCOUNT') && hasMore) retryCount = call.position(args[++i] as string, invalid)
    else if (isWord(args[i], 'LASTID') && hasMore) lastId = idOf(args[++i] as string)
    else fail(`ERR Unrecognized XCLAIM option '${shown(args[i] as string)}'`)
  }
  if (deliveredAtMs < 0 || deliveredAtMs > call.now) deliveredAtMs = call.now
  if (lastId > group.lastId) {
    group.lastId = lastId
    call.dirty++
    call.propagate(['XGROUP', 'SETID', key, name, formatId(lastId), 'ENTRIESREAD', String(group.entriesRead ?? -1)])
  }
  const claimed: StreamId[] = []
  for (const id of ids) {
    const pending = group.pending.get(id)
    if (stream.get(id) === undefined) {
      // What was deleted from the stream can only be forgotten.
      if (forget(group, id)) {
        call.dirty++
        call.propagate(['XACK', key, name, formatId(id)])
      }
      continue
    }
    if (pending === undefined && !forces) continue
    if (pending !== undefined && call.now - pending.deliveredAtMs < minIdleMs) continue
    const taken = assign(group, id, consumerOf(call, group, consumerName, { key, name }))
    taken.deliveredAtMs = deliveredAtMs
    if (retryCount !== undefined && retryCount >= 0) taken.deliveryCount = retryCount
    else if (!onlyIds) taken.deliveryCount++
    claimed.push(id)
    call.dirty++
    propagateClaim(call, key, name, group, taken)
  }
  call.db.touch(key)
  replyClaimed(call, stream, claimed, onlyIds)
}

function replyClaimed(call: Call, stream: Stream, ids: readonly StreamId[], onlyIds: boolean): void {
  call.reply.array(ids.length)
  for (const id of ids) {
    if (onlyIds) call.reply.bulk(formatId(id))
    else replyEntry(call, id, stream.get(id))
  }
}

/** XAUTOCLAIM key group consumer min-idle-ms start [COUNT count] [JUSTID] */
function xautoclaim(call: Call, args: readonly string[]): void {
  const [, key = '', name = '', consumerName = '', minIdleText = '', startText = ''] = args
  const minIdleMs = Math.max(0, call.position(minIdleText, 'ERR Invalid min-idle-time argument for XAUTOCLAIM'))
  const start = lowerId(startText)
  let count = DEFAULT_COUNT
  let onlyIds = false
  for (let i = 6; i < args.length; i++) {
    if (isWord(args[i], 'COUNT') && i + 1 < args.length) {
      count = call.bounded(args[++i] as string, 1, 2 ** 31, 'ERR COUNT must be > 0')
    } else if (isWord(args[i], 'JUSTID')) onlyIds = true
    else fail(SYNTAX_ERROR)
  }
  const { stream, group } = groupAt(call, key, name)
  const candidates = group.pending.slice(start, count * ATTEMPTS + 1)
  const claimed: StreamId[] = []
  const deleted: StreamId[] = []
  let seen = 0
  for (; seen < candidates.length && seen < count * ATTEMPTS; seen++) {
    if (claimed.length + deleted.length >= count) break
    const { id, deliveredAtMs } = candidates[seen] as Pending
    if (stream.get(id) === undefined) {
      forget(group, id)
      deleted.push(id)
      call.dirty++
      call.propagate(['XACK', key, name, formatId(id)])
      continue
    }
    if (call.now - deliveredAtMs < minIdleMs) continue
    const taken = assign(group, id, consumerOf(call, group, consumerName, { key, name }))
    taken.deliveredAtMs = call.now
    if (!onlyIds) taken.deliveryCount++
    claimed.push(id)
    call.dirty++
    propagateClaim(call, key, name, group, taken)
  }
  call.db.touch(key)
  call.reply.array(3)
  call.reply.bulk(formatId(candidates[seen]?.id ?? ZERO_ID))
  replyClaimed(call, stream, claimed, onlyIds)
  call.reply.bulks(deleted.map(formatId))
}
