// What a client carries from one request to the next, so that no member shows it less than it has seen or written: the position
// it has come to. Text that is fit for a header or a URL; clients must not look inside.
//
//   s1.TERM.INDEX    both as whole numbers in base 36, lower case, without leading zeros
//
// Terry et al., "Session Guarantees for Weakly Consistent Replicated Data", PDIS 1994: read your writes, monotonic reads.
import { BedplateError } from '../../base/errors.ts'
import type { Position } from '../raft/index.ts'

const PATTERN = /^s1\.(0|[1-9a-z][0-9a-z]{0,10})\.(0|[1-9a-z][0-9a-z]{0,10})$/
const BASE = 36
const MAX_LENGTH = 64

export function encodeSession({ term, index }: Position): string {
  return `s1.${term.toString(BASE)}.${index.toString(BASE)}`
}

/** @throws INVALID_INPUT if that is no token. */
export function decodeSession(token: string): Position {
  const [, termText, indexText] = (token.length <= MAX_LENGTH && PATTERN.exec(token)) || []
  const term = Number.parseInt(termText ?? '', BASE)
  const index = Number.parseInt(indexText ?? '', BASE)
  if (Number.isSafeInteger(term) && Number.isSafeInteger(index)) return { term, index }
  throw new BedplateError('INVALID_INPUT', 'this is no session token', {
    hint: 'send the token of the last answer as it was, or none to begin a new session',
  })
}

/**
 * The later of two positions that one session has come to: of a later leader, or further on with the same one. One whose term is
 * not known any more was committed, and covers all before it.
 */
export function laterOf(one: Position, other: Position): Position {
  const hasTerms = one.term > 0 && other.term > 0
  const isLater = hasTerms && one.term !== other.term ? other.term > one.term : other.index > one.index
  return isLater ? other : one
}
