// Lists: https://redis.io/commands/?group=list
import { List } from '../keyspace/list.ts'
import { onlyKey, parsePop, parseTimeout } from './blocking.ts'
import type { Call, Handler, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, NO_SUCH_KEY, OUT_OF_RANGE, SYNTAX_ERROR } from './errors.ts'

type End = 'left' | 'right'

const NOT_POSITIVE = 'ERR value is out of range, must be positive'
const ZERO_RANK =
  "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... " +
  'or use negative to start from the end of the list'

export const LIST_COMMANDS: Handlers = {
  lpush: push('left', false),
  rpush: push('right', false),
  lpushx: push('left', true),
  rpushx: push('right', true),
  lpop: pop('left'),
  rpop: pop('right'),
  llen: (call, [, key = '']) => call.reply.integer(call.list(key)?.length ?? 0),

  lindex(call, [, key = '', indexText = '']) {
    const list = call.list(key)
    if (list === undefined) return call.reply.nil()
    const index = fromEnd(call.position(indexText), list.length)
    call.reply.bulkOrNil(index >= 0 && index < list.length ? list.at(index) : undefined)
  },

  lset(call, [, key = '', indexText = '', value = '']) {
    const list = call.list(key) ?? fail(NO_SUCH_KEY)
    const index = fromEnd(call.position(indexText), list.length)
    if (index < 0 || index >= list.length) fail(OUT_OF_RANGE)
    list.set(index, value)
    call.changed(key, 'l', 'lset')
    call.reply.ok()
  },

  lrange(call, [, key = '', startText = '', endText = '']) {
    const [startGiven, endGiven] = [call.position(startText), call.position(endText)]
    const list = call.list(key)
    const { start, end } = range(startGiven, endGiven, list?.length ?? 0)
    call.reply.array(end - start)
    for (let i = start; i < end; i++) call.reply.bulk(list?.at(i) as string)
  },

  ltrim(call, [, key = '', startText = '', endText = '']) {
    const [startGiven, endGiven] = [call.position(startText), call.position(endText)]
    const list = call.list(key)
    if (list !== undefined) {
      const { start, end } = range(startGiven, endGiven, list.length)
      const dropped = list.length - (end - start)
      list.trim(start, end)
      call.changed(key, 'l', 'ltrim', dropped)
      call.dropIfEmpty(key, list.length)
    }
    call.reply.ok()
  },

  lrem(call, [, key = '', countText = '', value = '']) {
    const count = call.position(countText)
    const list = call.list(key)
    const removed = list?.remove(value, count === 0 ? Number.POSITIVE_INFINITY : Math.abs(count), count < 0) ?? 0
    if (removed > 0) {
      call.changed(key, 'l', 'lrem')
      call.dropIfEmpty(key, list?.length ?? 0)
    }
    call.reply.integer(removed)
  },

  linsert(call, [, key = '', where, pivot = '', value = '']) {
    const isAfter = isWord(where, 'AFTER')
    if (!isAfter && !isWord(where, 'BEFORE')) fail(SYNTAX_ERROR)
    const list = call.list(key)
    if (list === undefined) return call.reply.integer(0)
    let index = 0
    while (index < list.length && list.at(index) !== pivot) index++
    if (index === list.length) return call.reply.integer(-1)
    list.insert(isAfter ? index + 1 : index, value)
    call.changed(key, 'l', 'linsert')
    call.reply.integer(list.length)
  },

  lpos,

  lmove(call, [, source = '', destination = '', from, to]) {
    if (!transfer(call, { source, destination, from: parseEnd(from), to: parseEnd(to) })) call.reply.nil()
  },

  rpoplpush(call, [, source = '', destination = '']) {
    if (!transfer(call, { source, destination, from: 'right', to: 'left' })) call.reply.nil()
  },

  lmpop(call, args) {
    const { keys, end, count } = parsePop(call, args, 1, parseEnd)
    if (!popFirst(call, keys, end, count)) call.reply.nilArray()
  },

  blpop: blockingPop('left'),
  brpop: blockingPop('right'),

  blmove(call, args) {
    const [, source = '', destination = '', from, to, timeout = ''] = args
    const ends = { from: parseEnd(from), to: parseEnd(to) }
    blockingTransfer(call, args, { source, destination, ...ends }, timeout)
  },

  brpoplpush(call, args) {
    const [, source = '', destination = '', timeout = ''] = args
    blockingTransfer(call, args, { source, destination, from: 'right', to: 'left' }, timeout)
  },

  blmpop(call, args) {
    const untilMs = parseTimeout(call, args[1] as string)
    const { keys, end, count } = parsePop(call, args, 2, parseEnd)
    if (!popFirst(call, keys, end, count)) call.block({ argsFor: onlyKey(args, 2, keys), keys, type: 'list', untilMs })
  },
}

