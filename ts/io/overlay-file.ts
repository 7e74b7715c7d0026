// A file that can be written without being changed: what a read-only open needs to replay a log over a store.
import type { DiskFile } from './disk.ts'
import { checkPosition, closedError } from './disk-errors.ts'

const OVERLAY_CHUNK_BYTES = 4096

/**
 * A view of `base` that keeps writes and truncates in memory, in chunks of 4 KiB; `base` is only ever read.
 * `sync` does nothing: nothing here is to last. Closing the view closes `base`.
 */
export function overlayFile(base: DiskFile): DiskFile {
  return new OverlayFile(base)
}

class OverlayFile implements DiskFile {
  readonly path: string
  readonly #base: DiskFile
  /** Changed chunks, by index. Bytes at or beyond `#size` in them are zero. */
  readonly #chunks = new Map<number, Uint8Array>()
  #size: number
  /** How much of the base still shows; what was cut off once reads as zeros when the file grows again. */
  #baseSize: number
  #closed = false

  constructor(base: DiskFile) {
    this.path = base.path
    this.#base = base
    this.#size = base.size()
    this.#baseSize = this.#size
  }

  size(): number {
    this.#checkOpen()
    return this.#size
  }

  read(target: Uint8Array, position: number): number {
    this.#checkOpen()
    checkPosition(position)
    const wanted = this.#inBase(target, position)
    const found = wanted.length === 0 ? 0 : this.#base.read(wanted, position)
    return this.#cover(target, position, found)
  }

  async readAsync(target: Uint8Array, position: number): Promise<number> {
    this.#checkOpen()
    checkPosition(position)
    const wanted = this.#inBase(target, position)
    const found = wanted.length === 0 ? 0 : await this.#base.readAsync(wanted, position)
    // The base may have been cut while the read was under way.
    return this.#cover(target, position, Math.min(found, Math.max(0, this.#baseSize - position)))
  }

  write(bytes: Uint8Array, position: number): void {
    this.#checkOpen()
    checkPosition(position)
    for (let done = 0; done < bytes.length; ) {
      const index = Math.floor((position + done) / OVERLAY_CHUNK_BYTES)
      const offset = position + done - index * OVERLAY_CHUNK_BYTES
      const length = Math.min(OVERLAY_CHUNK_BYTES - offset, bytes.length - done)
      this.#writable(index).set(bytes.subarray(done, done + length), offset)
      done += length
    }
    if (bytes.length > 0) this.#size = Math.max(this.#size, position + bytes.length)
  }

  truncate(sizeBytes: number): void {
    this.#checkOpen()
    checkPosition(sizeBytes)
    for (const [index, chunk] of this.#chunks) {
      const start = index * OVERLAY_CHUNK_BYTES
      if (start >= sizeBytes) this.#chunks.delete(index)
      else if (start + OVERLAY_CHUNK_BYTES > sizeBytes) chunk.fill(0, sizeBytes - start)
    }
    this.#baseSize = Math.min(this.#baseSize, sizeBytes)
    this.#size = sizeBytes
  }

  async sync(): Promise<void> {
    this.#checkOpen()
  }

  syncNow(): void {
    this.#checkOpen()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#base.close()
  }

  /** The part of `target` that the base may have bytes for. */
  #inBase(target: Uint8Array, position: number): Uint8Array {
    return target.subarray(0, Math.max(0, Math.min(target.length, this.#baseSize - position)))
  }

  /** Completes a read of which the base gave `found` bytes: zeros after them, changed chunks over all. */
  #cover(target: Uint8Array, position: number, found: number): number {
    const count = Math.max(0, Math.min(target.length, this.#size - position))
    target.fill(0, Math.min(found, count), count)
    if (this.#chunks.size === 0) return count
    for (let done = 0; done < count; ) {
      const index = Math.floor((position + done) / OVERLAY_CHUNK_BYTES)
      const offset = position + done - index * OVERLAY_CHUNK_BYTES
      const length = Math.min(OVERLAY_CHUNK_BYTES - offset, count - done)
      const chunk = this.#chunks.get(index)
      if (chunk !== undefined) target.set(chunk.subarray(offset, offset + length), done)
      done += length
    }
    return count
  }

  #writable(index: number): Uint8Array {
    let chunk = this.#chunks.get(index)
    if (chunk === undefined) {
      chunk = new Uint8Array(OVERLAY_CHUNK_BYTES)
      this.read(chunk, index * OVERLAY_CHUNK_BYTES)
      this.#chunks.set(index, chunk)
    }
    return chunk
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError(this.path)
  }
}

/** A file that exists in memory alone. */
export function memoryFile(name: string): DiskFile {
  return new OverlayFile({
    path: name,
    size: () => 0,
    read: () => 0,
    readAsync: async () => 0,
    write: () => {},
    truncate: () => {},
    sync: async () => {},
    syncNow: () => {},
    close: () => {},
  })
}
