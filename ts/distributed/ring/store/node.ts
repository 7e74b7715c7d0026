// A node of the store. One event in, effects out; no clock, no disk, no network, no randomness of its own.
//
// Its parts are classes that extend each other, so that each sees the state and those before it alone: `Replica` (what is on disk, which
// ring holds), `Hinting`, `Coordinating` (requests), `Repairing` (anti-entropy), `Streaming` (what a newcomer copies), `Ending`
// (ranges that went to others, tombstones), `Deciding` (the next ring). Here they meet: events, time, and who may be heard.
import { assertNever, isCode } from '../../../base/errors.ts'
import { lacks } from '../../../storage/mutant.ts'
import type { Ring } from '../types.ts'
import { Deciding } from './deciding.ts'
import type { Effect, Event, MemberState, Message, RequestId, RingChange, RingRecord, StoreStatus } from './types.ts'

/** One node. */
export class StoreNode extends Deciding {
  get status(): StoreStatus {
    const { state, legs, progress, name } = this
    const { keys, bytes } = progress
    return {
      ...{ epoch: state.epoch, phase: state.phase, problem: this.problem, era: this.era },
      isMember: [state.ring, state.next].some((ring) => ring?.node(name) !== undefined),
      isSwept: state.epoch > 0 && this.gossip.factsOf(name)?.swept === state.epoch,
      requests: this.requestCount + this.offerCount,
      hints: this.hintCount,
      moves: legs.length === 0 ? undefined : { moves: legs.length, done: this.doneLegs, keys, bytes },
      repairs: { ...this.repairs },
      tombstones: { kept: this.trees.tombstoneCount, ended: this.endedTombstones },
      strangers: this.gossip.strangerCount,
    }
  }

  /** The ring that is read now, and what is being done to it. */
  get ring(): { readonly ring: Ring; readonly next: Ring | undefined; readonly record: RingRecord } {
    const { ring, next, record } = this.state
    return { ring, next, record }
  }

  /** Everybody who was heard of, and whether they seem to be up. */
  members(): ReadonlyMap<string, MemberState & { readonly isUp: boolean }> {
    return this.gossip.members()
  }

  /**
   * Takes one event. A message of a peer never throws.
   * @returns What to do, in order. The array is the caller's.
   * @throws INVALID_INPUT for a request of a client that cannot be: R, W or N below 1 or above what there is.
   */
  step(event: Event): Effect[] {
    this.beginStep()
    this.take(event)
    return this.endStep()
  }

  private take(event: Event): void {
    switch (event.kind) {
      case 'put':
        this.putOf(event.id, event.put)
        return
      case 'get':
        this.getOf(event.id, event.get)
        return
      case 'change':
        this.changeOf(event.id, event.change, event.lost)
        return
      case 'repair':
        this.repairAll(event.id)
        return
      case 'message':
        this.receive(event.from, event.message)
        return
      case 'persisted':
        this.persisted(event.write)
        return
      case 'tick':
        this.tick()
        return
      default:
        assertNever(event)
    }
  }

  private changeOf(id: number, change: RingChange, lost: readonly string[]): void {
    try {
      this.change(id, change, lost)
    } catch (error) {
      if (!isCode(error, 'CONFLICT')) throw error
      this.reply(id, { kind: 'refused', reason: (error as Error).message })
    }
  }

  private tick(): void {
    this.nowTick++
    // First what reads the store: what is persisted in this step cannot be read there yet.
    this.tickRepair()
    this.tickRequests()
    this.tickHints()
    this.tickStreaming()
    this.tickEnding()
    this.tickDeciding()
    this.sendGossip(this.gossip.tick())
  }

  // ---- Who is heard ----

  private receive(from: string, message: Message): void {
    const { epoch } = this.state
    if (message.epoch > epoch) this.askRing(from, message.epoch)
    switch (message.kind) {
      case 'gossip':
        this.sendGossip(this.gossip.receive(from, message.gossip))
        return
      case 'askRing':
        if (epoch > 0) this.send(from, { kind: 'ring', record: this.state.record })
        return
      case 'ring':
        this.learnRing(message.record)
        return
      case 'otherRing':
        this.refusedFor(from, message)
        return
      case 'putEnded':
        this.receiveRequest(from, message) // how it ended is true under any ring
        return
      default:
    }
    if (!this.isOfThisRing(from, message) || this.isTooOld(message)) return
    if (message.kind === 'page' && this.takeStreamed(from, message)) return
    this.receiveRequest(from, message)
    this.receiveRepair(from, message)
    this.receiveDecision(from, message)
  }

  /** Requests and answers count among nodes of one epoch alone. */
  private isOfThisRing(from: string, message: Message): boolean {
    const { epoch } = this.state
    if (message.epoch === epoch) return this.problem === undefined
    if (isOfRequest(message) && lacks(this.mutant, 'one epoch')) return true
    const request = requestOf(message)
    if (message.epoch > epoch) {
      this.putOff(from, request)
      return false
    }
    if (isAnswer(message)) return false
    this.send(from, { kind: 'otherRing', request })
    return false
  }

  /** What carries values of an era that has passed: they may have been deleted, and the tombstone forgotten. */
  private isTooOld({ kind, era }: Message): boolean {
    return (kind === 'store' || kind === 'page' || kind === 'push' || kind === 'put') && era < this.era - 1
  }
}

function requestOf(message: Message): RequestId | undefined {
  const isRequest = message.kind === 'put' || message.kind === 'store' || message.kind === 'fetch'
  return isRequest ? message.request : undefined
}

function isOfRequest({ kind }: Message): boolean {
  return kind === 'store' || kind === 'stored' || kind === 'fetch' || kind === 'fetched'
}

function isAnswer({ kind }: Message): boolean {
  return ['stored', 'fetched', 'roots', 'digests', 'page', 'promised', 'accepted', 'rejected'].includes(kind)
}
