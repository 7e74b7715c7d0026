// The cache over TCP. One turn of the event loop runs the commands that have arrived and writes each client's replies once.
import { BedplateError } from '../../base/errors.ts'
import type { Cancel } from '../../io/clock.ts'
import type { Address, Connection, ConnectionEvents } from '../../io/network.ts'
import { Door, isLoopback, type Metric, type Server } from '../../service/index.ts'
import { RespProtocolError } from '../../wire/resp/index.ts'
import { openUser } from '../acl/users.ts'
import { ClusterMember } from '../cluster/member.ts'
import type { Effect } from '../commands/effects.ts'
import { Engine } from '../commands/engine.ts'
import { functionCodeOf } from '../commands/functions.ts'
import type { ClientView, ServerDoor } from '../commands/server-door.ts'
import type { Session } from '../commands/session.ts'
import { SlowLog } from '../commands/slow-log.ts'
import type { CommandSpec } from '../commands/specs.ts'
import { restoreSnapshot, type Snapshot, takeSnapshot } from '../keyspace/snapshot.ts'
import { Replication } from '../replication/replication.ts'
import { DEFAULT_REPLICATION } from '../replication/types.ts'
import { Client } from './client.ts'
import { DEBUG_REFUSED, debugDoor, mayDebug } from './debugging.ts'
import { engineFacts, noTotals, renderInfo, type Totals } from './info.ts'
import { masterViews } from './master-view.ts'
import { applyMemoryOptions } from './memory-settings.ts'
import { cacheMetrics } from './metrics.ts'
import { Migrator } from './migrator.ts'
import type { CacheServerOptions } from './options.ts'
import { Password, WRONG_PASSWORD } from './password.ts'
import { Pause } from './pause.ts'
import { Persistence } from './persistence.ts'
import { persistenceDoor } from './persistence-commands.ts'
import { serverSettings } from './server-settings.ts'
import { changeSettings, type LiveSettings } from './settings.ts'
import { beginUsers, type UserFile } from './user-file.ts'

