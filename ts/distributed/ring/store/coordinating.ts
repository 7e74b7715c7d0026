// Requests: a node is the coordinator of whatever clients ask it, and a replica of its ranges.
//
//   put   the first node of the key's preference list that is asked takes the write: names it, has it on disk, sends it to the
//         other replicas, and tells the client when W have it on disk; of each list, while the ring changes. Any other node
//         passes the request to one that is on the list.
//   get   any node asks all N, merges the first R answers, tells the client; those that knew less are told later (read repair).
//   hint  a replica that does not answer in time gets the write later: the next node on the ring keeps it until then.
//
// DeCandia et al., "Dynamo", SOSP 2007, §4.5 and §4.6. One thing differs: a hint never counts among the W. There it does, so that a
// write succeeds while any node is up, and a read may then miss it, whatever R and W are.
import { BedplateError, isCode } from '../../../base/errors.ts'
import { lacks } from '../../../storage/mutant.ts'
import { Hinting } from './hinting.ts'
import {
  type Get,
  MAX_REQUESTS,
  type Message,
  type MessageBody,
  type Outcome,
  type Put,
  type RequestId,
} from './types.ts'
import { type Dot, isSame, merge, NO_VERSIONS, type Versions, write } from './versions.ts'

/** Who has to be told how a request ended: a client of this node, or a node that passed it on. */
type Asker =
  | { readonly kind: 'client'; readonly id: number }
  | { readonly kind: 'node'; readonly name: string; readonly request: RequestId }

interface RequestBase {
  readonly asker: Asker
  readonly sinceTick: number
  readonly era: number
  isAnswered: boolean
}

interface PutRequest extends RequestBase {
  readonly kind: 'put'
  readonly put: Put
  readonly versions: Versions
  readonly dot: Dot
  /** W of each are wanted. */
  lists: readonly (readonly string[])[]
  /** Replicas that have it on disk. */
  acks: string[]
  isOwnDurable: boolean
  readonly hinted: Set<string>
}

interface GetRequest extends RequestBase {
  readonly kind: 'get'
  readonly get: Get
  readonly wanted: number
  targets: readonly string[]
  readonly answers: Map<string, Versions>
}

/** A write that was passed on to a replica. */
interface PassedRequest extends RequestBase {
  readonly kind: 'passed'
  readonly put: Put
  isRefused: boolean
}

type Request = PutRequest | GetRequest | PassedRequest

/** A node that coordinates. */
export class Coordinating extends Hinting {
  private readonly requests = new Map<number, Request>()
  /** Reads that were told and wait for the other replicas, to repair those that know less. The oldest is first. */
  private readonly repairing = new Set<number>()
  /** Requests that came under a ring which this node has not yet: who sent them is told when it has. */
  private early: { readonly from: string; readonly request: RequestId | undefined }[] = []

  protected get requestCount(): number {
    return this.requests.size
  }

  /** @throws INVALID_INPUT for a request that cannot be: R, W or N below 1 or above what there is. */
  protected checkCounts(count: number, what: string, n: number): void {
    const { replicas } = this.state
    if (Number.isInteger(n) && n >= 1 && n <= replicas) {
      if (Number.isInteger(count) && count >= 1 && count <= n) return
      throw new BedplateError('INVALID_INPUT', `${what} must be from 1 to ${n}, the replicas, got ${count}`)
    }
    throw new BedplateError('INVALID_INPUT', `replicas must be from 1 to ${replicas}, those of the ring, got ${n}`)
  }

  protected putOf(id: number, put: Put): void {
    const asker: Asker = { kind: 'client', id }
    if (this.refuses(asker)) return
    this.checkCounts(put.acks, 'acks', put.replicas)
    this.put(asker, put)
  }

  protected getOf(id: number, get: Get): void {
    const asker: Asker = { kind: 'client', id }
    if (this.refuses(asker)) return
    this.checkCounts(get.answers, 'answers', get.replicas)
    const { key, replicas, answers } = get
    const wanted = answers > 1 && lacks(this.mutant, 'reads ask R') ? 1 : answers
    const targets = this.layout.readersOf(key, replicas)
    const request: GetRequest = { kind: 'get', ...this.base(asker), get, wanted, targets, answers: new Map() }
    this.ask(this.open(request), request, targets)
  }

