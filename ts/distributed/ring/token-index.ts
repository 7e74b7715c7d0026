// Which token follows a position: one look into a table, and a short search among the few tokens that share an entry of it.
import type { Position } from './types.ts'

/** Sorted tokens to be asked. */
export class TokenIndex {
  /** Ascending; two may be equal. */
  readonly tokens: Float64Array
  /** The first token of each of many equal parts of the circle; the number of tokens at the end. */
  private readonly starts: Uint32Array
  private readonly parts: number
  private readonly size: number

  /** @param size - Tokens are whole numbers below it: a power of two. */
  constructor(tokens: Float64Array, size: number) {
    this.tokens = tokens
    this.size = size
    let parts = 1
    while (parts < 2 * tokens.length) parts *= 2
    this.parts = parts
    this.starts = new Uint32Array(parts + 1)
    for (let part = 0, index = 0; part <= parts; part++) {
      while (index < tokens.length && (tokens[index] as number) < (part / parts) * size) index++
      this.starts[part] = index
    }
  }

  /**
   * The index of the first token above `position`: 0 if there is none, since the circle goes on there. O(1) for tokens that a hash
   * has placed, O(log n) for any.
   */
  after(position: Position): number {
    const { tokens, starts } = this
    const part = Math.floor((position / this.size) * this.parts)
    let low = starts[part] as number
    let high = starts[part + 1] as number
    // Tokens before `low` are not above, those from `high` on are.
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((tokens[middle] as number) > position) high = middle
      else low = middle + 1
    }
    return low === tokens.length ? 0 : low
  }
}
