import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { CommandDecoder } from '../../ts/wire/resp/index.ts'

/** A server in hand that keys are sent to: it answers what it is told to, when it is told to. */
export class FakeTarget {
  /** What has come, the connection it came on, and how to answer it. */
  readonly asked: { readonly args: readonly string[]; readonly socket: Socket }[] = []
  connectionCount = 0
  /** Answers each command as it comes; undefined leaves it to the test. */
  answer: ((args: readonly string[]) => string) | undefined
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #heard: () => void = () => {}

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket))
  }

  static async start(answer?: (args: readonly string[]) => string): Promise<FakeTarget> {
    const target = new FakeTarget()
    target.answer = answer
    target.#server.listen(0, '127.0.0.1')
    await once(target.#server, 'listening')
    return target
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** Waits for the command of a number, from 0. @returns Its arguments. */
  async nth(index: number): Promise<readonly string[]> {
    while (this.asked[index] === undefined) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve
      })
    }
    return (this.asked[index] as (typeof this.asked)[number]).args
  }

  /** Sends bytes to whoever asked last. */
  say(text: string): void {
    this.asked.at(-1)?.socket.write(text, 'latin1')
  }

  /** Closes all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #serve(socket: Socket): void {
    this.connectionCount++
    this.#sockets.add(socket)
    const decoder = new CommandDecoder()
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', (bytes) => {
      decoder.push(bytes)
      for (let args = decoder.next(); args !== undefined; args = decoder.next()) {
        this.asked.push({ args, socket })
        if (this.answer !== undefined) socket.write(this.answer(args), 'latin1')
        this.#heard()
      }
    })
  }
}
