// What one engine of ours is meant to reach, as ratios within one run, and where ours are behind.
import { findCell, type ResultRow, ratioOf } from './results.ts'

/** A ratio that is wanted: of a row of ours to a row of somebody else. */
export interface Goal {
  row: string
  /** The contestant, and its row if another, that ours is divided by. */
  against: string
  againstRow?: string
  atLeast?: number
  atMost?: number
}

export interface GoalOutcome {
  row: string
  against: string
  wanted: string
  ratio: number
  reached: boolean
}

/** How `contestant` did; a goal without figures is left out. */
export function checkRatios(rows: readonly ResultRow[], goals: readonly Goal[], contestant: string): GoalOutcome[] {
  return goals.flatMap((goal) => {
    const { row, against, againstRow = row, atLeast, atMost } = goal
    const ratio = ratioOf(findCell(rows, row, contestant), findCell(rows, againstRow, against))
    if (ratio === undefined) return []
    const reached = atLeast === undefined ? ratio <= atMost! : ratio >= atLeast
    const wanted = atLeast === undefined ? `<= ${atMost}x` : `>= ${Number(atLeast.toFixed(2))}x`
    return [{ row, against, wanted, ratio, reached }]
  })
}

/** The rows in which one of ours is behind its reference. */
export function lostRows(rows: readonly ResultRow[], contestant: string): ResultRow[] {
  return rows.filter((row) => {
    const ratio = findCell([row], row.id, contestant)?.ratio
    return ratio !== undefined && (row.better === 'more' ? ratio < 1 : ratio > 1)
  })
}
