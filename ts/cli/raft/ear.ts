// Listens to one direction of a stream between two nodes, without changing it.
import { FrameDecoder, type Message, PREAMBLE } from '../../distributed/raft/index.ts'

/** Give it all bytes of one direction, in order. */
export class Ear {
  /** Undefined once something came that no node sends: it then hears nothing more. */
  private decoder: FrameDecoder | undefined = new FrameDecoder()
  private skipped = 0

  /** The messages of the protocol that are whole with these bytes. Never throws: what it cannot read is not its affair. */
  hear(bytes: Uint8Array): Message[] {
    if (this.decoder === undefined) return []
    try {
      return this.decoder.push(this.behindPreamble(bytes)).flatMap(({ message }) => {
        const isProtocol = 'kind' in message && 'term' in message
        return isProtocol ? [message] : []
      })
    } catch {
      this.decoder = undefined
      return []
    }
  }

  private behindPreamble(bytes: Uint8Array): Uint8Array {
    const left = PREAMBLE.length - this.skipped
    if (left === 0) return bytes
    for (const byte of bytes.subarray(0, left)) {
      if (byte !== PREAMBLE[this.skipped++]) throw new Error('these are no nodes')
    }
    return bytes.subarray(left)
  }
}
