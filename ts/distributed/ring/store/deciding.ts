// Which record follows on the ring's: one for each epoch, whoever proposes what at the same time.
//
// For each epoch the nodes of the ring before, but those that are lost, decide in one round of Paxos: a proposer has a majority promise to accept
// nothing of a lower ballot, takes over the record of the highest ballot that one of them has accepted, and has a majority accept it
// (Lamport, "Paxos Made Simple", 2001). Promises and acceptances are on disk before they are told. So a ring never forks; of two
// changes at once one is refused. Any node proposes what its operator asks; the step from one phase to the next is proposed by
// the first member that is up, and what was accepted and not heard of since, by whoever accepted it.
import { lacks } from '../../../storage/mutant.ts'
import { Ending } from './ending.ts'
import { MAX_COUNTED } from './limits.ts'
import { advancedRecord, changedRecord, electorateOf, isBrokenRecord, membersOf, readRecord } from './ring-state.ts'
import type {
  AcceptedRecord,
  Ballot,
  Message,
  MessageBody,
  Notes,
  RingChange,
  RingRecord,
  StoreOptions,
} from './types.ts'

/** An attempt to have a record decided. */
interface Proposal {
  /** The client who asked for it, if one has. */
  readonly asker: number | undefined
  readonly epoch: number
  readonly wanted: RingRecord
  readonly sinceTick: number
  ballot: Ballot
  /** Another attempt follows then. */
  retryTick: number
  readonly promises: Map<string, AcceptedRecord | undefined>
  /** What is to be accepted; undefined until a majority has promised. */
  record: RingRecord | undefined
  readonly acceptances: Set<string>
}

const NO_BALLOT: Ballot = { number: 0, node: '' }
/** Of the requests' time. */
const PATIENCE = 5

/** A node that decides with others. */
export class Deciding extends Ending {
  private register: Notes['register']
  private proposal: Proposal | undefined
  /** When something was last accepted here. */
  private acceptedTick = 0

  constructor(options: StoreOptions) {
    super(options)
    const { register } = options.notes ?? {}
    this.register = register ?? { epoch: 0, promised: NO_BALLOT, accepted: undefined }
  }

  /** @throws what `changedRecord` throws, and UNAVAILABLE or CONFLICT for a change whose time has not come. */
  protected change(id: number, change: RingChange, lost: readonly string[]): void {
    const record = changedRecord(this.state, change, lost)
    const objection =
      this.proposal === undefined ? this.objection(change, lost) : 'this node is proposing a change already'
    if (objection !== undefined) {
      this.reply(id, { kind: 'refused', reason: objection })
      return
    }
    this.propose(record, id)
  }

  protected tickDeciding(): void {
    const { proposal } = this
    if (proposal !== undefined) {
      if (this.nowTick >= proposal.retryTick) this.retry(proposal)
      return
    }
    const next = this.nextRecord()
    if (next !== undefined) this.propose(next, undefined)
  }

  protected override adopted(): void {
    super.adopted()
    const { proposal } = this
    this.proposal = undefined
    if (proposal?.asker === undefined) return
    if (this.state.epoch === proposal.epoch && isSameRecord(this.state.record, proposal.wanted)) {
      this.reply(proposal.asker, { kind: 'changing', epoch: proposal.epoch })
    } else this.reply(proposal.asker, { kind: 'refused', reason: 'another change was first' })
  }

  protected receiveDecision(from: string, message: Message): void {
    switch (message.kind) {
      case 'prepare':
        this.prepare(from, message.ballot)
        return
      case 'accept':
        this.accept(from, message.ballot, message.record)
        return
      case 'promised':
        this.promised(from, message.ballot, message.accepted)
        return
      case 'accepted':
        this.accepted(from, message.ballot)
        return
      case 'rejected':
        this.rejected(message.ballot, message.promised)
        return
      default:
    }
  }

  // ---- What is proposed ----

