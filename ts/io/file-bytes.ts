// The bytes of one simulated file, in chunks that copies share until one of them writes.
//
// Invariant: bytes of a chunk at or beyond `size` are zero, so growing a file never shows what was cut off before.

/** The size of one chunk, and the unit in which a simulated disk accounts for space. */
export const CHUNK_BYTES = 4096

/** Growable bytes with cheap copies: `clone` costs one pointer a chunk. A chunk never written is a hole of zeros. */
export class FileBytes {
  #size = 0
  #chunks: (Uint8Array | undefined)[] = []
  /** The chunks that no clone shares and that may be changed in place. */
  readonly #owned = new Set<number>()

  /** A file with a copy of `bytes` in it. */
  static of(bytes: Uint8Array): FileBytes {
    const file = new FileBytes()
    file.write(bytes, 0)
    return file
  }

  get size(): number {
    return this.#size
  }

  /** How many bytes of space the chunks take; holes take none. */
  get allocatedBytes(): number {
    let count = 0
    for (const chunk of this.#chunks) if (chunk !== undefined) count++
    return count * CHUNK_BYTES
  }

  /** A copy; both sides may be changed from now on without the other noticing. */
  clone(): FileBytes {
    const copy = new FileBytes()
    copy.#size = this.#size
    copy.#chunks = this.#chunks.slice()
    this.#owned.clear()
    return copy
  }

  /** Reads into `target` from `position`; gives the count of bytes read, fewer than asked only at the end. */
  read(target: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(target.length, this.#size - position))
    for (let done = 0; done < count; ) {
      const index = Math.floor((position + done) / CHUNK_BYTES)
      const offset = position + done - index * CHUNK_BYTES
      const length = Math.min(CHUNK_BYTES - offset, count - done)
      const chunk = this.#chunks[index]
      if (chunk === undefined) target.fill(0, done, done + length)
      else target.set(chunk.subarray(offset, offset + length), done)
      done += length
    }
    return count
  }

  /** The bytes from `position`, at most `length` of them, as a copy. */
  slice(position = 0, length = Math.max(0, this.#size - position)): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#size - position)))
    this.read(bytes, position)
    return bytes
  }

  /** Writes all of `bytes` at `position`, growing the file if needed. */
  write(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      const index = Math.floor((position + done) / CHUNK_BYTES)
      const offset = position + done - index * CHUNK_BYTES
      const length = Math.min(CHUNK_BYTES - offset, bytes.length - done)
      this.#writable(index).set(bytes.subarray(done, done + length), offset)
      done += length
    }
    if (bytes.length > 0) this.#size = Math.max(this.#size, position + bytes.length)
  }

  /** Cuts or grows (with zeros) to `size`. */
  truncate(size: number): void {
    if (size < this.#size) {
      const chunkCount = Math.ceil(size / CHUNK_BYTES)
      if (this.#chunks.length > chunkCount) this.#chunks.length = chunkCount
      for (const index of this.#owned) if (index >= chunkCount) this.#owned.delete(index)
      const rest = size % CHUNK_BYTES
      if (rest > 0 && this.#chunks[chunkCount - 1] !== undefined) this.#writable(chunkCount - 1).fill(0, rest)
    }
    this.#size = size
  }

  /** How many bytes of space a write of `length` bytes at `position` would newly take. */
  newlyAllocatedBy(position: number, length: number): number {
    if (length === 0) return 0
    let count = 0
    const last = Math.floor((position + length - 1) / CHUNK_BYTES)
    for (let index = Math.floor(position / CHUNK_BYTES); index <= last; index++) {
      if (this.#chunks[index] === undefined) count++
    }
    return count * CHUNK_BYTES
  }

  /** The chunk at `index`, made or copied so that it may be changed. */
  #writable(index: number): Uint8Array {
    const chunk = this.#chunks[index]
    if (chunk !== undefined && this.#owned.has(index)) return chunk
    const own = chunk === undefined ? new Uint8Array(CHUNK_BYTES) : chunk.slice()
    // Filling the gap keeps the array dense, which is what makes `slice` of it fast.
    while (this.#chunks.length < index) this.#chunks.push(undefined)
    this.#chunks[index] = own
    this.#owned.add(index)
    return own
  }
}
