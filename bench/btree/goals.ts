// What the native engine is meant to reach.
import { checkRatios, type Goal, type GoalOutcome } from '../contest/goals.ts'
import { findCell, type ResultRow } from '../contest/results.ts'

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

/** How the native engine did; empty where it did not run. */
export function checkGoals(rows: readonly ResultRow[], cacheBytes: number): GoalOutcome[] {
  return [...checkRatios(rows, GOALS, NATIVE), ...checkMemory(rows, cacheBytes + MEMORY_BESIDE_CACHE_BYTES)]
}

function checkMemory(rows: readonly ResultRow[], limitBytes: number): GoalOutcome[] {
  return MEMORY_ROWS.flatMap((row) => {
    const cell = findCell(rows, row, NATIVE)
    if (cell === undefined) return []
    const ratio = cell.median / limitBytes
    return [{ row, against: 'its cache + 64 MiB', wanted: '<= 1x', ratio, reached: ratio <= 1 }]
  })
}
