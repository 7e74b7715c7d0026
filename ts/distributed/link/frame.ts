// Frames on an ordered stream of bytes between two nodes. Whole numbers are little-endian; see base/binary.ts.
//
//   stream     preamble, frame of the hello, frames; each side begins with preamble and hello
//   preamble   four bytes of magic | u8 version | three zeros: what tells a protocol from HTTP on a shared port
//   frame      u32 length of the body | u32 CRC32C of the body | body
//   body       the protocol's own; the first one is a hello
import { ByteWriter } from '../../base/binary.ts'
import { BedplateError } from '../../base/errors.ts'
import { crc32c } from '../../storage/crc32c/index.ts'

/** The two ends of a stream, as each knows itself and the other: by a number, or by a name. */
export type LinkId = number | string

/** What the two ends of a connection tell each other first. A protocol adds what else they must agree on. */
export interface Greeting<Id extends LinkId> {
  /** A name; up to 255 bytes of UTF-8. */
  readonly clusterId: string
  readonly from: Id
  /** Whom the sender takes the receiver for. */
  readonly to: Id
  /** Which directory the sender has: another one under the same id has forgotten what that node promised. Up to 64 bytes. */
  readonly incarnation: string
  /** Drawn for this stream: what the other one's proof has to be made of. See secret.ts. */
  readonly nonce: Uint8Array
}

/** What nodes send each other beside the messages of their protocol. */
export type Aside =
  /** Asks the other one for something; what, is not the stream's affair. */
  | { readonly kind: 'call'; readonly id: number; readonly bytes: Uint8Array }
  /** Answers the call with this id. */
  | { readonly kind: 'answer'; readonly id: number; readonly bytes: Uint8Array }
  /** Shows that the sender knows the secret of the cluster: comes right behind the hello. */
  | { readonly kind: 'proof'; readonly bytes: Uint8Array }
  /** Shows that the stream and the sender live. */
  | { readonly kind: 'ping' }

/** A message, and the group of the process that it is for. A hello alone has no kind. */
export interface Frame<H, M> {
  readonly group: number
  readonly message: M | H | Aside
}

/** How large frames may be. */
export interface FrameLimits {
  readonly maxBytes: number
  /** Before somebody has said who it is, a stranger costs no more memory than this. */
  readonly maxHelloBytes: number
}

export const MAX_CLUSTER_ID_BYTES = 255
export const MAX_INCARNATION_BYTES = 64
const HEADER_BYTES = 8
const HEADER_ROOM = new Uint8Array(HEADER_BYTES)
/** So many frames it takes to say who one is: the hello and the proof. */
const HELLO_FRAMES = 2
const MAGIC_BYTES = 4
const VERSION_AT = 4

/**
 * Says whether a stream is one of nodes, as far as its first bytes tell.
 * @returns undefined if more bytes are needed.
 * @throws INCOMPATIBLE for another version.
 */
export function beginsLike(preamble: Uint8Array, first: Uint8Array): boolean | undefined {
  const magic = Math.min(first.length, MAGIC_BYTES)
  for (let i = 0; i < magic; i++) if (first[i] !== preamble[i]) return false
  if (first.length < preamble.length) return undefined
  if (first[VERSION_AT] === preamble[VERSION_AT]) return true
  throw new BedplateError(
    'INCOMPATIBLE',
    `a node speaks version ${first[VERSION_AT]} of the protocol, and this one ${preamble[VERSION_AT]}`,
    { hint: 'run the same version of bedplate on all nodes' },
  )
}

/** @throws INVALID_INPUT for a cluster id that no receiver would take. */
export function checkClusterId(clusterId: string): void {
  if (Buffer.byteLength(clusterId) <= MAX_CLUSTER_ID_BYTES) return
  throw new BedplateError('INVALID_INPUT', `a cluster id has at most ${MAX_CLUSTER_ID_BYTES} bytes`)
}

/** A frame in the making: what is put into it is its body. @param bodyBytes - About how long that will be. */
export function beginFrame(bodyBytes = 256): ByteWriter {
  return new ByteWriter(HEADER_BYTES + bodyBytes).raw(HEADER_ROOM)
}

/** Ends what `beginFrame` began. @param hint - How to have smaller ones. @throws INVALID_INPUT for more bytes than a receiver takes. */
export function endFrame(writer: ByteWriter, maxBytes: number, hint: string): Uint8Array {
  const bytes = writer.finish()
  const body = bytes.subarray(HEADER_BYTES)
  if (body.length > maxBytes) {
    throw new BedplateError('INVALID_INPUT', `a message has ${body.length} bytes, and ${maxBytes} are allowed`, {
      hint,
    })
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setUint32(0, body.length, true)
  view.setUint32(4, crc32c(body), true)
  return bytes
}

/** Takes frames out of a stream, behind its preamble. */
export class FrameDecoder<F> {
  private readonly limits: FrameLimits
  private readonly decode: (body: Uint8Array, isFirst: boolean) => F
  private parts: Uint8Array[] = []
  private size = 0
  private needed = HEADER_BYTES
  private count = 0

  /** @param decode - Reads a body, which has memory of its own. @throws CORRUPTION for what no node sends. */
  constructor(limits: FrameLimits, decode: (body: Uint8Array, isFirst: boolean) => F) {
    this.limits = limits
    this.decode = decode
  }

  /**
   * Takes the next bytes, in pieces of any size. A frame that is not whole is kept, as far as the limits let it. Messages have
   * memory of their own.
   * @throws CORRUPTION for what no node sends: close the connection, and use the decoder no more.
   */
  push(bytes: Uint8Array): F[] {
    const frames: F[] = []
    this.parts.push(bytes)
    this.size += bytes.length
    if (this.size < this.needed) return frames
    const buffer = this.parts.length === 1 ? bytes : Buffer.concat(this.parts)
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    let at = 0
    this.needed = HEADER_BYTES
    while (buffer.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + this.checkLength(view.getUint32(at, true))
      if (end > buffer.length) {
        this.needed = end - at
        break
      }
      const body = new Uint8Array(buffer.subarray(at + HEADER_BYTES, end)) // `slice` of a Buffer would copy nothing
      if (crc32c(body) !== view.getUint32(at + 4, true)) {
        throw new BedplateError('CORRUPTION', `a frame of ${body.length} bytes does not match its checksum`)
      }
      at = end
      frames.push(this.decode(body, this.count === 0))
      this.count++
    }
    this.parts = at < buffer.length ? [new Uint8Array(buffer.subarray(at))] : []
    this.size = buffer.length - at
    return frames
  }

  private checkLength(length: number): number {
    const { maxBytes, maxHelloBytes } = this.limits
    const most = this.count < HELLO_FRAMES ? maxHelloBytes : maxBytes
    if (length <= most) return length
    throw new BedplateError('CORRUPTION', `a frame says that it has ${length} bytes, and ${most} are allowed`)
  }
}
