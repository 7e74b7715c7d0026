// A node: the state with a clock, chance and a backend around it. Commands are applied one after the other, and what they did
// is told to anybody only once it is durable. A member of a cluster, whose commands go through Raft, is in replicated/node.ts.
import { BedplateError } from '../../base/errors.ts'
import type { Cancel, Clock } from '../../io/clock.ts'
import type { Random } from '../../io/random.ts'
import type { Logger } from '../../service/index.ts'
import { AUTH_ACTION, type AuthCommand } from './auth/command.ts'
import { Sessions } from './auth/sessions.ts'
import { type AutoCompaction, startAutoCompaction } from './auto-compaction.ts'
import type { Command, Result } from './command.ts'
import { isRefusal, refusal } from './errors.ts'
import { endOf, LeaseClock } from './lease-clock.ts'
import type { Backend } from './mvcc/backend.ts'
import { writeSnapshot } from './mvcc/snapshot.ts'
import { every } from './repeat.ts'
import type { LeaseView, RaftFigures, ServingNode } from './serving.ts'
import { type Applied, LocksState } from './state.ts'
import { DEFAULT_MAX_TXN_OPS, DEFAULT_QUOTA_BYTES, type Event, EXPIRY_INTERVAL_MS, type KeyValue } from './types.ts'
import { WatchHub } from './watches.ts'

/** How to run a node. */
export interface NodeOptions {
  readonly backend: Backend
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Default 2 GiB. */
  readonly quotaBytes?: number | undefined
  /** Default 128. */
  readonly maxTxnOps?: number | undefined
  /** Compacts by itself. Default: never. */
  readonly autoCompaction?: AutoCompaction | undefined
  /** Told of keys that went because their lease was not kept alive, as they were. */
  readonly onExpired?: ((kvs: readonly KeyValue[], lease: bigint) => void) | undefined
}

/** A node that serves alone leads, in the one term there is. */
const ONLY_TERM = 1

/** One node that serves alone. */
export class LocksNode implements ServingNode {
  readonly state: LocksState
  readonly watches: WatchHub
  readonly sessions: Sessions
  readonly members = undefined
  /** Rejects as soon as the node cannot go on: its disk failed. */
  readonly failed: Promise<never>
  readonly #options: NodeOptions
  readonly #leases = new LeaseClock()
  readonly #timers: Cancel[] = []
  #lastWrite: Promise<void> = Promise.resolve()
  #fail: (error: unknown) => void = () => {}
  #failure: unknown
  #isClosed = false
  #appliedIndex = 0

  /** @throws CORRUPTION if the backend holds what no node has written */
  constructor(options: NodeOptions) {
    this.#options = options
    const { backend, clock, random, quotaBytes = DEFAULT_QUOTA_BYTES, maxTxnOps = DEFAULT_MAX_TXN_OPS } = options
    this.state = new LocksState({ backend, quotaBytes, maxTxnOps })
    this.watches = new WatchHub(this.state.store)
    this.identity = { clusterId: this.#idNamed('clusterId'), memberId: this.#idNamed('memberId') }
    this.sessions = new Sessions({ clock, random, users: this.state.users })
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => {})
    // Whoever held a lease when the node stopped has its whole time once more: it could not keep it alive meanwhile.
    this.#leases.lead(ONLY_TERM, this.state.leases.all(), this.#nowMs())
    this.#timers.push(every(clock, EXPIRY_INTERVAL_MS, () => this.expire()))
    const { autoCompaction, logger } = options
    if (autoCompaction !== undefined) {
      const compact = (revision: number): Promise<unknown> => this.execute({ compact: { revision, physical: false } })
      const store = () => this.state.store
      this.#timers.push(startAutoCompaction(autoCompaction, { clock, logger, store, compact }))
    }
  }

  /** It counts the commands that were applied since the node was opened. */
  get raft(): RaftFigures {
    const index = this.#appliedIndex
    return { term: ONLY_TERM, leader: this.identity.memberId, index, appliedIndex: index, isLearner: false }
  }

  /** Names the cluster, and this member of it; chosen when the backend was empty. */
  readonly identity: { readonly clusterId: bigint; readonly memberId: bigint }

  /** Bytes on disk. */
  get sizeBytes(): number {
    return this.#options.backend.sizeBytes()
  }

