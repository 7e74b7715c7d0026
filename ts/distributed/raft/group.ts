// One group of a host, as its user has it: requests may be made on any member, which asks the leader.
import { BedplateError } from '../../base/errors.ts'
import { checkArray, checkFunction, checkOptions } from '../../base/options.ts'
import type { Cancel, Clock } from '../../io/clock.ts'
import { type Address, showAddress } from '../../io/network.ts'
import type { CallOutcome } from '../link/index.ts'
import { decodeReply, decodeRequest, encodeReply, encodeRequest, type Reply, type Request } from './calls.ts'
import type {
  Addresses,
  GroupOptions,
  GroupStatus,
  MembershipChange,
  RaftGroup,
  RaftSession,
  ReadOptions,
  RequestOptions,
  SessionPlace,
} from './door.ts'
import { Driver, type DriverOptions } from './driver.ts'
import { LARGEST_COMMAND_BYTES } from './entry-codec.ts'
import {
  addressCommand,
  addressesIn,
  checkCommand,
  type HostedMachine,
  isOfSession,
  WRAPPING_BYTES,
  wrapCommand,
  wrapSession,
} from './hosted-machine.ts'
import { type Applied, RaftError } from './raft-error.ts'
import { failureOf, Session } from './session.ts'
import { decodeResult, type SessionCommand } from './session-codec.ts'
import type {
  Coverage,
  LogIndex,
  Message,
  NodeId,
  Position,
  RaftOptions,
  Refusal,
  SettledMembership,
  Term,
} from './types.ts'

/** What a group needs of its host. */
export interface GroupSeams extends Pick<DriverOptions, 'group' | 'founding' | 'journal' | 'snapshots' | 'engine'> {
  readonly id: NodeId
  readonly clock: Clock
  readonly random: RaftOptions['random']
  readonly machine: HostedMachine
  readonly send: (to: NodeId, message: Message) => void
  readonly call: (to: NodeId, request: Uint8Array) => Promise<CallOutcome>
  readonly learned: (addresses: Addresses) => void
  readonly closed: () => void
}

const TYPES = {
  tickMs: 'number',
  electionTicks: 'number',
  heartbeatTicks: 'number',
  reads: 'string',
  maxCommandBytes: 'number',
  snapshotBytes: 'number',
  keptEntries: 'number',
  onQuery: 'function',
  onRole: 'function',
  onFailure: 'function',
} as const

const DEFAULT_COMMAND_BYTES = 1024 * 1024
const DEFAULT_TIMEOUT_MS = 5000
/** New voters are sent the log, or a snapshot, before anything changes. */
const CHANGE_TIMEOUT_MS = 60_000
/** A request that found no leader looks again when it hears of one, and at the latest after this. */
const RETRY_MS = 30
/** What passes by itself, after which the same request may succeed. */
const PASSING: ReadonlySet<Refusal> = new Set(['not leader', 'transferring'])
/** Another change of membership came first. */
const OUTDONE: ReadonlySet<Refusal | undefined> = new Set(['change under way', 'other membership'] as const)

/** The group behind the interface. */
export class Group implements RaftGroup {
  private readonly driver: Driver
  private readonly seams: GroupSeams
  private readonly onQuery: GroupOptions['onQuery']
  private readonly maxCommandBytes: number
  private readonly roleWaiters = new Set<() => void>()
  private readonly readableWaiters = new Set<() => void>()
  private isClosed = false

  /** @throws INVALID_INPUT for options that cannot work, CORRUPTION */
  constructor(seams: GroupSeams, options: GroupOptions = {}) {
    checkOptions(options, TYPES, 'openGroup')
    const { group, founding, journal, snapshots, engine, clock, id, random, machine, send } = seams
    const {
      tickMs,
      snapshotBytes,
      onQuery,
      onRole,
      onFailure,
      maxCommandBytes = DEFAULT_COMMAND_BYTES,
      ...raft
    } = options
    this.seams = seams
    this.onQuery = onQuery
    if (maxCommandBytes > LARGEST_COMMAND_BYTES - WRAPPING_BYTES) {
      throw new BedplateError(
        'INVALID_INPUT',
        `openGroup: maxCommandBytes must be at most ${LARGEST_COMMAND_BYTES - WRAPPING_BYTES}, got ${maxCommandBytes}`,
      )
    }
    this.maxCommandBytes = maxCommandBytes
    // Addresses count as soon as they are in the log, like memberships: an election may need them before they are committed.
    for (const entry of journal.state(group).entries) this.learn(entry)
    this.driver = new Driver({
      ...{ group, founding, journal, snapshots, engine, clock, send, onFailure },
      ...(tickMs === undefined ? {} : { tickMs }),
      ...(snapshotBytes === undefined ? {} : { snapshotBytes }),
      machine,
      raft: { ...raft, id, random, maxCommandBytes: maxCommandBytes + WRAPPING_BYTES },
      onAppended: (entries) => {
        for (const entry of entries) this.learn(entry)
      },
      onReadable: () => {
        for (const look of this.readableWaiters) look()
      },
      onRole: (change) => {
        onRole?.(change)
        for (const wake of this.roleWaiters) wake()
      },
    })
  }

