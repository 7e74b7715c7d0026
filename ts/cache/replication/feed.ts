// The stream of changes, and the replicas that it goes to.
import { ByteWriter } from '../persistence/byte-writer.ts'
import { CommandStream } from '../persistence/command-stream.ts'
import type { History } from './history.ts'
import type { Replica } from './replica.ts'

/** So much is handed on before the turn ends. */
const FLUSH_BYTES = 64 * 1024

/** Collects changes, and hands them to the history and to replicas, all of a turn at once. */
export class Feed {
  readonly history: History
  readonly replicas = new Set<Replica>()
  readonly #writer = new ByteWriter()
  readonly #stream = new CommandStream(this.#writer)

  constructor(history: History) {
    this.history = history
  }

  /** Behind everything that was appended. */
  get offset(): number {
    return this.history.offset + this.#writer.length
  }

  /** Somebody follows, or may come back. */
  get isKept(): boolean {
    return this.history.backlog !== undefined
  }

  /** Adds a command. */
  append(database: number, args: readonly string[]): void {
    if (!this.isKept) return
    this.#stream.append(database, args)
    if (this.#writer.length > FLUSH_BYTES) this.flush()
  }

  /** Adds what is for replicas and no database. */
  tell(args: readonly string[]): void {
    if (this.isKept) this.#stream.appendAnywhere(args)
  }

  /** The database in which the next command is run that does not say otherwise. */
  get database(): number {
    return this.#stream.database ?? 0
  }

  /** Adds what a master has sent, as it is. */
  pass(bytes: Uint8Array): void {
    this.#writer.bytes(bytes)
    if (this.#writer.length > FLUSH_BYTES) this.flush()
  }

  /** Hands on what was appended. */
  flush(): void {
    if (this.#writer.length === 0) return
    const bytes = this.#writer.take()
    this.history.append(bytes)
    for (const replica of this.replicas) replica.feed(bytes)
  }

  /** Somebody begins to read here: the next command says in which database it is. */
  begin(): void {
    this.flush()
    this.#stream.forgetDatabase()
  }
}