  /** Executes a command. @returns When it is durable. @throws Refusal; UNAVAILABLE or IO if the node cannot go on */
  async execute(command: Command): Promise<Result> {
    return (await this.#propose(command)).result
  }

  /** Reads something. @returns What `read` returned, once everything it can have seen is durable. @throws what `read` throws */
  async read<T>(read: (state: LocksState) => T): Promise<T> {
    this.#assertUsable()
    const found = read(this.state)
    await this.#lastWrite
    return found
  }

  /** Grants a lease. @param id - 0 to have one chosen. @throws Refusal */
  async grant(id: bigint, ttlSeconds: number): Promise<{ id: bigint; ttlSeconds: number }> {
    const { grant } = await this.execute({ grant: { id: id === 0n ? this.newLeaseId() : id, ttlSeconds } })
    return grant as { id: bigint; ttlSeconds: number }
  }

  /** Gives a lease its whole time from now on. @returns That time in seconds; 0 if there is no such lease. */
  keepAlive(id: bigint): number {
    this.#assertUsable()
    const lease = this.state.leases.get(id)
    return lease === undefined ? 0 : this.#leases.renew(lease, this.#nowMs())
  }

  leaseView(id: bigint): Promise<LeaseView> {
    return this.read(() => this.lease(id))
  }

  logIn(name: string, password: string): Promise<string> {
    return this.sessions.logIn(name, password)
  }

  announce(): void {} // to whom?

  async handOver(): Promise<void> {}

  /** What there is to know about a lease; of one that does not exist, that nothing is left of it. */
  lease(id: bigint): LeaseView {
    const lease = this.state.leases.get(id)
    const leftMs = this.#leases.leftMs(id, this.#nowMs())
    if (lease === undefined || leftMs === undefined) return { id, ttlSeconds: 0, leftSeconds: -1, keys: [] }
    const { ttlSeconds, keys } = lease
    return { id, ttlSeconds, leftSeconds: Math.max(0, Math.floor(leftMs / 1000)), keys: [...keys].sort() }
  }

  /** Changes users and roles. @param password - Hashed here, if the change has one. @throws Refusal */
  async changeUsers(command: AuthCommand, password?: string): Promise<void> {
    const authRevision = this.state.users.revision
    const passwordHash = password === undefined || password === '' ? undefined : await this.sessions.hash(password)
    await this.execute({
      auth: {
        action: 0,
        user: '',
        role: '',
        permission: undefined,
        noPassword: false,
        ...command,
        passwordHash: passwordHash ?? new Uint8Array(0),
      },
      authRevision,
    })
    const { action, user = '' } = command
    if (action === AUTH_ACTION.changePassword || action === AUTH_ACTION.deleteUser) this.sessions.forget(user)
    if (action === AUTH_ACTION.disable) this.sessions.forgetAll()
  }

  /** Revokes the leases whose time is over. Called by a timer; tests call it. */
  expire(): void {
    if (this.#failure !== undefined) return
    for (const ending of this.#leases.takeExpired(this.state, this.#nowMs())) {
      this.#propose(endOf(ending), ONLY_TERM).then(
        () => this.#options.onExpired?.(ending.kvs, ending.id),
        (error: unknown) => {
          if (isRefusal(error, 'leaseNotFound') || this.#isClosed) return
          this.#options.logger.error('a lease could not be revoked', { error: String(error) })
          this.#leases.retry(ending, this.#nowMs())
        },
      )
    }
  }

  /** All records of the state, as a replica that starts from nothing gets them, once they are durable. */
  async snapshot(): Promise<Uint8Array> {
    return this.read(() => writeSnapshot(this.#options.backend))
  }

  /** Gives space that nothing needs back to the disk. */
  async defragment(): Promise<void> {
    this.#assertUsable()
    await this.#options.backend.defragment()
  }

  /** Ends the node; what was executed stays. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const cancel of this.#timers.splice(0)) cancel()
    await this.#lastWrite.catch(() => {})
    await this.#options.backend.close()
  }

  async #propose(command: Command, term = 0): Promise<Applied> {
    this.#assertUsable()
    let applied: Applied
    try {
      applied = this.state.apply(command, term)
    } catch (error) {
      // A refusal tells what the state is, and that may not be durable yet.
      await this.#lastWrite
      throw error
    }
    this.#appliedIndex++
    const { result, events, written } = applied
    this.#leases.applied(command, applied, this.#nowMs())
    const done = Promise.all([this.#lastWrite, written]).then(() => this.#publish(events, result.revision))
    this.#lastWrite = done
    done.catch((error: unknown) => this.#stop(error))
    await done
    return applied
  }

  #publish(events: readonly Event[], revision: number): void {
    if (events.length > 0) this.watches.publish(events, revision)
  }

  #stop(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#options.logger.error('the disk failed: no more commands', { error: String(error) })
    this.#fail(error)
  }

  #assertUsable(): void {
    if (this.#failure !== undefined) {
      throw new BedplateError('IO', 'the lock service cannot go on: its disk failed', { cause: this.#failure })
    }
    if (this.#isClosed) throw refusal('stopped')
  }

  #nowMs(): number {
    return this.#options.clock.monotonic() / 1e6
  }

  #idNamed(name: string): bigint {
    const { backend, random } = this.#options
    const key = Buffer.from(name)
    const kept = backend.get('meta', key)
    const bytes = kept === undefined ? random.bytes(8) : kept
    if (bytes.length !== 8) throw new BedplateError('CORRUPTION', `${name} has ${bytes.length} bytes instead of 8`)
    if (kept === undefined)
      this.#lastWrite = Promise.all([this.#lastWrite, backend.write([{ bucket: 'meta', key, value: bytes }])]).then(
        () => {},
      )
    return Buffer.from(bytes).readBigUInt64BE()
  }

  /** Positive, as etcd's are, and not one that exists. */
  newLeaseId(): bigint {
    for (;;) {
      const bytes = Buffer.from(this.#options.random.bytes(8))
      const id = BigInt.asUintN(63, bytes.readBigUInt64BE())
      if (id !== 0n && this.state.leases.get(id) === undefined) return id
    }
  }
}
