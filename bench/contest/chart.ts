// The speeds as an SVG bar chart: in every workload the fastest fills the width. Readable on light and dark ground.
import { type Cell, findCell, type ResultRow, type Results } from './results.ts'
import { amount } from './table.ts'

const WIDTH = 760
const LABEL_WIDTH = 180
const BAR_WIDTH = 430
const BAR_HEIGHT = 13
const BAR_STEP = 17
const TITLE_STEP = 24
const GROUP_GAP = 14
const SUBTITLE_STEP = 16

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .small { fill: #57606a }
  .ours { fill: #0969da }
  .peer { fill: #afb8c1 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .ours { fill: #4493f8 }
    .peer { fill: #545d68 }
  }
`

/** What is drawn: rows in which more is better, with a bar for each contestant that has a figure. */
export interface Chart {
  contestants: readonly Pick<Results['contestants'][number], 'id' | 'label' | 'ours'>[]
  rows: readonly ResultRow[]
}

/** @param titles - What it is about, and lines on what was measured where. */
export function chartSvg(
  results: Chart,
  { title, subtitles }: { title: string; subtitles: readonly string[] },
): string {
  const parts = subtitles.map(
    (text, i) => `<text class="small" x="0" y="${14 + i * SUBTITLE_STEP}">${escaped(text)}</text>`,
  )
  let y = (subtitles.length + 1) * SUBTITLE_STEP
  for (const row of results.rows.filter(({ better }) => better === 'more')) {
    parts.push(`<text class="title" x="0" y="${y + 12}">${escaped(`${row.title}, ${row.unit}`)}</text>`)
    y += TITLE_STEP
    const fastest = Math.max(...row.cells.map(({ median }) => median))
    for (const { id, label, ours } of results.contestants) {
      const cell = findCell([row], row.id, id)
      if (cell === undefined) continue
      parts.push(...bar({ cell, row, label, ours, y, share: cell.median / fastest }))
      y += BAR_STEP
    }
    y += GROUP_GAP
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img">`,
    `<title>${escaped(title)}</title><style>${STYLE}</style>`,
    ...parts,
    '</svg>\n',
  ].join('\n')
}

function bar(options: {
  cell: Cell
  row: ResultRow
  label: string
  ours: boolean
  y: number
  share: number
}): string[] {
  const { cell, row, label, ours, y, share } = options
  const width = Math.max(1, Math.round(BAR_WIDTH * share))
  const ratio = cell.ratio === undefined ? '' : ` (${cell.ratio.toFixed(2)}x)`
  const baseline = y + BAR_HEIGHT - 2
  return [
    `<text class="small" x="${LABEL_WIDTH - 8}" y="${baseline}" text-anchor="end">${escaped(label)}</text>`,
    `<rect class="${ours ? 'ours' : 'peer'}" x="${LABEL_WIDTH}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>`,
    `<text x="${LABEL_WIDTH + width + 6}" y="${baseline}">${amount(cell.median, row)}${ratio}</text>`,
  ]
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
