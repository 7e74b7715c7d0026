// What a node has on disk, all of it in one LSM store: so one log and one fsync make keys, hints and notes durable, in order.
//
//   tree ''        u64 big-endian position of the key | key, UTF-8   -->  a record of versions-codec.ts
//   tree 'hints'   u16 big-endian length of the name | name of the node it is for | key   -->  the same
//   tree 'notes'   a name   -->  JSON: small things that a node has to remember
//
// Positions come first so that a range of the ring is one scan.
import { BedplateError } from '../../../base/errors.ts'
import type { Lsm } from '../../../storage/lsm/index.ts'
import { positionOf } from '../hash.ts'
import { MAX_HINTS, type VersionStore } from './types.ts'
import type { Versions } from './versions.ts'
import { decodeVersions, encodeVersions } from './versions-codec.ts'

/** The store below: keys and values are bytes. */
export type Bytes = Lsm<Uint8Array, Uint8Array>

const RAW = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const POSITION_BYTES = 8
const WORD = 2 ** 32

/** The disk of one node. */
export class NodeStorage implements VersionStore {
  private readonly lsm: Bytes
  private readonly hintTree: ReturnType<typeof treeOf>
  private readonly noteTree: ReturnType<typeof treeOf>

  /** @param lsm - With buffers as keys and values, and durability `sync`. The caller closes it. */
  constructor(lsm: Bytes) {
    this.lsm = lsm
    this.hintTree = treeOf(lsm, 'hints')
    this.noteTree = treeOf(lsm, 'notes')
  }

  /** What is known of a key, with everything that was put, durable or not. @throws CORRUPTION, IO */
  get(key: string): Versions | undefined {
    const bytes = this.lsm.get(rowOf(key))
    return bytes === undefined ? undefined : decodeVersions(bytes)
  }

  /** Can be read at once. @returns Once it is durable, and everything before. */
  put(key: string, versions: Versions): Promise<void> {
    return this.lsm.put(rowOf(key), encodeVersions(versions))
  }

  /** Keeps a hint, or with undefined ends it. @returns As `put`. */
  putHint(target: string, key: string, versions: Versions | undefined): Promise<void> {
    const row = hintRowOf(target, key)
    return versions === undefined ? this.hintTree.delete(row) : this.hintTree.put(row, encodeVersions(versions))
  }

  /** All hints, by the node that they are for and the key: what a node starts with. @throws CORRUPTION, IO */
  hints(): Map<string, Map<string, Versions>> {
    const hints = new Map<string, Map<string, Versions>>()
    for (const [row, bytes] of this.hintTree.range({ limit: MAX_HINTS })) {
      const nameEnd = 2 + (((row[0] as number) << 8) | (row[1] as number))
      const target = Buffer.from(row.subarray(2, nameEnd)).toString()
      const ofTarget = hints.get(target) ?? new Map<string, Versions>()
      ofTarget.set(Buffer.from(row.subarray(nameEnd)).toString(), decodeVersions(bytes))
      hints.set(target, ofTarget)
    }
    return hints
  }

  /** A note that was put; undefined if there is none. @throws CORRUPTION, IO */
  note(name: string): unknown {
    const bytes = this.noteTree.get(Buffer.from(name))
    if (bytes === undefined) return undefined
    try {
      return JSON.parse(Buffer.from(bytes).toString())
    } catch (cause) {
      throw new BedplateError('CORRUPTION', `the note "${name}" of a node is no JSON`, { cause })
    }
  }

  /** @param value - JSON can hold it. @returns As `put`. */
  putNote(name: string, value: unknown): Promise<void> {
    return this.noteTree.put(Buffer.from(name), Buffer.from(JSON.stringify(value)))
  }
}

function treeOf(lsm: Bytes, name: string) {
  return lsm.tree(name, RAW)
}

function rowOf(key: string): Uint8Array {
  const text = Buffer.from(key)
  const row = new Uint8Array(POSITION_BYTES + text.length)
  const view = new DataView(row.buffer)
  const position = positionOf(key)
  view.setUint32(0, Math.floor(position / WORD))
  view.setUint32(4, position % WORD)
  row.set(text, POSITION_BYTES)
  return row
}

function hintRowOf(target: string, key: string): Uint8Array {
  const name = Buffer.from(target)
  const row = Buffer.concat([new Uint8Array(2), name, Buffer.from(key)])
  row.writeUInt16BE(name.length)
  return new Uint8Array(row)
}
