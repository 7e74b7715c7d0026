// What the inside of a file of the store looks like, for people and for tools.
import type { TableInfo } from '../table-format.ts'

/** A piece of a section: `length` bytes at `offset` of it. */
export interface FilePart {
  /** As docs/formats/lsm.md names it. */
  name: string
  offset: number
  length: number
  /** What the bytes say. A Uint8Array is an internal key: the tree's id as four bytes, big-endian, then the key. */
  value?: number | string | Uint8Array
}

/** The footer, a block or the manifest, taken apart. */
export interface FileSection {
  name: string
  /** Where in the file it begins, and how many bytes it takes there. */
  offset: number
  length: number
  /** What is wrong with it; then `parts` goes as far as it could be read. */
  problem?: string
  /** True if `bytes` is a block's header and its payload unpacked, so that they are not those of the file. */
  isPacked: boolean
  /** What the offsets of parts count in. */
  bytes: Uint8Array
  /** In order, without overlaps. */
  parts: FilePart[]
}

/** Where a data block is, as the index has it. */
export interface BlockDescription {
  offset: number
  length: number
  /** Not below any key of the block, and not above any of the next one. An internal key. */
  separator: Uint8Array
}

/** A version of a key. */
export interface EntryDescription {
  treeId: number
  key: Uint8Array
  sequence: number
  /** `delete`, `put`, `increment` (the value is what it adds, eight bytes) or `append`; of another kind, its number. */
  kind: string
  value: Uint8Array
}

/** A table file. What is damaged is missing here, and the section that holds it says so. */
export interface TableDescription {
  fileBytes: number
  /** Footer, properties, range tombstones, index, filter, and the data block that was asked for, as far as there are any. */
  sections: FileSection[]
  blocks: BlockDescription[]
  /** Of the data block that was asked for. */
  entries: EntryDescription[]
}

/** The manifest. */
export interface ManifestDescription {
  section: FileSection
  /** Empty if it is damaged. */
  trees: { id: number; name: string }[]
  tables: ({ level: number } & TableInfo)[]
}
