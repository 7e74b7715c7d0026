// What the tour prints for people: titles, lines, aligned tables. With --json nobody reads it and it is dropped.
import type { Output } from '../kit/output.ts'
import { paint } from '../kit/style.ts'

const INDENT = '   '
const GAP = '   '
const FIGURE = /^-?[\d,.]+$/

export class Report {
  private readonly out: Output | undefined
  private readonly style = paint(process.stdout)
  private stops = 0
  private lines: string[] = []

  /** @param out - Where to print; undefined to drop everything. */
  constructor(out: Output | undefined) {
    this.out = out
  }

  /** The line above everything. */
  heading(text: string): void {
    this.lines.push(text)
  }

  /** Begins a stop of the tour. */
  title(text: string): Promise<void> {
    this.lines.push(`\n${this.style('bold', `${++this.stops}  ${text}`)}`)
    return this.shown()
  }

  line(text = ''): void {
    this.lines.push(text === '' ? '' : INDENT + text)
  }

  /** A line that matters less than what it explains. */
  aside(text: string): void {
    this.line(this.style('dim', text))
  }

  /** A line that says that something is as it should be. */
  good(text: string): void {
    this.line(this.style('green', text))
  }

  /** Rows with their columns aligned: those of figures to the right. */
  table(rows: readonly (readonly string[])[]): void {
    const columns = (rows[0] ?? []).map((_, column) => {
      const cells = rows.map((row) => row[column] ?? '')
      // The first row may be a heading.
      return { width: Math.max(...cells.map(widthOf)), isFigures: cells.slice(1).every((cell) => FIGURE.test(cell)) }
    })
    for (const row of rows) {
      const cells = columns.map(({ width, isFigures }, column) => {
        const cell = row[column] ?? ''
        const space = ' '.repeat(width - widthOf(cell))
        return isFigures ? space + cell : cell + space
      })
      this.line(INDENT + cells.join(GAP).trimEnd())
    }
  }

  /** Resolves once everything so far has been handed on. @throws ReaderGone */
  async shown(): Promise<void> {
    for (const line of this.lines.splice(0)) await this.out?.line(line)
    await this.out?.flush()
  }
}

function widthOf(text: string): number {
  return [...text.normalize('NFC')].length
}

/** For JSON: `value` with so many digits behind the point. */
export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
