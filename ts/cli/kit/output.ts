// Standard output as commands need it: bytes or text, collected into large writes, with back-pressure, and quiet when
// the reader has gone (`kvstore range db | head -1`). Messages on standard error go past it, through `complain`.
import { diskError } from '../../io/disk-errors.ts'

/** Thrown by writes to a pipe whose reader has closed it. A command ends quietly on it, as done. */
export class ReaderGone extends Error {}

const COLLECT_BYTES = 64 * 1024

/** A stream that a command prints to. */
export class Output {
  private readonly stream: NodeJS.WritableStream
  private readonly name: string
  private chunks: Uint8Array[] = []
  private waitingBytes = 0

  constructor(stream: NodeJS.WritableStream = process.stdout, name = 'standard output') {
    this.stream = stream
    this.name = name
    // Failures arrive at the callback of the write; without a listener they would end the process as well.
    stream.on('error', () => {})
  }

  /**
   * Adds to what will be written.
   * @returns A promise once enough has been collected to hand it on: await it before writing more. It fails as `flush`.
   */
  write(chunk: string | Uint8Array): Promise<void> | undefined {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    this.chunks.push(bytes)
    this.waitingBytes += bytes.length
    return this.waitingBytes >= COLLECT_BYTES ? this.flush() : undefined
  }

  /** The same with a line end. */
  line(text: string): Promise<void> | undefined {
    return this.write(`${text}\n`)
  }

  /**
   * Hands everything on.
   * @throws ReaderGone, DISK_FULL, IO
   */
  flush(): Promise<void> {
    if (this.waitingBytes === 0) return Promise.resolve()
    const bytes = Buffer.concat(this.chunks)
    this.chunks = []
    this.waitingBytes = 0
    return new Promise((resolve, reject) => {
      this.stream.write(bytes, (error) => {
        if (error === null || error === undefined) resolve()
        else reject(isReaderGone(error) ? new ReaderGone() : diskError('write', this.name, error))
      })
    })
  }
}

let listens = false

/** Writes a message to standard error. Where that cannot be written, there is nobody left to tell. */
export function complain(text: string): void {
  if (!listens) process.stderr.on('error', () => {})
  listens = true
  process.stderr.write(text)
}

function isReaderGone(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EPIPE' || code === 'ECONNRESET' || code === 'ERR_STREAM_DESTROYED'
}
