// A member of a cluster: the same services as a node that serves alone, over a state that Raft replicates. Any member answers any
// request. Commands go through the log, reads of the state as of now ask a majority first, and what only the leader's clock knows
// is asked of the leader. Watches hear of what is applied here, which a majority has on disk.
import { BedplateError, isCode } from '../../../base/errors.ts'
import type { Cancel, Clock } from '../../../io/clock.ts'
import { loadCrypto, type Random } from '../../../io/random.ts'
import type { Logger } from '../../../service/index.ts'
import type { GroupOptions, RaftGroup, RaftHost, RoleChange } from '../../raft/index.ts'
import { AUTH_ACTION, type AuthCommand } from '../auth/command.ts'
import { MAX_LOGIN_ATTEMPTS, Sessions } from '../auth/sessions.ts'
import { type AutoCompaction, startAutoCompaction } from '../auto-compaction.ts'
import { Command, outcomeOf, type Result } from '../command.ts'
import { isRefusal, refusal } from '../errors.ts'
import { endOf, LeaseClock } from '../lease-clock.ts'
import type { Backend } from '../mvcc/backend.ts'
import { every } from '../repeat.ts'
import type { LeaseView, Members, RaftFigures, ReadMode, ServingNode } from '../serving.ts'
import type { Applied, LocksState } from '../state.ts'
import {
  DEFAULT_MAX_REQUEST_BYTES,
  DEFAULT_MAX_TXN_OPS,
  DEFAULT_QUOTA_BYTES,
  EXPIRY_INTERVAL_MS,
  type KeyValue,
} from '../types.ts'
import { WatchHub } from '../watches.ts'
import { LocksMachine } from './machine.ts'
import { GroupMembers } from './members.ts'
import { Answer, answerQuery, Query } from './queries.ts'
import { asRefusal } from './refusals.ts'

/** How to run a member. Bounds are equal on all members. */
export interface ReplicatedNodeOptions {
  /** Open; closed with the node. */
  readonly host: RaftHost
  /** Where the state lies; closed with the node. */
  readonly backend: Backend
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly hasTls: boolean
  /** Default 2 GiB. */
  readonly quotaBytes?: number | undefined
  /** Default 128. */
  readonly maxTxnOps?: number | undefined
  /** Default 1.5 MiB. */
  readonly maxRequestBytes?: number | undefined
  /** Compacts by itself, on the leader. Default: never. */
  readonly autoCompaction?: AutoCompaction | undefined
  /** How long a request waits for a leader, and for its answer. Default 7 s: etcd's, with its default time of elections. */
  readonly requestMs?: number | undefined
  /** How Raft runs. */
  readonly group?: Pick<GroupOptions, 'tickMs' | 'electionTicks' | 'snapshotBytes' | 'keptEntries'>
  /** Told on the leader of keys that went because their lease was not kept alive, as they were. */
  readonly onExpired?: ((kvs: readonly KeyValue[], lease: bigint) => void) | undefined
  readonly onElected?: ((term: number) => void) | undefined
}

/** The group of Raft; others may come to share its host. */
const GROUP = 1
/** What a command has beside the request that it carries. */
const COMMAND_OVERHEAD_BYTES = 64 * 1024
/** Members that are to vote are looked for so often. */
const PROMOTE_MS = 1000
const DEFAULT_REQUEST_MS = 7000
const HAND_OVER_MS = 1000
/** A leader that has just been replaced is asked no sooner again than after this. */
const ASK_AGAIN_MS = 30

/** A member that serves. Made by `openReplicatedNode`. */
export class ReplicatedNode implements ServingNode {
  readonly watches: WatchHub
  readonly sessions: Sessions
  readonly identity: { readonly clusterId: bigint; readonly memberId: bigint }
  readonly failed: Promise<never>
  readonly #options: ReplicatedNodeOptions
  readonly #machine: LocksMachine
  readonly #leases = new LeaseClock()
  readonly #timers: Cancel[] = []
  readonly #requestMs: number
  #group: RaftGroup | undefined
  #members: GroupMembers | undefined
  #clientUrl: string | undefined
  #isAnnouncing = false
  #fail: (error: unknown) => void = () => {}
  #failure: unknown
  #isClosed = false

