// Commands as clients would send them, for files and replicas: SELECT where the database changes, and the command.
import type { ByteWriter } from './byte-writer.ts'

/** Writes commands to a writer of bytes. */
export class CommandStream {
  readonly #writer: ByteWriter
  #database: number | undefined

  constructor(writer: ByteWriter) {
    this.#writer = writer
  }

  append(database: number, args: readonly string[]): void {
    if (database !== this.#database) {
      this.#database = database
      this.appendAnywhere(['SELECT', String(database)])
    }
    this.appendAnywhere(args)
  }

  /** The database of the last command; undefined if the next one has to say. */
  get database(): number | undefined {
    return this.#database
  }

  /** The next command begins with SELECT. */
  forgetDatabase(): void {
    this.#database = undefined
  }

  /** A command that means the same in every database. */
  appendAnywhere(args: readonly string[]): void {
    const writer = this.#writer
    writer.text(`*${args.length}\r\n`)
    for (const arg of args) {
      writer.text(`$${arg.length}\r\n`)
      writer.text(arg)
      writer.text('\r\n')
    }
  }
}
