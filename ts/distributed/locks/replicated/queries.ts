// What members ask the leader, beside commands: what only the clock of the leader knows. As Protocol Buffers.
import { bool, type Decoded, id64, int64, message, nested, uint } from '../../../wire/etcd/protobuf.ts'
import type { LeaseClock } from '../lease-clock.ts'
import type { Leases } from '../leases.ts'

/** With a term, of the leader that was meant: what comes late, to one that was elected since, is asked again. */
const OfLease = message({ id: id64(1), term: uint(2) })

/** A question: exactly one of the fields is there. */
export const Query = message({ renew: nested(1, () => OfLease), timeLeft: nested(2, () => OfLease) })
/** A question: exactly one of the fields is there. */
export type Query = {
  readonly [kind in keyof Decoded<typeof Query>]?: { readonly id: bigint; readonly term?: number } | undefined
}

/** An answer; without `isLeading` it says only that somebody else has to be asked. */
export const Answer = message({ isLeading: bool(1), isAlive: bool(2), ttlSeconds: int64(3), leftMs: int64(4) })
/** An answer; without `isLeading` it says only that somebody else has to be asked. */
export type Answer = Decoded<typeof Answer>

const UNKNOWN = Answer.encode({})

/** Answers on the leader, which has just made sure that it leads. What is no question gets no answer. */
export function answerQuery(
  bytes: Uint8Array,
  { clock, leases }: { clock: LeaseClock; leases: Leases },
  nowMs: number,
) {
  const { renew, timeLeft } = decodeQuery(bytes)
  const { id, term = 0 } = renew ?? timeLeft ?? {}
  if (id === undefined || clock.term === undefined || (term !== 0 && term !== clock.term)) return UNKNOWN
  const lease = leases.get(id)
  if (lease === undefined) return Answer.encode({ isLeading: true })
  const isAlive = renew === undefined || clock.renew(lease, nowMs) > 0
  const leftMs = Math.ceil(clock.leftMs(id, nowMs) ?? 0)
  return Answer.encode({ isLeading: true, isAlive, ttlSeconds: lease.ttlSeconds, leftMs })
}

function decodeQuery(bytes: Uint8Array): Query {
  try {
    return Query.decode(bytes)
  } catch {
    return {}
  }
}
