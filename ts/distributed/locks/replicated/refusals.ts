// What Raft says when it cannot do something, in etcd's words (https://etcd.io/docs/v3.4/learning/api_guarantees/ and its clients).
import { isCode } from '../../../base/errors.ts'
import { RaftError } from '../../raft/index.ts'
import { type RefusalName, refusal } from '../errors.ts'

/**
 * The refusal that clients of etcd know; other errors as they are. `leaderFailed` alone leaves open whether the request was, or will
 * be, executed.
 */
export function asRefusal(error: unknown): unknown {
  const name = nameOf(error)
  return name === undefined ? error : refusal(name)
}

function nameOf(error: unknown): RefusalName | undefined {
  if (!(error instanceof RaftError)) {
    if (isCode(error, 'CLOSED')) return 'stopped'
    return isCode(error, 'UNAVAILABLE') ? 'timedOut' : undefined
  }
  if (error.outcome === 'unknown') return 'leaderFailed'
  switch (error.reason) {
    case 'not leader':
      return error.leader === undefined ? 'noLeader' : 'timedOut'
    case 'transferring':
      return 'leaderChanged'
    case 'busy':
    case 'change under way':
    case 'other membership':
      return 'tooManyRequests'
    case 'too large':
      return 'requestTooLarge'
    case 'bad membership':
      return 'notEnoughMembers'
    case 'voter behind':
      return 'learnerBehind'
    case 'not a voter':
    case 'heir behind':
      return 'badTransferee'
    default:
      return undefined
  }
}
