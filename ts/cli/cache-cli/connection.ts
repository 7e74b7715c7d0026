// One connection of cache-cli to a server: commands one after the other, each with its reply.
import net from 'node:net'
import tls from 'node:tls'
import { BedplateError } from '../../base/errors.ts'
import { type Reply, ReplyDecoder } from '../../wire/resp/index.ts'

/** Where a server is, and who asks it. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly user: string | undefined
  readonly password: string | undefined
  readonly database: number
  /** Undefined: bytes go over the wire as they are. */
  readonly tls: { readonly ca: Uint8Array | undefined } | undefined
}

const PATIENCE_MS = 10_000

/** A connection that has said who it is. Arguments and replies have one character of 0 to 255 a byte. */
export class ServerConnection {
  /** What came beside replies since it was taken last: messages of channels, evicted keys. */
  pushes: (readonly Reply[])[] = []
  readonly target: Target
  readonly #socket: net.Socket
  readonly #decoder = new ReplyDecoder()
  #waiting: { resolve(reply: Reply): void; reject(error: unknown): void }[] = []
  #heard: () => void = () => {}
  #failure: BedplateError | undefined

  private constructor(socket: net.Socket, target: Target) {
    this.#socket = socket
    this.target = target
    socket.on('data', (bytes) => this.#take(bytes))
    socket.on('error', (cause) =>
      this.#fail(new BedplateError('UNAVAILABLE', `lost ${addressOf(target)}: ${cause.message}`, { cause })),
    )
    socket.on('close', () => this.#fail(new BedplateError('UNAVAILABLE', `${addressOf(target)} closed the connection`)))
  }

  /**
   * Connects and logs in, with RESP3 where the server knows it.
   * @throws UNAVAILABLE if nobody answers, PERMISSION if the password is not accepted.
   */
  static async open(target: Target): Promise<ServerConnection> {
    const connection = new ServerConnection(await connect(target), target)
    try {
      await connection.#greet()
    } catch (error) {
      connection.close()
      throw error
    }
    return connection
  }

  /** Sends a command. @returns Its reply, an error as any other. @throws UNAVAILABLE if the connection is lost first. */
  run(args: readonly string[]): Promise<Reply> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#socket.write(encode(args))
    })
  }

  /** Waits for the next push. @returns False once the connection is gone. */
  async heard(): Promise<boolean> {
    if (this.pushes.length > 0) return true
    if (this.#failure !== undefined) return false
    await new Promise<void>((resolve) => {
      this.#heard = resolve
    })
    return this.pushes.length > 0
  }

  takePushes(): (readonly Reply[])[] {
    const taken = this.pushes
    this.pushes = []
    return taken
  }

  close(): void {
    this.#socket.destroy()
  }

  async #greet(): Promise<void> {
    const { user, password, database } = this.target
    const login = password === undefined ? [] : ['AUTH', user ?? 'default', password]
    const hello = await this.run(['HELLO', '3', ...login])
    if (hello.kind === 'error') {
      if (/^(?:WRONGPASS|NOAUTH|NOPERM)/.test(hello.text))
        throw new BedplateError('PERMISSION', hello.text, { hint: '--user and --password say who asks' })
      // Before Redis 6 there is no HELLO.
      if (password !== undefined) {
        const reply = await this.run(['AUTH', ...(user === undefined ? [] : [user]), password])
        if (reply.kind === 'error') throw new BedplateError('PERMISSION', reply.text)
      }
    }
    // Ours alone knows it; to others it is an unknown command.
    await this.run(['BEDPLATE.EVICTIONS', 'ON'])
    if (database === 0) return
    const selected = await this.run(['SELECT', String(database)])
    if (selected.kind === 'error') throw new BedplateError('INVALID_INPUT', selected.text)
  }

  #take(bytes: Uint8Array): void {
    this.#decoder.push(bytes)
    try {
      for (let reply = this.#decoder.next(); reply !== undefined; reply = this.#decoder.next()) {
        if (reply.kind === 'push') this.#push(reply.items)
        else if (reply.kind !== 'attribute') this.#waiting.shift()?.resolve(reply)
      }
    } catch (cause) {
      this.#fail(
        new BedplateError('UNAVAILABLE', `${addressOf(this.target)} does not speak Redis's protocol`, { cause }),
      )
      this.close()
    }
  }

  #push(items: readonly Reply[]): void {
    this.pushes.push(items)
    // What was subscribed to is confirmed by a push and by nothing else.
    const [kind] = items
    if (kind !== undefined && 'text' in kind && /^[ps]?(?:un)?subscribe$/.test(kind.text))
      this.#waiting.shift()?.resolve({ kind: 'null' })
    this.#heard()
  }

  #fail(error: BedplateError): void {
    this.#failure ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
    this.#heard()
  }
}

export function addressOf({ host, port }: Pick<Target, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function connect(target: Target): Promise<net.Socket> {
  const { host, port } = target
  return new Promise((resolve, reject) => {
    const refuse = (cause: Error): void => {
      socket.destroy()
      const hint = 'is a server running there? cache-server starts one; -h and -p say where it is'
      reject(
        new BedplateError('UNAVAILABLE', `cannot connect to ${addressOf(target)}: ${cause.message}`, { cause, hint }),
      )
    }
    const ready = (): void => {
      socket.off('error', refuse)
      socket.setTimeout(0)
      socket.setNoDelay(true)
      resolve(socket)
    }
    const secure = { host, port, servername: net.isIP(host) === 0 ? host : '', ...caOf(target) }
    const socket = target.tls === undefined ? net.connect({ host, port }, ready) : tls.connect(secure, ready)
    socket.once('error', refuse)
    socket.setTimeout(PATIENCE_MS, () => refuse(new Error('no answer')))
  })
}

function caOf(target: Target): { ca?: Buffer } {
  const ca = target.tls?.ca
  return ca === undefined ? {} : { ca: Buffer.from(ca) }
}

function encode(args: readonly string[]): Buffer {
  const text = args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')
  return Buffer.from(`*${args.length}\r\n${text}`, 'latin1')
}