  get status(): GroupStatus {
    return { ...this.driver.status, group: this.seams.group }
  }

  termAt(index: LogIndex): Term | undefined {
    return this.driver.termAt(index)
  }

  get readable(): Position {
    return this.driver.readable
  }

  covers(position: Position): Coverage {
    return this.driver.covers(position)
  }

  get failure(): Error | undefined {
    return this.isClosed ? undefined : this.driver.failure
  }

  async propose(command: Uint8Array, options: RequestOptions = {}): Promise<Applied> {
    this.checkSize(command)
    return this.atLeader({ kind: 'propose', command: wrapCommand(command) }, options)
  }

  async openSession(options: RequestOptions = {}): Promise<RaftSession> {
    const { result } = await this.ofSession({ kind: 'open' }, options)
    if (result.kind === 'opened') return new Session(result.session, this, this.seams.clock)
    throw new BedplateError('INTERNAL', `opening a session gave "${result.kind}"`)
  }

  async proposeIn(place: SessionPlace, command: Uint8Array, options: RequestOptions = {}): Promise<Applied> {
    checkOptions(place, { session: 'number', sequence: 'number', acknowledged: 'number' }, 'proposeIn')
    this.checkSize(command)
    const { session, sequence, acknowledged = sequence - 1 } = place
    const { result, ...at } = await this.ofSession({ kind: 'run', session, sequence, acknowledged, command }, options)
    if (result.kind === 'done') return { ...at, result: result.result }
    throw failureOf(result, place)
  }

  async read<T>(query: () => T, options: ReadOptions = {}): Promise<T> {
    const { consistency = 'linearizable', timeoutMs = DEFAULT_TIMEOUT_MS } = options
    if (consistency === 'stale') return query()
    const deadline = this.nowMs + timeoutMs
    for (;;) {
      const position = await this.readIndex({ timeoutMs: Math.max(0, deadline - this.nowMs) })
      if ((await this.untilCovered(position, deadline)) === 'covered') return query()
      // Another leader took over, and what this one named is gone.
    }
  }

  readIndex(options: RequestOptions = {}): Promise<Position> {
    return this.atLeader({ kind: 'read' }, options)
  }

  async reach(position: Position, { timeoutMs = DEFAULT_TIMEOUT_MS }: RequestOptions = {}): Promise<void> {
    const coverage = await this.untilCovered(position, this.nowMs + timeoutMs)
    if (coverage === 'covered') return
    const what = coverage === 'lost' ? 'was lost' : 'lies too far back to be told from one that was lost'
    throw new BedplateError(
      'CONFLICT',
      `entry ${position.index} of term ${position.term} ${what} with an earlier leader`,
      {
        hint: 'read again without it, look what is there, and go on from that',
      },
    )
  }

  async ask(query: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    const { result } = await this.atLeader({ kind: 'query', query: new Uint8Array(query) }, options)
    return result
  }

  async changeMembership(change: MembershipChange, options: RequestOptions = {}): Promise<LogIndex> {
    const call = 'changeMembership'
    checkOptions(change, { voters: 'any', learners: 'any', addresses: 'any', replaces: 'any' }, call)
    const { learners = [], addresses = new Map() } = change
    // Copied now: the caller may go on with its arrays while addresses are made known.
    const members = copyOf({ voters: change.voters, learners }, call)
    const replaces = change.replaces && copyOf(change.replaces, `${call}: replaces`)
    if (addresses.size > 0) await this.announce(addresses, options)
    const { timeoutMs = CHANGE_TIMEOUT_MS } = options
    const { index } = await this.atLeader({ kind: 'change', ...members, replaces }, { timeoutMs })
    return index
  }

