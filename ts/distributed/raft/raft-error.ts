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

  constructor(outcome: Exclude<Outcome, { kind: 'done' }>) {
    super(...describeOutcome(outcome))
    this.outcome = outcome.kind
    this.reason = outcome.kind === 'refused' ? outcome.reason : undefined
    this.leader = outcome.leader
  }
}

function describeOutcome(
  outcome: Exclude<Outcome, { kind: 'done' }>,
): [code: 'INVALID_INPUT' | 'UNAVAILABLE', message: string, details: { hint: string }] {
  const leader = outcome.leader === undefined ? 'nobody is known to lead' : `node ${outcome.leader} leads`
  if (outcome.kind === 'unknown') {
    const hint = 'it may still be executed: look, or repeat it in a session'
    return ['UNAVAILABLE', `leadership was lost before the answer; ${leader}`, { hint }]
  }
  switch (outcome.reason) {
    case 'not leader':
      return ['UNAVAILABLE', `this node does not lead; ${leader}`, { hint: 'ask the leader, or wait for an election' }]
    case 'bad membership':
    case 'not a voter':
    case 'too large':
      return ['INVALID_INPUT', `refused: ${outcome.reason}`, { hint: 'the request can never succeed as it is' }]
    default:
      return ['UNAVAILABLE', `refused: ${outcome.reason}`, { hint: 'nothing has happened: try again a little later' }]
  }
}
