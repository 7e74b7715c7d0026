// How messages of gRPC lie in the bytes of a stream (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md):
//
//   (compressed u8: 0 no, 1 as `grpc-encoding` says | length u32 BE | message)*
import { gunzipSync, inflateSync } from 'node:zlib'
import { GRPC_STATUS, GrpcError } from './grpc.ts'

const HEADER_BYTES = 5
const NONE: readonly Uint8Array[] = []

/** The encodings of messages that are understood, as `grpc-accept-encoding` lists them. */
export const ACCEPTED_ENCODINGS = 'identity,gzip,deflate'

/** A message as a stream carries it, not compressed. */
export function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + message.length)
  frame[0] = 0
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, HEADER_BYTES)
  return frame
}

/** Takes the messages out of the bytes that somebody sends. It holds at most one message that is not whole, of the most bytes. */
export class MessageReader {
  readonly #maxBytes: number
  readonly #encoding: string
  #chunks: Buffer[] = []
  #heldBytes = 0
  /** Below this there is nothing to be had. */
  #neededBytes = HEADER_BYTES

  /** @param encoding - Of compressed messages; one of `ACCEPTED_ENCODINGS`, or UNIMPLEMENTED is thrown. */
  constructor(options: { readonly maxBytes: number; readonly encoding: string }) {
    this.#maxBytes = options.maxBytes
    this.#encoding = options.encoding
    if (ACCEPTED_ENCODINGS.split(',').includes(options.encoding)) return
    throw new GrpcError(GRPC_STATUS.unimplemented, `messages in the encoding ${options.encoding} are not understood`)
  }

  /** True if the bytes so far end within a message. */
  get isWithinMessage(): boolean {
    return this.#heldBytes > 0
  }

  /**
   * @returns The messages that are whole by now, in order; views of `chunk` where it has all of them.
   * @throws GrpcError RESOURCE_EXHAUSTED for a message of too many bytes, also before it is here; INTERNAL for bytes that are none
   */
  push(chunk: Buffer): readonly Uint8Array[] {
    this.#chunks.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#heldBytes < this.#neededBytes) return NONE
    let rest = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    const messages: Uint8Array[] = []
    this.#neededBytes = HEADER_BYTES
    while (rest.length >= HEADER_BYTES) {
      const length = rest.readUInt32BE(1)
      if (length > this.#maxBytes) throw this.#tooLarge(length)
      this.#neededBytes = HEADER_BYTES + length
      if (rest.length < this.#neededBytes) break
      messages.push(this.#decoded(rest[0] as number, rest.subarray(HEADER_BYTES, this.#neededBytes)))
      rest = rest.subarray(this.#neededBytes)
      this.#neededBytes = HEADER_BYTES
    }
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#heldBytes = rest.length
    return messages
  }

  #decoded(flag: number, bytes: Buffer): Uint8Array {
    if (flag === 0) return bytes
    if (flag !== 1 || this.#encoding === 'identity') {
      throw new GrpcError(GRPC_STATUS.internal, `a message has the compression flag ${flag} and no such encoding`)
    }
    try {
      const bounds = { maxOutputLength: this.#maxBytes }
      return this.#encoding === 'gzip' ? gunzipSync(bytes, bounds) : inflateSync(bytes, bounds)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw this.#tooLarge('more')
      throw new GrpcError(GRPC_STATUS.internal, `a message is not what its encoding ${this.#encoding} makes`)
    }
  }

  #tooLarge(length: number | string): GrpcError {
    const text = `received message larger than max (${length} vs. ${this.#maxBytes})`
    return new GrpcError(GRPC_STATUS.resourceExhausted, text)
  }
}

/** Messages for one who reads them one after the other; while too many wait, their source is paused. */
export class MessageQueue implements AsyncIterable<Uint8Array> {
  readonly #source: { pause(): unknown; resume(): unknown }
  readonly #waiting: Uint8Array[] = []
  #isEnded = false
  #error: unknown
  #wake: () => void = () => {}

  constructor(source: { pause(): unknown; resume(): unknown }) {
    this.#source = source
  }

  push(message: Uint8Array): void {
    if (this.#isEnded) return
    this.#waiting.push(message)
    if (this.#waiting.length >= MAX_WAITING_MESSAGES) this.#source.pause()
    this.#wake()
  }

  /** Lets the reader have what waits, and nothing after that; with an error it gets that then. */
  end(error?: unknown): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#error = error
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const message = this.#waiting.shift()
      if (message !== undefined) {
        if (this.#waiting.length === 0) this.#source.resume()
        yield message
      } else if (this.#isEnded) {
        if (this.#error !== undefined) throw this.#error
        return
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }
}

/** The most messages of one stream that wait to be read before the other side has to wait. */
const MAX_WAITING_MESSAGES = 64
