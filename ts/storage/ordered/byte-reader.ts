// What an engine shows of a state: the live one, a snapshot, or what a transaction sees, on bytes.
import type { WalkRange } from './range.ts'

/** Something that can be read. */
export interface ByteReader {
  /** May be a view that dies with the next write: copy or decode it at once. */
  get(key: Uint8Array): Uint8Array | undefined
  has(key: Uint8Array): boolean
  /** In memory of its own: others may write before the answer arrives. */
  getAsync(key: Uint8Array): Promise<Uint8Array | undefined>
  /** Starts a walk over the state of this moment. It must be closed. */
  walk(range: WalkRange): ByteWalk
}

/** A walk over a frozen state. */
export interface ByteWalk {
  /** Moves to the next entry. @returns False at the end. */
  next(): boolean
  nextAsync(): Promise<boolean>
  key(): Uint8Array
  value(): Uint8Array
  valueAsync(): Promise<Uint8Array>
  close(): void
}
