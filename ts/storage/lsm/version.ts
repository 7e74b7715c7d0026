// Which tables make up the store: a value that never changes. Flushes and compactions make the next one.
import { compareBytes } from '../compare.ts'
import type { KeySpan } from './internal-key.ts'
import { overlaps } from './table-cursor.ts'
import type { TableInfo } from './table-format.ts'
import { MAX_LEVELS } from './types.ts'

/** What makes a version of another one. */
export interface VersionEdit {
  /** Tables by number. */
  readonly removed: ReadonlySet<number>
  readonly added: readonly { level: number; table: TableInfo }[]
}

/**
 * Level 0: tables that may overlap, the newest first. Every other level: tables in the order of their keys, without overlap,
 * all older than what the levels above hold of the same keys.
 */
export class Version {
  readonly levels: readonly (readonly TableInfo[])[]
  /** Tables that are part of the store but not yet of any level: the manifest does not name them. */
  readonly pending: readonly TableInfo[]
  /** What can be searched and walked as one: each table of level 0, and each other level. The newest first. */
  readonly runs: readonly (readonly TableInfo[])[]

  constructor(levels: readonly (readonly TableInfo[])[], pending: readonly TableInfo[] = []) {
    const [newest = [], ...others] = levels
    this.levels = levels
    this.pending = pending
    this.runs = [...newest.map((table) => [table]), ...others.filter((level) => level.length > 0)]
  }

  static readonly empty = new Version(Array.from({ length: MAX_LEVELS }, () => []))

  get tables(): TableInfo[] {
    return this.levels.flat()
  }

  /** Every table whose file must not go. */
  get files(): TableInfo[] {
    return [...this.tables, ...this.pending]
  }

  /** What is added is no longer pending. */
  with({ removed, added }: VersionEdit): Version {
    const levels = this.levels.map((tables, level) => {
      const kept = tables.filter(({ number }) => !removed.has(number))
      const all = [...kept, ...added.filter((each) => each.level === level).map(({ table }) => table)]
      return all.sort(level === 0 ? newestFirst : byKey)
    })
    const numbers = new Set(added.map(({ table }) => table.number))
    return new Version(
      levels,
      this.pending.filter(({ number }) => !numbers.has(number)),
    )
  }

  withPending(tables: readonly TableInfo[]): Version {
    return new Version(this.levels, [...this.pending, ...tables])
  }

  /** The tables of `level` that share a key with `span`, or could. */
  overlapping(level: number, span: KeySpan): TableInfo[] {
    return (this.levels[level] as readonly TableInfo[]).filter((table) => overlaps(table, span))
  }
}

/** The one table of a sorted run that could hold `key`. */
export function tableFor(run: readonly TableInfo[], key: Uint8Array): TableInfo | undefined {
  let low = 0
  let high = run.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareBytes((run[middle] as TableInfo).end, key) <= 0) low = middle + 1
    else high = middle
  }
  const found = run[low]
  return found !== undefined && compareBytes(found.start, key) <= 0 ? found : undefined
}

/** The least span that holds all of `tables`, which are some. */
export function spanOfTables(tables: readonly KeySpan[]): KeySpan {
  let { start, end } = tables[0] as KeySpan
  for (const table of tables) {
    if (compareBytes(table.start, start) < 0) start = table.start
    if (compareBytes(table.end, end) > 0) end = table.end
  }
  return { start, end }
}

function newestFirst(a: TableInfo, b: TableInfo): number {
  return b.maxSequence - a.maxSequence
}

function byKey(a: TableInfo, b: TableInfo): number {
  return compareBytes(a.start, b.start)
}
