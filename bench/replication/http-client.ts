// One connection of HTTP with one request at a time: Node's own client costs as much of a processor as the node that is measured.
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'

const HOST = '127.0.0.1'
const HEAD_END = '\r\n\r\n'

/** What came back. */
export interface Status {
  readonly status: number
  readonly text: string
}

export class HttpClient {
  readonly #socket: Socket
  #received = ''
  #answer: ((status: Status) => void) | undefined
  #failed: ((error: Error) => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1').setNoDelay()
    socket.on('data', (chunk: string) => this.#take(chunk))
    socket.on('error', (error) => this.#failed?.(error))
    socket.on('close', () => this.#failed?.(new Error('the node has closed the connection')))
  }

  static async open(port: number): Promise<HttpClient> {
    const socket = createConnection({ host: HOST, port })
    await once(socket, 'connect')
    return new HttpClient(socket)
  }

  /** @throws Error if the connection ends before the answer. */
  get(path: string): Promise<Status> {
    return new Promise((resolve, reject) => {
      this.#answer = resolve
      this.#failed = reject
      this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`)
    })
  }

  close(): void {
    this.#failed = undefined
    this.#socket.destroy()
  }

  #take(chunk: string): void {
    this.#received += chunk
    const text = this.#received
    const head = text.indexOf(HEAD_END)
    if (head < 0) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0)
    if (text.length < head + HEAD_END.length + length) return
    this.#received = ''
    this.#answer?.({ status: Number(text.slice(9, 12)), text: text.slice(head + HEAD_END.length) })
  }
}
