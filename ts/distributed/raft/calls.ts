// What one node asks another, so that requests may be made anywhere: the leader does what was asked, and answers.
//
//   request   u8 0 propose | the command, to the end
//             u8 1 read: asks for an index that a read has to wait for
//             u8 2 change | two lists: voters, learners; each u32 count, then u53 each | u8 0, or 1 and two more of what it replaces
//             u8 3 transfer | u53 to
//             u8 4 query | what the leader is asked, to the end
//   answer    u8 0 done | u53 index | u53 term | the result, to the end
//             u8 1 refused | u8 reason, see REFUSAL_NUMBERS | u53 leader (0: not known)
//             u8 2 unknown | u53 leader | list: whose confirmation is missing
import { ByteReader, ByteWriter } from '../../base/binary.ts'
import type { Applied } from './raft-error.ts'
import { MAX_MEMBERS, type NodeId, type Outcome, type Refusal, type SettledMembership } from './types.ts'

/** What only a leader can do. */
export type Request =
  | { readonly kind: 'propose'; readonly command: Uint8Array }
  | { readonly kind: 'read' }
  | ({ readonly kind: 'change'; readonly replaces?: SettledMembership | undefined } & SettledMembership)
  | { readonly kind: 'transfer'; readonly to: NodeId }
  | { readonly kind: 'query'; readonly query: Uint8Array }

/** What became of it. */
export type Reply = Exclude<Outcome, { kind: 'done' }> | ({ readonly kind: 'done' } & Applied)

const REQUESTS = ['propose', 'read', 'change', 'transfer', 'query'] as const
const REPLIES = ['done', 'refused', 'unknown'] as const
/** Each has its number for good; one that is missing here does not compile. */
const REFUSAL_NUMBERS: Readonly<Record<Refusal, number>> = {
  'not leader': 0,
  transferring: 1,
  busy: 2,
  'change under way': 3,
  'bad membership': 4,
  'not a voter': 5,
  'heir behind': 6,
  'too large': 7,
  'voter behind': 8,
  'other membership': 9,
}
const REFUSALS = new Map(Object.entries(REFUSAL_NUMBERS).map(([name, number]) => [number, name as Refusal]))

export function encodeRequest(request: Request): Uint8Array {
  const writer = new ByteWriter().u8(REQUESTS.indexOf(request.kind))
  if (request.kind === 'propose') writer.raw(request.command)
  if (request.kind === 'query') writer.raw(request.query)
  if (request.kind === 'change') {
    const { replaces } = request
    putMembers(writer, request).u8(replaces === undefined ? 0 : 1)
    if (replaces !== undefined) putMembers(writer, replaces)
  }
  if (request.kind === 'transfer') writer.u53(request.to)
  return writer.finish()
}

/** A command or a query is a view of the bytes. @throws CORRUPTION */
export function decodeRequest(bytes: Uint8Array): Request {
  const reader = new ByteReader(bytes, 'call')
  const kind = REQUESTS[reader.choice(REQUESTS.length)]
  if (kind === 'propose') return { kind, command: reader.rest() }
  if (kind === 'query') return { kind, query: reader.rest() }
  const request: Request =
    kind === 'change'
      ? { kind, ...takeMembers(reader), ...(reader.flag() ? { replaces: takeMembers(reader) } : {}) }
      : kind === 'transfer'
        ? { kind, to: reader.u53() }
        : { kind: 'read' }
  reader.end()
  return request
}

export function encodeReply(reply: Reply): Uint8Array {
  const writer = new ByteWriter().u8(REPLIES.indexOf(reply.kind))
  if (reply.kind === 'done') return writer.u53(reply.index).u53(reply.term).raw(reply.result).finish()
  if (reply.kind === 'refused') writer.u8(REFUSAL_NUMBERS[reply.reason])
  writer.u53(reply.leader ?? 0)
  if (reply.kind === 'unknown') writer.list(reply.missing ?? [], (id) => writer.u53(id))
  return writer.finish()
}

/** A result is a view of the bytes. @throws CORRUPTION */
export function decodeReply(bytes: Uint8Array): Reply {
  const reader = new ByteReader(bytes, 'answer')
  const kind = REPLIES[reader.choice(REPLIES.length)]
  if (kind === 'done') return { kind, index: reader.u53(), term: reader.u53(), result: reader.rest() }
  const reply: Reply =
    kind === 'refused'
      ? {
          kind,
          reason: REFUSALS.get(reader.choice(REFUSALS.size)) as Refusal,
          leader: reader.u53() || undefined,
        }
      : unknownFrom(reader)
  reader.end()
  return reply
}

function unknownFrom(reader: ByteReader): Reply {
  const leader = reader.u53() || undefined
  const missing = takeIds(reader)
  return { kind: 'unknown', leader, ...(missing.length > 0 ? { missing } : {}) }
}

function putMembers(writer: ByteWriter, { voters, learners }: SettledMembership): ByteWriter {
  for (const ids of [voters, learners]) writer.list(ids, (id) => writer.u53(id))
  return writer
}

function takeMembers(reader: ByteReader): SettledMembership {
  return { voters: takeIds(reader), learners: takeIds(reader) }
}

function takeIds(reader: ByteReader): NodeId[] {
  return reader.list({ most: MAX_MEMBERS, itemBytes: 8 }, () => reader.u53())
}