  /** Why a change must wait, if it must. */
  private objection(change: RingChange, lost: readonly string[]): string | undefined {
    if (change.kind === 'abort' || change.kind === 'lose') return undefined
    const { epoch } = this.state
    const members = membersOf(this.state).filter((name) => !lost.includes(name))
    const newcomers = change.kind === 'remove' ? [] : [change.node.name]
    for (const name of [...members, ...newcomers]) {
      const facts = this.gossip.factsOf(name)
      if (facts === undefined || !this.gossip.isUp(name)) {
        return newcomers.includes(name)
          ? `"${name}" is not heard: start it first`
          : `"${name}" is down: start it, or say that it is lost`
      }
      if (facts.epoch !== epoch) return `"${name}" does not know the ring as it is yet: try again`
      if (facts.swept !== epoch) return `"${name}" still lets go of what the last change took from it: try again`
    }
    return undefined
  }

  /** What follows by itself: what was accepted and not heard of since, and the next phase of a change. */
  private nextRecord(): RingRecord | undefined {
    const { state } = this
    const accepted = this.acceptedRecord()
    if (accepted === undefined && state.phase === 'stable') return undefined // as it is nearly always
    const electorate = this.electorate()
    const rank = electorate.indexOf(this.name)
    if (rank < 0) return undefined
    if (accepted !== undefined) {
      const patience = PATIENCE * this.options.requestTicks + rank * this.options.requestTicks
      return this.nowTick - this.acceptedTick >= patience ? accepted.record : undefined
    }
    const first = electorate.find((name) => this.gossip.isUp(name))
    if (first !== this.name) return undefined
    if (state.phase === 'streaming') return this.isFilled() ? advancedRecord(state) : undefined
    return state.phase === 'switching' && this.allKnow() ? advancedRecord(state) : undefined
  }

  private isFilled(): boolean {
    for (const name of this.layout.newcomers) {
      if ((this.gossip.factsOf(name)?.filled ?? 0) < this.state.epoch) return false
    }
    return true
  }

  private allKnow(): boolean {
    return membersOf(this.state).every((name) => (this.gossip.factsOf(name)?.epoch ?? 0) >= this.state.epoch)
  }

  private electorate(): string[] {
    return electorateOf(this.state)
  }

  // ---- Proposing ----

  private propose(wanted: RingRecord, asker: number | undefined): void {
    this.proposal = {
      ...{ asker, epoch: this.state.epoch + 1, wanted, sinceTick: this.nowTick },
      ...{ ballot: NO_BALLOT, retryTick: 0, promises: new Map(), record: undefined, acceptances: new Set<string>() },
    }
    this.attempt(this.proposal, this.promisedBallot().number)
  }

  private retry(proposal: Proposal): void {
    const { requestTicks } = this.options
    if (this.nowTick - proposal.sinceTick >= PATIENCE * requestTicks) {
      this.proposal = undefined
      if (proposal.asker === undefined) return
      const answered = Math.max(proposal.promises.size, proposal.acceptances.size)
      this.reply(proposal.asker, { kind: 'unavailable', answered, wanted: this.majority() })
    } else this.attempt(proposal, Math.max(proposal.ballot.number, this.promisedBallot().number))
  }

  private attempt(proposal: Proposal, above: number): void {
    proposal.ballot = { number: Math.min(above + 1, MAX_COUNTED), node: this.name }
    proposal.promises.clear()
    proposal.acceptances.clear()
    proposal.record = undefined
    // Two who propose do not try again at the same time.
    const rank = 1 + Math.max(0, this.electorate().indexOf(this.name))
    proposal.retryTick = this.nowTick + Math.ceil(this.options.requestTicks / 4) * (1 + rank)
    this.tellElectorate({ kind: 'prepare', ballot: proposal.ballot })
  }

  private promised(from: string, ballot: Ballot, accepted: AcceptedRecord | undefined): void {
    const { proposal } = this
    if (proposal === undefined || !isSameBallot(ballot, proposal.ballot) || proposal.record !== undefined) return
    if (!this.electorate().includes(from)) return
    proposal.promises.set(from, accepted)
    if (proposal.promises.size < this.majority()) return
    let highest: AcceptedRecord | undefined
    for (const each of proposal.promises.values()) {
      if (each !== undefined && (highest === undefined || isBelow(highest.ballot, each.ballot))) highest = each
    }
    proposal.record =
      highest !== undefined && !lacks(this.mutant, 'accepted is taken over') ? highest.record : proposal.wanted
    this.tellElectorate({ kind: 'accept', ballot, record: proposal.record })
  }

