// The cache over TCP: the parts of a server, and how they begin and end together. `reactor.ts` runs them.
import type { Address } from '../../io/network.ts'
import { Door, isLoopback, type Metric, type Server } from '../../service/index.ts'
import { openUser } from '../acl/users.ts'
import { ClusterMember } from '../cluster/member.ts'
import { Engine } from '../commands/engine.ts'
import { functionCodeOf } from '../commands/functions.ts'
import type { Session } from '../commands/session.ts'
import { SlowLog } from '../commands/slow-log.ts'
import type { CommandSpec } from '../commands/specs.ts'
import { restoreSnapshot, type Snapshot, takeSnapshot } from '../keyspace/snapshot.ts'
import { Replication } from '../replication/replication.ts'
import { DEFAULT_REPLICATION } from '../replication/types.ts'
import { serverDoor } from './command-door.ts'
import { DEBUG_REFUSED, mayDebug } from './debugging.ts'
import { engineFacts, renderInfo } from './info.ts'
import { applyMemoryOptions } from './memory-settings.ts'
import { cacheMetrics } from './metrics.ts'
import { Migrator } from './migrator.ts'
import type { CacheServerOptions } from './options.ts'
import { Password } from './password.ts'
import { Pause } from './pause.ts'
import { Persistence } from './persistence.ts'
import { MAX_OUTPUT_BYTES, MAX_PUBSUB_OUTPUT_BYTES, Reactor } from './reactor.ts'
import { serverSettings } from './server-settings.ts'
import { beginUsers } from './user-file.ts'

const LOADING = 'LOADING Redis is loading the dataset in memory'

/**
 * A Redis-compatible server in this process.
 *
 * @example
 * const server = new CacheServer({ host: '127.0.0.1', port: 0, network: realNetwork, ... })
 * const { port } = await server.start() // redis://127.0.0.1:port
 */
export class CacheServer implements Server {
  /** Rejects if the engine has failed: the server then answers nobody any more. */
  readonly failed: Promise<never>
  /** Resolves when a client has asked it to end: with how. */
  readonly ended: Promise<string>
  readonly #options: CacheServerOptions
  readonly #engine: Engine
  readonly #door: Door
  readonly #persistence: Persistence | undefined
  readonly #replication: Replication
  readonly #reactor: Reactor
  #end: (how: string) => void = () => {}
  /** What SHUTDOWN said of a last snapshot. */
  #savesAtEnd: boolean | undefined
  #fail: (error: unknown) => void = () => {}
  readonly #pause: Pause
  readonly #migrator: Migrator
  #isDraining = false
  /** Who runs the commands of this process. */
  #local: Session | undefined
  readonly #password: Password
  #startedMs = 0
  #port = 0
  readonly #runId: string
  readonly #member: ClusterMember | undefined

