// A connection that speaks Redis's protocol and shows the bytes of replies as values.
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { plainOf, ReplyDecoder } from '../../../ts/wire/resp/index.ts'

export type Plain = ReturnType<typeof plainOf>

export class RespConnection {
  readonly closed: Promise<unknown>
  readonly #socket: Socket
  readonly #decoder = new ReplyDecoder()
  readonly #waiting: ((reply: Plain | undefined) => void)[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    this.closed = once(socket, 'close')
    socket.on('error', () => {}) // it closes
    socket.on('data', (bytes) => {
      this.#decoder.push(bytes)
      for (let reply = this.#decoder.next(); reply !== undefined; reply = this.#decoder.next()) {
        this.#waiting.shift()?.(plainOf(reply))
      }
    })
    socket.on('close', () => {
      for (const tell of this.#waiting.splice(0)) tell(undefined)
    })
  }

  static async open(port: number): Promise<RespConnection> {
    const socket = createConnection({ host: '127.0.0.1', port, noDelay: true })
    await once(socket, 'connect')
    return new RespConnection(socket)
  }

  /** What a command is answered; undefined if the connection ends before. */
  ask(...args: readonly (string | Uint8Array)[]): Promise<Plain | undefined> {
    const reply = this.next()
    this.#socket.write(encode(args))
    return reply
  }

  /** Sends commands in one piece. */
  askAll(commands: readonly (readonly (string | Uint8Array)[])[]): Promise<(Plain | undefined)[]> {
    const replies = commands.map(() => this.next())
    this.#socket.write(Buffer.concat(commands.map(encode)))
    return Promise.all(replies)
  }

  /** The next reply, to whatever was sent. */
  next(): Promise<Plain | undefined> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  /** Sends bytes as they are. @returns When the system has taken them */
  send(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.write(bytes, () => resolve())
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}

export function encode(args: readonly (string | Uint8Array)[]): Buffer {
  const parts = args.map((arg) => Buffer.from(arg))
  const pieces = parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')])
  return Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...pieces])
}
