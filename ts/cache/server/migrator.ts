// The network's part of MIGRATE: connections to other servers, which are kept for a while, and one exchange on each at a time.
//
//   AUTH, SELECT  ->  their replies        where the connection is new, or was for another database
//   RESTORE ...   ->  a reply each         sent ahead as far as the target reads
//
// What the target has acknowledged is deleted here, and then the client is answered; of the rest it may have any part.
import type { Cancel, Clock } from '../../io/clock.ts'
import type { Connection, Network } from '../../io/network.ts'
import { DEFAULT_LIMITS, type Reply, ReplyDecoder, ReplyWriter } from '../../wire/resp/index.ts'
import type { Engine } from '../commands/engine.ts'
import type { Transfer, TransferTarget } from '../commands/transfers.ts'

export interface MigratorOptions {
  readonly network: Network
  readonly clock: Clock
  readonly engine: Engine
  /** Runs what changes the engine and no client has asked for, and does what follows from it. */
  readonly intervene: (act: () => void) => void
  /** What was held for the sake of a transfer may be run. */
  readonly ended: () => void
  /** Nothing may be written now; `resumed` says when it may. */
  readonly isPaused: () => boolean
  /** This server decides on its keys: it follows no other one. */
  readonly isMaster: () => boolean
  /** A bug of ours. */
  readonly failed: (error: unknown) => void
}

/** Redis's own: connections that wait for the next MIGRATE, and for how long. */
const MAX_IDLE = 64
const IDLE_MS = 10_000
/** What is sent ahead of a target that does not read. */
const AHEAD_BYTES = 1024 * 1024
/** What a target may reply: a line. */
const REPLY_LIMITS = { ...DEFAULT_LIMITS, bulkBytes: 64 * 1024, messageBytes: 128 * 1024, multibulkCount: 1024 }
/** Of the error of a target, what the client is told. */
const SHOWN_ERROR = 512
/** Node's timers hold no more. */
const MAX_TIMER_MS = 2 ** 31 - 1
const NOT_CONNECTED = 'IOERR error or timeout connecting to the client'
const NOT_ANSWERED = 'IOERR error or timeout reading to target instance'
const TOO_LARGE = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)'
const NO_MASTER = 'READONLY this server has become a replica: what was to move is still here'

/** Sends keys to other servers. */
export class Migrator {
  readonly #options: MigratorOptions
  readonly #idle = new Map<string, Peer>()
  readonly #busy = new Set<Peer>()
  /** Transfers that are over while nothing may be written. */
  #over: { readonly transfer: Transfer; readonly failure: string | undefined }[] = []
  #isStopped = false

  constructor(options: MigratorOptions) {
    this.#options = options
  }