  private accepted(from: string, ballot: Ballot): void {
    const { proposal } = this
    if (proposal?.record === undefined || !isSameBallot(ballot, proposal.ballot)) return
    if (!this.electorate().includes(from)) return
    proposal.acceptances.add(from)
    if (proposal.acceptances.size < this.majority()) return
    const { record } = proposal
    for (const to of membersOf(this.state)) if (to !== this.name) this.send(to, { kind: 'ring', record })
    this.learnRing(record)
  }

  private rejected(ballot: Ballot, promised: Ballot): void {
    const { proposal } = this
    if (proposal === undefined || !isSameBallot(ballot, proposal.ballot)) return
    proposal.ballot = { number: Math.max(promised.number, ballot.number), node: this.name }
  }

  private tellElectorate(body: MessageBody & { kind: 'prepare' | 'accept' }): void {
    for (const to of this.electorate()) {
      if (to !== this.name) this.send(to, body)
      else if (body.kind === 'prepare') this.prepare(to, body.ballot)
      else this.accept(to, body.ballot, body.record)
    }
  }

  private majority(): number {
    return Math.floor(this.electorate().length / 2) + 1
  }

  // ---- Accepting ----

  private prepare(from: string, ballot: Ballot): void {
    const promised = this.promisedBallot()
    if (isBelow(ballot, promised)) {
      this.answer(from, { kind: 'rejected', ballot, promised })
      return
    }
    const accepted = this.acceptedRecord()
    this.keep({ promised: ballot, accepted }, () => this.answer(from, { kind: 'promised', ballot, accepted }))
  }

  private accept(from: string, ballot: Ballot, given: unknown): void {
    const promised = this.promisedBallot()
    if (isBelow(ballot, promised)) {
      this.answer(from, { kind: 'rejected', ballot, promised })
      return
    }
    const record = this.checked(given)
    if (record === undefined) return
    this.acceptedTick = this.nowTick
    this.keep({ promised: ballot, accepted: { ballot, record } }, () => this.answer(from, { kind: 'accepted', ballot }))
  }

  /** What is kept is on disk before it is told. */
  private keep(kept: { promised: Ballot; accepted: AcceptedRecord | undefined }, done: () => void): void {
    const { epoch } = this.state
    this.register = { epoch: epoch + 1, ...kept }
    const isHasty = lacks(this.mutant, 'durable before accepted')
    this.persistNotes({ register: this.register }, () => {
      if (!isHasty && this.state.epoch === epoch) done()
    })
    if (isHasty) done()
  }

  private answer(to: string, body: MessageBody & { kind: 'promised' | 'accepted' | 'rejected' }): void {
    if (to !== this.name) this.send(to, body)
    else if (body.kind === 'promised') this.promised(to, body.ballot, body.accepted)
    else if (body.kind === 'accepted') this.accepted(to, body.ballot)
    else this.rejected(body.ballot, body.promised)
  }

  private checked(given: unknown): RingRecord | undefined {
    try {
      const { record, epoch } = readRecord(given)
      return epoch === this.state.epoch + 1 ? record : undefined
    } catch (error) {
      if (isBrokenRecord(error)) return undefined
      throw error
    }
  }

  private promisedBallot(): Ballot {
    return this.register.epoch === this.state.epoch + 1 ? this.register.promised : NO_BALLOT
  }

  private acceptedRecord(): AcceptedRecord | undefined {
    return this.register.epoch === this.state.epoch + 1 ? this.register.accepted : undefined
  }
}

function isBelow(a: Ballot, b: Ballot): boolean {
  return a.number !== b.number ? a.number < b.number : a.node < b.node
}

function isSameBallot(a: Ballot, b: Ballot): boolean {
  return a.number === b.number && a.node === b.node
}

function isSameRecord(a: RingRecord, b: RingRecord): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
