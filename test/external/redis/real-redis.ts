import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { requirePrograms } from '../prerequisites.ts'
import { endOfReply } from './raw-replies.ts'

/** A guard against waiting for ever, no measure. */
const PATIENCE_MS = 10_000

/** A redis-server of its own, in memory, behind a socket in a directory of its own: no port, nothing kept. */
export class RealRedis {
  readonly #child: ChildProcess
  readonly #socket: string
  readonly #remove: () => void
  readonly #connections: RealConnection[] = []

  private constructor(child: ChildProcess, socket: string, remove: () => void) {
    this.#child = child
    this.#socket = socket
    this.#remove = remove
  }

  /** @throws Error if redis-server is not installed, or does not start. */
  static async start(...settings: string[]): Promise<RealRedis> {
    requirePrograms('redis-server')
    const { path, remove } = temporaryDirectory()
    const socket = join(path, 'redis.sock')
    const options = [
      '--port',
      '0',
      '--unixsocket',
      socket,
      '--dir',
      path,
      '--save',
      '',
      '--enable-debug-command',
      'yes',
    ]
    const env = { ...process.env, LC_ALL: 'C' } // SORT ALPHA follows the locale
    const child = spawn('redis-server', [...options, ...settings], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      said += chunk
      if (said.includes('ready to accept connections')) return new RealRedis(child, socket, remove)
    }
    remove()
    throw new Error(`redis-server did not start:\n${said}`)
  }

  /** Where clients of Node find it. */
  get socketPath(): string {
    return this.#socket
  }

  async connect(): Promise<RealConnection> {
    const socket = createConnection(this.#socket)
    await once(socket, 'connect')
    const connection = new RealConnection(socket)
    this.#connections.push(connection)
    return connection
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections) connection.close()
    this.#child.kill('SIGKILL')
    await once(this.#child, 'close')
    this.#remove()
  }
}

/** Connects to whoever speaks the protocol at a port of this machine. */
export async function connectTo(port: number): Promise<RealConnection> {
  const socket = createConnection({ host: '127.0.0.1', port })
  await once(socket, 'connect')
  return new RealConnection(socket)
}

/** One connection; replies are told as the bytes that came, one character of 0 to 255 a byte. */
export class RealConnection {
  readonly #socket: Socket
  #received = ''
  #replies: string[] = []
  #wanted = 0
  #arrived: (() => void) | undefined

  constructor(socket: Socket) {
    this.#socket = socket.setEncoding('latin1')
    socket.on('data', (text: string) => this.#take(text))
    socket.on('error', () => {}) // who waits for a reply in vain says so
  }

  send(commands: readonly (readonly string[])[]): void {
    this.#socket.write(commands.map(encode).join(''), 'latin1')
  }

  /** What has come and was not asked for yet. */
  get unread(): readonly string[] {
    return this.#replies
  }

  /** The next `count` replies and messages. @throws Error if they do not come. */
  async replies(count: number): Promise<string[]> {
    this.#wanted = count
    if (this.#replies.length < count) {
      await new Promise<void>((resolve, reject) => {
        const late = (): void =>
          reject(new Error(`redis-server sent ${this.#replies.length} replies instead of ${count}`))
        const timer = setTimeout(late, PATIENCE_MS)
        this.#arrived = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return this.#replies.splice(0, count)
  }

  /** Runs commands one after the other, sent at once. */
  async run(commands: readonly (readonly string[])[]): Promise<string[]> {
    this.send(commands)
    return this.replies(commands.length)
  }

  async one(...args: readonly string[]): Promise<string> {
    return (await this.run([args]))[0] as string
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(text: string): void {
    this.#received += text
    let start = 0
    for (let end = endOfReply(this.#received, start); end !== -1; end = endOfReply(this.#received, start)) {
      this.#replies.push(this.#received.slice(start, end))
      start = end
    }
    this.#received = this.#received.slice(start)
    if (this.#replies.length >= this.#wanted) this.#arrived?.()
  }
}

function encode(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`
}
