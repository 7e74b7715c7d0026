// What drives the engine: it waits for what comes from clients and for what the clock says, runs it, and sends what comes of it; all in
// one thread and without waiting within. Schmidt, "Reactor: An Object Behavioral Pattern for Concurrent Event Demultiplexing", 1995.
//
//   bytes of a client  ->  its commands, at most COMMANDS_PER_TURN  ->  effects: files, replicas, other clients
//   end of the turn    ->  files and replicas are handed what was changed, then each client its replies
//   tick of the engine ->  keys that are due, clients that have waited long enough
import { BedplateError } from '../../base/errors.ts'
import type { Cancel, Clock } from '../../io/clock.ts'
import type { Connection, ConnectionEvents } from '../../io/network.ts'
import type { Logger } from '../../service/index.ts'
import { RespProtocolError } from '../../wire/resp/index.ts'
import type { Effect } from '../commands/effects.ts'
import type { Engine } from '../commands/engine.ts'
import type { Session } from '../commands/session.ts'
import type { Replication } from '../replication/replication.ts'
import { Client } from './client.ts'
import { noTotals, type Totals } from './info.ts'
import type { Migrator } from './migrator.ts'
import type { Pause } from './pause.ts'
import type { Persistence } from './persistence.ts'

export interface ReactorOptions {
  readonly engine: Engine
  readonly clock: Clock
  readonly logger: Logger
  /** Undefined where nothing is kept. */
  readonly persistence: Persistence | undefined
  readonly replication: Replication
  readonly migrator: Migrator
  readonly pause: Pause
  /** Says who a client is that has just come. */
  readonly greet: (session: Session) => void
  /** A bug of ours: nothing is run any more. */
  readonly failed: (error: BedplateError) => void
}

/** Commands of one client that are run before the others get their turn. */
const COMMANDS_PER_TURN = 256
/** So many bytes of replies are sent without waiting for the end of the turn. */
const EARLY_WRITE_BYTES = 256 * 1024
/** A client that leaves so many bytes unread has no more commands run until it has read them. */
const SLOW_BYTES = 1024 * 1024
/** A client that leaves so many unread is closed: one that asks, and one that listens (client-output-buffer-limit pubsub). */
export const MAX_OUTPUT_BYTES = 2 ** 30
export const MAX_PUBSUB_OUTPUT_BYTES = 32 * 2 ** 20
/** What is read ahead from a client whose commands may not run now. */
const READ_AHEAD_BYTES = 64 * 1024
/** How long a client that is closed may take to read what it was sent. */
const LINGER_MS = 10_000
/** Node's timers hold no more; the next time is asked for again then. */
const MAX_TIMER_MS = 60_000

/** See the top of this file. */
export class Reactor {
  readonly clients = new Map<Session, Client>()
  totals: Totals = noTotals()
  /** While data comes in nothing happens by itself. */
  isLoading = false
  /** Why nothing is run any more. */
  failure: BedplateError | undefined
  readonly #options: ReactorOptions
  readonly #engine: Engine
  readonly #persistence: Persistence | undefined
  readonly #replication: Replication
  readonly #migrator: Migrator
  readonly #pause: Pause
  /** Clients with replies that wait for what they tell to be durable. */
  readonly #held = new Set<Client>()
  /** Clients with replies to be written at the end of this turn, and those that have commands left for the next one. */
  #unwritten = new Set<Client>()
  #waiting = new Set<Client>()
  #isTurnPlanned = false
  #timer: { readonly atMs: number; readonly cancel: Cancel } | undefined
  #isDraining = false
  /** Whose command is being run. */
  #running: Session | undefined
  /** What is wanted of the engine while a command runs. */
  readonly #interventions: (() => void)[] = []
  /** What the command that is running leaves to be done behind it. */
  readonly #afterwards: (() => void)[] = []

  constructor(options: ReactorOptions) {
    this.#options = options
    this.#engine = options.engine
    this.#persistence = options.persistence
    this.#replication = options.replication
    this.#migrator = options.migrator
    this.#pause = options.pause
  }

