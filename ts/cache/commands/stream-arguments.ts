// What the commands of streams share: IDs, ranges, trimming, and how entries are shown.

import type { Group, Stream, StreamEntry } from '../keyspace/stream.ts'
import { formatId, MAX_ID, makeId, nextId, parseId, previousId, type StreamId, ZERO_ID } from '../keyspace/stream-id.ts'
import type { Call } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR, shown } from './errors.ts'

const BAD_ID = 'ERR Invalid stream ID specified as stream command argument'
const TWO_STRATEGIES = 'ERR syntax error, MAXLEN and MINID options at the same time are not compatible'
/** Redis trims whole nodes where `~` allows it, and so many nodes at a time; these are the bounds in entries. */
const NODES_AT_ONCE = 100
const UNBOUNDED_LIMIT = 10_000
const MAX_LIMIT = 1_000_000

const MAX_UINT64 = 2n ** 64n - 1n

/** An ID as it is written. @param missing - The sequence if none is. @throws CommandError */
export function idOf(text: string, missing = 0n): StreamId {
  return parseId(text, missing) ?? fail(BAD_ID)
}

/** The lower bound of a range: `-`, `+`, an ID, `(` and an ID. */
export function lowerId(text: string): StreamId {
  if (!text.startsWith('(')) return boundary(text, 0n)
  return nextId(boundary(text.slice(1), 0n, true)) ?? fail('ERR invalid start ID for the interval')
}

/** The upper bound, inclusive. */
export function upperId(text: string): StreamId {
  if (!text.startsWith('(')) return boundary(text, MAX_UINT64)
  return previousId(boundary(text.slice(1), MAX_UINT64, true)) ?? fail('ERR invalid end ID for the interval')
}

function boundary(text: string, missing: bigint, isStrict = false): StreamId {
  return isStrict ? idOf(text, missing) : looseId(text, missing)
}

/** An ID, or `-` or `+` for the first and the last that there can be. */
export function looseId(text: string, missing = 0n): StreamId {
  if (text === '-') return ZERO_ID
  return text === '+' ? MAX_ID : idOf(text, missing)
}

export interface Trimming {
  readonly by: 'MAXLEN' | 'MINID'
  readonly maxLength: number
  readonly minId: StreamId
  readonly isApproximate: boolean
  /** At most so many; 0 is no limit. */
  readonly limit: number
  /** Entries of a node. */
  readonly nodeEntries: number
}

/**
 * MAXLEN | MINID [= | ~] threshold [LIMIT count], beginning at index `at`, mixed with words that `other` takes.
 * @param other - Called with the index of a word that is none of these; returns false to end there.
 * @returns What to trim, if anything, and the index of the first argument that does not belong to it.
 */
export function parseTrimming(
  call: Call,
  args: readonly string[],
  at: number,
  other: (index: number) => boolean,
): { trimming: Trimming | undefined; next: number } {
  let by: Trimming['by'] | undefined
  let [maxLength, minId, isApproximate, limit] = [0, ZERO_ID, false, -1]
  let i = at
  for (; i < args.length; i++) {
    const left = args.length - i - 1
    const isLength = isWord(args[i], 'MAXLEN')
    if ((isLength || isWord(args[i], 'MINID')) && left > 0) {
      if (by !== undefined) fail(isLength === (by === 'MAXLEN') ? SYNTAX_ERROR : TWO_STRATEGIES)
      by = isLength ? 'MAXLEN' : 'MINID'
      isApproximate = args[i + 1] === '~' && left > 1
      if (isApproximate || (args[i + 1] === '=' && left > 1)) i++
      const threshold = args[++i] as string
      if (isLength) {
        maxLength = call.position(threshold)
        if (maxLength < 0) fail('ERR The MAXLEN argument must be >= 0.')
      } else minId = idOf(threshold)
    } else if (isWord(args[i], 'LIMIT') && left > 0) {
      limit = call.position(args[++i] as string)
      if (limit < 0) fail('ERR The LIMIT argument must be >= 0.')
    } else if (!other(i)) break
  }
  if (limit > 0 && by === undefined) {
    fail('ERR syntax error, LIMIT cannot be used without specifying a trimming strategy')
  }
  if (by === undefined && call.command.name === 'xtrim') return { trimming: undefined, next: i }
  if (limit !== -1 && !isApproximate) fail('ERR syntax error, LIMIT cannot be used without the special ~ option')
  if (by === undefined) return { trimming: undefined, next: i }
  const { streamNodeMaxEntries } = call.limits
  const nodeEntries = streamNodeMaxEntries > 0 ? streamNodeMaxEntries : Number.POSITIVE_INFINITY
  const usual = streamNodeMaxEntries > 0 ? Math.min(MAX_LIMIT, NODES_AT_ONCE * streamNodeMaxEntries) : UNBOUNDED_LIMIT
  const bound = limit === -1 ? (isApproximate ? usual : 0) : limit
  return { trimming: { by, maxLength, minId, isApproximate, limit: bound, nodeEntries }, next: i }
}

/** @returns How many entries were deleted. */
export function trim(stream: Stream, trimming: Trimming): number {
  const { by, maxLength, minId, isApproximate, limit, nodeEntries } = trimming
  const removable = by === 'MAXLEN' ? Math.max(0, stream.length - maxLength) : stream.countBelow(minId)
  const most = limit > 0 ? Math.min(removable, limit) : removable
  const count = isApproximate ? stream.wholeNodes(most, nodeEntries) : removable
  if (count > 0) stream.trim(count)
  return count
}

/** An entry as an array of its ID and its fields; null fields if the entry is gone. */
export function replyEntry({ reply }: Call, id: StreamId, entry: StreamEntry | undefined): void {
  reply.array(2)
  reply.bulk(formatId(id))
  if (entry === undefined) reply.nilArray()
  else reply.bulks(entry.fields)
}

/** The group of a stream. @throws CommandError NOGROUP */
export function groupAt(call: Call, key: string, name: string, suffix = ''): { stream: Stream; group: Group } {
  const stream = call.stream(key)
  const group = stream?.groups.get(name)
  if (stream === undefined || group === undefined) {
    return fail(`NOGROUP No such key '${shown(key)}' or consumer group '${shown(name)}'${suffix}`)
  }
  return { stream, group }
}

/** The ID for a new entry: `*`, `ms-*` or a whole ID. */
export function newId(call: Call, stream: Stream, text: string): StreamId {
  const exhausted = 'ERR The stream has exhausted the last possible ID, unable to add more items'
  const tooSmall = 'ERR The ID specified in XADD is equal or smaller than the target stream top item'
  if (stream.lastId === MAX_ID) fail(exhausted)
  const following = nextId(stream.lastId) ?? fail(exhausted)
  if (text === '*') {
    const now = makeId(BigInt(Math.floor(call.now)), 0n)
    return now > stream.lastId ? now : following
  }
  if (text.endsWith('-*')) {
    const first = idOf(text.slice(0, -2))
    if (first > stream.lastId) return first
    // The same millisecond goes on counting.
    const isSame = first.slice(0, 8) === stream.lastId.slice(0, 8) && following.slice(0, 8) === first.slice(0, 8)
    return isSame ? following : fail(tooSmall)
  }
  const id = idOf(text)
  return id > stream.lastId ? id : fail(tooSmall)
}
