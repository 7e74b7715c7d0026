// A node of the store: replica of its ranges, and coordinator of whatever requests come to it. One event in, effects out; no clock, no
// disk, no network, no randomness.
//
//   put   the first node of the key's preference list that is asked takes the write: names it, has it on disk, sends it to the
//         other N - 1, and tells the client when W have it on disk. Any other node passes the request to one that is on the list.
//   get   any node asks all N, merges the first R answers, tells the client; those that knew less are told later (read repair).
//   hint  a replica that does not answer in time gets the write later: the next node on the ring keeps it until then.
//
// DeCandia et al., "Dynamo", SOSP 2007, §4.5 and §4.6. One thing differs: a hint never counts among the W. There it does, so that a
// write succeeds while any node is up, and a read may then miss it, whatever R and W are.
import { assertNever, BedplateError, isCode } from '../../../base/errors.ts'
import { lacks } from '../../../storage/mutant.ts'
import type { Mutant } from './mutant.ts'
import {
  type Effect,
  type Event,
  type Get,
  MAX_HINTS,
  MAX_OFFERED,
  MAX_REQUESTS,
  type Message,
  type Outcome,
  type Put,
  type RequestId,
  type StoreOptions,
} from './types.ts'
import { type Dot, isSame, merge, NO_VERSIONS, type Versions, write } from './versions.ts'

/** Who has to be told how a request ended: a client of this node, or a node that passed it on. */
type Asker =
  | { readonly kind: 'client'; readonly id: number }
  | { readonly kind: 'node'; readonly name: string; readonly request: RequestId }

interface RequestBase {
  readonly asker: Asker
  readonly sinceTick: number
  isAnswered: boolean
}

interface PutRequest extends RequestBase {
  readonly kind: 'put'
  readonly key: string
  readonly versions: Versions
  readonly dot: Dot
  readonly wanted: number
  /** Replicas that have it on disk. */
  readonly acked: Set<string>
  ackCount: number
  /** Replicas that have not said so yet. */
  readonly missing: Set<string>
  readonly replicas: number
  isHinted: boolean
}

interface GetRequest extends RequestBase {
  readonly kind: 'get'
  readonly key: string
  readonly wanted: number
  readonly replicas: number
  readonly answers: Map<string, Versions>
}

/** A write that was passed on to a replica. */
interface PassedRequest extends RequestBase {
  readonly kind: 'passed'
}

/** A hint that was offered to the node it is for. */
interface Offer extends RequestBase {
  readonly kind: 'offer'
  readonly target: string
  readonly key: string
  readonly versions: Versions
}

type Request = PutRequest | GetRequest | PassedRequest | Offer

/** One node. */
export class StoreNode {
  private readonly options: StoreOptions
  private readonly mutant: Mutant | undefined
  private readonly requestTicks: number
  private readonly hintTicks: number
  private readonly offerTicks: number
  private readonly requests = new Map<number, Request>()
  private readonly hints = new Map<string, Map<string, Versions>>()
  private hintCount = 0
  private numbers = 0
  private nowTick = 0
  private writes = 0
  /** For each key, the last write of it that is not on disk yet. */
  private readonly unsynced = new Map<string, number>()
  /** What waits for a write to be on disk, in order of the writes. */
  private held: { readonly write: number; readonly act: () => void }[] = []
  private effects: Effect[] = []

  /** @throws INVALID_INPUT for a name that is not in the ring, and times that cannot be. */
  constructor(options: StoreOptions) {
    const { name, ring, hints = new Map(), requestTicks = 20, hintTicks = 5, offerTicks = 20 } = options
    if (ring.node(name) === undefined) throw new BedplateError('INVALID_INPUT', `"${name}" is not in the ring`)
    for (const [what, ticks] of Object.entries({ requestTicks, hintTicks, offerTicks })) {
      if (Number.isInteger(ticks) && ticks >= 1) continue
      throw new BedplateError('INVALID_INPUT', `${what} must be a whole number of at least 1, got ${ticks}`)
    }
    if (hintTicks >= requestTicks) throw new BedplateError('INVALID_INPUT', 'hintTicks must be below requestTicks')
    this.options = options
    this.mutant = options.mutant
    this.requestTicks = requestTicks
    this.hintTicks = hintTicks
    this.offerTicks = offerTicks
    for (const [target, kept] of hints) {
      this.hints.set(target, new Map(kept))
      this.hintCount += kept.size
    }
  }

