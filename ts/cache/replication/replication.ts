// A server's part in replication: as a master it feeds its replicas, as a replica it follows its master and feeds replicas of its own
// with what it gets. Redis calls it so: https://redis.io/docs/management/replication, and replication.c of Redis 7.0.
import type { Cancel, Clock } from '../../io/clock.ts'
import type { Address, Connection, Network, TlsTrust } from '../../io/network.ts'
import type { Random } from '../../io/random.ts'
import type { Logger } from '../../service/index.ts'
import { lacks } from '../../storage/mutant.ts'
import type { Engine } from '../commands/engine.ts'
import type { FunctionCode } from '../commands/functions.ts'
import type { FailoverOrder, KnownHistory, Peer, ReplicationDoor, Role } from '../commands/replication-door.ts'
import type { Session } from '../commands/session.ts'
import type { CommandSpec } from '../commands/specs.ts'
import { Snapshot } from '../persistence/snapshot.ts'
import { Failover, isAt } from './failover.ts'
import { Feed } from './feed.ts'
import { History } from './history.ts'
import { checkSnapshot, loadSnapshot } from './load.ts'
import { type Arrival, MasterLink } from './master-link.ts'
import type { Mutant } from './mutant.ts'
import { Replica } from './replica.ts'
import { type ReplicationSettings, TICK_MS } from './types.ts'

export interface ReplicationOptions {
  readonly engine: Engine
  readonly functions: FunctionCode
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly settings: ReplicationSettings
  /** Whom to follow from the start. */
  readonly master?: Address | undefined
  readonly mutant?: Mutant | undefined
  /** How masters are connected to that speak TLS. */
  readonly tls?: TlsTrust | undefined
  /** Where clients connect. */
  readonly port: () => number
  /** Runs a command and does what follows from it. */
  readonly execute: (session: Session, args: readonly string[]) => void
  /** Lets `act` change what the engine holds, now or after the command that is running. */
  readonly intervene: (act: () => void) => void
  /** Lets all data be replaced: nobody sees the half of it, no file either. */
  readonly replaceData: (replace: () => Promise<void>) => Promise<void>
  /** The connection of a client, all of whose replies are on their way; its limits are those of a replica from now on. */
  readonly takeOver: (session: Session, replica: Replica) => void
  readonly connectionOf: (session: Session) => Connection
  readonly drop: (session: Session) => void
  /** Holds commands of clients that write, and calls `hold`; or lets them go. */
  readonly pause: (isHeld: boolean) => void
  /** All clients that are connected. */
  readonly sessions: () => Iterable<Session>
}

const READ_ONLY = "READONLY You can't write against a read only replica."
const NO_MASTER = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
const TOO_FEW = 'NOREPLICAS Not enough good replicas to write.'
const ROLE_CHANGED = 'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)'
const NO_LINK = "NOMASTERLINK Can't SYNC while not connected with my master"
/** What a master sends beside commands that write. */
const HARMLESS: ReadonlySet<string> = new Set(
  'select multi exec discard publish spublish eval evalsha fcall pfcount script|load script|flush'.split(' '),
)

/** See the top of this file. Give it what is propagated, call `flush` at the end of each turn. */
export class Replication implements ReplicationDoor {
  readonly settings: ReplicationSettings
  readonly counts = { full: 0, partial: 0, refused: 0 }
  readonly #options: ReplicationOptions
  readonly #feed: Feed
  readonly #replicas = new Map<Session, Replica>()
  /** Sessions in WAIT, and for how many replicas. */
  readonly #waiting = new Map<Session, number>()
  #asksForOffsets = false
  readonly #failover = new Failover()
  #master: Address | undefined
  #link: MasterLink | undefined
  /** Runs what the master says. */
  #voice: Session
  /** What the master sent of a transaction that is not whole. */
  #unfinished: Uint8Array[] = []
  /** The data is what the history says: not while it is replaced. */
  #isWhole = true
  /** It has data of a history that a master may know. */
  #hasPast = false
  #loading: Promise<void> = Promise.resolve()
  #isHeld = false
  #pingedMs = 0
  #timer: Cancel | undefined
  #isStopped = false
  /** Commands of the master that could not be run. */
  #errorCount = 0

