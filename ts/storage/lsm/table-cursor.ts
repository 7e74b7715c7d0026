// Walks over the versions of tables: of one, or of many that lie one behind the other.
import { compareBytes } from '../compare.ts'
import type { DataBlock } from './data-block.ts'
import type { Entry, Need, VersionCursor } from './entry.ts'
import type { KeySpan } from './internal-key.ts'
import type { TableMeta } from './table.ts'
import type { TableInfo } from './table-format.ts'
import type { Tables } from './tables.ts'

/** Where a walk goes. */
export interface WalkSpan extends KeySpan {
  readonly reverse: boolean
}

class TableCursor implements VersionCursor {
  private readonly tables: Tables
  private readonly info: TableInfo
  private readonly span: WalkSpan
  private meta: TableMeta | undefined
  private blockIndex = -1
  private block: DataBlock | undefined
  private slot = 0
  private current: Entry | undefined
  /** True until the first block is reached: the bound guides the search only once. */
  private seeking = true
  private hasEnded = false

  constructor(tables: Tables, info: TableInfo, span: WalkSpan) {
    this.tables = tables
    this.info = info
    this.span = span
  }

  get entry(): Entry {
    return this.current as Entry
  }

  step(): boolean | Need {
    while (!this.hasEnded) {
      const { block } = this
      if (block === undefined) {
        const missing = this.approach()
        if (missing !== undefined) return missing
        continue
      }
      this.slot += this.span.reverse ? -1 : 1
      if (this.slot >= 0 && this.slot < block.count) {
        this.current = block.entryAt(this.slot)
        if (this.isInside(this.current.key)) return true
        this.hasEnded = true
      } else {
        this.block = undefined
        this.blockIndex += this.span.reverse ? -1 : 1
      }
    }
    return false
  }

  /** Comes nearer to the next block. @returns What must be loaded for that. */
  private approach(): Need | undefined {
    const { tables, info, span, seeking } = this
    this.meta ??= tables.metaAtHand(info)
    const { meta } = this
    if (meta === undefined) return tables.needMeta(info, (loaded) => this.enterTable(loaded))
    const { length } = meta.index.handles
    if (seeking && this.blockIndex < 0) {
      const found = meta.index.find(span.reverse ? span.end : span.start)
      this.blockIndex = span.reverse ? Math.min(found, length - 1) : found
    }
    if (this.blockIndex < 0 || this.blockIndex >= length) {
      this.hasEnded = true
      return undefined
    }
    const block = tables.blockAtHand(info, this.blockIndex)
    if (block === undefined) return tables.needBlock(info, meta, this.blockIndex, (loaded) => this.enterBlock(loaded))
    this.enterBlock(block)
    return undefined
  }

  private enterTable(meta: TableMeta): void {
    this.meta = meta
  }

  private enterBlock(block: DataBlock): void {
    const { reverse, start, end } = this.span
    this.block = block
    if (reverse) this.slot = this.seeking ? block.search(end) : block.count
    else this.slot = this.seeking ? block.search(start) - 1 : -1
    this.seeking = false
  }

  private isInside(key: Uint8Array): boolean {
    const { reverse, start, end } = this.span
    return reverse ? compareBytes(key, start) >= 0 : compareBytes(key, end) < 0
  }
}

/** Walks over tables that lie one behind the other, in order, without sharing a key. */
export class RunCursor implements VersionCursor {
  private readonly tables: Tables
  private readonly span: WalkSpan
  /** Those that are left, the next one last. */
  private readonly left: TableInfo[]
  private cursor: TableCursor | undefined

  constructor(tables: Tables, run: readonly TableInfo[], span: WalkSpan) {
    this.tables = tables
    this.span = span
    this.left = run.filter((info) => overlaps(info, span))
    if (!span.reverse) this.left.reverse()
  }

  get entry(): Entry {
    return (this.cursor as TableCursor).entry
  }

  step(): boolean | Need {
    for (;;) {
      if (this.cursor !== undefined) {
        const found = this.cursor.step()
        if (found !== false) return found
      }
      const info = this.left.pop()
      if (info === undefined) return false
      this.cursor = new TableCursor(this.tables, info, this.span)
    }
  }
}

/** True if the two share a key, or could. */
export function overlaps(a: KeySpan, b: KeySpan): boolean {
  return compareBytes(a.start, b.end) < 0 && compareBytes(b.start, a.end) < 0
}
