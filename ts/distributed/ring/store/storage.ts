// What a node has on disk, all of it in one LSM store: so one log and one fsync make keys, hints and notes durable, in order.
//
//   tree ''        u64 big-endian position of the key | key, UTF-8   -->  a record of versions-codec.ts
//   tree 'hints'   u16 big-endian length of the name | name of the node it is for | key   -->  u53 little-endian era | the same
//   tree 'notes'   a name   -->  JSON: small things that a node has to remember
//
// Positions come first so that a range of the ring is one scan.
import { ByteReader, ByteWriter } from '../../../base/binary.ts'
import { BedplateError } from '../../../base/errors.ts'
import { decodeUtf8 } from '../../../base/utf8.ts'
import type { Lsm } from '../../../storage/lsm/index.ts'
import { positionOf } from '../hash.ts'
import type { Position, TokenRange } from '../types.ts'
import { type Entry, type Hint, MAX_HINTS, type VersionStore } from './types.ts'
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

  /** See `VersionStore`. O(limit) reads. @throws CORRUPTION, IO */
  scan({ start, end }: TokenRange, after: string | undefined, limit: number): Entry[] {
    const from = after === undefined ? { gte: placeOf(start) } : { gt: rowOf(after) }
    return Array.from(this.lsm.range({ ...from, lt: placeOf(end), limit }), ([row, bytes]) => ({
      key: keyAt(row),
      versions: decodeVersions(bytes),
    }))
  }

  /** Undefined removes the key. Can be read at once. @returns Once it is durable, and everything before. */
  put(key: string, versions: Versions | undefined): Promise<void> {
    if (versions === undefined) return this.lsm.delete(rowOf(key))
    return this.lsm.put(rowOf(key), encodeVersions(versions))
  }

  /** Keeps a hint, or with undefined ends it. @returns As `put`. */
  putHint(target: string, key: string, hint: Hint | undefined): Promise<void> {
    const row = hintRowOf(target, key)
    if (hint === undefined) return this.hintTree.delete(row)
    const bytes = new ByteWriter().u53(hint.era).raw(encodeVersions(hint.versions)).finish()
    return this.hintTree.put(row, bytes)
  }

  /** All hints, by the node that they are for and the key: what a node starts with. @throws CORRUPTION, IO */
  hints(): Map<string, Map<string, Hint>> {
    const hints = new Map<string, Map<string, Hint>>()
    for (const [row, bytes] of this.hintTree.range({ limit: MAX_HINTS })) {
      const nameEnd = 2 + (((row[0] ?? 0) << 8) | (row[1] ?? 0))
      const target = keyOf(row.subarray(0, nameEnd), 2)
      const ofTarget = hints.get(target) ?? new Map<string, Hint>()
      const reader = new ByteReader(bytes, 'hint')
      const era = reader.u53()
      ofTarget.set(keyOf(row, nameEnd), { versions: decodeVersions(reader.rest()), era })
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
    return this.putNotes({ [name]: value })
  }

  /** Several, all or none of them. @returns As `put`. */
  putNotes(notes: Readonly<Record<string, unknown>>): Promise<void> {
    return this.noteTree.batch(
      Object.entries(notes).map(([name, value]) => {
        return { type: 'put', key: Buffer.from(name), value: Buffer.from(JSON.stringify(value)) }
      }),
    )
  }
}

function treeOf(lsm: Bytes, name: string) {
  return lsm.tree(name, RAW)
}

/** What is before all keys of a position, from 0 to 2^53. */
function placeOf(position: Position): Uint8Array {
  const row = new Uint8Array(POSITION_BYTES)
  putPosition(row, position)
  return row
}

function putPosition(row: Uint8Array, position: Position): void {
  const view = new DataView(row.buffer)
  view.setUint32(0, Math.floor(position / WORD))
  view.setUint32(4, position % WORD)
}

function rowOf(key: string): Uint8Array {
  const text = Buffer.from(key)
  const row = new Uint8Array(POSITION_BYTES + text.length)
  putPosition(row, positionOf(key))
  row.set(text, POSITION_BYTES)
  return row
}

/** The key of a row. @throws CORRUPTION for one that is not where its key belongs: a scan would not come past it. */
function keyAt(row: Uint8Array): string {
  const key = Buffer.from(row.subarray(POSITION_BYTES)).toString()
  if (key !== '' && Buffer.compare(rowOf(key), row) === 0) return key
  throw new BedplateError('CORRUPTION', 'a row of a node is not where its key belongs')
}

/** What is written behind the first bytes of a row. @throws CORRUPTION if that is no name of anything. */
function keyOf(row: Uint8Array, behind: number): string {
  const key = decodeUtf8(row.subarray(behind))
  if (key === undefined || key === '') throw new BedplateError('CORRUPTION', 'a row of a node is of no key')
  return key
}

function hintRowOf(target: string, key: string): Uint8Array {
  const name = Buffer.from(target)
  const row = Buffer.concat([new Uint8Array(2), name, Buffer.from(key)])
  row.writeUInt16BE(name.length)
  return new Uint8Array(row)
}