  constructor(options: ReplicationOptions) {
    this.#options = options
    this.settings = options.settings
    this.#feed = new Feed(new History(this.#newId(), options.mutant))
    this.#master = options.master
    this.#voice = this.#newVoice()
    this.#applyRole()
  }

  /** Is a replica from the start, of a master that is told before files are read: they are then those of a replica. */
  expect(master: Address): void {
    this.#master = master
    this.#applyRole()
  }

  /** Follows its master, if it has one: to be called when the data is there. */
  start(): void {
    if (this.#master !== undefined && this.#link === undefined) this.#openLink(this.#master)
    this.#plan()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.()
    this.#link?.close()
    for (const replica of this.#replicas.values()) replica.close()
  }

  // As files have it.

  /** What a snapshot of now says of its history. */
  facts(): readonly (readonly [string, string])[] {
    const { history } = this.#feed
    const isKnown = this.#isWhole && (this.isReplica ? this.#hasPast : this.#feed.isKept)
    if (!isKnown) return []
    this.#feed.flush()
    return [
      ['repl-stream-db', String(this.isReplica ? this.#voice.database : this.#feed.database)],
      ['repl-id', history.id],
      ['repl-offset', String(history.offset)],
    ]
  }

  /**
   * Goes on with the history of a snapshot that was loaded: a replica as one, a master under a new id.
   * @param leftOut - Keys that were not loaded, as their time had come: replicas have them.
   */
  resume(
    facts: ReadonlyMap<string, string>,
    leftOut: readonly { readonly database: number; readonly key: string }[],
  ): void {
    const [id = '', offset, database] = ['repl-id', 'repl-offset', 'repl-stream-db'].map((name) => facts.get(name))
    if (!/^[0-9a-zA-Z]{40}$/.test(id) || !/^\d{1,15}$/.test(offset ?? '')) return
    const { history } = this.#feed
    history.replace(id, Number(offset))
    history.keep(this.settings.backlogBytes)
    this.#hasPast = true
    if (this.isReplica) {
      if (this.#options.engine.databases[Number(database)] !== undefined) this.#voice.database = Number(database)
      return
    }
    history.branch(this.#newId())
    this.#options.engine.propagates = true
    for (const { database: at, key } of leftOut) this.#feed.append(at, ['DEL', key])
    this.#feed.flush()
  }

  // What is propagated.

  propagate(database: number, args: readonly string[]): void {
    if (!this.isReplica) this.#feed.append(database, args)
  }

  /** Hands on what has come: before replies leave. */
  flush(): void {
    if (this.#asksForOffsets && !this.#isHeld) {
      this.#asksForOffsets = false
      this.#tell(['REPLCONF', 'GETACK', '*'])
    }
    this.#feed.flush()
  }

  /** The data is not what replicas believe: they have to fetch all of it. */
  startAnew(): void {
    this.#feed.flush()
    this.#feed.history.replace(this.#newId(), this.#feed.history.offset)
    this.#dropReplicas()
  }

  // What a server asks.

  get isReplica(): boolean {
    return this.#master !== undefined
  }

  get isFailingOver(): boolean {
    return this.#failover.state !== 'no-failover'
  }

  /** Bytes of the history; 0 while a replica has no data that it could vouch for. */
  get offset(): number {
    return this.isWhole ? this.#feed.offset : 0
  }

  /** It has all that its master had at some time, or is a master. */
  get isWhole(): boolean {
    return !this.isReplica || (this.#isWhole && this.#hasPast)
  }

  /** A script is at work: what it changes comes to the history when it has ended. */
  get isChanging(): boolean {
    return this.#options.engine.paused !== undefined
  }

  /** When the master was heard of last, 0 for never. */
  get masterHeardMs(): number {
    return this.#link?.heardMs ?? 0
  }

  get link(): MasterLink | undefined {
    return this.#link
  }

  /** Who runs what the master says. */
  get voice(): Session {
    return this.#voice
  }

  /** Why a command of a client may not be run. */
  refusal(session: Session, { name, flags }: CommandSpec): string | undefined {
    // A transaction that has begun runs to its end, whatever it makes of this server.
    if (session.isExecuting) return undefined
    const { isReadOnly, servesStale, minReplicas, maxLagMs } = this.settings
    const queue = name === 'exec' ? (session.transaction?.queue ?? []) : []
    const writes = flags.has('write') || queue.some(({ command }) => command.flags.has('write'))
    if (!this.isReplica) {
      const wantsMore = minReplicas > 0 && maxLagMs > 0 && writes && this.#goodReplicas() < minReplicas
      return wantsMore ? TOO_FEW : undefined
    }
    if (isReadOnly && writes) return READ_ONLY
    if (servesStale || this.#link?.state === 'connected') return undefined
    const mayBeStale = flags.has('stale') && queue.every(({ command }) => command.flags.has('stale'))
    return mayBeStale ? undefined : NO_MASTER
  }

  /** Holds what would change the history, or lets it go: while a replica takes over. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    this.#applyRole()
  }

  /** A setting is another one. */
  settingsChanged(): void {
    const { history } = this.#feed
    if (history.backlog !== undefined && history.backlog.limitBytes !== this.settings.backlogBytes) {
      history.backlog.resize(this.settings.backlogBytes)
    }
  }

  // Masters: what replicas say.

  introduce(session: Session, name: string, value: string): string | undefined {
    const replica = this.#replicaOf(session)
    if (name === 'listening-port') {
      if (!/^\d{1,5}$/.test(value)) return 'ERR value is not an integer or out of range'
      replica.port = Number(value)
    } else if (name === 'ip-address') {
      if (value.length > 255)
        return 'ERR REPLCONF ip-address provided by replica instance is too long: 255 bytes at most'
      replica.host = value
    } else if (name === 'capa') {
      if (value.toLowerCase() === 'eof') replica.knowsMarks = true
      else if (value.toLowerCase() === 'psync2') replica.knowsNewIds = true
    } else if (name === 'rdb-only') replica.wantsSnapshotAlone = value === '1'
    else if (name === 'rdb-filter-only' && value === '') return undefined
    else return `ERR Unrecognized REPLCONF option: ${name.slice(0, 128)}`
    return undefined
  }

  acknowledge(session: Session, offset: number): { session: Session; count: number }[] {
    const replica = this.#replicas.get(session)
    if (replica === undefined) return []
    const nowMs = this.#options.clock.now()
    replica.ackedOffset = Math.max(replica.ackedOffset, offset)
    replica.ackedMs = nowMs
    this.#pursueFailover()
    if (replica.state === 'loading') replica.goOnline(nowMs)
    return this.#done()
  }

  attach(session: Session, known: KnownHistory | undefined): string | undefined {
    if (known?.handsOver === true) {
      const { id, previousId } = this.#feed.history
      if (this.isReplica && known.id === id) this.#promote()
      // One that has asked before, and did not hear the answer, asks again.
      else if (this.isReplica || known.id !== previousId) return 'ERR PSYNC FAILOVER replid must match my replid.'
    }
    if (this.isReplica && this.#link?.state !== 'connected') return NO_LINK
    const { engine, takeOver } = this.#options
    const replica = this.#replicaOf(session)
    if (replica.state !== 'introduced') return undefined
    this.#feed.flush()
    takeOver(session, replica)
    const { history } = this.#feed
    if (this.#feed.replicas.size === 0) this.#pingedMs = this.#options.clock.now()
    const missing = known === undefined ? undefined : history.since(known.id, known.from)
    if (missing !== undefined) {
      this.counts.partial++
      replica.write(Buffer.from(replica.knowsNewIds ? `+CONTINUE ${history.id}\r\n` : '+CONTINUE\r\n'))
      replica.write(missing)
      this.#feed.replicas.add(replica)
      replica.goOnline(this.#options.clock.now())
      this.#plan()
      return undefined
    }
    if (known !== undefined && known.id !== '?') this.counts.refused++
    this.counts.full++
    history.begin()
    history.keep(this.settings.backlogBytes)
    engine.propagates = true
    this.#sendAll(session, replica, known !== undefined)
    this.#plan()
    return undefined
  }

  /** A client is gone. */
  forget(session: Session): void {
    this.#waiting.delete(session)
    const replica = this.#replicas.get(session)
    if (replica === undefined) return
    this.#replicas.delete(session)
    this.#feed.replicas.delete(replica)
    replica.close()
  }

  reached({ writtenOffset }: Session): number {
    return this.#online().filter(({ ackedOffset }) => ackedOffset >= writtenOffset).length
  }

  wait(session: Session, count: number): void {
    this.#waiting.set(session, count)
    this.#asksForOffsets = true
  }

  /** Whether a session is a replica, and which. */
  replicaOf(session: Session): Replica | undefined {
    const replica = this.#replicas.get(session)
    return replica?.state === 'introduced' ? undefined : replica
  }

  // Roles.

  failOver(order: FailoverOrder | undefined): string | undefined {
    const { state } = this.#failover
    if (order === undefined) {
      if (state === 'no-failover') return 'ERR No failover in progress.'
      this.#giveUpFailover()
      return undefined
    }
    if (state !== 'no-failover') return 'ERR FAILOVER already in progress.'
    if (this.isReplica) return 'ERR FAILOVER is not valid when server is a replica.'
    const { target } = order
    const following = [...this.#feed.replicas]
    if (following.length === 0) return 'ERR FAILOVER requires connected replicas.'
    if (target !== undefined) {
      const found = following.find((replica) => isAt(replica, target))
      if (found === undefined) return 'ERR FAILOVER target HOST and PORT is not a replica.'
      if (found.state !== 'online') return 'ERR FAILOVER target replica is not online.'
    }
    this.#failover.begin(order, this.#options.clock.now())
    this.#options.pause(true)
    this.#pursueFailover()
    return undefined
  }

  #pursueFailover(): void {
    const { clock, logger } = this.#options
    const next = this.#failover.next(this.#online(), this.#feed.offset, clock.now())
    if (next === undefined) return
    if (next === 'too late') {
      logger.warn('no replica caught up in time: this server stays the master')
      this.#giveUpFailover()
    } else this.follow(next)
  }

  /** Be the master, as before. */
  #giveUpFailover(): void {
    if (this.isReplica) this.#promote()
    this.#endFailover()
  }

  #endFailover(): void {
    if (this.#failover.state === 'no-failover') return
    this.#failover.end()
    this.#options.pause(false)
  }

  /** @param isOther - What is here is no earlier state of that server's data: everything is asked for. */
  follow(master: Peer | undefined, isOther = false): string {
    const { logger } = this.#options
    if (master === undefined) {
      if (this.isReplica) this.#promote()
      return 'OK'
    }
    if (this.#master?.host === master.host && this.#master.port === master.port) {
      return 'OK Already connected to specified master'
    }
    this.#feed.flush()
    this.#letWaitingGo()
    // What it did as a master may be known to the new one.
    if (!this.isReplica) this.#hasPast = this.#feed.isKept
    if (!this.isReplica) this.#voice.database = this.#feed.database
    if (isOther) this.#hasPast = false
    this.#link?.close()
    this.#discardUnfinished()
    this.#master = master
    this.#applyRole()
    logger.info('this server is a replica now', { master: `${master.host}:${master.port}` })
    this.#openLink(master)
    this.#plan()
    return 'OK'
  }

  /** Be a master, with the data that there is. */
  promote(): void {
    this.follow(undefined)
  }

  role(): Role {
    const { offset } = this.#feed
    if (this.#master !== undefined) {
      return { kind: 'replica', master: this.#master, state: this.#link?.state ?? 'connect', offset: this.offset || -1 }
    }
    const replicas = this.#online().map(({ address, ackedOffset }) => ({ ...address, offset: ackedOffset }))
    return { kind: 'master', offset, replicas }
  }

  /** What INFO replication tells. */
  info(): Readonly<Record<string, string | number>> {
    const { history, offset } = this.#feed
    const { minReplicas, maxLagMs, backlogBytes } = this.settings
    const following = [...this.#feed.replicas].filter(({ isFollowing }) => isFollowing)
    const isPicky = !this.isReplica && minReplicas > 0 && maxLagMs > 0
    return {
      role: this.isReplica ? 'slave' : 'master',
      ...this.#masterInfo(),
      connected_slaves: following.length,
      ...(isPicky ? { min_slaves_good_slaves: this.#goodReplicas() } : {}),
      ...Object.fromEntries(following.map((replica, index) => [`slave${index}`, this.#describe(replica)])),
      master_failover_state: this.#failover.state,
      master_replid: history.id,
      master_replid2: history.previousId,
      master_repl_offset: offset,
      second_repl_offset: history.previousEnd,
      repl_backlog_active: this.#feed.isKept ? 1 : 0,
      repl_backlog_size: backlogBytes,
      repl_backlog_first_byte_offset: this.#feed.isKept ? history.firstOffset : 0,
      repl_backlog_histlen: history.backlog?.length ?? 0,
    }
  }

  #masterInfo(): Readonly<Record<string, string | number>> {
    const [master, link] = [this.#master, this.#link]
    if (master === undefined) return {}
    const nowMs = this.#options.clock.now()
    const seconds = (sinceMs: number): number => Math.max(0, Math.floor((nowMs - sinceMs) / 1000))
    const isUp = link?.state === 'connected'
    const { priority, isReadOnly } = this.settings
    return {
      master_host: master.host,
      master_port: master.port,
      master_link_status: isUp ? 'up' : 'down',
      master_last_io_seconds_ago: isUp ? seconds(link.heardMs) : -1,
      master_sync_in_progress: link?.state === 'sync' ? 1 : 0,
      slave_read_repl_offset: this.offset,
      slave_repl_offset: this.offset,
      ...(link?.state === 'sync' ? { master_sync_read_bytes: link.snapshotBytes } : {}),
      ...(isUp || link === undefined ? {} : { master_link_down_since_seconds: seconds(link.lostMs) }),
      slave_priority: priority,
      slave_read_only: isReadOnly ? 1 : 0,
      replica_announced: 1,
    }
  }

  #describe({ address, state, ackedOffset, ackedMs }: Replica): string {
    const shown = state === 'online' ? 'online' : state === 'preparing' ? 'wait_bgsave' : 'send_bulk'
    const lag = state === 'online' ? Math.floor((this.#options.clock.now() - ackedMs) / 1000) : 0
    return `ip=${address.host},port=${address.port},state=${shown},offset=${ackedOffset},lag=${Math.max(0, lag)}`
  }

  #promote(): void {
    this.#letWaitingGo()
    this.#link?.close()
    this.#link = undefined
    this.#discardUnfinished()
    this.#master = undefined
    this.#feed.begin()
    // Others that followed the same master may go on with this one; the old id is left to who may still write under it.
    this.#feed.history.branch(this.#newId())
    if (this.#feed.isKept) this.#options.engine.propagates = true
    this.#dropReplicas()
    this.#applyRole()
    this.#options.logger.info('this server is a master now', { offset: this.#feed.offset })
  }

  /** Whose time comes is decided by masters alone, and so is what has to go for want of memory. */
  #applyRole(): void {
    const { databases, memory } = this.#options.engine
    for (const database of databases) database.deletesExpired = !this.isReplica && !this.#isHeld
    memory.isSuspended = this.isReplica
  }

  /** Clients that wait for keys, or for replicas, wait in vain: nothing of this server's own will happen here. */
  #letWaitingGo(): void {
    const { engine, sessions, intervene } = this.#options
    const blocked = [...sessions()].filter(({ blocked: wait }) => wait !== undefined && wait.isFirm !== true)
    this.#waiting.clear()
    if (blocked.length === 0 || engine.paused !== undefined) return
    intervene(() => {
      for (const session of blocked) engine.release(session, () => session.reply.error(ROLE_CHANGED))
    })
  }

  // The master's voice.

  #openLink(master: Address): void {
    const { network, clock, logger, tls, engine } = this.#options
    this.#link = new MasterLink({
      master,
      network,
      clock,
      logger,
      tls,
      settings: this.settings,
      introduction: () => this.#introduction(),
      load: (arrival) => this.#load(arrival),
      continues: (id) => this.#continues(id),
      apply: (args, bytes) => this.#apply(args, bytes),
      cut: () => this.#discardUnfinished(),
      refused: () => {
        // Who is asked to take over says no: nothing has changed.
        if (this.#failover.state === 'failover-in-progress') this.#giveUpFailover()
      },
      offset: () => this.#feed.offset,
      isBusy: () => engine.paused !== undefined,
    })
    this.#link.open()
  }

  #introduction(): ReturnType<ConstructorParameters<typeof MasterLink>[0]['introduction']> {
    const { masterUser, masterPassword, announcedHost, announcedPort } = this.settings
    this.#feed.flush()
    const { id, offset } = this.#feed.history
    return {
      user: masterUser,
      password: masterPassword,
      announcedHost,
      listeningPort: announcedPort || this.#options.port(),
      known: this.#hasPast && this.#isWhole ? { id, from: offset + 1 } : undefined,
      handsOver: this.#failover.state === 'failover-in-progress',
    }
  }

  #continues(id: string | undefined): void {
    const { history } = this.#feed
    history.keep(this.settings.backlogBytes)
    this.#endFailover()
    if (id === undefined || id === history.id) return
    history.branch(id)
    // They learn the new id when they come back.
    this.#dropReplicas()
  }

  /** One snapshot at a time: the one before is given up first. */
  #load(arrival: Arrival): Promise<void> {
    const loading = this.#loading.catch(() => {}).then(() => this.#replaceData(arrival))
    this.#loading = loading
    return loading
  }

  async #replaceData({ pieces, id, offset, isWanted }: Arrival): Promise<void> {
    const { engine, functions, clock, logger, replaceData, intervene } = this.#options
    const options = { engine, functions, clock, pieces, isWanted }
    // What cannot be read leaves everything as it was.
    await checkSnapshot(options)
    const { history } = this.#feed
    await replaceData(async () => {
      this.#isWhole = false
      this.#hasPast = false
      history.replace(this.#newId(), 0)
      this.#dropReplicas()
      const clear = (): void => {
        for (const database of engine.databases) database.clear()
        functions.clear()
      }
      intervene(clear)
      try {
        const { database, replayed } = await loadSnapshot(options)
        this.#voice.database = database
        logger.info('all data of the master is there', { ...replayed, offset })
      } catch (error) {
        intervene(clear)
        this.#isWhole = true
        throw error
      }
      history.replace(id, offset)
      history.keep(this.settings.backlogBytes)
      this.#endFailover()
      this.#isWhole = true
      this.#hasPast = true
      engine.changes++
    })
  }

  #apply(args: readonly string[], bytes: Uint8Array): boolean {
    const name = args[0]?.toLowerCase()
    if (name !== 'ping' && name !== 'replconf') this.#obey(args)
    this.#unfinished.push(bytes)
    if (this.#voice.transaction === undefined || lacks(this.#options.mutant, 'whole transactions')) {
      for (const each of this.#unfinished) this.#feed.pass(each)
      this.#unfinished = []
    }
    return name === 'replconf' && args[1]?.toLowerCase() === 'getack'
  }

  #obey(args: readonly string[]): void {
    const { engine, execute } = this.#options
    const voice = this.#voice
    const command = engine.find(args)
    if (typeof command === 'string') {
      this.#cannot(args, command)
      return
    }
    if (!command.flags.has('write') && !HARMLESS.has(command.name)) {
      this.#cannot(args, 'no master says that')
      return
    }
    for (const database of engine.databases) database.seesExpired = true
    try {
      execute(voice, args)
    } finally {
      for (const database of engine.databases) database.seesExpired = false
    }
    const reply = voice.reply.bytes()
    if (reply[0] === 0x2d) this.#cannot(args, Buffer.from(reply.subarray(1, 200)).toString('latin1').trimEnd())
    voice.reply.truncate()
    // What would wait has nothing to wait for.
    if (voice.blocked !== undefined && engine.paused === undefined) engine.release(voice, () => {})
  }

  /** The data is perhaps not the master's any more: that is told, and it goes on, as Redis does. */
  #cannot(args: readonly string[], why: string): void {
    this.#errorCount++
    const command = (args[0] ?? '').slice(0, 64)
    this.#options.logger.error('a command of the master failed', { command, why, count: this.#errorCount })
  }

  /** A transaction that did not come to its end did not happen. */
  #discardUnfinished(): void {
    const { database } = this.#voice
    this.#unfinished = []
    this.#options.engine.disconnect(this.#voice)
    this.#voice = this.#newVoice()
    this.#voice.database = database
  }

  #newVoice(): Session {
    const voice = this.#options.engine.connect()
    voice.isTrusted = true
    return voice
  }

  // Replicas.

  #replicaOf(session: Session): Replica {
    let replica = this.#replicas.get(session)
    if (replica === undefined) {
      replica = new Replica(this.#options.connectionOf(session))
      this.#replicas.set(session, replica)
    }
    return replica
  }

  /** Sends everything, and then what follows. @param isTold - Whether it is told of which history it is. */
  #sendAll(session: Session, replica: Replica, isTold: boolean): void {
    const { engine, functions, clock, logger, drop } = this.#options
    const { history } = this.#feed
    if (!this.isReplica) this.#feed.begin()
    if (isTold) replica.write(Buffer.from(`+FULLRESYNC ${history.id} ${history.offset}\r\n`))
    const aux = [['redis-ver', '7.0.15'], ['redis-bits', '64'], ...this.facts()] as const
    const snapshot = new Snapshot({
      databases: engine.databases,
      functions: functions.dump(),
      aux,
      usageOf: (database, entry) => engine.memory.usageOf(database, entry, clock.now()),
    })
    const mark = this.settings.isDiskless && replica.knowsMarks ? this.#newId() : undefined
    this.#feed.replicas.add(replica)
    replica.sendSnapshot(snapshot, mark, clock).then(
      () => {
        if (replica.state === 'served') this.#feed.replicas.delete(replica)
      },
      (error: unknown) => {
        logger.error('a replica could not be sent a snapshot', { error: String(error) })
        drop(session)
      },
    )
    logger.info('a replica is sent all data', { offset: history.offset })
  }

  /** Adds to the stream what is no change; not to a master's, nor while somebody waits for the stream to stand still. */
  #tell(args: readonly string[]): void {
    if (!this.isReplica && !this.#isHeld) this.#feed.tell(args)
  }

  #dropReplicas(): void {
    for (const session of [...this.#replicas.keys()]) if (this.replicaOf(session)) this.#options.drop(session)
  }

  #online(): Replica[] {
    return [...this.#feed.replicas].filter(({ state }) => state === 'online')
  }

  #goodReplicas(): number {
    const nowMs = this.#options.clock.now()
    return this.#online().filter(({ ackedMs }) => nowMs - ackedMs <= this.settings.maxLagMs).length
  }

  /** Those in WAIT for whom enough replicas have acknowledged; they wait no more. */
  #done(): { session: Session; count: number }[] {
    const done: { session: Session; count: number }[] = []
    for (const [session, wanted] of this.#waiting) {
      const count = this.reached(session)
      const isWaiting = session.blocked?.command.name === 'wait'
      if (isWaiting && count < wanted) continue
      this.#waiting.delete(session)
      if (isWaiting) done.push({ session, count })
    }
    return done
  }

  // Time.

  #plan(): void {
    if (this.#timer !== undefined || this.#isStopped) return
    if (this.#link === undefined && this.#feed.replicas.size === 0) return
    this.#timer = this.#options.clock.timer(TICK_MS, () => {
      this.#timer = undefined
      this.#tick()
      this.#plan()
    })
  }

  #tick(): void {
    const { clock, logger, drop } = this.#options
    const nowMs = clock.now()
    this.#link?.tick()
    this.#pursueFailover()
    if (this.#feed.replicas.size > 0 && nowMs - this.#pingedMs >= this.settings.pingPeriodMs) {
      this.#pingedMs = nowMs
      this.#tell(['PING'])
    }
    for (const [session, replica] of [...this.#replicas]) {
      replica.reassure()
      const why = replica.complaint(this.settings, nowMs)
      if (why === undefined) continue
      logger.warn('replica closed', { replica: `${replica.address.host}:${replica.address.port}`, why })
      drop(session)
    }
    this.flush()
  }

  #newId(): string {
    return Buffer.from(this.#options.random.bytes(20)).toString('hex')
  }
}