/** Negative indexes count from the end. */
function fromEnd(index: number, length: number): number {
  return index < 0 ? length + index : index
}

/** A range whose end is inclusive and may be negative, as half-open indexes within `length`. */
export function range(startGiven: number, endGiven: number, length: number): { start: number; end: number } {
  const start = Math.max(0, fromEnd(startGiven, length))
  const end = Math.min(fromEnd(endGiven, length), length - 1) + 1
  return start >= end ? { start: 0, end: 0 } : { start, end }
}

function parseEnd(text: string | undefined): End {
  if (isWord(text, 'LEFT')) return 'left'
  return isWord(text, 'RIGHT') ? 'right' : fail(SYNTAX_ERROR)
}

/** LPUSH key element...; the X forms leave alone what is not there. */
function push(end: End, onlyExisting: boolean): Handler {
  return (call, args) => {
    const key = args[1] as string
    const existing = call.list(key)
    if (existing === undefined && onlyExisting) return call.reply.integer(0)
    const list = existing ?? new List()
    for (let i = 2; i < args.length; i++) {
      if (end === 'left') list.unshift(args[i] as string)
      else list.push(args[i] as string)
    }
    if (existing === undefined) call.db.add(key, list)
    call.changed(key, 'l', end === 'left' ? 'lpush' : 'rpush', args.length - 2)
    call.reply.integer(list.length)
  }
}

function take(list: List, end: End): string {
  return end === 'left' ? list.shift() : list.pop()
}

/** Tells that elements were taken, and drops the list if it is empty. */
function taken(call: Call, key: string, list: List, end: End, count: number): void {
  call.changed(key, 'l', end === 'left' ? 'lpop' : 'rpop', count)
  call.dropIfEmpty(key, list.length)
}

/** LPOP key [count] */
function pop(end: End): Handler {
  return (call, args) => {
    const [, key = '', countText] = args
    const { reply } = call
    if (args.length > 3) fail(`ERR wrong number of arguments for '${call.command.name}' command`)
    if (countText === undefined) {
      const list = call.list(key)
      if (list === undefined) return reply.nil()
      reply.bulk(take(list, end))
      return taken(call, key, list, end, 1)
    }
    const wanted = call.bounded(countText, 0, Number.MAX_SAFE_INTEGER, NOT_POSITIVE)
    const list = call.list(key)
    if (list === undefined) return reply.nilArray()
    popMany(call, key, list, end, wanted)
  }
}

/** Answers with an array of at most `wanted` elements. */
function popMany(call: Call, key: string, list: List, end: End, wanted: number): void {
  const count = Math.min(wanted, list.length)
  call.reply.array(count)
  for (let i = 0; i < count; i++) call.reply.bulk(take(list, end))
  if (count > 0) taken(call, key, list, end, count)
}

/** Pops from the first list that is there and answers with its key and the elements. @returns False if none is. */
function popFirst(call: Call, keys: readonly string[], end: End, count: number): boolean {
  for (const key of keys) {
    const list = call.list(key)
    if (list === undefined) continue
    call.reply.array(2)
    call.reply.bulk(key)
    const popped = Math.min(count, list.length)
    popMany(call, key, list, end, count)
    call.propagate([end === 'left' ? 'LPOP' : 'RPOP', key, String(popped)])
    return true
  }
  return false
}

