// A replica, as its master sees it: first a snapshot goes to it, in slices, as fast as it reads; what changes meanwhile waits and
// follows. Then everything goes to it as it comes.
import type { Clock } from '../../io/clock.ts'
import type { Snapshot } from '../persistence/snapshot.ts'
import type { ReplicationSettings } from './types.ts'

/** The connection of a replica. */
export interface ReplicaConnection {
  /** `host:port` as this side sees it. */
  readonly remote: string
  readonly waitingBytes: number
  write(bytes: Uint8Array): void
}

/**
 * - `introduced`: it has said who it is, perhaps.
 * - `preparing`: the whole snapshot is made before its length can be told.
 * - `sending`: a snapshot goes out.
 * - `loading`: it was sent one with a mark, and has to say that it has found the mark before anything may follow.
 * - `online`: it follows.
 * - `served`: it wanted a snapshot and nothing else.
 */
export type ReplicaState = 'introduced' | 'preparing' | 'sending' | 'loading' | 'online' | 'served'

/** How much of a snapshot is made in one go, and how much may wait for the replica before more is made. */
const SLICE_BYTES = 64 * 1024
const AHEAD_BYTES = 2 ** 20
const NEWLINE = Buffer.from('\n')

/** See the top of this file. */
export class Replica {
  state: ReplicaState = 'introduced'
  /** What it said of itself. */
  host = ''
  port = 0
  knowsMarks = false
  knowsNewIds = false
  wantsSnapshotAlone = false
  /** How far it has come, and when it said so, in milliseconds since 1970. */
  ackedOffset = 0
  ackedMs = 0
  /** When anything came from it: while it loads, it sends empty lines and acknowledges nothing. */
  #heardMs = 0
  readonly #connection: ReplicaConnection
  /** What follows on the snapshot. */
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #snapshot: Snapshot | undefined
  #isClosed = false
  #drained: () => void = () => {}
  /** Since when more waits than may for long. */
  #overSinceMs: number | undefined
  /** Bytes of the snapshot that were written; how many of them it had taken when it was looked at, and since when no more. */
  #sentBytes = 0
  #takenBytes = -1
  #takenMs = 0

  constructor(connection: ReplicaConnection) {
    this.#connection = connection
  }

  /** Where clients find it. */
  get address(): { readonly host: string; readonly port: number } {
    const { remote } = this.#connection
    return { host: this.host || remote.slice(0, remote.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1'), port: this.port }
  }

  get isFollowing(): boolean {
    return this.state !== 'introduced' && this.state !== 'served'
  }

  /** Something came from it. */
  heard(nowMs: number): void {
    this.#heardMs = nowMs
  }

  /** Sends what belongs to no stream. */
  write(bytes: Uint8Array): void {
    this.#sentBytes += bytes.length
    this.#connection.write(bytes)
  }

  /** Sends a part of the stream, or keeps it until it may follow. */
  feed(bytes: Uint8Array): void {
    if (this.state === 'online') this.#connection.write(bytes)
    else if (this.isFollowing) {
      this.#waiting.push(bytes)
      this.#waitingBytes += bytes.length
    }
  }

  /** From here on the stream goes to it. */
  goOnline(nowMs: number): void {
    this.state = 'online'
    this.ackedMs = nowMs
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const bytes of waiting) this.#connection.write(bytes)
  }

  /**
   * Sends a snapshot, of which it takes care.
   * @param mark - What ends it, 40 characters; undefined to tell its length, for which all of it has to lie in memory.
   */
  async sendSnapshot(snapshot: Snapshot, mark: string | undefined, clock: Clock): Promise<void> {
    this.#snapshot = snapshot
    try {
      if (mark === undefined) await this.#sendCounted(snapshot, clock)
      else await this.#sendMarked(snapshot, mark, clock)
    } finally {
      snapshot.abort()
      this.#snapshot = undefined
    }
  }

  /** Keeps a replica waiting that is not sent anything yet. */
  reassure(): void {
    if (this.state === 'preparing') this.#connection.write(NEWLINE)
  }

  /** The operating system has taken what was written. */
  drained(): void {
    this.#drained()
  }

  /** The connection is gone. */
  close(): void {
    this.#isClosed = true
    this.#snapshot?.abort()
    this.#waiting = []
    this.#drained()
  }

  /** Why it has to be let go; undefined if it may stay. */
  complaint(settings: ReplicationSettings, nowMs: number): string | undefined {
    const { outputBytes, outputSoftBytes, outputSoftMs, timeoutMs } = settings
    const mustSpeak = this.state === 'online' || this.state === 'loading'
    if (mustSpeak && nowMs - Math.max(this.ackedMs, this.#heardMs) > timeoutMs) return 'it does not acknowledge'
    if (this.state === 'sending' && this.#isStuck(timeoutMs, nowMs)) return 'it does not read'
    const bytes = this.#waitingBytes + (this.state === 'online' ? this.#connection.waitingBytes : 0)
    if (outputBytes > 0 && bytes > outputBytes) return 'too much waits for it'
    if (outputSoftBytes === 0 || bytes <= outputSoftBytes) this.#overSinceMs = undefined
    else this.#overSinceMs ??= nowMs
    const isOver = this.#overSinceMs !== undefined && nowMs - this.#overSinceMs > outputSoftMs
    return isOver ? 'too much has waited for it for too long' : undefined
  }

  /** It has taken nothing of its snapshot for so long. */
  #isStuck(timeoutMs: number, nowMs: number): boolean {
    const takenBytes = this.#sentBytes - this.#connection.waitingBytes
    if (takenBytes !== this.#takenBytes) {
      this.#takenBytes = takenBytes
      this.#takenMs = nowMs
    }
    return nowMs - this.#takenMs > timeoutMs
  }

  async #sendMarked(snapshot: Snapshot, mark: string, clock: Clock): Promise<void> {
    this.state = 'sending'
    this.write(Buffer.from(`$EOF:${mark}\r\n`))
    for (let isEnded = false; !isEnded; ) {
      isEnded = snapshot.step(SLICE_BYTES)
      this.write(snapshot.take())
      if (!(await this.#pause(clock))) return
    }
    this.write(Buffer.from(mark))
    this.state = this.wantsSnapshotAlone ? 'served' : 'loading'
    this.ackedMs = clock.now()
  }

  async #sendCounted(snapshot: Snapshot, clock: Clock): Promise<void> {
    this.state = 'preparing'
    const slices: Uint8Array[] = []
    for (let isEnded = false; !isEnded; ) {
      isEnded = snapshot.step(SLICE_BYTES)
      slices.push(snapshot.take())
      await clock.turn()
      if (this.#isClosed) return
    }
    this.state = 'sending'
    this.write(Buffer.from(`$${slices.reduce((sum, { length }) => sum + length, 0)}\r\n`))
    for (const slice of slices) {
      this.write(slice)
      if (!(await this.#pause(clock))) return
    }
    if (this.wantsSnapshotAlone) this.state = 'served'
    else this.goOnline(clock.now())
  }

  /** Lets others have their turn, and waits while the replica does not read. @returns False if it is gone. */
  async #pause(clock: Clock): Promise<boolean> {
    await clock.turn()
    while (!this.#isClosed && this.#connection.waitingBytes > AHEAD_BYTES) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    }
    return !this.#isClosed
  }
}
