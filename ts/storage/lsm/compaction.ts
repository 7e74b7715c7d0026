// Which tables to merge next, or to drop.
//
// Leveled (O'Neil et al., "The Log-Structured Merge-Tree", 1996; the levels are LevelDB's): every level but the first is sorted
// and some times as large as the one above, so that a merge moves each byte about that often a level.
// Tiered: tables of about one size become one of the next size; all stay in level 0.
// FIFO: nothing is merged; the oldest tables go.
import { compareBytes } from '../compare.ts'
import type { KeySpan } from './internal-key.ts'
import { overlaps } from './table-cursor.ts'
import type { TableInfo } from './table-format.ts'
import { type CompactionStyle, LEVEL_RATIO, MAX_LEVELS } from './types.ts'
import { spanOfTables, type Version } from './version.ts'

/** What is to be done with tables: merged into `level`, moved there as they are, or dropped. */
export interface Compaction {
  readonly kind: 'merge' | 'move' | 'drop'
  readonly level: number
  readonly inputs: readonly TableInfo[]
  /** Runs that hold older versions than the inputs. */
  readonly older: readonly (readonly TableInfo[])[]
}

/** How a store merges; it keeps that for good. */
export interface CompactionPlan {
  readonly style: CompactionStyle
  /** Only `fifo`: milliseconds after which a table is dropped; 0: never. */
  readonly ttlMs: number
  /** Only `fifo`: bytes of tables; 0: no bound. */
  readonly maxBytes: number
}

/** When there are too many tables. */
export interface CompactionLimits {
  /** Of level 0; of one size, in a tiered store. */
  readonly level0Tables: number
  /** Bytes of level 1. */
  readonly levelBytes: number
}

/** Flushes wait for merges once level 0 has so many times the tables that make a merge due. */
const CROWD = 8
/** A table is small if level 1 may have more than so many of its size. */
const SMALL_TABLES = 64
/** Tables of a tiered store beyond which some are merged whatever their sizes are, for each one of `level0Tables`. */
const MAX_TIERS = 4

/** What is most due, if anything is. @param now - Milliseconds since 1970. */
export function pickCompaction(
  version: Version,
  plan: CompactionPlan,
  limits: CompactionLimits,
  now: number,
): Compaction | undefined {
  switch (plan.style) {
    case 'leveled':
      return pickLevel(version, limits)
    case 'tiered':
      return pickTier(version, limits)
    case 'fifo':
      return pickOldest(version, plan, now)
  }
}

/** True if flushes must wait for merges: reads look at each table of level 0, and merges would never catch up. */
export function isCrowded({ levels }: Version, { style }: CompactionPlan, { level0Tables }: CompactionLimits): boolean {
  const [newest = []] = levels
  return style !== 'fifo' && newest.length >= CROWD * Math.max(2, level0Tables)
}

/**
 * About how many bytes merges will have to read before nothing is due any more: what is too much of each level goes down, and
 * takes its share of the next one along.
 */
export function debtOf({ levels }: Version, { style }: CompactionPlan, limits: CompactionLimits): number {
  if (style === 'fifo') return 0
  const sizes = levels.map(bytesOf)
  const newest = levels[0] as readonly TableInfo[]
  if (style === 'tiered')
    return newest.length >= MAX_TIERS * Math.max(2, limits.level0Tables) ? (sizes[0] as number) : 0
  let debt = 0
  let carried = 0
  for (let level = 0; level < MAX_LEVELS - 1; level++) {
    const size = (sizes[level] as number) + carried
    const isDue = level === 0 ? newest.length >= limits.level0Tables : size > bytesAllowed(level, limits)
    carried = isDue ? size - (level === 0 ? 0 : bytesAllowed(level, limits)) : 0
    if (carried > 0) debt += carried + ((sizes[level + 1] as number) * carried) / size
  }
  return Math.ceil(debt)
}

/** All that there is of the keys in `span` into one level, or one table. @returns undefined if there is nothing to merge. */
export function compactionOf(
  span: KeySpan,
  version: Version,
  plan: CompactionPlan,
  limits: CompactionLimits,
  now: number,
): Compaction | undefined {
  switch (plan.style) {
    case 'leveled':
      return levelsOver(span, version, limits)
    case 'tiered':
      return neighboursOver(span, version)
    case 'fifo':
      return pickOldest(version, plan, now)
  }
}

// -- leveled ----------------------------------------------------------------------------------------------------------

function pickLevel(version: Version, limits: CompactionLimits): Compaction | undefined {
  let worst: number | undefined
  let worstScore = 1
  for (let level = 0; level < MAX_LEVELS - 1; level++) {
    const score = fullness(version, level, limits)
    if (score < worstScore || (score === worstScore && worst !== undefined)) continue
    worst = level
    worstScore = score
  }
  if (worst === undefined) return undefined
  return worst === 0 ? intoLevel1(version, limits) : downwards(version, worst)
}

/** How full a level is; 1 and more is too full. */
function fullness({ levels }: Version, level: number, limits: CompactionLimits): number {
  const tables = levels[level] as readonly TableInfo[]
  return level === 0 ? tables.length / limits.level0Tables : bytesOf(tables) / bytesAllowed(level, limits)
}

function bytesAllowed(level: number, { levelBytes }: CompactionLimits): number {
  return levelBytes * LEVEL_RATIO ** (level - 1)
}

/**
 * All of level 0: what stayed behind could be older than what went. Small tables are not moved but merged, and with small
 * neighbours: whoever opens a store for one write leaves one table each time, and nobody wants a million of them.
 */
