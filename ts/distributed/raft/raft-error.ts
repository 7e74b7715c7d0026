// What requests of a group come to: a result, or an error that says whether something may have happened.
import { BedplateError } from '../../base/errors.ts'
import type { LogIndex, NodeId, Outcome, Refusal, Role, Term } from './types.ts'

/** Who leads, as far as a node knows. */
export interface RoleChange {
  readonly role: Role
  readonly term: Term
  readonly leader: NodeId | undefined
}

/** What became of a command. */
export interface Applied {
  readonly index: LogIndex
  /** Of the entry; with `index` it names it for good. 0 if the log behind it is gone already. */
  readonly term: Term
  /** What the state machine gave. */
  readonly result: Uint8Array
}

/** A request that did not succeed. */
export class RaftError extends BedplateError {
  /** `refused`: nothing has happened and nothing will. `unknown`: it may have happened, or happen yet. */
  readonly outcome: 'refused' | 'unknown'
  /** Why nothing has happened; undefined if that is not known. */
  readonly reason: Refusal | undefined
  /** Who leads, if that is known. */
  readonly leader: NodeId | undefined
  /** Whose confirmation has not come in time; empty where nobody's in particular is wanted. */
  readonly missing: readonly NodeId[]

  /** @param description - What to say instead of what `outcome` says. */
  constructor(outcome: Exclude<Outcome, { kind: 'done' }>, description: Description = describeOutcome(outcome)) {
    super(description.code, description.message, description)
    this.outcome = outcome.kind
    this.reason = outcome.kind === 'refused' ? outcome.reason : undefined
    this.leader = outcome.leader
    this.missing = outcome.kind === 'unknown' ? (outcome.missing ?? []) : []
  }
}

interface Description {
  readonly code: 'INVALID_INPUT' | 'UNAVAILABLE' | 'CONFLICT'
  readonly message: string
  readonly hint: string
  readonly cause?: unknown
}

function describeOutcome(outcome: Exclude<Outcome, { kind: 'done' }>): Description {
  const leader = outcome.leader === undefined ? 'nobody is known to lead' : `node ${outcome.leader} leads`
  if (outcome.kind === 'unknown') {
    const { missing = [] } = outcome
    if (missing.length > 0) {
      const nodes = `node${missing.length > 1 ? 's' : ''} ${missing.join(', ')}`
      const hint = `see what ails ${nodes}, or take them out of the membership: in this mode every voter must confirm a write`
      return unavailable(`no confirmation from ${nodes} in time; the others may have the write`, hint)
    }
    return unavailable(
      `leadership was lost before the answer; ${leader}`,
      'it may still be executed: look, or ask in a session, where asking again is safe',
    )
  }
  switch (outcome.reason) {
    case 'not leader':
      return unavailable(`this node does not lead; ${leader}`, 'ask the leader, or wait for an election')
    case 'other membership':
      return {
        code: 'CONFLICT',
        message: 'the members are others than the change was made for',
        hint: 'look who is a member now, and ask again',
      }
    case 'bad membership':
    case 'not a voter':
    case 'too large':
      return {
        code: 'INVALID_INPUT',
        message: `refused: ${outcome.reason}`,
        hint: 'the request can never succeed as it is',
      }
    default:
      return unavailable(`refused: ${outcome.reason}`, 'nothing has happened: try again a little later')
  }
}

function unavailable(message: string, hint: string): Description {
  return { code: 'UNAVAILABLE', message, hint }
}