/** BLPOP key... timeout */
function blockingPop(end: End): Handler {
  return (call, args) => {
    const keys = args.slice(1, -1)
    const untilMs = parseTimeout(call, args.at(-1) as string)
    for (const key of keys) {
      const list = call.list(key)
      if (list === undefined) continue
      call.reply.array(2)
      call.reply.bulk(key)
      call.reply.bulk(take(list, end))
      taken(call, key, list, end, 1)
      return call.propagate([end === 'left' ? 'LPOP' : 'RPOP', key])
    }
    call.block({ argsFor: (key) => [args[0] as string, key, '0'], keys, type: 'list', untilMs })
  }
}

interface Transfer {
  readonly source: string
  readonly destination: string
  readonly from: End
  readonly to: End
}

/** Moves one element and answers with it. @returns False if the source is not there. */
function transfer(call: Call, { source, destination, from, to }: Transfer): boolean {
  const list = call.list(source)
  if (list === undefined) return false
  const existing = call.list(destination)
  const value = take(list, from)
  const target = existing ?? new List()
  if (to === 'left') target.unshift(value)
  else target.push(value)
  if (existing === undefined) call.db.add(destination, target)
  call.changed(destination, 'l', to === 'left' ? 'lpush' : 'rpush')
  call.changed(source, 'l', from === 'left' ? 'lpop' : 'rpop', 0)
  call.dropIfEmpty(source, list.length)
  call.reply.bulk(value)
  return true
}

function blockingTransfer(call: Call, args: readonly string[], what: Transfer, timeout: string): void {
  const untilMs = parseTimeout(call, timeout)
  if (transfer(call, what)) {
    if (what.from === 'right' && what.to === 'left') call.propagate(['RPOPLPUSH', what.source, what.destination])
    else call.propagate(['LMOVE', what.source, what.destination, what.from.toUpperCase(), what.to.toUpperCase()])
  } else if (call.mayBlock) call.block({ argsFor: () => args, keys: [what.source], type: 'list', untilMs })
  else call.reply.nil()
}

/** LPOS key element [RANK rank] [COUNT count] [MAXLEN length] */
function lpos(call: Call, args: readonly string[]): void {
  const [, key = '', element] = args
  let rank = 1
  let wanted: number | undefined
  let maxLength = 0
  for (let i = 3; i < args.length; i += 2) {
    const value = args[i + 1]
    if (value === undefined) fail(SYNTAX_ERROR)
    if (isWord(args[i], 'RANK')) {
      rank = call.position(value)
      if (rank === 0) fail(ZERO_RANK)
    } else if (isWord(args[i], 'COUNT')) {
      wanted = call.bounded(value, 0, Number.MAX_SAFE_INTEGER, "ERR COUNT can't be negative")
    } else if (isWord(args[i], 'MAXLEN')) {
      maxLength = call.bounded(value, 0, Number.MAX_SAFE_INTEGER, "ERR MAXLEN can't be negative")
    } else fail(SYNTAX_ERROR)
  }
  const list = call.list(key)
  const length = list?.length ?? 0
  const limit = maxLength === 0 ? length : Math.min(length, maxLength)
  const enough = wanted === undefined ? 1 : wanted === 0 ? length : wanted
  let toSkip = Math.abs(rank) - 1
  const found: number[] = []
  for (let i = 0; i < limit && found.length < enough; i++) {
    const index = rank > 0 ? i : length - 1 - i
    if (list?.at(index) !== element) continue
    if (toSkip > 0) toSkip--
    else found.push(index)
  }
  if (wanted === undefined) {
    if (found[0] === undefined) call.reply.nil()
    else call.reply.integer(found[0])
    return
  }
  call.reply.array(found.length)
  for (const index of found) call.reply.integer(index)
}
