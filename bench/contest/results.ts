// From the outcomes of all turns to medians, spreads and ratios.
import { type Contestant, EMPTY, type Outcome, type Row, type Scale } from './types.ts'

/** One figure of one contestant. Bytes or operations a second. */
export interface Cell {
  contestant: string
  /** One for each turn. */
  samples: number[]
  median: number
  /** All samples lie within this part of the median, e.g. 0.02 for 2 %. */
  spread: number
  /** The median of the turns' ratios to the reference; absent if the reference has no figure. */
  ratio?: number
}

export interface ResultRow {
  id: string
  title: string
  unit: string
  better: Row['better']
  reference: { contestant: string; row: string }
  cells: Cell[]
}

/** Something that has no figure, and why. */
export interface LeftOut {
  contestant: string
  /** Absent: all of them. */
  task?: string
  reason: string
}

/** What one run of the benchmark found. */
export interface Results {
  scale: Scale & { turns: number; keyBytes: number; valueBytes: number }
  contestants: (Pick<Contestant, 'id' | 'label' | 'ours' | 'modes'> & { version: string })[]
  rows: ResultRow[]
  leftOut: LeftOut[]
}

/** The outcomes of one turn, by contestant and task. */
export type Turn = Map<string, Map<string, Outcome>>

export function summarise(
  turns: readonly Turn[],
  { contestants, rows: wanted }: { contestants: readonly Contestant[]; rows: readonly Row[] },
): ResultRow[] {
  const rows = wanted
    .map((row) => {
      const { id, title, unit, better } = row
      const reference = { contestant: row.reference.contestant, row: row.reference.row ?? id }
      const cells = contestants.flatMap(({ id: contestant }) => {
        const samples = turns.map((turn) => sample(turn, contestant, row)).filter((value) => value !== undefined)
        return samples.length === 0 ? [] : [{ contestant, samples, ...middle(samples) }]
      })
      return { id, title, unit, better, reference, cells }
    })
    .filter(({ cells }) => cells.length > 0)
  return rows.map((row) => ({ ...row, cells: row.cells.map((cell) => withRatio(cell, row, rows)) }))
}

function sample(turn: Turn, contestant: string, row: Row): number | undefined {
  const outcomes = turn.get(contestant)
  const outcome = outcomes?.get(row.task)
  return outcome === undefined ? undefined : row.value(outcome, outcomes?.get(EMPTY))
}

function withRatio(cell: Cell, row: ResultRow, rows: readonly ResultRow[]): Cell {
  const ratio = ratioOf(cell, findCell(rows, row.reference.row, row.reference.contestant))
  return ratio === undefined ? cell : { ...cell, ratio }
}

/** The median of the ratios turn by turn: what slowed a whole turn slowed both. */
export function ratioOf(cell: Cell | undefined, reference: Cell | undefined): number | undefined {
  if (cell === undefined || reference === undefined) return undefined
  if (cell.samples.length !== reference.samples.length) return divide(cell.median, reference.median)
  const ratios = cell.samples.map((value, turn) => divide(value, reference.samples[turn]!))
  return ratios.some((ratio) => ratio === undefined) ? undefined : middle(ratios as number[]).median
}

function divide(value: number, by: number): number | undefined {
  return by > 0 ? value / by : undefined
}

export function findCell(rows: readonly ResultRow[], row: string, contestant: string): Cell | undefined {
  return rows.find(({ id }) => id === row)?.cells.find((cell) => cell.contestant === contestant)
}

function middle(samples: readonly number[]): { median: number; spread: number } {
  const sorted = samples.toSorted((a, b) => a - b)
  const half = sorted.length / 2
  const median = (sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2
  const farthest = Math.max(median - sorted[0]!, sorted.at(-1)! - median)
  return { median, spread: median > 0 ? farthest / median : 0 }
}
