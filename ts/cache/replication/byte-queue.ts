const NOTHING = Buffer.alloc(0)
const LF = 0x0a

/** Bytes that have come and were not taken yet, in the pieces in which they came. */
export class ByteQueue {
  #pieces: Uint8Array[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Takes bytes, which must stay as they are. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#pieces.push(bytes)
    this.#length += bytes.length
  }

  /** The first `count` bytes, which must be there: a view where they lie in one piece. */
  take(count: number): Buffer {
    const pieces = this.takePieces(count)
    const [only] = pieces
    if (only === undefined) return NOTHING
    return pieces.length === 1 ? Buffer.from(only.buffer, only.byteOffset, only.length) : Buffer.concat(pieces)
  }

  /** The same as they came. */
  takePieces(count: number): Uint8Array[] {
    const taken: Uint8Array[] = []
    let used = 0
    for (let left = count; left > 0; ) {
      const piece = this.#pieces[used] as Uint8Array
      if (piece.length <= left) {
        taken.push(piece)
        used++
        left -= piece.length
      } else {
        taken.push(piece.subarray(0, left))
        this.#pieces[used] = piece.subarray(left)
        left = 0
      }
    }
    this.#pieces.splice(0, used)
    this.#length -= count
    return taken
  }

  /** Takes a line without its end; undefined if there is none within the first `limit` bytes. */
  takeLine(limit: number): string | undefined {
    let length = 0
    for (const piece of this.#pieces) {
      const end = piece.indexOf(LF)
      if (end !== -1)
        return length + end < limit
          ? this.take(length + end + 1)
              .toString('latin1')
              .trimEnd()
          : undefined
      length += piece.length
      if (length >= limit) return undefined
    }
    return undefined
  }
}
