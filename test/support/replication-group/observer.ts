// Sees all that clients of a group are told, and all logs, and says which promise was broken. It knows the true time.
//
// A position names a whole log, since two logs that have the same entry are equal up to there. So every answer is judged by the
// position that it was given at: what that log contains is what the client may have seen.
import type { Entry, LogIndex, NodeId, Position, RaftNode, Term } from '../../../ts/distributed/raft/index.ts'
import type { Mode } from '../../../ts/distributed/replication/index.ts'
import { Violation } from '../raft/invariants.ts'
import { decodeWrite, type Write } from './machine.ts'

export interface WriteDone extends Write {
  readonly client: number
  readonly callAt: number
  readonly returnAt: number
  readonly by: NodeId
  readonly position: Position
}

/** How a read was asked for: what it must have seen. */
export type Guarantee = 'linearizable' | 'session' | 'bounded' | 'none'

export interface ReadDone {
  readonly client: number
  readonly guarantee: Guarantee
  readonly key: number
  readonly value: number
  readonly callAt: number
  readonly returnAt: number
  readonly by: NodeId
  readonly position: Position
  /** What its session had come to. */
  readonly session: Position | undefined
  /** All that was acknowledged before this time must be in it; for `linearizable` and `bounded`. */
  readonly coversUntil: number
}

interface Link {
  readonly entry: Entry
  readonly prevTerm: Term | undefined
}

export class Observer {
  readonly writes: WriteDone[] = []
  readonly reads: ReadDone[] = []
  /** Sessions that were told that something they had seen was lost. */
  conflicts = 0
  private readonly links = new Map<number, Link>()
  private readonly mode: Mode

  constructor(mode: Mode) {
    this.mode = mode
  }

  /** A node has new entries in its log. */
  logged(node: RaftNode, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const name = nameOf(entry)
      if (!this.links.has(name)) this.links.set(name, { entry, prevTerm: node.termAt(entry.index - 1) })
    }
  }

  wrote(write: WriteDone): void {
    this.writes.push(write)
  }

  /** A read was answered. Consistent prefix: it saw exactly what its position names. */
  read(read: ReadDone): void {
    this.reads.push(read)
    const expected = this.valueAt(read.position, read.key)
    if (expected !== undefined && expected !== read.value) {
      const { index, term } = read.position
      throw new Violation(
        'consistent prefix',
        `${read.by} at ${index} of term ${term} shows ${read.value}, not ${expected}`,
      )
    }
  }

  /** Says whether the log that `position` names has `other` in it; undefined if that cannot be told. */
  readonly contains = (position: Position, other: Position): boolean | undefined => this.logOf(position)(other)

  /** What says so of one log and many others: each of its entries is looked up once. */
  private logOf(position: Position): (other: Position) => boolean | undefined {
    /** Of the entries, the last one first. */
    const terms: (Term | undefined)[] = [position.term]
    return (other) => {
      if (other.index === 0) return true
      if (other.index > position.index) return false
      while (terms.length <= position.index - other.index) {
        const [index, term] = [position.index - terms.length + 1, terms.at(-1)]
        terms.push(term === undefined ? undefined : this.links.get(nameOf({ index, term }))?.prevTerm)
      }
      const term = terms[position.index - other.index]
      // A position whose term is not known any more was committed, whatever its term was.
      return term === undefined || term === 0 || other.term === 0 ? undefined : term === other.term
    }
  }

  /** What was acknowledged and is not in the log that everybody has come to. */
  lostWrites(final: Position): WriteDone[] {
    const contains = this.logOf(final)
    return this.writes.filter(({ position }) => contains(position) === false)
  }

  /** Looks back at a run whose nodes have all come to `final`. */
  check(final: Position): void {
    const lost = new Set(this.lostWrites(final))
    const [first] = lost
    if (first !== undefined && this.mode !== 'async') {
      throw new Violation(
        'durability',
        `a ${this.mode} write of ${first.value} at ${first.position.index} was acknowledged and lost`,
      )
    }
    for (const read of this.reads) {
      if (read.guarantee === 'session' && this.isSessionBroken(read)) {
        throw new Violation(
          'session',
          `client ${read.client} reads at ${show(read.position)} behind its ${show(read.session)}`,
        )
      }
      if (read.guarantee === 'session' || read.guarantee === 'none') continue
      const missed = this.missedBy(read, lost)
      if (missed !== undefined) {
        const ms = (read.coversUntil - missed.returnAt).toFixed(1)
        throw new Violation(
          read.guarantee === 'bounded' ? 'bounded staleness' : 'linearizability',
          `a read of ${read.by} at ${show(read.position)} lacks ${show(missed.position)}, acknowledged ${ms} ms too early for that`,
        )
      }
    }
  }

  /** A read that went back behind what its session had seen or written. */
  isSessionBroken({ session, position }: ReadDone): boolean {
    return session !== undefined && this.contains(position, session) === false
  }

  /** A write that was acknowledged in time for a read, is in the log for good, and was not in what the read saw. */
  missedBy(read: ReadDone, lost: ReadonlySet<WriteDone>): WriteDone | undefined {
    const contains = this.logOf(read.position)
    return this.writes.find(
      (write) => write.returnAt <= read.coversUntil && !lost.has(write) && contains(write.position) === false,
    )
  }

  private valueAt(position: Position, key: number): number | undefined {
    let { index, term }: { index: LogIndex; term: Term | undefined } = position
    while (index > 0) {
      const link = this.links.get(nameOf({ index, term: term ?? -1 }))
      if (link === undefined) return undefined
      if (link.entry.kind === 'command') {
        const write = decodeWrite(link.entry.command)
        if (write.key === key) return write.value
      }
      term = link.prevTerm
      index--
    }
    return 0
  }
}

function nameOf({ index, term }: Position): number {
  return index * 2 ** 20 + term
}

function show(position: Position | undefined): string {
  return position === undefined ? 'nothing' : `${position.index} of term ${position.term}`
}