  /** @throws CORRUPTION if the backend holds what no replica has written */
  constructor(options: ReplicatedNodeOptions) {
    this.#options = options
    const { host, backend, clock, random, quotaBytes = DEFAULT_QUOTA_BYTES, maxTxnOps = DEFAULT_MAX_TXN_OPS } = options
    this.#requestMs = options.requestMs ?? DEFAULT_REQUEST_MS
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => {})
    this.#machine = new LocksMachine({
      ...{ backend, quotaBytes, maxTxnOps },
      onApplied: (command, applied) => this.#applied(command, applied),
      onRestored: () => {
        this.watches.replace(this.state.store)
        // Passwords may have changed, and users may have gone, in what was skipped.
        this.sessions.forgetAll()
      },
      onFailure: (error) => this.#stop(error),
    })
    this.watches = new WatchHub(this.#machine.state.store)
    const users = () => this.#machine.state.users
    this.sessions = new Sessions({
      clock,
      random,
      get users() {
        return users()
      },
    })
    this.identity = { clusterId: idOf(host.clusterId), memberId: BigInt(host.id) }
  }

  /** Takes part in the cluster from now on. @throws as `RaftHost.openGroup` */
  async start(): Promise<void> {
    const { host, hasTls, clock, logger, autoCompaction, maxRequestBytes = DEFAULT_MAX_REQUEST_BYTES } = this.#options
    const group = await host.openGroup(GROUP, this.#machine, {
      ...this.#options.group,
      maxCommandBytes: maxRequestBytes + COMMAND_OVERHEAD_BYTES,
      onQuery: (query) => answerQuery(query, { clock: this.#leases, leases: this.state.leases }, this.#nowMs()),
      onRole: (change) => this.#roleChanged(change),
      onFailure: (error) => this.#stop(error),
    })
    this.#group = group
    this.#members = new GroupMembers({
      ...{ host, group, scheme: hasTls ? 'https' : 'http' },
      records: () => this.state.members,
      execute: (command) => this.execute(command),
    })
    this.#timers.push(
      every(clock, EXPIRY_INTERVAL_MS, () => this.#expire()),
      every(clock, PROMOTE_MS, () => this.#tend()),
    )
    if (autoCompaction === undefined) return
    this.#timers.push(
      startAutoCompaction(autoCompaction, {
        ...{ clock, logger, store: () => this.state.store },
        compact: async (revision) => {
          if (this.#leases.term !== undefined) await this.execute({ compact: { revision, physical: false } })
        },
      }),
    )
  }

  get state(): LocksState {
    return this.#machine.state
  }

  get raft(): RaftFigures {
    const { term, leader, commitIndex, appliedIndex, membership } = this.#running.status
    const isLearner = membership.learners.includes(this.#options.host.id)
    return { term, leader: BigInt(leader ?? 0), index: commitIndex, appliedIndex, isLearner }
  }

  get members(): Members {
    this.#assertUsable()
    return this.#members as GroupMembers
  }

  get sizeBytes(): number {
    return this.#machine.sizeBytes
  }

  async execute(command: Command): Promise<Result> {
    this.#assertUsable()
    const { txn } = command
    // Whoever was asked whether it may be was asked in this turn, or says when.
    const stamped = { ...command, authRevision: command.authRevision ?? this.state.users.revision }
    // What only reads need not be in the log.
    if (txn !== undefined && this.state.isReadOnly(txn)) {
      return this.read((state) => {
        const { result, written } = state.apply(stamped)
        written.catch((error: unknown) => this.#stop(error))
        return result
      })
    }
    const bytes = Command.encode(stamped)
    const { result } = await this.#refusing(this.#running.propose(bytes, { timeoutMs: this.#requestMs }))
    return outcomeOf(result)
  }

  async read<T>(read: (state: LocksState) => T, { isSerializable = false }: ReadMode = {}): Promise<T> {
    this.#assertUsable()
    const consistency = isSerializable ? 'stale' : 'linearizable'
    return this.#refusing(this.#running.read(() => read(this.state), { consistency, timeoutMs: this.#requestMs }))
  }

  async grant(id: bigint, ttlSeconds: number): Promise<{ id: bigint; ttlSeconds: number }> {
    const { grant } = await this.execute({ grant: { id: id === 0n ? this.newLeaseId() : id, ttlSeconds } })
    return grant as { id: bigint; ttlSeconds: number }
  }

  async keepAlive(id: bigint): Promise<number> {
    const { isAlive, ttlSeconds } = await this.#ask((term) => ({ renew: { id, term } }))
    return isAlive ? ttlSeconds : 0
  }

  async leaseView(id: bigint): Promise<LeaseView> {
    const { ttlSeconds, leftMs } = await this.#ask((term) => ({ timeLeft: { id, term } }))
    const lease = await this.read((state) => state.leases.get(id))
    if (lease === undefined || ttlSeconds === 0) return { id, ttlSeconds: 0, leftSeconds: -1, keys: [] }
    return { id, ttlSeconds, leftSeconds: Math.max(0, Math.floor(leftMs / 1000)), keys: [...lease.keys].sort() }
  }

  async changeUsers(command: AuthCommand, password?: string): Promise<void> {
    const authRevision = this.state.users.revision
    const passwordHash =
      password === undefined || password === '' ? new Uint8Array(0) : await this.sessions.hash(password)
    const nothing = { action: 0, user: '', role: '', permission: undefined, noPassword: false }
    await this.execute({ auth: { ...nothing, ...command, passwordHash }, authRevision })
  }

  /** The token is worth something on every member that runs. */
  async logIn(name: string, password: string): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      // As of now: a user may have been added through another member.
      const authRevision = await this.read(({ users }) => users.revision)
      const token = await this.sessions.check(name, password)
      try {
        await this.execute({ login: { user: name, token }, authRevision })
        return token
      } catch (error) {
        // The password may be another one by now.
        if (!isRefusal(error, 'oldAuthRevision') || attempt === MAX_LOGIN_ATTEMPTS) throw error
      }
    }
  }

  snapshot(): Promise<Uint8Array> {
    return this.read(() => this.#machine.records())
  }

  async defragment(): Promise<void> {
    this.#assertUsable()
    await this.#machine.defragment()
  }

  announce(clientUrl: string): void {
    this.#clientUrl = clientUrl
    this.#tend()
  }

  /** To whoever is connected and votes; if nobody takes it, there will be an election. */
  async handOver(): Promise<void> {
    const { host } = this.#options
    const { role, membership } = this.#running.status
    const heir = host.connected.find((other) => other !== host.id && membership.voters.includes(other))
    if (role !== 'leader' || heir === undefined) return
    await this.#running.transfer(heir, { timeoutMs: HAND_OVER_MS }).catch(() => {})
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const cancel of this.#timers.splice(0)) cancel()
    try {
      await this.#options.host.close()
    } finally {
      await this.#machine.close()
    }
  }

  get #running(): RaftGroup {
    if (this.#group === undefined) throw refusal('noLeader')
    return this.#group
  }

  /** Asks the leader, whoever that is; each time the one of the term that is known then. */
  async #ask(queryIn: (term: number) => Query): Promise<Answer> {
    this.#assertUsable()
    const { clock } = this.#options
    const until = this.#nowMs() + this.#requestMs
    for (;;) {
      const timeoutMs = Math.max(0, until - this.#nowMs())
      const query = Query.encode(queryIn(this.#running.status.term))
      const answer = Answer.decode(await this.#refusing(this.#running.ask(query, { timeoutMs })))
      if (answer.isLeading) return answer
      if (timeoutMs === 0) throw refusal('leaderChanged')
      await new Promise<void>((resolve) => {
        clock.timer(ASK_AGAIN_MS, resolve)
      })
    }
  }

  #roleChanged(change: RoleChange): void {
    if (this.#leases.follow(change, this.state.leases.all(), this.#nowMs())) this.#options.onElected?.(change.term)
  }

  #applied(command: Command, applied: Applied): void {
    const { auth, login } = command
    const { result, events } = applied
    this.#leases.applied(command, applied, this.#nowMs())
    if (login !== undefined) this.sessions.admit(login.token, login.user)
    const { action, user = '' } = auth ?? {}
    if (action === AUTH_ACTION.changePassword || action === AUTH_ACTION.deleteUser) this.sessions.forget(user)
    if (action === AUTH_ACTION.disable) this.sessions.forgetAll()
    if (events.length > 0) this.watches.publish(events, result.revision)
  }

  /** Proposes the end of leases whose time is over, if this member leads. */
  #expire(): void {
    for (const ending of this.#leases.takeExpired(this.state, this.#nowMs())) {
      this.execute(endOf(ending)).then(
        () => this.#options.onExpired?.(ending.kvs, ending.id),
        (error: unknown) => {
          if (isRefusal(error, 'leaseNotFound') || isRefusal(error, 'notLeader') || this.#isClosed) return
          this.#options.logger.warn('a lease could not be revoked', { error: String(error) })
          this.#leases.retry(ending, this.#nowMs())
        },
      )
    }
  }

  /** Sees that everybody knows where clients find this member, and that those vote who are to. */
  #tend(): void {
    const { host, logger } = this.#options
    this.#members?.promoteThoseWho((id) => logger.info('a member votes from now on', { id }))
    const { memberId } = this.identity
    const known = this.state.members.get(memberId)
    const url = this.#clientUrl
    if (url === undefined || known?.clientUrls[0] === url || this.#isAnnouncing) return
    const wantsVote = known?.wantsVote ?? false
    this.#isAnnouncing = true
    this.execute({ member: { id: memberId, name: `node-${host.id}`, clientUrls: [url], wantsVote } })
      .catch(() => {}) // it is tried again
      .finally(() => {
        this.#isAnnouncing = false
      })
  }

  async #refusing<T>(request: Promise<T>): Promise<T> {
    return request.catch((error: unknown) => {
      throw asRefusal(error)
    })
  }

  #stop(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    // Who was removed is told by what `failed` rejects with, and has no more to do.
    if (!isCode(error, 'CLOSED')) {
      this.#options.logger.error('this member cannot go on: it starts again from its disk', { error: String(error) })
    }
    this.#fail(error)
  }

  #assertUsable(): void {
    if (this.#failure !== undefined) {
      throw new BedplateError('IO', 'this member of the lock service cannot go on', { cause: this.#failure })
    }
    if (this.#isClosed) throw refusal('stopped')
  }

  #nowMs(): number {
    return this.#options.clock.monotonic() / 1e6
  }

  /** Positive, as etcd's are, and not one that is known here; another member's choice is refused when it is applied. */
  newLeaseId(): bigint {
    for (;;) {
      const id = BigInt.asUintN(63, Buffer.from(this.#options.random.bytes(8)).readBigUInt64BE())
      if (id !== 0n && this.state.leases.get(id) === undefined) return id
    }
  }
}

/** The number that names a cluster: the same on all members. */
function idOf(clusterId: string): bigint {
  return loadCrypto().createHash('sha256').update(clusterId).digest().readBigUInt64BE()
}
