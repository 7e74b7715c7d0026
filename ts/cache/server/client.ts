import type { Connection } from '../../io/network.ts'
import { CommandDecoder, DEFAULT_LIMITS, UNAUTHENTICATED_LIMITS } from '../../wire/resp/index.ts'
import type { ClientView } from '../commands/server-door.ts'
import type { Session } from '../commands/session.ts'
import { redirectOf } from '../commands/tracking.ts'
import type { Replica } from '../replication/replica.ts'

/** A connection with what was read from it and what the engine knows of it. */
export class Client {
  readonly connection: Connection
  readonly session: Session
  readonly decoder: CommandDecoder
  readonly connectedMs: number
  /** When its last command came. */
  usedMs: number
  /** The command that is being run. */
  running: readonly string[] | undefined
  /** A command that was read and may not run yet: CLIENT PAUSE. */
  held: string[] | undefined
  /** Nothing more is run; what was written is sent, then it is closed. */
  isClosing = false
  isClosed = false
  /** It does not read what it is sent: until it has, nothing more is run. */
  isSlow = false
  /** Nothing is read from its connection. */
  isUnread = false
  /** Replies that may leave once everything before a position of the append-only file is durable. */
  readonly #held: { readonly position: number; readonly bytes: Uint8Array }[] = []
  /** Bytes of them. */
  heldBytes = 0
  /** CLIENT NO-EVICT. */
  isProtected = false
  /** It is a replica: what it is sent has limits of its own. */
  replica: Replica | undefined

  constructor(connection: Connection, session: Session, nowMs: number) {
    this.connection = connection
    this.session = session
    this.decoder = new CommandDecoder()
    this.connectedMs = nowMs
    this.usedMs = nowMs
    this.applyLimits()
  }

  /** Commands may be run now. */
  get isFree(): boolean {
    return !this.isClosing && !this.isClosed && !this.isSlow && this.session.blocked === undefined
  }

  /** A command of it was begun, or put off, and is not done. */
  get isWaiting(): boolean {
    return this.session.blocked !== undefined || this.held !== undefined
  }

  hold(position: number, bytes: Uint8Array): void {
    this.#held.push({ position, bytes })
    this.heldBytes += bytes.length
  }

  /** Sends what waits for nothing beyond `durable`. */
  release(durable: number): void {
    let count = 0
    for (const { position, bytes } of this.#held) {
      if (position > durable) break
      this.connection.write(bytes)
      this.heldBytes -= bytes.length
      count++
    }
    this.#held.splice(0, count)
  }

  /** Gives it the limits of those who have said who they are, or of those who have not. */
  applyLimits(): void {
    this.decoder.limits = this.session.isAuthenticated ? DEFAULT_LIMITS : UNAUTHENTICATED_LIMITS
  }

  /** What CLIENT LIST tells (networking.c, catClientInfoString), with zero for what there is not. */
  view(nowMs: number): ClientView {
    const { connection, session, decoder } = this
    const { remote, local } = connection
    const tracking = `${session.tracking === undefined ? '' : 't'}${session.tracking?.prefixes === undefined ? '' : 'B'}${session.isRedirectionBroken ? 'R' : ''}`
    const flags = `${this.replica === undefined ? '' : 'S'}${session.isMonitor ? 'O' : ''}${tracking}${session.isSubscribed ? 'P' : ''}${session.transaction === undefined ? '' : 'x'}${this.isWaiting ? 'b' : ''}`
    const fields: Readonly<Record<string, string | number>> = {
      id: session.id,
      addr: remote,
      laddr: local,
      fd: -1,
      name: session.name,
      age: seconds(nowMs - this.connectedMs),
      idle: seconds(nowMs - this.usedMs),
      flags: `${flags}${this.isProtected ? 'e' : ''}` || 'N',
      db: session.database,
      sub: session.channels.size,
      psub: session.patterns.size,
      ssub: session.shardChannels.size,
      multi: session.transaction?.queue.length ?? -1,
      qbuf: decoder.bufferedBytes + sizeOf(this.running),
      'qbuf-free': 0,
      'argv-mem': 0,
      'multi-mem': session.transaction?.bytes ?? 0,
      rbs: 0,
      rbp: 0,
      obl: session.reply.length,
      oll: 0,
      omem: connection.waitingBytes,
      'tot-mem': decoder.bufferedBytes + session.reply.length + connection.waitingBytes,
      events: this.isUnread ? 'w' : 'r',
      cmd: session.lastCommand?.name ?? 'NULL',
      user: session.user.name,
      redir: redirectOf(session),
      resp: session.reply.protocol,
    }
    const line = Object.entries(fields).map(([name, value]) => `${name}=${value}`)
    const type = this.replica !== undefined ? 'replica' : session.isSubscribed ? 'pubsub' : 'normal'
    return { session, type, address: remote, localAddress: local, line: line.join(' ') }
  }
}

/** Bytes of a command as client libraries send it. */
function sizeOf(args: readonly string[] | undefined): number {
  if (args === undefined) return 0
  return args.reduce((sum, { length }) => sum + String(length).length + length + 5, String(args.length).length + 3)
}

function seconds(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000))
}