  async reviseMembership(
    revise: (now: SettledMembership) => MembershipChange,
    { timeoutMs = CHANGE_TIMEOUT_MS }: RequestOptions = {},
  ): Promise<LogIndex> {
    checkFunction(revise, 'reviseMembership')
    const deadline = this.nowMs + timeoutMs
    const left = (most = timeoutMs): RequestOptions => ({
      timeoutMs: Math.max(0, Math.min(most, deadline - this.nowMs)),
    })
    let announced = ''
    for (;;) {
      const membership = await this.read(() => this.driver.status.membership, left(DEFAULT_TIMEOUT_MS))
      // Of a change that is under way, what is to come of it.
      const replaces = copyOf(membership, 'reviseMembership')
      try {
        const { addresses = new Map<NodeId, Address>(), ...change } = revise(replaces)
        const text = [...addresses].map(([id, address]) => `${id} ${showAddress(address)}`).join()
        if (text !== announced) await this.announce(addresses, left(DEFAULT_TIMEOUT_MS))
        announced = text
        return await this.changeMembership({ ...change, replaces }, left())
      } catch (error) {
        const isOutdone = error instanceof RaftError && OUTDONE.has(error.reason)
        if (!isOutdone || this.nowMs >= deadline) throw error
      }
      await this.untilRole(Math.min(RETRY_MS, deadline - this.nowMs))
    }
  }

  async announce(addresses: Addresses, options: RequestOptions = {}): Promise<void> {
    await this.atLeader({ kind: 'propose', command: addressCommand(addresses) }, options)
  }

  async transfer(to: NodeId, options: RequestOptions = {}): Promise<void> {
    await this.atLeader({ kind: 'transfer', to }, options)
  }

