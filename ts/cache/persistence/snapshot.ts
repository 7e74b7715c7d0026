// All databases as they were at one moment, as the bytes of an RDB file, or of commands.
import type { Cut } from '../keyspace/cut.ts'
import type { Database, Entry } from '../keyspace/database.ts'
import { CommandEncoder } from './command-encoder.ts'
import { type KeyFacts, RdbEncoder } from './rdb-file.ts'

/** What a snapshot is made of. */
export interface SnapshotOptions {
  readonly databases: readonly Database[]
  /** Code of the libraries of functions. */
  readonly functions: readonly string[]
  /** Facts about the file, where it is one of RDB. */
  readonly aux: readonly (readonly [string, string])[]
  /** Commands that make it are written, and not an RDB file. */
  readonly asCommands?: boolean
  /** What is to be told of the usage of a key; nothing unless given. */
  readonly usageOf?: (database: Database, entry: Entry) => Pick<KeyFacts, 'idleSeconds' | 'frequency'>
}

/**
 * A snapshot in the making: it begins when it is made, and shows the databases as they were then, however they change while it
 * is made. Several may be under way.
 *
 * @example
 * const snapshot = new Snapshot({ databases, functions: [], aux: [] })
 * while (!snapshot.step(65_536)) file.append(snapshot.take())
 * file.append(snapshot.take())
 */
export class Snapshot {
  readonly #encoder: RdbEncoder | CommandEncoder
  readonly #parts: { readonly database: Database; readonly cut: Cut<Entry> }[] = []
  #isEnded = false

  constructor({ databases, functions, aux, asCommands, usageOf }: SnapshotOptions) {
    const encoder = asCommands === true ? new CommandEncoder() : new RdbEncoder(aux)
    this.#encoder = encoder
    for (const code of functions) encoder.function(code)
    for (const database of databases) {
      const { index, size, expiringCount } = database
      if (size === 0) continue
      encoder.resize(index, size, expiringCount)
      const cut = database.cut((entry) => {
        const { key, value, expiry } = entry
        encoder.entry(index, key, value, { expiresAtMs: expiry?.at, ...usageOf?.(database, entry) })
      })
      this.#parts.push({ database, cut })
    }
  }

  /**
   * Goes on until about `bytes` wait to be taken.
   * @returns True at the end. What waits then is the last of it.
   */
  step(bytes: number): boolean {
    while (this.#encoder.length < bytes && !this.#isEnded) {
      const part = this.#parts.at(-1)
      if (part === undefined) {
        this.#encoder.end()
        this.#isEnded = true
      } else if (!part.cut.step()) this.#endLast()
    }
    return this.#isEnded
  }

  /** What was made since the last call. */
  take(): Uint8Array {
    return this.#encoder.take()
  }

  /** Gives it up. Does nothing after the end. */
  abort(): void {
    while (this.#parts.length > 0) this.#endLast()
    this.#isEnded = true
  }

  #endLast(): void {
    const part = this.#parts.pop()
    part?.database.endCut(part.cut)
  }
}
