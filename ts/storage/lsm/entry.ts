// What memtables and tables hold: versions of keys.
import { compareBytes } from '../compare.ts'

/** An increment's value is what it adds, eight bytes; an append's is what it appends. */
export const EntryKind = { delete: 0, put: 1, increment: 2, append: 3 } as const
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind]

/** One version of a key. */
export interface Entry {
  /** With the tree's id in front: see internal-key.ts. */
  readonly key: Uint8Array
  /** The log position of the commit that made it. */
  readonly sequence: number
  readonly kind: EntryKind
  /** Empty for a deletion. May be a view of memory that stays as it is. */
  readonly value: Uint8Array
}

/** Orders versions: by key, the newest of a key first. */
export function compareEntries(a: Entry, b: Entry): number {
  const order = compareBytes(a.key, b.key)
  return order === 0 ? b.sequence - a.sequence : order
}

/** Something that must be read before a cursor can go on. */
export interface Need {
  load(): void
  /** The same without blocking for the device. */
  loadAsync(): Promise<void>
}

/** Walks over versions in order (`compareEntries`), or in the reverse order. */
export interface VersionCursor {
  /** The version that it stands on, after a step that said so. */
  readonly entry: Entry
  /** Moves on. @returns True at a version, false at the end, or what has to be loaded before it is called again. */
  step(): boolean | Need
}
