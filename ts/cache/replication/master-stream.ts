// What a master sends to a replica, taken apart however the bytes are cut:
//
//   +PONG\r\n +OK\r\n -ERR ...\r\n            answers of the handshake, a line each; empty lines keep the connection alive
//   $1234\r\n<1234 bytes>                     a snapshot whose length is known, with nothing behind it
//   $EOF:<40 characters>\r\n<bytes><the 40>   one that ends with a mark that was drawn for it
//   *2\r\n$6\r\nSELECT ...                    commands, for as long as the connection lasts
//
// replication.c of Redis 7.0, readSyncBulkPayload. Whoever reads says what comes next, since answers tell it.
import { BedplateError } from '../../base/errors.ts'
import { CommandDecoder } from '../../wire/resp/index.ts'
import { ByteQueue } from './byte-queue.ts'
import { ID_LENGTH, MAX_LINE_BYTES, MAX_SNAPSHOT_BYTES } from './types.ts'

/** The next thing that a master has said. */
export type MasterItem =
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'snapshot'; readonly pieces: readonly Uint8Array[] }
  | { readonly kind: 'command'; readonly args: readonly string[]; readonly bytes: Uint8Array }

type Framing = { readonly left: number } | { readonly mark: Buffer }

/** See the top of this file. Memory is bounded by what has come. */
export class MasterStream {
  #expected: 'lines' | 'snapshot' | 'commands' = 'lines'
  readonly #input = new ByteQueue()
  readonly #decoder = new CommandDecoder()
  /** Bytes that the decoder was given. */
  #given = 0
  /** Of a snapshot: how it ends, once that is known, and what of it has come. */
  #framing: Framing | undefined
  #pieces: Uint8Array[] = []
  #snapshotBytes = 0
  /** What may be the beginning of the mark. */
  #tail = Buffer.alloc(0)

  /** Bytes that have come of the snapshot that is under way. */
  get snapshotBytes(): number {
    return this.#snapshotBytes
  }

  /** Bytes that wait to be read. */
  get waitingBytes(): number {
    return this.#input.length
  }

  /** Takes bytes, which must stay as they are. */
  push(bytes: Uint8Array): void {
    this.#input.push(bytes)
    if (this.#expected === 'commands') this.#give(bytes)
  }

  /** Says what comes from here on; a snapshot is followed by commands. */
  expect(what: 'snapshot' | 'commands'): void {
    this.#expected = what
    if (what === 'snapshot') return
    // What is there already was not meant for the decoder until now.
    const bytes = this.#input.take(this.#input.length)
    this.#input.push(bytes)
    this.#give(bytes)
  }

  /** @throws CORRUPTION, and RespProtocolError, for what no master says; the connection is of no use any more. */
  next(): MasterItem | undefined {
    if (this.#expected === 'commands') return this.#nextCommand()
    return this.#expected === 'lines' ? this.#nextLine() : this.#nextSnapshot()
  }

  #give(bytes: Uint8Array): void {
    this.#decoder.push(bytes)
    this.#given += bytes.length
  }

  #nextCommand(): MasterItem | undefined {
    const args = this.#decoder.next()
    if (args === undefined) return undefined
    // Behind a command the decoder holds what it has not looked at; before it, what was not taken.
    const count = this.#input.length - this.#decoder.bufferedBytes
    return { kind: 'command', args, bytes: this.#input.take(count) }
  }

  #nextLine(): MasterItem | undefined {
    for (;;) {
      const text = this.#line()
      if (text !== '') return text === undefined ? undefined : { kind: 'line', text }
    }
  }

  #line(): string | undefined {
    const text = this.#input.takeLine(MAX_LINE_BYTES)
    if (text === undefined && this.#input.length >= MAX_LINE_BYTES) throw broken('a line is too long')
    return text
  }

  #nextSnapshot(): MasterItem | undefined {
    while (this.#framing === undefined) {
      const text = this.#line()
      if (text === undefined) return undefined
      if (text !== '') this.#framing = framingOf(text)
    }
    const isWhole =
      'mark' in this.#framing ? this.#readToMark(this.#framing.mark) : this.#readCounted(this.#framing.left)
    if (!isWhole) return undefined
    const pieces = this.#pieces
    this.#pieces = []
    this.#framing = undefined
    this.expect('commands')
    return { kind: 'snapshot', pieces }
  }

  #readCounted(left: number): boolean {
    const count = Math.min(left, this.#input.length)
    this.#keep(this.#input.takePieces(count))
    this.#framing = { left: left - count }
    return left === count
  }

  #readToMark(mark: Buffer): boolean {
    for (;;) {
      if (this.#input.length === 0) return false
      const bytes = Buffer.concat([this.#tail, ...this.#input.takePieces(this.#input.length)])
      const end = bytes.indexOf(mark)
      if (end !== -1) {
        this.#keep([bytes.subarray(0, end)])
        this.#tail = Buffer.alloc(0)
        this.#input.push(bytes.subarray(end + mark.length))
        return true
      }
      const kept = Math.max(0, bytes.length - mark.length + 1)
      this.#keep([bytes.subarray(0, kept)])
      this.#tail = Buffer.from(bytes.subarray(kept))
    }
  }

  #keep(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) {
      this.#pieces.push(piece)
      this.#snapshotBytes += piece.length
    }
    if (this.#snapshotBytes > MAX_SNAPSHOT_BYTES) throw broken('a snapshot has no end')
  }
}

function framingOf(line: string): Framing {
  const mark = line.slice('$EOF:'.length)
  if (line.startsWith('$EOF:') && mark.length === ID_LENGTH) return { mark: Buffer.from(mark, 'latin1') }
  const digits = /^\$(?<digits>\d{1,13})$/.exec(line)?.groups?.['digits']
  const left = Number(digits)
  if (digits === undefined || left > MAX_SNAPSHOT_BYTES) {
    throw broken(`no snapshot begins with ${JSON.stringify(line.slice(0, 80))}`)
  }
  return { left }
}

function broken(why: string): BedplateError {
  return new BedplateError('CORRUPTION', `the master cannot be understood: ${why}`, {
    hint: 'is it a Redis, and does replicaof name its port for clients?',
  })
}