function intoLevel1(version: Version, { levelBytes }: CompactionLimits): Compaction {
  const [newest = [], next = []] = version.levels
  const isSmall = ({ fileBytes }: TableInfo): boolean => fileBytes < levelBytes / SMALL_TABLES
  const span = spanOfTables(newest)
  const isBefore = (table: TableInfo): boolean => compareBytes(table.end, span.start) <= 0
  const below = version.overlapping(1, span)
  const first = next.findLastIndex(isBefore) + 1
  const beside = [next[first - 1], next[first + below.length]].filter((table) => table !== undefined).filter(isSmall)
  const isMove = below.length + beside.length === 0 && areApart(newest) && !newest.some(isSmall)
  const inputs = [...newest, ...below, ...beside]
  return { kind: isMove ? 'move' : 'merge', level: 1, inputs, older: version.levels.slice(2) }
}

/** The table of a level that drags along the least of the next one, for its own size. */
function downwards(version: Version, level: number): Compaction {
  let best: { table: TableInfo; below: readonly TableInfo[]; cost: number } | undefined
  for (const table of version.levels[level] as readonly TableInfo[]) {
    const below = version.overlapping(level + 1, table)
    const cost = bytesOf(below) / table.fileBytes
    if (best === undefined || cost < best.cost) best = { table, below, cost }
  }
  const { table, below } = best as NonNullable<typeof best>
  const kind = below.length === 0 ? 'move' : 'merge'
  return { kind, level: level + 1, inputs: [table, ...below], older: version.levels.slice(level + 2) }
}

/** From the top down, what overlaps what was taken so far goes along: nothing older of a key may stay above it. */
function levelsOver(span: KeySpan, version: Version, limits: CompactionLimits): Compaction | undefined {
  const inputs: TableInfo[] = []
  let reach = span
  let level = 1
  for (const [at, tables] of version.levels.entries()) {
    const own = version.overlapping(at, reach)
    if (own.length === 0) continue
    const taken = at === 0 ? tables : own // tables of level 0 overlap each other
    inputs.push(...taken)
    reach = spanOfTables([reach, ...taken])
    level = Math.max(level, at)
  }
  if (inputs.length === 0) return undefined
  while (level < MAX_LEVELS - 1 && bytesOf(inputs) > bytesAllowed(level, limits)) level++
  return { kind: 'merge', level, inputs, older: version.levels.slice(level + 1) }
}

function areApart(tables: readonly KeySpan[]): boolean {
  return tables.every((table, i) => tables.every((other, j) => i === j || !overlaps(table, other)))
}

// -- tiered -----------------------------------------------------------------------------------------------------------

/** Neighbours in age, none of which is larger than the newer ones of them together; or the newest, if there are too many. */
function pickTier(version: Version, { level0Tables }: CompactionLimits): Compaction | undefined {
  const tables = version.levels[0] as readonly TableInfo[]
  const least = Math.max(2, level0Tables)
  for (let first = 0; first + least <= tables.length; first++) {
    let end = first + 1
    let bytes = (tables[first] as TableInfo).fileBytes
    for (let next = tables[end]; next !== undefined && next.fileBytes <= 2 * bytes; next = tables[++end])
      bytes += next.fileBytes
    if (end - first >= least) return mergeOfTier(tables, first, end)
  }
  const excess = tables.length - MAX_TIERS * least
  return excess > 0 ? mergeOfTier(tables, 0, excess + 1) : undefined
}

function neighboursOver(span: KeySpan, { levels }: Version): Compaction | undefined {
  const tables = levels[0] as readonly TableInfo[]
  const first = tables.findIndex((table) => overlaps(table, span))
  const last = tables.findLastIndex((table) => overlaps(table, span))
  return first < 0 ? undefined : mergeOfTier(tables, first, last + 1)
}

function mergeOfTier(tables: readonly TableInfo[], first: number, end: number): Compaction {
  const older = tables.slice(end).map((table) => [table])
  return { kind: 'merge', level: 0, inputs: tables.slice(first, end), older }
}

// -- first in, first out ----------------------------------------------------------------------------------------------

/** What is too old, and what is too much. Whatever is older than a table that goes, goes with it. */
function pickOldest(version: Version, { ttlMs, maxBytes }: CompactionPlan, now: number): Compaction | undefined {
  const tables = version.levels[0] as readonly TableInfo[]
  let bytes = 0
  const first = tables.findIndex((table, i) => {
    bytes += table.fileBytes
    return (maxBytes > 0 && bytes > maxBytes && i > 0) || (ttlMs > 0 && now - bornBy(tables, i) >= ttlMs)
  })
  return first < 0 ? undefined : { kind: 'drop', level: 0, inputs: tables.slice(first), older: [] }
}

/** When the next table of a FIFO store has to go; undefined if none ever has. */
export function nextExpiryMs(version: Version, { style, ttlMs }: CompactionPlan): number | undefined {
  const tables = version.levels[0] as readonly TableInfo[]
  return style !== 'fifo' || ttlMs === 0 || tables.length === 0 ? undefined : bornBy(tables, tables.length - 1) + ttlMs
}

/**
 * When a table was made at the latest. A clock that was ahead for a while has dated some tables too late: they are no younger
 * than those that came after them.
 */
function bornBy(tables: readonly TableInfo[], index: number): number {
  return Math.min(...tables.slice(0, index + 1).map(({ createdAtMs }) => createdAtMs))
}

export function bytesOf(tables: readonly TableInfo[]): number {
  return tables.reduce((sum, { fileBytes }) => sum + fileBytes, 0)
}