  /** What a peer asks, or answers; everything else is another's. */
  protected receiveRequest(from: string, message: Message): void {
    switch (message.kind) {
      case 'put':
        this.takePassed({ kind: 'node', name: from, request: message.request }, message.put)
        return
      case 'store':
        if (message.hintFor === undefined || message.hintFor === this.name) this.learn(from, message)
        else this.keepHint(from, message, message.hintFor)
        return
      case 'fetch': {
        const { request, key } = message
        const { epoch } = this.state
        this.whenReadable(key, (versions) => this.sendIn(epoch, from, { kind: 'fetched', request, versions }))
        return
      }
      case 'putEnded':
      case 'stored':
      case 'fetched':
        this.answered(from, message)
        return
      default:
    }
  }

  /** A request has come under a ring that this node does not know yet. */
  protected putOff(from: string, request: RequestId | undefined): void {
    if (this.early.length < MAX_REQUESTS) this.early.push({ from, request })
  }

  /** A peer has not taken a request since its ring was another one. It is asked again once both have the same. */
  protected refusedFor(from: string, { epoch, request: id }: Message & { kind: 'otherRing' }): void {
    const request = id?.life === this.options.life ? this.requests.get(id.number) : undefined
    if (id === undefined || request === undefined) return
    if (request.kind === 'passed') {
      request.isRefused = true
      if (epoch === this.state.epoch) this.pass(id, request)
    } else if (epoch !== this.state.epoch) return
    else if (request.kind === 'put') this.spread(id, request, [from])
    else if (request.targets.includes(from)) this.ask(id, request, [from])
  }

  /** Answers count in the epoch in which they were given: all are asked anew. */
  protected override adopted(): void {
    super.adopted()
    const { early } = this
    this.early = []
    for (const { from, request } of early) this.send(from, { kind: 'otherRing', request })
    for (const [number, request] of this.requests) {
      const id: RequestId = { life: this.options.life, number }
      if (request.kind === 'get') {
        request.targets = this.layout.readersOf(request.get.key, request.get.replicas)
        request.answers.clear()
        this.ask(id, request, request.targets)
      } else if (request.kind === 'passed') {
        if (request.isRefused) this.pass(id, request)
      } else {
        request.lists = this.layout.writersOf(request.put.key, request.put.replicas)
        request.acks = []
        if (request.isOwnDurable) this.spread(id, request, targetsOf(request))
      }
    }
  }

  protected tickRequests(): void {
    for (const [number, request] of this.requests) {
      const age = this.nowTick - request.sinceTick
      const id: RequestId = { life: this.options.life, number }
      if (request.kind === 'put' && age >= this.options.hintTicks) this.leaveHints(id, request, missingOf(request))
      if (age < this.options.requestTicks) continue
      this.close(number, request)
      if (!request.isAnswered) this.tell(request.asker, unavailable(request))
      if (request.kind === 'get') this.repair(request)
    }
  }

  // ---- Writes ----

  private put(asker: Asker, put: Put): void {
    const list = this.layout.readersOf(put.key, put.replicas)
    if (list.includes(this.name)) this.coordinate(asker, put)
    else if (asker.kind === 'client') {
      const request: PassedRequest = { kind: 'passed', ...this.base(asker), put, isRefused: false }
      this.pass(this.open(request), request)
    } else this.tell(asker, { kind: 'refused', reason: 'the node does not hold the key' })
  }

  private takePassed(asker: Asker, put: Put): void {
    if (this.refuses(asker)) return
    try {
      this.checkCounts(put.acks, 'acks', put.replicas)
    } catch (error) {
      this.tell(asker, { kind: 'refused', reason: (error as Error).message })
      return
    }
    this.put(asker, put)
  }

  private pass(id: RequestId, request: PassedRequest): void {
    const { put } = request
    request.isRefused = false
    const list = this.layout.readersOf(put.key, put.replicas)
    const up = list.filter((each) => this.gossip.isUp(each))
    const able = up.length > 0 ? up : list
    // A different one each time: one that is down, and not known to be, is not asked always.
    const to = able[id.number % able.length] as string
    if (to === this.name) {
      this.close(id.number, request)
      this.coordinate(request.asker, put)
    } else this.send(to, { kind: 'put', request: id, put })
  }