/** Commands of one client that are run before the others get their turn. */
const COMMANDS_PER_TURN = 256
/** So many bytes of replies are sent without waiting for the end of the turn. */
const EARLY_WRITE_BYTES = 256 * 1024
/** A client that leaves so many bytes unread has no more commands run until it has read them. */
const SLOW_BYTES = 1024 * 1024
/** A client that leaves so many unread is closed: one that asks, and one that listens (client-output-buffer-limit pubsub). */
const MAX_OUTPUT_BYTES = 2 ** 30
const MAX_PUBSUB_OUTPUT_BYTES = 32 * 2 ** 20
/** What is read ahead from a client whose commands may not run now. */
const READ_AHEAD_BYTES = 64 * 1024
/** How long a client that is closed may take to read what it was sent. */
const LINGER_MS = 10_000
/** Node's timers hold no more; the next time is asked for again then. */
const MAX_TIMER_MS = 60_000
/** Of what a script writes to the log with one call. */
const MAX_LOG_TEXT = 1024
/** Redis's levels: debug, verbose, notice, warning. */
const LOG_LEVELS = ['debug', 'debug', 'info', 'warn'] as const
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
  /** Clients with replies that wait for what they tell to be durable. */
  readonly #held = new Set<Client>()
  #isLoading = false
  #end: (how: string) => void = () => {}
  /** What SHUTDOWN said of a last snapshot. */
  #savesAtEnd: boolean | undefined
  readonly #clients = new Map<Session, Client>()
  #fail: (error: unknown) => void = () => {}
  #hasFailed = false
  /** Clients with replies to be written at the end of this turn, and those that have commands left for the next one. */
  #unwritten = new Set<Client>()
  #waiting = new Set<Client>()
  #isTurnPlanned = false
  #timer: { readonly atMs: number; readonly cancel: Cancel } | undefined
  readonly #pause: Pause
  readonly #migrator: Migrator
  #isDraining = false
  /** Runs the commands of this process. */
  #local: Session | undefined
  /** Whose command is being run. */
  #running: Session | undefined
  readonly #password: Password
  readonly #userFile: UserFile | undefined
  #startedMs = 0
  #port = 0
  readonly #runId: string
  readonly #settings: LiveSettings
  readonly #member: ClusterMember | undefined
  /** What the cluster wants of the engine while a command runs. */
  readonly #interventions: (() => void)[] = []
  /** What the command that is running leaves to be done behind it. */
  readonly #afterwards: (() => void)[] = []
  #totals: Totals = noTotals()
  readonly #slowLog = new SlowLog()

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
    this.#userFile = beginUsers(users, options.users, { directory, logger })
    users.mustHavePassword = !isLoopback(host)
    this.#pause = new Pause({ clock: options.clock, engine: this.#engine, ended: () => this.#resume() })
    this.#replication = this.#makeReplication()
    this.#migrator = new Migrator({
      network,
      clock: options.clock,
      engine: this.#engine,
      intervene: (act) => this.#intervene(act),
      ended: () => this.#resume(),
      isPaused: () => this.#pause.isUnderWay(options.clock.now()),
      isMaster: () => !this.#replication.isReplica,
      failed: (error) => this.#break(error),
    })
    this.#member = this.#joinCluster()
    applyMemoryOptions(this.#engine, options.memory)
    this.#persistence = this.#makePersistence()
    this.#engine.server = this.#serverDoor()
    this.#settings = serverSettings({
      options,
      engine: this.#engine,
      persistence: this.#persistence,
      replication: this.#replication,
      slowLog: this.#slowLog,
      password: this.#password,
      limits: { outputBytes: MAX_OUTPUT_BYTES, pubsubOutputBytes: MAX_PUBSUB_OUTPUT_BYTES },
      port: () => this.#port,
    })
    const fullReply = Buffer.from('-ERR max number of clients reached\r\n')
    const hasAuthentication = users.needsLogin
    const door = { network, logger, host, port, tls, hasAuthentication, maxConnections: maxClients, fullReply }
    this.#door = new Door(door)
  }

  async start(): Promise<Address> {
    this.#startedMs = this.#options.clock.now()
    await this.#persistence?.lock()
    this.#isLoading = this.#persistence !== undefined
    const { master } = this.#member?.topology.myself ?? {}
    if (master !== undefined) this.#replication.expect({ host: master.host, port: master.port })
    try {
      const address = await this.#door.open((connection) => this.#connect(connection))
      this.#port = address.port
      await this.#persistence?.open()
      this.#isLoading = false
      await this.#member?.start(address)
      this.#replication.start()
      this.#planTick()
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
    return this.#door.isOpen && !this.#isDraining && !this.#hasFailed && !this.#isLoading
  }

  /** Clients get the replies to what they have sent; those that wait for keys are let go. */
  drain(): Promise<void> {
    this.#isDraining = true
    this.#door.close()
    for (const client of this.#clients.values()) if (!this.#waiting.has(client)) this.#close(client)
    return this.#door.empty()
  }

  async stop(): Promise<void> {
    this.#isDraining = true
    this.#door.close()
    this.#door.clear()
    this.#timer?.cancel()
    this.#pause.stop()
    this.#migrator.stop()
    this.#member?.stop()
    this.#replication.stop()
    await this.#door.empty()
    if (this.#hasFailed) this.#persistence?.abandon()
    else await this.#persistence?.close(this.#savesAtEnd)
  }

  metrics(): readonly Metric[] {
    return cacheMetrics({
      engine: this.#engine,
      totals: this.#totals,
      clients: this.#clients.size,
      rejected: this.#door.rejectedCount,
      heapBytes: this.#options.memoryBytes(),
    })
  }

  inspect(): unknown {
    const databases = this.#engine.databases.map(({ index, size, expiringCount }) => ({ index, size, expiringCount }))
    const nowMs = this.#options.clock.now()
    const clients = [...this.#clients.values()].map((client) => client.view(nowMs).line)
    return { clients, databases: databases.filter(({ size }) => size > 0), totals: { ...this.#totals } }
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
    try {
      this.#perform(this.#engine.execute(session, args, this.#options.clock.now()))
    } catch (error) {
      this.#break(error)
      throw error
    }
    if (session.blocked !== undefined) {
      this.#engine.disconnect(session)
      this.#local = undefined
    }
    this.#planTurn()
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

  // Connections.

  #connect(connection: Connection): ConnectionEvents {
    const session = this.#engine.connect()
    this.#password.forget(session)
    session.reply.limitBytes = MAX_OUTPUT_BYTES
    const client = new Client(connection, session, this.#options.clock.now())
    this.#clients.set(session, client)
    this.#totals.connections++
    this.#options.logger.debug('client connected', { remote: connection.remote, id: session.id })
    return {
      data: (bytes) => {
        this.#totals.bytesIn += bytes.length
        client.replica?.heard(this.#options.clock.now())
        if (client.isClosing) return
        client.decoder.push(bytes)
        // One that has had its part of this turn waits for the next.
        if (this.#waiting.has(client)) this.#regulate(client)
        else this.#run(client)
      },
      drained: () => {
        client.replica?.drained()
        if (!client.isSlow) return
        client.isSlow = false
        this.#later(client)
      },
      closed: () => this.#forget(client),
    }
  }

  #forget(client: Client): void {
    client.isClosed = true
    this.#clients.delete(client.session)
    this.#waiting.delete(client)
    this.#unwritten.delete(client)
    this.#held.delete(client)
    this.#replication.forget(client.session)
    this.#engine.disconnect(client.session)
    this.#options.logger.debug('client gone', { remote: client.connection.remote, id: client.session.id })
  }

  /** Runs what a client has sent, as far as it may now. */
  #run(client: Client): void {
    if (this.#hasFailed) return
    const nowMs = this.#options.clock.now()
    let left = COMMANDS_PER_TURN
    while (client.isFree) {
      if (left-- === 0) {
        this.#later(client)
        break
      }
      const args = client.held ?? this.#next(client)
      if (args === undefined) break
      client.held = undefined
      if (this.#pause.holds(client.session, args, nowMs) || this.#engine.isHeld(client.session, args)) {
        client.held = args
        break
      }
      this.#execute(client, args, nowMs)
      if (client.session.reply.length > EARLY_WRITE_BYTES) this.#write(client)
    }
    this.#unwritten.add(client)
    this.#planTurn()
    this.#regulate(client)
  }

  #next(client: Client): string[] | undefined {
    try {
      return client.decoder.next()
    } catch (error) {
      if (!(error instanceof RespProtocolError)) throw error
      const { remote } = client.connection
      this.#options.logger.debug('client broke the protocol', { remote, error: error.message })
      client.session.reply.error(`ERR ${error.message}`)
      client.isClosing = true
      return undefined
    }
  }

  #execute(client: Client, args: readonly string[], nowMs: number): void {
    client.usedMs = nowMs
    client.running = args
    this.#totals.commands++
    let effects: readonly Effect[]
    try {
      this.#running = client.session
      effects = this.#engine.execute(client.session, args, nowMs)
    } catch (error) {
      this.#break(error)
      return
    } finally {
      this.#running = undefined
      client.running = undefined
    }
    if (effects.length > 0) this.#perform(effects, client.session)
    if (this.#afterwards.length > 0) this.#doAfterwards()
    for (let act = this.#interventions.shift(); act !== undefined; act = this.#interventions.shift())
      this.#intervene(act)
  }

  #doAfterwards(): void {
    try {
      for (const act of this.#afterwards.splice(0)) act()
    } catch (error) {
      this.#break(error)
    }
  }

  /** @param writer - Whose command it was. */
  #perform(effects: readonly Effect[], writer?: Session): void {
    for (const effect of effects) {
      if (effect.kind === 'propagate') {
        if (effect.isMessage !== true) this.#persistence?.propagate(effect.database, effect.args)
        this.#replication.propagate(effect.database, effect.args)
        if (writer !== undefined) writer.writtenOffset = this.#replication.offset
        continue
      }
      if (effect.kind === 'migrate') {
        this.#migrator.begin(effect.transfer)
        continue
      }
      const client = this.#clients.get(effect.session)
      if (client === undefined) continue
      if (effect.kind === 'close') this.#close(client)
      else if (effect.kind === 'reply') {
        this.#unwritten.add(client)
        if (client.session.reply.length > MAX_PUBSUB_OUTPUT_BYTES) this.#write(client)
        if (client.isFree) this.#later(client)
      }
    }
  }

  /** A bug of ours: what the engine holds cannot be trusted any more. */
  #break(error: unknown): void {
    this.#hasFailed = true
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#options.logger.error('the cache failed', { error: text })
    this.#door.clear()
    this.#fail(
      new BedplateError(error instanceof BedplateError ? error.code : 'INTERNAL', 'the cache failed', {
        cause: error,
        hint: 'its log says why; start the server again',
      }),
    )
  }

  /** Nothing more is run for this client; it gets what was written for it. */
  #close(client: Client): void {
    client.isClosing = true
    this.#unwritten.add(client)
    this.#planTurn()
  }

  /** Stops reading from a client whose commands may not run, and goes on when they may. */
  #regulate(client: Client): void {
    const isStopped = client.held !== undefined || !client.isFree || this.#waiting.has(client)
    const isUnread = isStopped && !client.isClosing && client.decoder.bufferedBytes > READ_AHEAD_BYTES
    if (isUnread === client.isUnread || client.isClosed) return
    client.isUnread = isUnread
    if (isUnread) client.connection.pause()
    else client.connection.resume()
  }

  // Turns and time.

  #later(client: Client): void {
    this.#waiting.add(client)
    this.#planTurn()
  }

  #planTurn(): void {
    if (this.#isTurnPlanned) return
    this.#isTurnPlanned = true
    void this.#options.clock.turn().then(() => this.#turn())
  }

  #turn(): void {
    this.#isTurnPlanned = false
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const client of waiting) {
      this.#run(client)
      if (this.#isDraining && !this.#waiting.has(client)) this.#close(client)
    }
    this.#persistence?.flush()
    this.#replication.flush()
    const unwritten = this.#unwritten
    this.#unwritten = new Set()
    for (const client of unwritten) this.#write(client)
    this.#planTick()
  }

  /** Hands a client's replies to its connection. */
  #write(client: Client): void {
    const { connection, session } = client
    if (client.isClosed) return
    const { reply } = session
    if (client.replica !== undefined && !client.isClosing) {
      reply.truncate() // it reads a stream, and nothing else may stand in it
      return
    }
    const bytes = connection.waitingBytes + client.heldBytes + reply.length
    const limit = session.isSubscribed || session.isMonitor ? MAX_PUBSUB_OUTPUT_BYTES : MAX_OUTPUT_BYTES
    if (reply.isOverLimit || bytes > limit) {
      this.#totals.slowClients++
      this.#options.logger.warn('client closed: it does not read', { remote: connection.remote, bytes, limit })
      this.#drop(client)
      return
    }
    if (reply.length > 0) {
      this.#totals.bytesOut += reply.length
      // What a reply tells was handed to the operating system before, or is durable.
      this.#persistence?.flush()
      const barrier = this.#persistence?.barrier()
      if (barrier === undefined && client.heldBytes === 0) connection.write(reply.take())
      else {
        client.hold(barrier ?? 0, reply.take())
        this.#held.add(client)
      }
    }
    if (client.heldBytes > 0) {
      if (bytes > SLOW_BYTES) client.isSlow = true
    } else if (client.isClosing) {
      this.#regulate(client) // it is read, and not listened to, to see it go
      this.#engine.disconnect(session) // for all others it is gone
      connection.end()
      this.#options.clock.timer(LINGER_MS, () => {
        if (!client.isClosed) connection.destroy()
      })
    } else if (connection.waitingBytes > SLOW_BYTES) client.isSlow = true
  }

  /** Sends the replies whose facts have become durable. */
  #release(): void {
    const durable = this.#persistence?.durable ?? 0
    for (const client of this.#held) {
      client.release(durable)
      if (client.heldBytes > 0) continue
      this.#held.delete(client)
      if (client.isClosing) this.#write(client)
      else if (client.isSlow && client.connection.waitingBytes <= SLOW_BYTES) {
        client.isSlow = false
        this.#later(client)
      }
    }
  }

  #drop(client: Client): void {
    client.isClosing = true
    client.session.reply.truncate()
    this.#engine.disconnect(client.session)
    client.connection.destroy()
  }

  /** Wakes when a key is due or somebody's waiting ends. */
  #planTick(): void {
    if (this.#hasFailed || this.#isLoading) return
    const atMs = this.#engine.nextTickMs()
    if (atMs === undefined || (this.#timer !== undefined && this.#timer.atMs <= atMs)) return
    this.#timer?.cancel()
    const afterMs = Math.min(MAX_TIMER_MS, Math.max(0, atMs - this.#options.clock.now()))
    const cancel = this.#options.clock.timer(afterMs, () => this.#tick())
    this.#timer = { atMs, cancel }
  }

  #tick(): void {
    this.#timer = undefined
    if (this.#hasFailed) return
    try {
      this.#perform(this.#engine.tick(this.#options.clock.now()))
    } catch (error) {
      this.#break(error)
      return
    }
    this.#planTurn()
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
    if (this.#isLoading && !command.flags.has('loading')) return LOADING
    return session === this.#local ? undefined : this.#options.intercept?.(args)
  }

  #mayDebug(session: Session): boolean {
    if (session === this.#local) return true
    const { remote } = this.#clientOf(session).connection
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
      released: () => this.#release(),
      failed: (error) => this.#break(error),
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
      execute: (session, args) => this.#obey(session, args),
      intervene: (act) => this.#intervene(act),
      replaceData: (replace) => this.#replaceData(replace),
      takeOver: (session, replica) => {
        const client = this.#clientOf(session)
        this.#write(client)
        client.replica = replica
      },
      connectionOf: (session) => this.#clientOf(session).connection,
      drop: (session) => this.#drop(this.#clientOf(session)),
      pause: (isHeld) => this.#holdWrites(isHeld ? Number.POSITIVE_INFINITY : undefined),
      sessions: () => this.#clients.keys(),
    })
  }

  /** Holds writes, and with them everything that would change the stream to replicas; undefined lets them go. */
  #holdWrites(untilMs: number | undefined): void {
    if (untilMs === undefined) this.#pause.end('handover')
    else this.#pause.begin('handover', untilMs, false)
    this.#replication.hold(untilMs !== undefined)
  }

  /** Runs what a master says. */
  #obey(session: Session, args: readonly string[]): void {
    if (this.#hasFailed) return
    try {
      this.#perform(this.#engine.execute(session, args, this.#options.clock.now()))
    } catch (error) {
      this.#break(error)
      return
    }
    this.#planTurn()
  }

  async #replaceData(replace: () => Promise<void>): Promise<void> {
    const replaceNow = async (): Promise<void> => {
      this.#isLoading = true
      try {
        await replace()
      } finally {
        this.#isLoading = false
        this.#planTurn()
      }
    }
    await (this.#persistence?.replaceData(replaceNow) ?? replaceNow())
  }

  #resume(): void {
    if (!this.#pause.isFor('handover')) this.#replication.hold(false)
    this.#migrator.resumed()
    for (const client of this.#clients.values()) if (client.held !== undefined) this.#later(client)
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
      sessions: () => this.#clients.keys(),
      intervene: (act) => this.#intervene(act),
      pause: (untilMs) => this.#holdWrites(untilMs),
      resume: () => this.#holdWrites(undefined),
      failed: (error) => this.#break(error),
    })
  }

  /** Lets `act` change what the engine holds: now, or after the command that is running. */
  #intervene(act: () => void): void {
    if (this.#hasFailed) return
    if (this.#running !== undefined) {
      this.#interventions.push(act)
      return
    }
    try {
      this.#perform(this.#engine.intervene(this.#options.clock.now(), act))
    } catch (error) {
      this.#break(error)
      return
    }
    this.#planTurn()
  }

  // What commands ask for.

  #serverDoor(): ServerDoor {
    const { clock } = this.#options
    const viewOf = (client: Client): ClientView => client.view(clock.now())
    const addressOf = (session: Session): string => this.#clients.get(session)?.connection.remote ?? ''
    return {
      persistence: persistenceDoor(this.#persistence, {
        startedMs: () => this.#startedMs,
        shutdown: () => {
          this.#savesAtEnd = false
          this.#end('SHUTDOWN')
        },
      }),
      users: this.#userFile,
      debug: debugDoor({
        engine: this.#engine,
        persistence: this.#persistence,
        logger: this.#options.logger,
        now: () => clock.now(),
        afterwards: (act) => void this.#afterwards.push(act),
        intervene: (act) => this.#intervene(act),
      }),
      replication: this.#replication,
      slowLog: this.#slowLog,
      ran: (session, command, args, micros) => {
        if (session === this.#local) return // who looks on would drive out what clients have done
        this.#slowLog.ran(session, { command, args, micros, nowMs: clock.now() }, addressOf)
      },
      authenticate: (session, user, password) => this.#authenticate(session, user, password),
      reset: (session) => {
        this.#password.forget(session)
        const client = this.#clientOf(session)
        client.isProtected = false
        client.applyLimits()
      },
      clients: () => [
        ...[...this.#clients.values()].filter(({ isClosing }) => !isClosing).map(viewOf),
        ...masterViews(this.#replication),
      ],
      client: (session) => viewOf(this.#clientOf(session)),
      addressOf: (session) => (session === this.#local ? undefined : addressOf(session)),
      kill: (session) => {
        if (session === this.#replication.voice) {
          this.#replication.link?.cut()
          return
        }
        const client = this.#clientOf(session)
        if (session === this.#running) this.#close(client)
        else this.#drop(client)
      },
      pause: (untilMs, all) => this.#pause.begin('clients', untilMs, all),
      unpause: () => this.#pause.end('clients'),
      protect: (session, isProtected) => {
        this.#clientOf(session).isProtected = isProtected
      },
      info: (sections) => this.#info(sections),
      settings: (matches) =>
        [...this.#settings].filter(([name]) => matches(name)).map(([name, { get }]) => [name, get()] as const),
      change: (wanted) => changeSettings(this.#settings, wanted),
      resetFigures: () => {
        this.#totals = noTotals()
        this.#engine.memory.resetFigures()
        this.#engine.statistics.reset()
      },
      log: (level, text) =>
        this.#options.logger[LOG_LEVELS[level] ?? 'warn']('script', { text: text.slice(0, MAX_LOG_TEXT) }),
    }
  }

  /** Whose a session is: that of a script is its caller's. */
  #clientOf(session: Session): Client {
    const client = this.#clients.get(session.caller?.session ?? session)
    if (client === undefined) throw new BedplateError('INTERNAL', `session ${session.id} has no connection`)
    return client
  }

  #authenticate(session: Session, user: string | undefined, password: string): string | undefined {
    const found = this.#password.check(user, password)
    if (found === WRONG_PASSWORD) {
      this.#options.logger.warn('wrong password', { remote: this.#clientOf(session).connection.remote })
    }
    if (typeof found === 'string') return found
    session.user = found
    session.isAuthenticated = true
    this.#clientOf(session).applyLimits()
    return undefined
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
      connectedClients: [...this.#clients.values()].filter(({ isClosing }) => !isClosing).length,
      blockedClients: [...this.#clients.values()].filter(({ isWaiting }) => isWaiting).length,
      maxClients,
      rejected: this.#door.rejectedCount,
      isCluster: this.#member !== undefined,
      replication: this.#replication.info(),
      syncs: this.#replication.counts,
      persistence: this.#persistence?.info() ?? { loading: 0, rdb_bgsave_in_progress: 0, aof_enabled: 0 },
      totals: this.#totals,
    })
  }
}