  /** Requests of clients and nodes that are under way, and hints that wait for their node. */
  get status(): { readonly requests: number; readonly hints: number } {
    return { requests: this.requests.size, hints: this.hintCount }
  }

  /**
   * Takes one event. A message of a peer never throws.
   * @returns What to do, in order. The array is the caller's.
   * @throws INVALID_INPUT for a request of a client that cannot be: R, W or N below 1 or above what there is.
   */
  step(event: Event): Effect[] {
    this.effects = []
    this.take(event)
    return this.effects
  }

  private take(event: Event): void {
    switch (event.kind) {
      case 'put':
        this.checkCounts(event.put.acks, 'acks', event.put.replicas)
        this.put({ kind: 'client', id: event.id }, event.put)
        return
      case 'get':
        this.checkCounts(event.get.answers, 'answers', event.get.replicas)
        this.get({ kind: 'client', id: event.id }, event.get)
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

  private checkCounts(count: number, what: string, replicas: number): void {
    const { length } = this.options.ring.nodes
    if (Number.isInteger(replicas) && replicas >= 1 && replicas <= length) {
      if (Number.isInteger(count) && count >= 1 && count <= replicas) return
      throw new BedplateError('INVALID_INPUT', `${what} must be from 1 to ${replicas}, the replicas, got ${count}`)
    }
    throw new BedplateError('INVALID_INPUT', `replicas must be from 1 to ${length}, the nodes, got ${replicas}`)
  }

  // ---- Requests ----

  private put(asker: Asker, put: Put): void {
    const { ring, name } = this.options
    const list = ring.preferenceList(put.key, put.replicas)
    if (this.requests.size >= MAX_REQUESTS) {
      this.tell(asker, { kind: 'refused', reason: `the node has ${MAX_REQUESTS} requests under way: try again later` })
    } else if (list.includes(name)) this.coordinate(asker, put, list)
    else if (asker.kind === 'client') {
      const request = this.open({ kind: 'passed', asker, sinceTick: this.nowTick, isAnswered: false })
      // A different one each time: one that is down is not asked always.
      this.send(list[request.number % list.length] as string, { kind: 'put', request, put })
    } else this.tell(asker, { kind: 'refused', reason: 'the node has another ring, and does not hold the key' })
  }

  private takePassed(asker: Asker, put: Put): void {
    try {
      this.checkCounts(put.acks, 'acks', put.replicas)
    } catch (error) {
      this.tell(asker, { kind: 'refused', reason: (error as Error).message })
      return
    }
    this.put(asker, put)
  }

  private coordinate(asker: Asker, put: Put, list: readonly string[]): void {
    const { store, name } = this.options
    let written: { versions: Versions; dot: Dot }
    try {
      written = write(store.get(put.key) ?? NO_VERSIONS, { ...put, node: name })
    } catch (error) {
      if (!isCode(error, 'CONFLICT') && !isCode(error, 'INVALID_INPUT')) throw error
      this.tell(asker, { kind: 'refused', reason: (error as Error).message })
      return
    }
    const { versions, dot } = written
    const { key, acks, replicas } = put
    const others = list.filter((each) => each !== name)
    const request: PutRequest = {
      kind: 'put',
      ...{ asker, sinceTick: this.nowTick, isAnswered: false },
      ...{ key, versions, dot, wanted: acks, replicas, acked: new Set<string>(), ackCount: 0 },
      ...{ missing: new Set(list), isHinted: false },
    }
    const id = this.open(request)
    const send = (): void => {
      for (const to of others) this.send(to, { kind: 'store', request: id, key, versions, hintFor: undefined })
    }
    const isHasty = lacks(this.mutant, 'durable before send')
    if (isHasty) send()
    this.persist(key, versions, () => {
      if (!isHasty) send()
      this.acked(id.number, request, name)
    })
  }

  private get(asker: Asker, { key, replicas, answers }: Get): void {
    const { ring, name } = this.options
    if (this.requests.size >= MAX_REQUESTS) {
      this.tell(asker, { kind: 'refused', reason: `the node has ${MAX_REQUESTS} requests under way: try again later` })
      return
    }
    const wanted = answers > 1 && lacks(this.mutant, 'reads ask R') ? 1 : answers
    const base = { asker, sinceTick: this.nowTick, isAnswered: false }
    const request: GetRequest = { kind: 'get', ...base, key, replicas, wanted, answers: new Map() }
    const id = this.open(request)
    for (const to of ring.preferenceList(key, replicas)) {
      if (to === name) this.whenReadable(key, (versions) => this.fetched(id.number, request, name, versions))
      else this.send(to, { kind: 'fetch', request: id, key })
    }
  }

  // ---- Messages ----

  private receive(from: string, message: Message): void {
    switch (message.kind) {
      case 'put':
        this.takePassed({ kind: 'node', name: from, request: message.request }, message.put)
        return
      case 'store':
        if (message.hintFor === undefined || message.hintFor === this.options.name) this.learn(from, message)
        else this.keepHint(from, message, message.hintFor)
        return
      case 'fetch': {
        const { request, key } = message
        this.whenReadable(key, (versions) => this.send(from, { kind: 'fetched', request, versions }))
        return
      }
      case 'putEnded':
      case 'stored':
      case 'fetched':
        this.answered(from, message)
        return
      default:
        assertNever(message)
    }
  }

  /** Answers of an earlier life, and to requests that have ended, are nobody's any more. */
  private answered(from: string, message: Message & { kind: 'putEnded' | 'stored' | 'fetched' }): void {
    const { life, number } = message.request
    const request = life === this.options.life ? this.requests.get(number) : undefined
    if (request === undefined) return
    if (message.kind === 'putEnded' && request.kind === 'passed') {
      this.requests.delete(number)
      this.tell(request.asker, message.outcome)
    } else if (message.kind === 'fetched' && request.kind === 'get') {
      this.fetched(number, request, from, message.versions)
    } else if (message.kind === 'stored' && request.kind === 'offer' && request.target === from) {
      this.requests.delete(number)
      this.delivered(request)
    } else if (message.kind === 'stored' && request.kind === 'put') {
      if (message.hintFor === undefined) this.acked(number, request, from)
      else if (lacks(this.mutant, 'hints are no acks')) this.acked(number, request, message.hintFor)
    }
  }

  private learn(from: string, { request, key, versions }: Message & { kind: 'store' }): void {
    const known = this.options.store.get(key) ?? NO_VERSIONS
    const merged = lacks(this.mutant, 'replicas merge') ? versions : merge(known, versions)
    const ack = (): void => this.send(from, { kind: 'stored', request, hintFor: undefined })
    if (isSame(merged, known)) this.whenReadable(key, ack)
    else if (lacks(this.mutant, 'durable before ack')) {
      this.persist(key, merged, () => {})
      ack()
    } else this.persist(key, merged, ack)
  }

  private acked(number: number, request: PutRequest, replica: string): void {
    if (!request.missing.has(replica) && !request.acked.has(replica)) return
    if (request.acked.has(replica) && !lacks(this.mutant, 'answers count once')) return
    request.acked.add(replica)
    request.missing.delete(replica)
    request.ackCount++
    if (request.ackCount >= request.wanted && !request.isAnswered) {
      request.isAnswered = true
      this.tell(request.asker, { kind: 'written', dot: request.dot, context: request.versions.context })
    }
    if (request.missing.size === 0) this.requests.delete(number)
  }

  private fetched(number: number, request: GetRequest, replica: string, versions: Versions): void {
    if (!this.options.ring.preferenceList(request.key, request.replicas).includes(replica)) return
    if (request.answers.has(replica)) return
    request.answers.set(replica, versions)
    if (request.answers.size >= request.wanted && !request.isAnswered) {
      request.isAnswered = true
      this.tell(request.asker, { kind: 'found', versions: mergeAll(request.answers.values()) })
    }
    if (request.answers.size < request.replicas) return
    this.requests.delete(number)
    this.repair(request)
  }

  /** Tells those who answered a read with less what all of them know together. */
  private repair({ key, answers }: GetRequest): void {
    const versions = mergeAll(answers.values())
    for (const [to, answer] of answers) {
      if (isSame(answer, versions) || lacks(this.mutant, 'reads repair')) continue
      // Nobody waits for an answer to number 0.
      const request = { life: this.options.life, number: 0 }
      if (to !== this.options.name) this.send(to, { kind: 'store', request, key, versions, hintFor: undefined })
      else this.persist(key, merge(this.options.store.get(key) ?? NO_VERSIONS, versions), () => {})
    }
  }

  // ---- Hints ----

  private keepHint(from: string, { request, key, versions }: Message & { kind: 'store' }, target: string): void {
    if (this.options.ring.node(target) === undefined) return
    this.hint(target, key, versions, () => this.send(from, { kind: 'stored', request, hintFor: target }))
  }

  private hint(target: string, key: string, versions: Versions, done: () => void): void {
    const kept = this.hints.get(target) ?? new Map<string, Versions>()
    const before = kept.get(key)
    if (before === undefined && this.hintCount >= MAX_HINTS) return
    const merged = before === undefined ? versions : merge(before, versions)
    if (before === undefined) this.hintCount++
    kept.set(key, merged)
    this.hints.set(target, kept)
    this.writes++
    this.effects.push({ kind: 'persistHint', write: this.writes, target, key, versions: merged })
    this.held.push({ write: this.writes, act: done })
  }

  private delivered({ target, key, versions }: Offer): void {
    const kept = this.hints.get(target)
    const hint = kept?.get(key)
    if (kept === undefined || hint === undefined || !isSame(hint, versions)) return // it has grown meanwhile
    kept.delete(key)
    this.hintCount--
    this.writes++
    this.effects.push({ kind: 'persistHint', write: this.writes, target, key, versions: undefined })
  }

  private offerHints(): void {
    for (const [target, kept] of this.hints) {
      let offered = 0
      for (const [key, versions] of kept) {
        if (offered++ >= MAX_OFFERED || this.requests.size >= MAX_REQUESTS) break
        const asker: Asker = { kind: 'client', id: 0 }
        const base = { asker, sinceTick: this.nowTick, isAnswered: true }
        const request = this.open({ kind: 'offer', ...base, target, key, versions })
        this.send(target, { kind: 'store', request, key, versions, hintFor: undefined })
      }
    }
  }

  /** Leaves hints for the replicas that have not taken a write, each with another node beyond the preference list; with this one if there is none. */
  private leaveHints(number: number, request: PutRequest): void {
    const { ring, name, life } = this.options
    const { key, versions, replicas, missing } = request
    // A hint tells others of the write, so it waits for the own disk, as everything that does.
    if (request.isHinted || missing.has(name)) return
    request.isHinted = true
    const beyond = ring.preferenceList(key, replicas + missing.size).slice(replicas)
    let next = 0
    for (const target of missing) {
      const keeper = beyond[next++] ?? name
      if (keeper === name) this.hint(target, key, versions, () => {})
      else this.send(keeper, { kind: 'store', request: { life, number }, key, versions, hintFor: target })
    }
  }

  // ---- Time and disk ----

  private tick(): void {
    this.nowTick++
    for (const [number, request] of this.requests) {
      const age = this.nowTick - request.sinceTick
      if (request.kind === 'put' && age >= this.hintTicks) this.leaveHints(number, request)
      if (age < this.requestTicks) continue
      this.requests.delete(number)
      if (!request.isAnswered) this.tell(request.asker, unavailable(request))
      if (request.kind === 'get') this.repair(request)
    }
    if (this.nowTick % this.offerTicks === 0) this.offerHints()
  }

  private persist(key: string, versions: Versions, done: () => void): void {
    this.writes++
    this.unsynced.set(key, this.writes)
    this.effects.push({ kind: 'persist', write: this.writes, key, versions })
    this.held.push({ write: this.writes, act: done })
  }

  /** What is known of a key, once that is on disk: a crash must not take back what others have heard. */
  private whenReadable(key: string, act: (versions: Versions) => void): void {
    const versions = this.options.store.get(key) ?? NO_VERSIONS
    const write = this.unsynced.get(key)
    if (write === undefined || lacks(this.mutant, 'durable before read')) act(versions)
    else this.held.push({ write, act: () => act(versions) })
  }

  private persisted(write: number): void {
    const ready = this.held.filter((each) => each.write <= write)
    this.held = this.held.filter((each) => each.write > write)
    for (const [key, last] of this.unsynced) if (last <= write) this.unsynced.delete(key)
    for (const { act } of ready) act()
  }

  private open(request: Request): RequestId {
    this.numbers++
    this.requests.set(this.numbers, request)
    return { life: this.options.life, number: this.numbers }
  }

  private tell(asker: Asker, outcome: Outcome): void {
    if (asker.kind === 'client') this.effects.push({ kind: 'reply', id: asker.id, outcome })
    else this.send(asker.name, { kind: 'putEnded', request: asker.request, outcome })
  }

  private send(to: string, message: Message): void {
    this.effects.push({ kind: 'send', to, message })
  }
}

function unavailable(request: Request): Outcome {
  const [answered, wanted] =
    request.kind === 'put'
      ? [request.ackCount, request.wanted]
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