  /** Clients get the replies to what they have sent; those that wait for keys are let go. */
  drain(): void {
    this.#isDraining = true
    for (const client of this.clients.values()) if (!this.#waiting.has(client)) this.close(client)
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** Whether the command that is running is this session's. */
  isRunning(session: Session): boolean {
    return session === this.#running
  }

  /** Whose a session is: that of a script is its caller's. */
  clientOf(session: Session): Client {
    const client = this.clients.get(session.caller?.session ?? session)
    if (client === undefined) throw new BedplateError('INTERNAL', `session ${session.id} has no connection`)
    return client
  }

  /** What was held for some reason may be run, perhaps. */
  resume(): void {
    for (const client of this.clients.values()) if (client.held !== undefined) this.later(client)
  }

  /** Does something behind the command that is running. */
  afterwards(act: () => void): void {
    this.#afterwards.push(act)
  }

  /** Takes a client in. */
  accept(connection: Connection): ConnectionEvents {
    const session = this.#engine.connect()
    this.#options.greet(session)
    session.reply.limitBytes = MAX_OUTPUT_BYTES
    const client = new Client(connection, session, this.#options.clock.now())
    this.clients.set(session, client)
    this.totals.connections++
    this.#options.logger.debug('client connected', { remote: connection.remote, id: session.id })
    return {
      data: (bytes) => {
        this.totals.bytesIn += bytes.length
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
        this.later(client)
      },
      closed: () => this.#forget(client),
    }
  }

  #forget(client: Client): void {
    client.isClosed = true
    this.clients.delete(client.session)
    this.#waiting.delete(client)
    this.#unwritten.delete(client)
    this.#held.delete(client)
    this.#replication.forget(client.session)
    this.#engine.disconnect(client.session)
    this.#options.logger.debug('client gone', { remote: client.connection.remote, id: client.session.id })
  }

  /** Runs what a client has sent, as far as it may now. */
  #run(client: Client): void {
    if (this.failure !== undefined) return
    const nowMs = this.#options.clock.now()
    let left = COMMANDS_PER_TURN
    while (client.isFree) {
      if (left-- === 0) {
        this.later(client)
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
      if (client.session.reply.length > EARLY_WRITE_BYTES) this.write(client)
    }
    this.#unwritten.add(client)
    this.planTurn()
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
    this.totals.commands++
    let effects: readonly Effect[]
    try {
      this.#running = client.session
      effects = this.#engine.execute(client.session, args, nowMs)
    } catch (error) {
      this.break(error)
      return
    } finally {
      this.#running = undefined
      client.running = undefined
    }
    if (effects.length > 0) this.perform(effects, client.session)
    if (this.#afterwards.length > 0) this.#doAfterwards()
    for (let act = this.#interventions.shift(); act !== undefined; act = this.#interventions.shift())
      this.intervene(act)
  }

  #doAfterwards(): void {
    try {
      for (const act of this.#afterwards.splice(0)) act()
    } catch (error) {
      this.break(error)
    }
  }

  /** @param writer - Whose command it was. */
  perform(effects: readonly Effect[], writer?: Session): void {
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
      const client = this.clients.get(effect.session)
      if (client === undefined) continue
      if (effect.kind === 'close') this.close(client)
      else if (effect.kind === 'reply') {
        this.#unwritten.add(client)
        if (client.session.reply.length > MAX_PUBSUB_OUTPUT_BYTES) this.write(client)
        if (client.isFree) this.later(client)
      }
    }
  }

  /** A bug of ours: what the engine holds cannot be trusted any more. */
  break(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#options.logger.error('the cache failed', { error: text })
    this.failure = new BedplateError(error instanceof BedplateError ? error.code : 'INTERNAL', 'the cache failed', {
      cause: error,
      hint: 'its log says why; start the server again',
    })
    this.#options.failed(this.failure)
  }

  /** Nothing more is run for this client; it gets what was written for it. */
  close(client: Client): void {
    client.isClosing = true
    this.#unwritten.add(client)
    this.planTurn()
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

  later(client: Client): void {
    this.#waiting.add(client)
    this.planTurn()
  }

  planTurn(): void {
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
      if (this.#isDraining && !this.#waiting.has(client)) this.close(client)
    }
    this.#persistence?.flush()
    this.#replication.flush()
    const unwritten = this.#unwritten
    this.#unwritten = new Set()
    for (const client of unwritten) this.write(client)
    this.planTick()
  }

  /** Hands a client's replies to its connection. */
  write(client: Client): void {
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
      this.totals.slowClients++
      this.#options.logger.warn('client closed: it does not read', { remote: connection.remote, bytes, limit })
      this.drop(client)
      return
    }
    if (reply.length > 0) {
      this.totals.bytesOut += reply.length
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
  release(): void {
    const durable = this.#persistence?.durable ?? 0
    for (const client of this.#held) {
      client.release(durable)
      if (client.heldBytes > 0) continue
      this.#held.delete(client)
      if (client.isClosing) this.write(client)
      else if (client.isSlow && client.connection.waitingBytes <= SLOW_BYTES) {
        client.isSlow = false
        this.later(client)
      }
    }
  }

  drop(client: Client): void {
    client.isClosing = true
    client.session.reply.truncate()
    this.#engine.disconnect(client.session)
    client.connection.destroy()
  }

  /** Wakes when a key is due or somebody's waiting ends. */
  planTick(): void {
    if (this.failure !== undefined || this.isLoading) return
    const atMs = this.#engine.nextTickMs()
    if (atMs === undefined || (this.#timer !== undefined && this.#timer.atMs <= atMs)) return
    this.#timer?.cancel()
    const afterMs = Math.min(MAX_TIMER_MS, Math.max(0, atMs - this.#options.clock.now()))
    const cancel = this.#options.clock.timer(afterMs, () => this.#tick())
    this.#timer = { atMs, cancel }
  }

  #tick(): void {
    this.#timer = undefined
    if (this.failure !== undefined) return
    try {
      this.perform(this.#engine.tick(this.#options.clock.now()))
    } catch (error) {
      this.break(error)
      return
    }
    this.planTurn()
  }

  /** Runs a command of somebody who has no connection. @returns False if the server has failed, by this or before. */
  runFor(session: Session, args: readonly string[]): boolean {
    if (this.failure !== undefined) return false
    try {
      this.perform(this.#engine.execute(session, args, this.#options.clock.now()))
    } catch (error) {
      this.break(error)
      return false
    }
    this.planTurn()
    return true
  }

  /** Lets `act` change what the engine holds: now, or after the command that is running. */
  intervene(act: () => void): void {
    if (this.failure !== undefined) return
    if (this.#running !== undefined) {
      this.#interventions.push(act)
      return
    }
    try {
      this.perform(this.#engine.intervene(this.#options.clock.now(), act))
    } catch (error) {
      this.break(error)
      return
    }
    this.planTurn()
  }
}