  /** @throws INVALID_INPUT if others could reach it without a password. */
  constructor(options: CacheServerOptions) {
    this.#options = options
    const { network, logger, host, port, tls, random, databases, maxClients } = options
    this.failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.failed.catch(() => {}) // whoever runs the server listens, or nobody
    this.#runId = Buffer.from(random.bytes(20)).toString('hex')
    this.#engine = new Engine({
      random,
      databases,
      refuse: (session, command, args) => this.#refusal(session, command, args),
      monotonicMs: () => options.clock.monotonic() / 1e6,
    })
    const { users } = this.#engine
    this.#password = new Password(users, options.password)
    const directory = options.persistence?.settings.directory ?? ''
    const userFile = beginUsers(users, options.users, { directory, logger })
    users.mustHavePassword = !isLoopback(host)
    this.#pause = new Pause({ clock: options.clock, engine: this.#engine, ended: () => this.#resume() })
    this.#replication = this.#makeReplication()
    this.#migrator = new Migrator({
      network,
      clock: options.clock,
      engine: this.#engine,
      intervene: (act) => this.#reactor.intervene(act),
      ended: () => this.#resume(),
      isPaused: () => this.#pause.isUnderWay(options.clock.now()),
      isMaster: () => !this.#replication.isReplica,
      failed: (error) => this.#reactor.break(error),
    })
    this.#member = this.#joinCluster()
    applyMemoryOptions(this.#engine, options.memory)
    this.#persistence = this.#makePersistence()
    this.#reactor = new Reactor({
      engine: this.#engine,
      clock: options.clock,
      logger,
      persistence: this.#persistence,
      replication: this.#replication,
      migrator: this.#migrator,
      pause: this.#pause,
      greet: (session) => this.#password.forget(session),
      failed: (error) => {
        this.#door.clear()
        this.#fail(error)
      },
    })
    const slowLog = new SlowLog()
    const settings = serverSettings({
      options,
      engine: this.#engine,
      persistence: this.#persistence,
      replication: this.#replication,
      slowLog,
      password: this.#password,
      limits: { outputBytes: MAX_OUTPUT_BYTES, pubsubOutputBytes: MAX_PUBSUB_OUTPUT_BYTES },
      port: () => this.#port,
    })
    this.#engine.server = serverDoor({
      options,
      engine: this.#engine,
      reactor: this.#reactor,
      persistence: this.#persistence,
      replication: this.#replication,
      pause: this.#pause,
      password: this.#password,
      users: userFile,
      slowLog,
      settings,
      startedMs: () => this.#startedMs,
      isLocal: (session) => session === this.#local,
      info: (sections) => this.#info(sections),
      shutdown: () => {
        this.#savesAtEnd = false
        this.#end('SHUTDOWN')
      },
    })
    const fullReply = Buffer.from('-ERR max number of clients reached\r\n')
    const hasAuthentication = users.needsLogin
    const door = { network, logger, host, port, tls, hasAuthentication, maxConnections: maxClients, fullReply }
    this.#door = new Door(door)
  }

  async start(): Promise<Address> {
    this.#startedMs = this.#options.clock.now()
    await this.#persistence?.lock()
    this.#reactor.isLoading = this.#persistence !== undefined
    const { master } = this.#member?.topology.myself ?? {}
    if (master !== undefined) this.#replication.expect({ host: master.host, port: master.port })
    try {
      const address = await this.#door.open((connection) => this.#reactor.accept(connection))
      this.#port = address.port
      await this.#persistence?.open()
      this.#reactor.isLoading = false
      await this.#member?.start(address)
      this.#replication.start()
      this.#reactor.planTick()
      return address
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** The node of the cluster that this server is; undefined if it is none. */
  get member(): ClusterMember | undefined {
    return this.#member
  }

  ready(): boolean {
    return this.#door.isOpen && !this.#isDraining && this.#reactor.failure === undefined && !this.#reactor.isLoading
  }

  /** Clients get the replies to what they have sent; those that wait for keys are let go. */
  drain(): Promise<void> {
    this.#isDraining = true
    this.#door.close()
    this.#reactor.drain()
    return this.#door.empty()
  }

  async stop(): Promise<void> {
    this.#isDraining = true
    this.#door.close()
    this.#door.clear()
    this.#reactor.stop()
    this.#pause.stop()
    this.#migrator.stop()
    this.#member?.stop()
    this.#replication.stop()
    await this.#door.empty()
    if (this.#reactor.failure !== undefined) this.#persistence?.abandon()
    else await this.#persistence?.close(this.#savesAtEnd)
  }

  metrics(): readonly Metric[] {
    return cacheMetrics({
      engine: this.#engine,
      totals: this.#reactor.totals,
      clients: this.#reactor.clients.size,
      rejected: this.#door.rejectedCount,
      heapBytes: this.#options.memoryBytes(),
    })
  }

  inspect(): unknown {
    const databases = this.#engine.databases.map(({ index, size, expiringCount }) => ({ index, size, expiringCount }))
    const nowMs = this.#options.clock.now()
    const clients = [...this.#reactor.clients.values()].map((client) => client.view(nowMs).line)
    return { clients, databases: databases.filter(({ size }) => size > 0), totals: { ...this.#reactor.totals } }
  }

  // For this process: consoles and tests.

  /**
   * Runs a command on keys as somebody who is always let in. Not for commands on connections, nor for those that block.
   * @param args - One character of 0 to 255 a byte, as everywhere in the engine.
   * @returns The bytes of the reply; none if the command blocks, which it then does not.
   */
  execute(args: readonly string[]): Uint8Array {
    this.#local ??= this.#connectLocally()
    const session = this.#local
    if (!this.#reactor.runFor(session, args)) throw this.#reactor.failure
    if (session.blocked !== undefined) {
      this.#engine.disconnect(session)
      this.#local = undefined
    }
    return session.reply.take()
  }

  #connectLocally(): Session {
    const session = this.#engine.connect()
    session.user = openUser()
    return session
  }

  /** A copy of all keys. O(all that is kept). */
  snapshot(): Snapshot {
    return takeSnapshot(this.#engine.databases)
  }

  /** Puts a copy in the place of all keys. Files are not told; replicas fetch everything anew. O(all that is kept). */
  restore(snapshot: Snapshot): void {
    this.execute(['FLUSHALL'])
    restoreSnapshot(this.#engine.databases, snapshot)
    this.#replication.startAnew()
    this.execute(['PING']) // whoever waits for a key is served with the next command
  }

  /** In the order of Redis (processCommand). */
  #refusal(session: Session, command: CommandSpec, args: readonly string[]): string | undefined {
    if (session.isTrusted) return undefined
    if (command.name === 'debug' && !this.#mayDebug(session)) return DEBUG_REFUSED
    const refusal =
      this.#member?.redirection(session, command, args) ??
      this.#persistence?.refusal(command) ??
      this.#replication.refusal(session, command)
    if (refusal !== undefined) return refusal
    if (this.#reactor.isLoading && !command.flags.has('loading')) return LOADING
    return session === this.#local ? undefined : this.#options.intercept?.(args)
  }

  #mayDebug(session: Session): boolean {
    if (session === this.#local) return true
    const { remote } = this.#reactor.clientOf(session).connection
    return mayDebug(this.#options.debugCommands ?? 'no', remote)
  }

  #makePersistence(): Persistence | undefined {
    const { persistence, clock, logger } = this.#options
    if (persistence === undefined) return undefined
    return new Persistence({
      ...persistence,
      clock,
      logger,
      engine: this.#engine,
      functions: functionCodeOf(this.#engine),
      history: this.#replication,
      released: () => this.#reactor.release(),
      failed: (error) => this.#reactor.break(error),
    })
  }

  // Replication.

  #makeReplication(): Replication {
    const { network, clock, random, logger, replication } = this.#options
    const { master, tls, mutant, ...settings } = replication ?? {}
    return new Replication({
      engine: this.#engine,
      functions: functionCodeOf(this.#engine),
      network,
      clock,
      random,
      logger,
      settings: { ...DEFAULT_REPLICATION, ...settings },
      master,
      tls,
      mutant,
      port: () => this.#port,
      execute: (session, args) => void this.#reactor.runFor(session, args),
      intervene: (act) => this.#reactor.intervene(act),
      replaceData: (replace) => this.#replaceData(replace),
      takeOver: (session, replica) => {
        const client = this.#reactor.clientOf(session)
        this.#reactor.write(client)
        client.replica = replica
      },
      connectionOf: (session) => this.#reactor.clientOf(session).connection,
      drop: (session) => this.#reactor.drop(this.#reactor.clientOf(session)),
      pause: (isHeld) => this.#holdWrites(isHeld ? Number.POSITIVE_INFINITY : undefined),
      sessions: () => this.#reactor.clients.keys(),
    })
  }

  /** Holds writes, and with them everything that would change the stream to replicas; undefined lets them go. */
  #holdWrites(untilMs: number | undefined): void {
    if (untilMs === undefined) this.#pause.end('handover')
    else this.#pause.begin('handover', untilMs, false)
    this.#replication.hold(untilMs !== undefined)
  }

  async #replaceData(replace: () => Promise<void>): Promise<void> {
    const replaceNow = async (): Promise<void> => {
      this.#reactor.isLoading = true
      try {
        await replace()
      } finally {
        this.#reactor.isLoading = false
        this.#reactor.planTurn()
      }
    }
    await (this.#persistence?.replaceData(replaceNow) ?? replaceNow())
  }

  #resume(): void {
    if (!this.#pause.isFor('handover')) this.#replication.hold(false)
    this.#migrator.resumed()
    this.#reactor.resume()
  }

  // The cluster.

  #joinCluster(): ClusterMember | undefined {
    const { cluster, network, clock, random, logger } = this.#options
    if (cluster === undefined) return undefined
    return new ClusterMember({
      replication: this.#replication,
      ...cluster,
      network,
      clock,
      random,
      logger,
      engine: this.#engine,
      sessions: () => this.#reactor.clients.keys(),
      intervene: (act) => this.#reactor.intervene(act),
      pause: (untilMs) => this.#holdWrites(untilMs),
      resume: () => this.#holdWrites(undefined),
      failed: (error) => this.#reactor.break(error),
    })
  }

  #info(sections: readonly string[]): string {
    const { clock, memoryBytes, maxClients, cpuSeconds } = this.#options
    return renderInfo(sections, {
      ...engineFacts(this.#engine),
      nowMs: clock.now(),
      startedMs: this.#startedMs,
      port: this.#port,
      runId: this.#runId,
      heapBytes: memoryBytes(),
      cpu: cpuSeconds?.() ?? { user: 0, system: 0 },
      connectedClients: [...this.#reactor.clients.values()].filter(({ isClosing }) => !isClosing).length,
      blockedClients: [...this.#reactor.clients.values()].filter(({ isWaiting }) => isWaiting).length,
      maxClients,
      rejected: this.#door.rejectedCount,
      cachedSockets: this.#migrator.idleCount,
      isCluster: this.#member !== undefined,
      replication: this.#replication.info(),
      syncs: this.#replication.counts,
      persistence: this.#persistence?.info() ?? { loading: 0, rdb_bgsave_in_progress: 0, aof_enabled: 0 },
      totals: this.#reactor.totals,
    })
  }
}
