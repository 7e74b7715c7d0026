// Keys that MIGRATE is sending to another server, and what must not be done to them meanwhile.
//
// Redis stops for all until the other server has answered. Here commands on those keys alone wait: whoever drives the engine asks
// `holds` before it runs a command. So nobody sees a key in two places, or a value that is not the one that was sent.
import type { Database } from '../keyspace/database.ts'
import { dumpValue } from '../persistence/dump.ts'
import { keyPositions } from './key-specs.ts'
import type { Session } from './session.ts'
import type { CommandSpec } from './specs.ts'

/** Who is to get the keys. */
export interface TransferTarget {
  readonly host: string
  readonly port: number
  readonly database: number
  /** A server that is silent for so long is given up. */
  readonly timeoutMs: number
  readonly user: string | undefined
  /** Undefined: it is not asked to let us in. */
  readonly password: string | undefined
}

export interface TransferOptions {
  /** Who asked. It waits for the end, or is gone by then. */
  readonly session: Session
  readonly target: TransferTarget
  readonly database: Database
  /** Keys that are there. */
  readonly keys: readonly string[]
  /** The keys stay here as well. */
  readonly copies: boolean
  /** What the target has under the keys is replaced. */
  readonly replaces: boolean
  /** The target is a node of a cluster, which has to be told that it is asked for a slot that is only coming to it. */
  readonly isAsking: boolean
}

/** Commands that touch keys without naming them. Scripts that do are found out afterwards, see `Transfer.settle`. */
const TOUCHING_ALL: ReadonlySet<string> = new Set(['flushall', 'flushdb', 'swapdb'])
const CHANGED =
  'IOERR a key was changed by a command that did not name it while it was sent: it is kept here, and the target has what it was'

/** One MIGRATE under way. */
export class Transfer {
  readonly session: Session
  readonly target: TransferTarget
  readonly database: Database
  readonly keys: readonly string[]
  readonly #options: TransferOptions
  /** How many keys were looked at, those that were sent, and those of them that wait for their answers, in order. */
  #position = 0
  readonly #sent = new Set<string>()
  #unanswered: string[] = []
  readonly #arrived = new Set<string>()
  /** Keys that are not what was sent any more. */
  readonly #changed = new Set<string>()

  constructor(options: TransferOptions) {
    this.#options = options
    this.session = options.session
    this.target = options.target
    this.database = options.database
    this.keys = options.keys
  }

  /**
   * The next command for the target; undefined if there is none. Keys whose time has come are left out. O(size of the value).
   * @param nowMs - Milliseconds since 1970: the target is told how long keys have to live.
   */
  next(nowMs: number): readonly (string | Uint8Array)[] | undefined {
    const { replaces, isAsking } = this.#options
    while (this.#position < this.keys.length) {
      const key = this.keys[this.#position++] as string
      const entry = this.database.has(key) ? this.database.find(key) : undefined
      const leftMs = entry?.expiry === undefined ? 0 : Math.floor(entry.expiry.at - nowMs)
      if (entry === undefined || leftMs < 0) continue
      this.#sent.add(key)
      this.#unanswered.push(key)
      // 0 would be for ever.
      const timeToLive = entry.expiry === undefined ? 0 : Math.max(1, leftMs)
      const name = isAsking ? 'RESTORE-ASKING' : 'RESTORE'
      return [name, key, String(timeToLive), dumpValue(entry.value), ...(replaces ? ['REPLACE'] : [])]
    }
    return undefined
  }

  /** The target has answered the next command. @param isWell - It has the key. */
  answered(isWell: boolean): void {
    const key = this.#unanswered.shift()
    if (isWell && key !== undefined) this.#arrived.add(key)
  }

  /** Begins anew, with another connection: nothing was answered on the one before. */
  rewind(): void {
    this.#position = 0
    this.#sent.clear()
    this.#unanswered = []
    this.#changed.clear()
  }

  /** A key was changed, or is gone. */
  changed(database: Database, key: string): void {
    if (database === this.database && this.#sent.has(key)) this.#changed.add(key)
  }

  /** What is to be deleted here, and what went wrong here; both may be. */
  settle(): { readonly moved: readonly string[]; readonly failure: string | undefined } {
    if (this.#options.copies) return { moved: [], failure: undefined }
    const left = [...this.#arrived].filter((key) => this.database.has(key))
    const moved = left.filter((key) => !this.#changed.has(key))
    return { moved, failure: moved.length < left.length ? CHANGED : undefined }
  }
}

/** All that is under way. */
export class Transfers {
  readonly #transfers = new Set<Transfer>()
  /** How many transfers a key is part of, whatever its database: keys of one name in two databases are rare. */
  readonly #counts = new Map<string, number>()

  get size(): number {
    return this.#transfers.size
  }

  add(transfer: Transfer): void {
    this.#transfers.add(transfer)
    for (const key of transfer.keys) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  delete(transfer: Transfer): void {
    if (!this.#transfers.delete(transfer)) return
    for (const key of transfer.keys) {
      const left = (this.#counts.get(key) ?? 0) - 1
      if (left > 0) this.#counts.set(key, left)
      else this.#counts.delete(key)
    }
  }

  changed(database: Database, key: string): void {
    if (!this.#counts.has(key)) return
    for (const transfer of this.#transfers) transfer.changed(database, key)
  }

  /** True if a command has to wait: it is about a key that is on its way, or runs a transaction that is. O(keys). */
  holds(session: Session, command: CommandSpec, args: readonly string[]): boolean {
    const { transaction } = session
    if (transaction === undefined) return this.#touches(command, args)
    return command.name === 'exec' && transaction.queue.some((each) => this.#touches(each.command, each.args))
  }

  #touches(command: CommandSpec, args: readonly string[]): boolean {
    if (TOUCHING_ALL.has(command.name)) return true
    if (command.flags.has('pubsub')) return false // channels are no keys
    return keyPositions(command, args)?.some((position) => this.#counts.has(args[position] as string)) === true
  }
}
