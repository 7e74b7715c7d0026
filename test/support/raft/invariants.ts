// What must be true after every event in a cluster (paper, figure 3). Each check looks at what the event has changed.
import type {
  Entry,
  LogIndex,
  Message,
  NodeId,
  RaftNode,
  SettledMembership,
  Term,
} from '../../../ts/distributed/raft/index.ts'
import { hasSameMembers } from '../../../ts/distributed/raft/membership.ts'
import type { Durable } from './durable.ts'

interface Committed {
  readonly term: Term
  /** The term of the node that knew it first: a leader of a later term must have the entry. */
  readonly inTerm: Term
  entry: Entry | undefined
  digest: number | undefined
}

/** A violated invariant, by its name in the paper. */
export class Violation extends Error {
  constructor(invariant: string, what: string) {
    super(`${invariant}: ${what}`)
    this.name = 'Violation'
  }
}

export class Invariants {
  private readonly leaders = new Map<Term, NodeId>()
  /** By index; what any node has committed. */
  private readonly committed: (Committed | undefined)[] = []
  private readonly entries = new Map<number, { entry: Entry; prevTerm: Term | undefined }>()

  get lastCommitted(): LogIndex {
    return Math.max(0, this.committed.length - 1)
  }

  /** The entry that somebody has applied at `index`. */
  entryAt(index: LogIndex): Entry | undefined {
    return this.committed[index]?.entry
  }

  /** A node says that it leads. */
  led(node: RaftNode, term: Term): void {
    const other = this.leaders.get(term)
    if (other !== undefined && other !== node.id) {
      throw new Violation('election safety', `${other} and ${node.id} lead in term ${term}`)
    }
    this.leaders.set(term, node.id)
    for (const [index, known] of this.committed.entries()) {
      if (known === undefined || known.inTerm >= term) continue
      const found = node.termAt(index)
      if (
        found === known.term ||
        (found === undefined && index < node.status.lastIndex && this.isCompacted(node, index))
      )
        continue
      throw new Violation(
        'leader completeness',
        `${node.id} leads in term ${term} and has entry ${index} of term ${found}; of term ${known.term} it was committed`,
      )
    }
  }

  /** A node has new entries. */
  logged(node: RaftNode, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const name = entry.index * 2 ** 20 + entry.term
      const prevTerm = node.termAt(entry.index - 1)
      const known = this.entries.get(name)
      if (known === undefined) {
        this.entries.set(name, { entry, prevTerm })
        continue
      }
      const isEqual = known.entry === entry || JSON.stringify(known.entry) === JSON.stringify(entry)
      const isSamePrev = prevTerm === undefined || known.prevTerm === undefined || prevTerm === known.prevTerm
      if (!isEqual || !isSamePrev) {
        throw new Violation('log matching', `${node.id} has another entry ${entry.index} of term ${entry.term}`)
      }
    }
  }

  /** A node has taken a step: what it has committed is committed for good. @param before - What it had committed before. */
  stepped(node: RaftNode, before: LogIndex): void {
    const { commitIndex, term, id } = node.status
    if (commitIndex < before) throw new Violation('commit', `of ${id} goes from ${before} back to ${commitIndex}`)
    for (let index = before + 1; index <= commitIndex; index++) {
      const found = node.termAt(index)
      if (found === undefined) continue
      const known = this.committed[index]
      if (known === undefined)
        this.committed[index] = { term: found, inTerm: term, entry: undefined, digest: undefined }
      else if (known.term !== found) {
        throw new Violation('state machine safety', `${id} commits entry ${index} of term ${found}, not ${known.term}`)
      }
    }
  }

  /**
   * A message leaves: what it promises is on disk (paper, figure 2, "updated on stable storage before responding to RPCs").
   * A node that is in a later term on disk may say what was true in an earlier one.
   */
  promised(id: NodeId, to: NodeId, message: Message, { hardState, entries, snapshots }: Durable): void {
    const { kind, term } = message
    if (kind === 'vote' && message.granted && message.isPre) return // it repeats the asker's term
    const isThought = kind === 'requestVote' && message.isPre
    if ((isThought ? term - 1 : term) > hardState.term) {
      throw new Violation('durability', `${id} speaks of term ${term} and has term ${hardState.term} on disk`)
    }
    if (isThought || term < hardState.term) return
    const votedFor = kind === 'requestVote' ? id : kind === 'vote' && message.granted ? to : undefined
    if (votedFor !== undefined && hardState.votedFor !== votedFor) {
      throw new Violation('durability', `${id} votes for ${votedFor}, not on disk`)
    }
    if (kind !== 'appended') return
    const lastIndex = entries.at(-1)?.index ?? Math.max(0, ...snapshots.keys())
    if (message.match > lastIndex) {
      throw new Violation('durability', `${id} acknowledges ${message.match} and has ${lastIndex} on disk`)
    }
  }

  /** A state machine has applied an entry. */
  applied(node: RaftNode, entry: Entry, digest: number): void {
    const known = this.committed[entry.index]
    if (known === undefined)
      throw new Violation('apply', `${node.id} applies entry ${entry.index}, which is not committed`)
    known.entry ??= entry
    known.digest ??= digest
    const isSame = known.entry === entry || JSON.stringify(known.entry) === JSON.stringify(entry)
    if (entry.term !== known.term || !isSame) {
      throw new Violation(
        'state machine safety',
        `${node.id} applies another entry ${entry.index}, of term ${entry.term}`,
      )
    }
    if (known.digest !== digest) {
      throw new Violation('state machine safety', `the state of ${node.id} at ${entry.index} is not that of others`)
    }
  }

  /** A state machine was replaced by a snapshot. */
  restored(node: RaftNode, index: LogIndex, digest: number): void {
    const known = this.committed[index]
    if (known === undefined) throw new Violation('apply', `${node.id} restores ${index}, which is not committed`)
    known.digest ??= digest
    if (known.digest !== digest) {
      throw new Violation('state machine safety', `the snapshot of ${node.id} at ${index} is not the state of others`)
    }
  }

  /** A change of membership is done that says what it has replaced. @param founding - In force before the first entry. */
  changed(index: LogIndex, replaced: SettledMembership, founding: SettledMembership): void {
    const before = this.committed.findLast(
      (each, at) => at < index && each?.entry?.kind === 'membership' && each.entry.membership.outgoing.length === 0,
    )
    const membership = before?.entry?.kind === 'membership' ? before.entry.membership : founding
    if (hasSameMembers(membership, replaced)) return
    throw new Violation('membership', `the change at ${index} undoes ${JSON.stringify(membership)}`)
  }

  private isCompacted(node: RaftNode, index: LogIndex): boolean {
    return index <= node.status.appliedIndex
  }
}
