import { createConnection, type Socket } from 'node:net'
import { CacheServer, type CacheServerOptions } from '../../ts/cache/index.ts'
import { realClock } from '../../ts/io/clock.ts'
import { realNetwork } from '../../ts/io/network.ts'
import { realRandom } from '../../ts/io/random.ts'
import { createLogger } from '../../ts/service/index.ts'

/** A cache server of its own on a free port of this machine, with what it has logged. */
export class ServerBed {
  readonly server: CacheServer
  readonly log: Record<string, unknown>[] = []
  port = 0
  readonly #sockets: Socket[] = []

  private constructor(options: Partial<CacheServerOptions>) {
    const write = (line: string): void => void this.log.push(JSON.parse(line))
    this.server = new CacheServer({
      network: realNetwork,
      clock: realClock,
      random: realRandom,
      logger: createLogger({ name: 'cache', level: 'info', now: () => 0, write }),
      host: '127.0.0.1',
      port: 0,
      password: '',
      maxClients: 1000,
      databases: 16,
      memoryBytes: () => 1,
      ...options,
    })
  }

  static async start(options: Partial<CacheServerOptions> = {}): Promise<ServerBed> {
    const bed = new ServerBed(options)
    bed.port = (await bed.server.start()).port
    return bed
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await this.server.stop()
  }

  /** The node of a cluster that the server is. */
  get member(): NonNullable<CacheServer['member']> {
    const { member } = this.server
    if (member === undefined) throw new Error('this server is no node of a cluster')
    return member
  }

  /** A bare connection, to clients' port unless another is given. */
  raw(port = this.port): RawClient {
    const socket = createConnection({ host: '127.0.0.1', port })
    this.#sockets.push(socket)
    return new RawClient(socket)
  }
}

/** Bytes to a server and back. */
export class RawClient {
  readonly socket: Socket
  /** What came and was not expected yet. */
  received = ''
  isClosed = false
  #check: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('data', (text: string) => {
      this.received += text
      this.#check()
    })
    socket.on('close', () => {
      this.isClosed = true
      this.#check()
    })
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Waits for exactly this to come next; what came otherwise is in the error. */
  async expect(text: string): Promise<void> {
    await this.#until(() => this.received.length >= text.length || this.isClosed)
    if (!this.received.startsWith(text))
      throw new Error(`expected ${JSON.stringify(text)}, got ${JSON.stringify(this.received)}`)
    this.received = this.received.slice(text.length)
  }

  /** Waits until this has come. @returns All that came until then, this included. */
  async until(text: string): Promise<string> {
    await this.#until(() => this.received.includes(text) || this.isClosed)
    if (this.isClosed) throw new Error(`closed after ${JSON.stringify(this.received.slice(-200))}`)
    const end = this.received.indexOf(text) + text.length
    const taken = this.received.slice(0, end)
    this.received = this.received.slice(end)
    return taken
  }

  /** Waits for the server to close. @returns What it said before. */
  async closed(): Promise<string> {
    await this.#until(() => this.isClosed)
    return this.received
  }

  #until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => {
        if (isSo()) resolve()
      }
      this.#check()
    })
  }
}
