// Listens to one direction of a stream between two nodes, without changing it.
import type { Aside, Frame, FrameDecoder, Greeting, LinkId } from '../../distributed/link/index.ts'

/** What nodes say to each other, as far as it takes to hear them. */
export interface Language<Id extends LinkId, H extends Greeting<Id>, M extends { readonly kind: string }> {
  /** What a stream begins with. */
  readonly preamble: Uint8Array
  /** Takes frames out of what follows. */
  readonly decoder: () => Pick<FrameDecoder<Frame<H, M>>, 'push'>
}

/** Give it all bytes of one direction, in order. */
export class Ear<Id extends LinkId, H extends Greeting<Id>, M extends { readonly kind: string }> {
  /** Who speaks; undefined until it has said so. */
  hello: H | undefined
  /** Something came that no node sends: it hears nothing more. */
  isDeaf = false
  private readonly language: Language<Id, H, M>
  private readonly decoder: Pick<FrameDecoder<Frame<H, M>>, 'push'>
  private skipped = 0

  constructor(language: Language<Id, H, M>) {
    this.language = language
    this.decoder = language.decoder()
  }

  /** What is whole with these bytes, but for the hello. Never throws: what it cannot read is not its affair. */
  hear(bytes: Uint8Array): (M | Aside)[] {
    if (this.isDeaf) return []
    try {
      return this.decoder.push(this.behindPreamble(bytes)).flatMap(({ message }) => {
        if ('kind' in message) return [message]
        this.hello = message
        return []
      })
    } catch {
      this.isDeaf = true
      return []
    }
  }

  private behindPreamble(bytes: Uint8Array): Uint8Array {
    const { preamble } = this.language
    const left = preamble.length - this.skipped
    if (left === 0) return bytes
    for (const byte of bytes.subarray(0, left)) {
      if (byte !== preamble[this.skipped++]) throw new Error('these are no nodes')
    }
    return bytes.subarray(left)
  }
}