  /** Sends what a MIGRATE wants sent; the engine is told of the end. */
  begin(transfer: Transfer): void {
    this.#send(transfer).then(
      (failure) => this.#end(transfer, failure),
      (error: unknown) => {
        // V8 refuses what is beyond its limits with a RangeError, as in commands.
        if (error instanceof RangeError) this.#end(transfer, TOO_LARGE)
        else this.#options.failed(error)
      },
    )
  }

  /** Writing is possible again. */
  resumed(): void {
    const over = this.#over
    this.#over = []
    for (const { transfer, failure } of over) this.#end(transfer, failure)
  }

  /** Breaks off: nothing is deleted from now on. */
  stop(): void {
    this.#isStopped = true
    for (const peer of [...this.#idle.values(), ...this.#busy]) peer.close()
    this.#idle.clear()
  }

  #end(transfer: Transfer, failure: string | undefined): void {
    if (this.#isStopped) return
    const { engine, intervene, ended, isPaused, isMaster } = this.#options
    // A master that hands over has said how far its changes go; nothing may come after that.
    if (isPaused()) {
      this.#over.push({ transfer, failure })
      return
    }
    const isOurs = isMaster()
    intervene(() => engine.endTransfer(transfer, isOurs ? failure : NO_MASTER, isOurs))
    ended()
  }

  /** How many connections wait for the next MIGRATE. */
  get idleCount(): number {
    return this.#idle.size
  }

  /** @returns What went wrong, as the reply; undefined if nothing did. */
  async #send(transfer: Transfer): Promise<string | undefined> {
    const { target } = transfer
    const cached = this.#take(target)
    const peer = cached ?? (await this.#open(target))
    if (peer === undefined) return NOT_CONNECTED
    this.#busy.add(peer)
    const result = await deliver(peer, transfer, () => this.#options.clock.now()).finally(() => this.#busy.delete(peer))
    if (result.isLost && !peer.hasHeard && cached !== undefined && !this.#isStopped) {
      // The target had closed it since: that says nothing of a new one.
      transfer.rewind()
      return this.#send(transfer)
    }
    if (result.isLost || !result.isEntered) peer.close()
    else this.#keep(target, peer)
    return result.failure
  }

  async #open(target: TransferTarget): Promise<Peer | undefined> {
    const { network, clock } = this.#options
    const { host, port, timeoutMs } = target
    let made: Peer | undefined
    try {
      await network.connect({ host, port, timeoutMs: Math.min(timeoutMs, MAX_TIMER_MS) }, (connection) => {
        const peer = new Peer(connection, clock)
        made = peer
        return {
          data: (bytes) => peer.read(bytes),
          drained: () => peer.send(),
          closed: () => {
            peer.lost()
            if (this.#idle.get(keyOf(target)) === peer) this.#idle.delete(keyOf(target))
          },
        }
      })
    } catch {
      return undefined
    }
    if (this.#isStopped) made?.close()
    return made
  }

  #take(target: TransferTarget): Peer | undefined {
    const key = keyOf(target)
    const peer = this.#idle.get(key)
    if (peer === undefined) return undefined
    this.#idle.delete(key)
    peer.wake()
    return peer
  }

  #keep(target: TransferTarget, peer: Peer): void {
    const key = keyOf(target)
    if (this.#isStopped || this.#idle.has(key) || this.#idle.size >= MAX_IDLE) {
      peer.close()
      return
    }
    this.#idle.set(key, peer)
    peer.rest(IDLE_MS, () => {
      if (this.#idle.get(key) === peer) this.#idle.delete(key)
      peer.close()
    })
  }
}

interface Delivery {
  /** What the client is told; undefined if all went well. */
  readonly failure: string | undefined
  /** The connection is gone, or will say nothing that can be trusted. */
  readonly isLost: boolean
  /** The target has let us in. */
  readonly isEntered: boolean
}

async function deliver(peer: Peer, transfer: Transfer, now: () => number): Promise<Delivery> {
  const { target } = transfer
  let refusal: string | undefined
  const take = (reply: Reply): boolean => {
    if (reply.kind === 'simple' && reply.text === 'OK') return true
    const text = reply.kind === 'error' ? reply.text.slice(0, SHOWN_ERROR) : 'it answers something else than OK'
    refusal ??= `ERR Target instance replied with error: ${text}`
    return false
  }
  const login = loginOf(peer, target)
  const isLetIn = await peer.exchange(() => login.shift(), take, target.timeoutMs)
  if (!isLetIn) return { failure: NOT_ANSWERED, isLost: true, isEntered: false }
  if (refusal !== undefined) return { failure: refusal, isLost: false, isEntered: false }
  peer.isKnown = true
  peer.database = target.database
  const count = (reply: Reply): void => transfer.answered(take(reply))
  const isWhole = await peer.exchange(() => transfer.next(now()), count, target.timeoutMs)
  return { failure: refusal ?? (isWhole ? undefined : NOT_ANSWERED), isLost: !isWhole, isEntered: true }
}

function loginOf(peer: Peer, { user, password, database }: TransferTarget): string[][] {
  const commands: string[][] = []
  if (!peer.isKnown && password !== undefined) {
    commands.push(user === undefined ? ['AUTH', password] : ['AUTH', user, password])
  }
  if (peer.database !== database) commands.push(['SELECT', String(database)])
  return commands
}

interface Exchange {
  readonly next: () => readonly (string | Uint8Array)[] | undefined
  readonly take: (reply: Reply) => void
  readonly timeoutMs: number
  readonly done: (isWhole: boolean) => void
  readonly fail: (error: unknown) => void
  unanswered: number
  /** Everything was sent. */
  isSent: boolean
}

/** A connection to a target. */
class Peer {
  /** It has let us in, where that is asked for. */
  isKnown = false
  database = 0
  /** It has answered anything since it was taken into use last. */
  hasHeard = false
  readonly #connection: Connection
  readonly #clock: Clock
  readonly #decoder = new ReplyDecoder(REPLY_LIMITS)
  #exchange: Exchange | undefined
  #cancel: Cancel | undefined
  #isLost = false

  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection
    this.#clock = clock
  }

  /**
   * Sends the commands that `next` gives, as fast as they are read, and takes a reply for each.
   * @returns False if the connection was lost, was silent for `timeoutMs`, or spoke another language.
   */
  exchange(next: Exchange['next'], take: Exchange['take'], timeoutMs: number): Promise<boolean> {
    if (this.#isLost) return Promise.resolve(false)
    return new Promise((done, fail) => {
      this.#exchange = { next, take, timeoutMs, done, fail, unanswered: 0, isSent: false }
      this.send()
    })
  }

  send(): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    this.#watch(exchange.timeoutMs)
    try {
      while (!exchange.isSent && this.#connection.waitingBytes < AHEAD_BYTES) {
        const command = exchange.next()
        if (command === undefined) exchange.isSent = true
        else {
          this.#connection.write(encode(command))
          exchange.unanswered++
        }
      }
    } catch (error) {
      exchange.fail(error)
      this.close()
      return
    }
    this.#look(exchange)
  }

  read(bytes: Uint8Array): void {
    this.#decoder.push(bytes)
    try {
      for (let reply = this.#decoder.next(); reply !== undefined; reply = this.#decoder.next()) {
        const exchange = this.#exchange
        if (exchange === undefined || exchange.unanswered === 0) {
          this.close() // it was asked nothing
          return
        }
        this.hasHeard = true
        exchange.unanswered--
        exchange.take(reply)
        this.#watch(exchange.timeoutMs)
        this.#look(exchange)
      }
    } catch {
      this.close()
    }
  }

  /** The connection is gone. */
  lost(): void {
    this.#isLost = true
    this.#finish(false)
  }

  close(): void {
    this.lost()
    this.#connection.destroy()
  }

  /** Waits for its next use; `forget` is called if there is none. */
  rest(forMs: number, forget: () => void): void {
    this.#cancel = this.#clock.timer(forMs, forget)
  }

  wake(): void {
    this.#cancel?.()
    this.hasHeard = false
  }

  #look(exchange: Exchange): void {
    if (exchange.isSent && exchange.unanswered === 0) this.#finish(true)
  }

  #watch(timeoutMs: number): void {
    this.#cancel?.()
    this.#cancel = this.#clock.timer(Math.min(timeoutMs, MAX_TIMER_MS), () => this.close())
  }

  #finish(isWhole: boolean): void {
    this.#cancel?.()
    const exchange = this.#exchange
    this.#exchange = undefined
    exchange?.done(isWhole)
  }
}

function encode(command: readonly (string | Uint8Array)[]): Uint8Array {
  const writer = new ReplyWriter()
  writer.array(command.length)
  for (const part of command) {
    if (typeof part === 'string') writer.bulk(part)
    else writer.bulkBytes(part)
  }
  return writer.take()
}

/** Whoever gives another password gets another connection. */
function keyOf({ host, port, user, password }: TransferTarget): string {
  return JSON.stringify([host, port, user, password])
}
