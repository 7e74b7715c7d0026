// The tables of a store as they are read: open files up to a number, blocks and indexes up to a sum of bytes.

import { BedplateError } from '../../base/errors.ts'
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import { BlockType, openBlock } from './block.ts'
import { Cache } from './cache.ts'
import { DataBlock } from './data-block.ts'
import type { Need } from './entry.ts'
import type { Mutant } from './mutant.ts'
import { openTail, type TableMeta } from './table.ts'
import { type TableInfo, tableName } from './table-format.ts'

/** More blocks than any table has: a table's number times this, and the block's, make the key of the cache. */
const BLOCKS_A_TABLE = 2 ** 24
/** The place of filter and index beside the blocks. */
const META_SLOT = BLOCKS_A_TABLE - 1

export interface TablesOptions {
  disk: Disk
  /** The directory of the store. */
  path: string
  /** Of blocks, filters and indexes that are kept. */
  cacheBytes: number
  /** Files that may be open at a time; at least 1. */
  maxOpenFiles: number
  mutant?: Mutant | undefined
}

/** Reads tables. Whoever reads one sees to it that its file is not removed. */
export class Tables {
  private readonly options: TablesOptions
  private readonly cache: Cache<TableMeta | DataBlock>
  /** The one used last comes last. */
  private readonly files = new Map<number, DiskFile>()
  private isOpen = true

  constructor(options: TablesOptions) {
    this.options = options
    this.cache = new Cache(options.cacheBytes)
  }

  pathOf({ number }: TableInfo): string {
    return joinPath(this.options.path, tableName(number))
  }

  // -- filter, index, range tombstones ------------------------------------------------------------------------------

  metaAtHand(info: TableInfo): TableMeta | undefined {
    return this.cache.get(keyOf(info, META_SLOT)) as TableMeta | undefined
  }

  meta(info: TableInfo): TableMeta {
    return this.metaAtHand(info) ?? this.keepMeta(info, this.read(info, tailOf(info)))
  }

  async metaAsync(info: TableInfo): Promise<TableMeta> {
    return this.metaAtHand(info) ?? this.keepMeta(info, await this.readAsync(info, tailOf(info)))
  }

  // -- data blocks --------------------------------------------------------------------------------------------------

  blockAtHand(info: TableInfo, index: number): DataBlock | undefined {
    return this.cache.get(keyOf(info, index)) as DataBlock | undefined
  }

  block(info: TableInfo, meta: TableMeta, index: number): DataBlock {
    return this.blockAtHand(info, index) ?? this.keepBlock(info, meta, index, this.read(info, placeOf(meta, index)))
  }

  async blockAsync(info: TableInfo, meta: TableMeta, index: number): Promise<DataBlock> {
    const atHand = this.blockAtHand(info, index)
    return atHand ?? this.keepBlock(info, meta, index, await this.readAsync(info, placeOf(meta, index)))
  }

  /** What a cursor must load before it has `info`'s index; `take` gets it. */
  needMeta(info: TableInfo, take: (meta: TableMeta) => void): Need {
    return {
      load: () => take(this.meta(info)),
      loadAsync: async () => take(await this.metaAsync(info)),
    }
  }

  /** The same for a data block. */
  needBlock(info: TableInfo, meta: TableMeta, index: number, take: (block: DataBlock) => void): Need {
    return {
      load: () => take(this.block(info, meta, index)),
      loadAsync: async () => take(await this.blockAsync(info, meta, index)),
    }
  }

  // -- the rest -----------------------------------------------------------------------------------------------------

  stats(): { capacityBytes: number; bytes: number; hits: number; misses: number; openFiles: number } {
    const { capacityBytes, bytes, hits, misses } = this.cache
    return { capacityBytes, bytes, hits, misses, openFiles: this.files.size }
  }

  /** Keeps no more than so many bytes from now on. */
  limitCache(bytes: number): void {
    this.cache.limit(bytes)
  }

  /** Lets go of a table whose file will be removed. */
  forget(info: TableInfo): void {
    this.files.get(info.number)?.close()
    this.files.delete(info.number)
    const meta = this.metaAtHand(info)
    this.cache.delete(keyOf(info, META_SLOT))
    for (let i = 0; i < (meta?.index.handles.length ?? 0); i++) this.cache.delete(keyOf(info, i))
  }

  close(): void {
    this.isOpen = false
    for (const file of this.files.values()) file.close()
    this.files.clear()
    this.cache.clear()
  }

  private keepMeta(info: TableInfo, tail: Uint8Array): TableMeta {
    const meta = openTail(tail, info, this.pathOf(info), this.options.mutant)
    this.cache.set(keyOf(info, META_SLOT), meta, meta.byteLength)
    return meta
  }

  private keepBlock(info: TableInfo, meta: TableMeta, index: number, bytes: Uint8Array): DataBlock {
    const path = this.pathOf(info)
    const { offset } = placeOf(meta, index)
    const { mutant } = this.options
    const payload = openBlock(BlockType.data, bytes, { seed: meta.seed, path, mutant }, offset)
    const block = new DataBlock(payload, { path, offset }, info.sequence)
    this.cache.set(keyOf(info, index), block, block.byteLength)
    return block
  }

  private read(info: TableInfo, { offset, length }: { offset: number; length: number }): Uint8Array {
    const file = this.file(info) // first: it sees to it that the file is as long as the manifest says
    const target = new Uint8Array(length)
    return target.subarray(0, file.read(target, offset))
  }

  private async readAsync(
    info: TableInfo,
    { offset, length }: { offset: number; length: number },
  ): Promise<Uint8Array> {
    const file = this.file(info)
    const target = new Uint8Array(length)
    return target.subarray(0, await file.readAsync(target, offset))
  }

  private file(info: TableInfo): DiskFile {
    const { files } = this
    let file = files.get(info.number)
    if (file !== undefined) files.delete(info.number)
    file ??= this.open(info)
    files.set(info.number, file)
    return file
  }

  private open(info: TableInfo): DiskFile {
    const { files } = this
    if (!this.isOpen) throw new BedplateError('CLOSED', `the store ${this.options.path} is closed`)
    for (const [number, oldest] of files) {
      if (files.size < this.options.maxOpenFiles) break
      oldest.close()
      files.delete(number)
    }
    const file = this.options.disk.open(this.pathOf(info), 'read')
    if (file.size() === info.fileBytes) return file
    const bytes = file.size()
    file.close()
    throw new BedplateError(
      'CORRUPTION',
      `${file.path} has ${bytes} bytes, and had ${info.fileBytes} when it was written`,
      { hint: 'restore a backup, or let repairLsm keep what can be read' },
    )
  }
}

function keyOf({ number }: TableInfo, slot: number): number {
  return number * BLOCKS_A_TABLE + slot
}

function tailOf({ dataBytes, fileBytes }: TableInfo): { offset: number; length: number } {
  return { offset: dataBytes, length: fileBytes - dataBytes }
}

function placeOf(meta: TableMeta, index: number): { offset: number; length: number } {
  return meta.index.handles[index] as { offset: number; length: number }
}