  private coordinate(asker: Asker, put: Put): void {
    const { key } = put
    let written: { versions: Versions; dot: Dot }
    try {
      written = write(this.known(key) ?? NO_VERSIONS, { ...put, node: this.writer, above: this.purged })
    } catch (error) {
      if (!isCode(error, 'CONFLICT') && !isCode(error, 'INVALID_INPUT')) throw error
      this.tell(asker, { kind: 'refused', reason: (error as Error).message })
      return
    }
    const lists = this.layout.writersOf(key, put.replicas)
    const request: PutRequest = {
      kind: 'put',
      ...this.base(asker),
      ...{ put, ...written, lists, acks: [], isOwnDurable: false, hinted: new Set<string>() },
    }
    const id = this.open(request)
    const isHasty = lacks(this.mutant, 'durable before send')
    if (isHasty) this.spread(id, request, targetsOf(request))
    this.persist(key, written.versions, () => {
      // Once it is given up, others may count on nothing of its era being under way: comparing trees brings it to them.
      if (!this.requests.has(id.number)) return
      request.isOwnDurable = true
      this.spread(id, request, isHasty ? [this.name] : targetsOf(request))
    })
  }

  /** Sends a write that is on the own disk to some of its replicas, and leaves hints for those that seem to be down. */
  private spread(id: RequestId, request: PutRequest, targets: readonly string[]): void {
    const { versions, era, put } = request
    for (const to of targets) {
      if (to === this.name) this.acked(id.number, request, to)
      else this.send(to, { kind: 'store', request: id, key: put.key, versions, hintFor: undefined }, era)
    }
    const down = missingOf(request).filter((each) => !this.gossip.isUp(each))
    this.leaveHints(id, request, down)
  }

  private acked(number: number, request: PutRequest, replica: string): void {
    if (!targetsOf(request).includes(replica)) return
    if (request.acks.includes(replica) && !lacks(this.mutant, 'answers count once')) return
    request.acks.push(replica)
    if (this.countOf(request) >= request.put.acks && !request.isAnswered) {
      request.isAnswered = true
      this.tell(request.asker, { kind: 'written', dot: request.dot, context: request.versions.context })
    }
    if (missingOf(request).length === 0) this.close(number, request)
  }

  /** How many have it, of that list which has it least: what is written in one ring is found in the other. */
  private countOf(request: PutRequest): number {
    const [old = 0, next = old] = request.lists.map((list) => acksOf(request, list))
    if (next < old && lacks(this.mutant, 'newcomers are written')) return old
    return Math.min(old, next)
  }

  /** Leaves hints for replicas, each with another node beyond the preference list; with this one if there is none. */
  private leaveHints(
    request: RequestId,
    { put, versions, era, hinted, isOwnDurable, lists }: PutRequest,
    whom: readonly string[],
  ): void {
    // A hint tells others of the write, so it waits for the own disk, as everything that does.
    if (!isOwnDurable) return
    const { key, replicas } = put
    const targets = whom.filter((each) => each !== this.name && !hinted.has(each))
    if (targets.length === 0) return
    const { ring } = this.state
    const beyond = ring
      .preferenceList(key, replicas + lists.length + targets.length)
      .filter((each) => !lists.some((list) => list.includes(each)) && this.gossip.isUp(each))
    for (const [index, target] of targets.entries()) {
      hinted.add(target)
      const keeper = beyond[index] ?? this.name
      if (keeper === this.name) this.hint(target, { key, versions, era }, () => {})
      else this.send(keeper, { kind: 'store', request, key, versions, hintFor: target }, era)
    }
  }

  private learn(from: string, { request, key, versions }: Message & { kind: 'store' }): void {
    if (!this.layout.writesReach(this.name, key)) return
    const known = this.known(key) ?? NO_VERSIONS
    const merged = lacks(this.mutant, 'replicas merge') ? versions : merge(known, versions)
    const { epoch } = this.state
    const ack = (): void => this.sendIn(epoch, from, { kind: 'stored', request, hintFor: undefined })
    if (isSame(merged, known)) this.whenReadable(key, ack)
    else if (lacks(this.mutant, 'durable before ack')) {
      this.persist(key, merged, () => {})
      ack()
    } else this.persist(key, merged, ack)
  }

  // ---- Reads ----

  private ask(id: RequestId, request: GetRequest, targets: readonly string[]): void {
    const { key } = request.get
    const { epoch } = this.state
    for (const to of targets) {
      if (to !== this.name) this.send(to, { kind: 'fetch', request: id, key })
      else {
        this.whenReadable(key, (versions) => {
          if (epoch === this.state.epoch) this.fetched(id.number, request, to, versions)
        })
      }
    }
  }