  snapshot(): Promise<LogIndex> {
    return this.driver.snapshot()
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    this.seams.closed()
    await this.driver.close()
    for (const wake of this.roleWaiters) wake()
    for (const look of this.readableWaiters) look()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A message of another member. */
  receive(from: NodeId, message: Message): void {
    this.driver.receive(from, message)
  }

  /** A call of another member: done if this node leads, refused otherwise. @throws CORRUPTION */
  async answer(bytes: Uint8Array): Promise<Uint8Array> {
    const request = decodeRequest(bytes)
    if (request.kind === 'propose') checkCommand(request.command)
    const isLost = (): Reply => ({ kind: 'unknown', leader: undefined }) // this node is ending
    return encodeReply(await this.perform(request).catch(isLost))
  }

  private get nowMs(): number {
    return this.seams.clock.monotonic() / 1e6
  }

  private learn(entry: Parameters<typeof addressesIn>[0]): void {
    const addresses = addressesIn(entry)
    if (addresses !== undefined) this.seams.learned(addresses)
  }

  private async ofSession(command: SessionCommand, options: RequestOptions) {
    if (this.seams.engine !== undefined) {
      throw new BedplateError(
        'NOT_SUPPORTED',
        'there are no sessions where commands are shown before a majority has them',
      )
    }
    const { index, term, result } = await this.atLeader({ kind: 'propose', command: wrapSession(command) }, options)
    return { index, term, result: decodeResult(result) }
  }

  private checkSize({ length }: Uint8Array): void {
    if (length > this.maxCommandBytes) throw new RaftError({ kind: 'refused', reason: 'too large', leader: undefined })
  }

  private async atLeader(
    request: Request,
    { timeoutMs = DEFAULT_TIMEOUT_MS }: RequestOptions,
  ): Promise<Reply & { kind: 'done' }> {
    const deadline = this.nowMs + timeoutMs
    let isUncertain = false
    for (;;) {
      const reply = await this.attempt(request, deadline)
      if (reply.kind === 'done') return reply
      if (reply.kind === 'unknown') isUncertain = !changesNothing(request)
      const isPassing = reply.kind === 'refused' ? PASSING.has(reply.reason) || isUncertain : isRepeatable(request)
      if (!isPassing || this.nowMs >= deadline) {
        throw new RaftError(isUncertain ? { kind: 'unknown', leader: reply.leader, ...missingOf(reply) } : reply)
      }
      await this.untilRole(Math.min(RETRY_MS, deadline - this.nowMs))
    }
  }

  private async attempt(request: Request, deadline: number): Promise<Reply> {
    const { role, leader } = this.driver.standing
    if (role === 'leader' || leader === undefined || this.driver.failure !== undefined) return this.perform(request)
    const isMoot = (): boolean => isRepeatable(request) && this.driver.standing.leader !== leader
    const outcome = await this.whileOf(deadline, this.seams.call(leader, encodeRequest(request)), isMoot)
    if (outcome === 'unsent') return { kind: 'refused', reason: 'not leader', leader: undefined }
    return outcome === 'lost' ? { kind: 'unknown', leader: undefined } : decodeReply(outcome)
  }

  /** Does what was asked, here; errors of the request become replies, others go on. */
  private async perform(request: Request): Promise<Reply> {
    try {
      return { kind: 'done', ...(await this.execute(request)) }
    } catch (error) {
      if (!(error instanceof RaftError)) throw error
      const { reason, leader, missing } = error
      if (reason !== undefined) return { kind: 'refused', reason, leader }
      return { kind: 'unknown', leader, ...(missing.length > 0 ? { missing } : {}) }
    }
  }

  private async execute(request: Request): Promise<Applied> {
    const result = new Uint8Array(0)
    switch (request.kind) {
      case 'propose':
        return this.driver.propose(request.command)
      case 'read':
        return { ...(await this.driver.read()), result }
      case 'query': {
        const position = await this.driver.read()
        // It led when it was asked. Should it have lost that since, its answer may be empty.
        return { ...position, result: this.onQuery?.(request.query) ?? result }
      }
      case 'change': {
        const index = await this.driver.changeMembership(request)
        return { index, term: this.termAt(index) ?? 0, result }
      }
      default:
        await this.driver.transfer(request.to)
        return { ...this.readable, result }
    }
  }

  /**
   * A call that is not answered in time is lost. So is one that may be repeated, as soon as somebody else leads: it is better
   * asked there than waited for where nobody may be. Anything else may still be answered, and only that answer is certain.
   */
  private whileOf(deadline: number, call: Promise<CallOutcome>, isMoot: () => boolean): Promise<CallOutcome> {
    return new Promise((resolve) => {
      const end = (outcome: CallOutcome): void => {
        cancel()
        this.roleWaiters.delete(look)
        resolve(outcome)
      }
      const look = (): void => {
        if (isMoot()) end('lost')
      }
      const cancel = this.seams.clock.timer(Math.max(0, deadline - this.nowMs), () => end('lost'))
      this.roleWaiters.add(look)
      void call.then(end)
    })
  }

  private untilRole(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel()
        this.roleWaiters.delete(wake)
        resolve()
      }
      const cancel = this.seams.clock.timer(ms, wake)
      this.roleWaiters.add(wake)
    })
  }

  /** In the turn in which this resolves with `covered`, the state machine shows the position. @throws UNAVAILABLE, CLOSED */
  private untilCovered(position: Position, deadline: number): Promise<Exclude<Coverage, 'behind'>> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        cancel?.()
        this.readableWaiters.delete(look)
        settle()
      }
      const look = (): void => {
        const coverage = this.covers(position)
        const { failure } = this.driver
        if (failure !== undefined) end(() => reject(failure))
        else if (coverage !== 'behind') end(() => resolve(coverage))
      }
      const late = (): void => end(() => reject(this.behind(position)))
      let cancel: Cancel | undefined
      this.readableWaiters.add(look)
      look()
      if (!this.readableWaiters.has(look)) return
      cancel = this.seams.clock.timer(Math.max(0, deadline - this.nowMs), late)
    })
  }

  private behind({ index }: Position): BedplateError {
    return new BedplateError('UNAVAILABLE', `this node has not come to entry ${index} in time`, {
      hint: 'it is behind: try again, or read from another member',
    })
  }
}

/** @throws INVALID_INPUT for what are no arrays; what is in them is for the leader to judge. */
function copyOf({ voters, learners }: SettledMembership, where: string): SettledMembership {
  checkArray(voters, where, 'voters')
  checkArray(learners, where, 'learners')
  return { voters: [...voters], learners: [...learners] }
}

/** One that got no answer has done nothing. */
function changesNothing({ kind }: Request): boolean {
  return kind === 'read' || kind === 'query'
}

/** One that got no answer may be made again: it has done nothing, or is of a session, which remembers what it has done. */
function isRepeatable(request: Request): boolean {
  return changesNothing(request) || (request.kind === 'propose' && isOfSession(request.command))
}

function missingOf(reply: Reply): { missing?: readonly NodeId[] } {
  return reply.kind === 'unknown' && reply.missing !== undefined ? { missing: reply.missing } : {}
}
