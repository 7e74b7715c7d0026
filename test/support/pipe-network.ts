// Streams of bytes within this process, in pieces of any size, that can be cut at any byte.
import type { Connection, ConnectionEvents, Network } from '../../ts/io/network.ts'
import type { Random } from '../../ts/io/random.ts'

type Accept = (connection: Connection) => ConnectionEvents

/** One direction: bytes that were written and have not come. */
class Pipe {
  readonly waiting: Uint8Array[] = []
  waitingBytes = 0
  isPaused = false
  events: ConnectionEvents | undefined
}

/** A network of servers by their ports. Give it a turn of the event loop for each piece. */
export class PipeNetwork implements Network {
  /** Bytes after which the next connections are cut, one each; 0 for never. */
  readonly cuts: number[] = []
  /** Nobody is let in. */
  isDown = false
  readonly #random: Random
  readonly #servers = new Map<number, Accept>()
  readonly #open = new Set<() => void>()

  constructor(random: Random) {
    this.#random = random
  }

  listen: Network['listen'] = async (address, accept) => {
    this.#servers.set(address.port, accept)
    return { address, close: () => void this.#servers.delete(address.port) }
  }

  connect: Network['connect'] = async ({ port }, accept) => {
    const server = this.#servers.get(port)
    if (server === undefined || this.isDown) throw new Error(`nobody listens at ${port}`)
    return this.#join(accept, server)
  }

  /** What a server does with a connection, for those who want one that is never cut. */
  acceptAt(port: number): Accept {
    const accept = this.#servers.get(port)
    if (accept === undefined) throw new Error(`nobody listens at ${port}`)
    return accept
  }

  /** Ends all connections. */
  cut(): void {
    for (const close of [...this.#open]) close()
  }

  #join(accept: Accept, server: Accept): Connection {
    const [there, back] = [new Pipe(), new Pipe()]
    let left = this.cuts.shift() ?? 0
    let isClosed = false
    const close = (): void => {
      if (isClosed) return
      isClosed = true
      this.#open.delete(close)
      queueMicrotask(() => {
        back.events?.closed()
        there.events?.closed()
      })
    }
    this.#open.add(close)
    const deliver = (pipe: Pipe): void => {
      if (isClosed || pipe.isPaused) return
      const [bytes] = pipe.waiting
      if (bytes === undefined) return
      let count = this.#random.next() < 0.3 ? 1 + Math.floor(this.#random.next() * bytes.length) : bytes.length
      if (left > 0) {
        count = Math.min(count, left)
        left -= count
        if (left === 0) setImmediate(close)
      }
      if (count === bytes.length) pipe.waiting.shift()
      else pipe.waiting[0] = bytes.subarray(count)
      pipe.waitingBytes -= count
      pipe.events?.data(bytes.subarray(0, count))
      if (pipe.waitingBytes === 0) (pipe === there ? back : there).events?.drained()
      if (pipe.waiting.length > 0) setImmediate(() => deliver(pipe))
    }
    const end = (out: Pipe, into: Pipe, remote: string): Connection => ({
      remote,
      local: '127.0.0.1:1',
      get waitingBytes() {
        return out.waitingBytes
      },
      write(bytes) {
        if (isClosed || bytes.length === 0) return
        out.waiting.push(bytes)
        out.waitingBytes += bytes.length
        if (out.waiting.length === 1) setImmediate(() => deliver(out))
      },
      pause() {
        into.isPaused = true
      },
      resume() {
        into.isPaused = false
        setImmediate(() => deliver(into))
      },
      end: close,
      destroy: close,
    })
    const [client, other] = [end(there, back, '127.0.0.1:2'), end(back, there, '127.0.0.1:3')]
    back.events = accept(client)
    there.events = server(other)
    return client
  }
}
