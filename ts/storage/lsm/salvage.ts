// Reads what is left of a table whose parts cannot all be believed: block by block from the beginning of its file, without
// index or footer. A block counts if its checksum is that of this table and this place.

import { isCode } from '../../base/errors.ts'
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import { BLOCK_ALIGNMENT, BLOCK_HEADER_BYTES, BlockType, openBlock, tableSeed } from './block.ts'
import { DataBlock } from './data-block.ts'
import { compareEntries, type Entry, type Need, type VersionCursor } from './entry.ts'
import { treeIdOf } from './internal-key.ts'
import type { RangeTombstone } from './range-tombstones.ts'
import { readTombstones } from './table.ts'
import { decodeFooter, FOOTER_BYTES, type Footer, tableName } from './table-format.ts'

/** A table file, and what is known about it. */
export interface Wreck {
  readonly number: number
  readonly id: Uint8Array
  /** What all of its entries count as having; 0: each has its own. */
  readonly sequence: number
}

/** What was found in one. */
export interface Survey {
  readonly wreck: Wreck
  readonly tombstones: readonly RangeTombstone[]
  readonly entryCount: number
  readonly maxSequence: number
  readonly treeIds: ReadonlySet<number>
  /** Bytes of the file that are in no block which could be read. */
  readonly lostBytes: number
}

/** The footer of a table, undefined if it cannot be read. */
export function readFooter(disk: Disk, path: string): Footer | undefined {
  const file = disk.open(path, 'read')
  try {
    const size = file.size()
    const bytes = new Uint8Array(FOOTER_BYTES)
    const count = file.read(bytes, Math.max(0, size - FOOTER_BYTES))
    return decodeFooter(bytes.subarray(0, count), path, size)
  } catch (error) {
    if (isCode(error, 'CORRUPTION') || isCode(error, 'INVALID_INPUT')) return undefined
    throw error
  } finally {
    file.close()
  }
}

/** Reads all of a table once. @param turn - Called now and then. */
export async function surveyTable(
  disk: Disk,
  directory: string,
  wreck: Wreck,
  turn: () => Promise<void>,
): Promise<Survey> {
  const scan = new BlockScan(disk, directory, wreck)
  const treeIds = new Set<number>()
  const tombstones: RangeTombstone[] = []
  let [entryCount, maxSequence] = [0, 0]
  try {
    for (let block = scan.next(); block !== undefined; block = scan.next()) {
      await turn()
      if (block.type === BlockType.tombstones) tombstones.push(...tombstonesOf(block, wreck, scan.path))
      if (block.type !== BlockType.data) continue
      for (const { key, sequence } of entriesOf(block, wreck, scan.path)) {
        treeIds.add(treeIdOf(key))
        maxSequence = Math.max(maxSequence, sequence)
        entryCount++
      }
    }
    for (const { sequence } of tombstones) maxSequence = Math.max(maxSequence, sequence)
    return { wreck, tombstones, entryCount, maxSequence, treeIds, lostBytes: scan.lostBytes }
  } finally {
    scan.close()
  }
}

/** The versions of a table that can be read, in order. It has to be closed. */
export class SalvageCursor implements VersionCursor {
  private readonly scan: BlockScan
  private readonly wreck: Wreck
  private entries: Entry[] = []
  private at = 0
  private current: Entry | undefined

  constructor(disk: Disk, directory: string, wreck: Wreck) {
    this.scan = new BlockScan(disk, directory, wreck)
    this.wreck = wreck
  }

  get entry(): Entry {
    return this.current as Entry
  }

  step(): boolean | Need {
    for (;;) {
      const next = this.entries[this.at++]
      if (next === undefined) {
        const block = this.scan.next()
        if (block === undefined) return false
        this.entries = block.type === BlockType.data ? entriesOf(block, this.wreck, this.scan.path) : []
        this.at = 0
      } else if (this.current === undefined || compareEntries(this.current, next) < 0) {
        this.current = next
        return true
      }
    }
  }

  close(): void {
    this.scan.close()
  }
}

interface FoundBlock {
  readonly type: number
  readonly offset: number
  readonly payload: Uint8Array
}

/** Goes through a file from block to block; where none is, from one place where one could begin to the next. */
class BlockScan {
  readonly path: string
  lostBytes = 0
  private readonly file: DiskFile
  private readonly size: number
  private readonly seed: number
  private at = 0

  constructor(disk: Disk, directory: string, { number, id }: Wreck) {
    this.path = joinPath(directory, tableName(number))
    this.file = disk.open(this.path, 'read')
    this.size = this.file.size()
    this.seed = tableSeed(id)
  }

  next(): FoundBlock | undefined {
    for (; this.at + BLOCK_HEADER_BYTES <= this.size; this.at += BLOCK_ALIGNMENT) {
      const found = this.blockAt(this.at)
      if (found !== undefined) return found
      if (this.at + FOOTER_BYTES < this.size) this.lostBytes += BLOCK_ALIGNMENT
    }
    return undefined
  }

  close(): void {
    this.file.close()
  }

  private blockAt(offset: number): FoundBlock | undefined {
    const header = this.read(offset, BLOCK_HEADER_BYTES)
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength)
    const type = header[4] as number
    const end = offset + BLOCK_HEADER_BYTES + view.getUint32(8, true)
    const isPossible = type >= BlockType.data && type <= BlockType.properties && view.getUint16(6, true) === 0
    if (!isPossible || end > this.size) return undefined
    try {
      const block = this.read(offset, end - offset)
      const payload = openBlock(type as BlockType, block, { seed: this.seed, path: this.path }, offset)
      this.at = end + (-end & (BLOCK_ALIGNMENT - 1))
      return { type, offset, payload }
    } catch (error) {
      if (isCode(error, 'CORRUPTION') || isCode(error, 'INCOMPATIBLE')) return undefined
      throw error
    }
  }

  private read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    return bytes.subarray(0, this.file.read(bytes, offset))
  }
}

function entriesOf({ payload, offset }: FoundBlock, { sequence }: Wreck, path: string): Entry[] {
  return ifReadable(() => {
    const block = new DataBlock(payload, { path, offset }, sequence)
    return Array.from({ length: block.count }, (_, slot) => block.entryAt(slot))
  })
}

function tombstonesOf({ payload }: FoundBlock, { sequence }: Wreck, path: string): readonly RangeTombstone[] {
  return ifReadable(() => readTombstones(payload, path, sequence).list)
}

/** What has the right checksum and is wrong all the same was written wrong, and is left out. */
function ifReadable<T>(read: () => readonly T[]): T[] {
  try {
    return [...read()]
  } catch (error) {
    if (isCode(error, 'CORRUPTION')) return []
    throw error
  }
}
