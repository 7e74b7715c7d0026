// What the native engine is meant to reach, as ratios within one run.
import { findCell, type ResultRow, ratioOf } from './results.ts'

interface Goal {
  row: string
  /** The contestant, and its row if another, that ours is divided by. */
  against: string
  againstRow?: string
  atLeast?: number
  atMost?: number
}

const NATIVE = 'native'

const GOALS: readonly Goal[] = [
  { row: 'get', against: 'lmdb', atLeast: 2 },
  { row: 'get-shared', against: 'lmdb', atLeast: 1.5 },
  { row: 'get-many', against: 'lmdb', atLeast: 4 },
  { row: 'range-100', against: 'lmdb', atLeast: 5 },
  { row: 'scan', against: 'lmdb', atLeast: 5 },
  { row: 'fill-random', against: 'lmdb-nosync', atLeast: 2.5 },
  { row: 'durable-64', against: 'lmdb', atLeast: 2 },
  { row: 'durable-1', against: 'raw', atLeast: 1 / 1.3 },
  { row: 'size-data', against: 'lmdb', againstRow: 'size-closed', atMost: 1 },
  { row: 'size-compacted', against: 'lmdb', againstRow: 'size-closed', atMost: 0.7 },
  { row: 'size-peak', against: 'lmdb', againstRow: 'size-closed', atMost: 2.2 },
  { row: 'get', against: 'twin', atLeast: 3 },
  { row: 'fill-random', against: 'twin', atLeast: 3 },
]

/** What an open store may take beside its cache. */
const MEMORY_BESIDE_CACHE_BYTES = 64 * 1024 * 1024
const MEMORY_ROWS = ['rss-fill', 'rss-get']

export interface GoalOutcome {
  row: string
  against: string
  wanted: string
  ratio: number
  reached: boolean
}

/** How the native engine did; empty where it did not run. */
export function checkGoals(rows: readonly ResultRow[], cacheBytes: number): GoalOutcome[] {
  return [...checkRatios(rows), ...checkMemory(rows, cacheBytes + MEMORY_BESIDE_CACHE_BYTES)]
}

function checkRatios(rows: readonly ResultRow[]): GoalOutcome[] {
  return GOALS.flatMap((goal) => {
    const { row, against, againstRow = row, atLeast, atMost } = goal
    const ratio = ratioOf(findCell(rows, row, NATIVE), findCell(rows, againstRow, against))
    if (ratio === undefined) return []
    const reached = atLeast === undefined ? ratio <= atMost! : ratio >= atLeast
    const wanted = atLeast === undefined ? `<= ${atMost}x` : `>= ${Number(atLeast.toFixed(2))}x`
    return [{ row, against, wanted, ratio, reached }]
  })
}

function checkMemory(rows: readonly ResultRow[], limitBytes: number): GoalOutcome[] {
  return MEMORY_ROWS.flatMap((row) => {
    const cell = findCell(rows, row, NATIVE)
    if (cell === undefined) return []
    const ratio = cell.median / limitBytes
    return [{ row, against: 'its cache + 64 MiB', wanted: '<= 1x', ratio, reached: ratio <= 1 }]
  })
}

/** The rows in which one of ours is behind its reference. */
export function lostRows(rows: readonly ResultRow[], contestant: string): ResultRow[] {
  return rows.filter((row) => {
    const ratio = findCell([row], row.id, contestant)?.ratio
    return ratio !== undefined && (row.better === 'more' ? ratio < 1 : ratio > 1)
  })
}