  private fetched(number: number, request: GetRequest, replica: string, versions: Versions): void {
    const { answers, targets } = request
    if (!targets.includes(replica) || answers.has(replica)) return
    answers.set(replica, versions)
    if (answers.size >= request.wanted && !request.isAnswered) {
      request.isAnswered = true
      this.tell(request.asker, { kind: 'found', versions: mergeAll(answers.values()) })
      this.repairing.add(number)
    }
    if (answers.size < targets.length) return
    this.close(number, request)
    this.repair(request)
  }

  /** Tells those who answered a read with less what all of them know together. */
  private repair({ get: { key }, answers, era }: GetRequest): void {
    const versions = mergeAll(answers.values())
    for (const [to, answer] of answers) {
      if (isSame(answer, versions) || lacks(this.mutant, 'reads repair')) continue
      // Nobody waits for an answer to number 0.
      const request = { life: this.options.life, number: 0 }
      if (to !== this.name) this.send(to, { kind: 'store', request, key, versions, hintFor: undefined }, era)
      else this.persist(key, merge(this.known(key) ?? NO_VERSIONS, versions), () => {})
    }
  }

  // ---- Both ----

  /** Answers of an earlier life, and to requests that have ended, are nobody's any more. */
  private answered(from: string, message: MessageBody & { kind: 'putEnded' | 'stored' | 'fetched' }): void {
    const { life, number } = message.request
    if (life !== this.options.life) return
    if (message.kind === 'stored' && this.delivered(from, number)) return
    const request = this.requests.get(number)
    if (request === undefined) return
    if (message.kind === 'putEnded' && request.kind === 'passed') {
      this.close(number, request)
      this.tell(request.asker, message.outcome)
    } else if (message.kind === 'fetched' && request.kind === 'get') {
      this.fetched(number, request, from, message.versions)
    } else if (message.kind === 'stored' && request.kind === 'put') {
      if (message.hintFor === undefined) this.acked(number, request, from)
      else if (lacks(this.mutant, 'hints are no acks')) this.acked(number, request, message.hintFor)
    }
  }

  private refuses(asker: Asker): boolean {
    if (this.requests.size >= MAX_REQUESTS) this.giveUpRepair()
    const reason =
      this.problem ??
      (this.state.epoch === 0
        ? 'the node does not know its ring yet'
        : this.requests.size >= MAX_REQUESTS
          ? `the node has ${MAX_REQUESTS} requests under way: try again later`
          : undefined)
    if (reason !== undefined) this.tell(asker, { kind: 'refused', reason })
    return reason !== undefined
  }

  /** Nobody waits for the oldest read that was told: the next one, or comparing trees, repairs what it would have. */
  private giveUpRepair(): void {
    const [number] = this.repairing
    const request = number === undefined ? undefined : this.requests.get(number)
    if (number !== undefined && request !== undefined) this.close(number, request)
  }

  private base(asker: Asker): RequestBase {
    return { asker, sinceTick: this.nowTick, era: this.era, isAnswered: false }
  }

  private open(request: Request): RequestId {
    const id = this.nextRequest()
    this.requests.set(id.number, request)
    this.underWay.begin(request.era)
    return id
  }

  private close(number: number, request: Request): void {
    this.repairing.delete(number)
    if (this.requests.delete(number)) this.underWay.end(request.era)
  }

  private tell(asker: Asker, outcome: Outcome): void {
    if (asker.kind === 'client') this.reply(asker.id, outcome)
    else this.send(asker.name, { kind: 'putEnded', request: asker.request, outcome })
  }
}

function targetsOf({ lists }: PutRequest): readonly string[] {
  const [first = [], second = []] = lists
  return [...first, ...second.filter((each) => !first.includes(each))]
}

function missingOf(request: PutRequest): string[] {
  return targetsOf(request).filter((each) => !request.acks.includes(each))
}

function acksOf({ acks }: PutRequest, list: readonly string[]): number {
  return acks.filter((each) => list.includes(each)).length
}

function unavailable(request: Request): Outcome {
  const [answered, wanted] =
    request.kind === 'put'
      ? [Math.min(...request.lists.map((list) => acksOf(request, list))), request.put.acks]
      : request.kind === 'get'
        ? [request.answers.size, request.wanted]
        : [0, 1]
  return { kind: 'unavailable', answered, wanted }
}

function mergeAll(all: Iterable<Versions>): Versions {
  let merged = NO_VERSIONS
  for (const each of all) merged = merge(merged, each)
  return merged
}
