// lsmstore watch: the levels of a store while its owner writes. It never takes the store's lock, so it disturbs nobody: the
// owner's `stats.json` tells all, and of a store that nobody has open, the manifest tells the tables.
import { setTimeout } from 'node:timers/promises'
import type { LsmStats } from '../../storage/lsm/index.ts'
import { type Interrupt, interruptible } from '../kit/interrupt.ts'
import type { Output } from '../kit/output.ts'
import { paint } from '../kit/style.ts'
import { formatBytes, formatNumber, plural } from '../kit/text.ts'
import type { Context } from '../ordered/context.ts'
import { ownersFigures } from '../ordered/owners-figures.ts'
import { levelsOnDisk } from './levels.ts'
import type { LsmBytes } from './store.ts'

export interface WatchArguments {
  intervalMs: number
  count?: number
}

/** What one look saw. */
interface Look {
  readonly levels: LsmStats['levels']
  /** Figures of the process that has the store open; undefined if none has. */
  readonly owner?: LsmStats
  readonly writtenAt?: string
}

const BAR_CELLS = 24
/** Bytes of which a bar shows the first cell; each further cell stands for three quarters more. */
const CELL_BYTES = 4096
const CELL_RATIO = 1.75

/** Shows the levels at once and whenever they have changed; at a terminal in place. */
export async function watch(
  { options, out }: Context<LsmBytes>,
  path: string,
  { intervalMs, count = Number.POSITIVE_INFINITY }: WatchArguments,
): Promise<void> {
  const show = options.json === true ? showJson : process.stdout.isTTY ? inPlace() : showLine
  await interruptible(async (interrupt) => {
    for (let look = 0; look < count; look++) {
      if (look > 0) await pause(intervalMs, interrupt)
      await show(lookAt(path), out)
    }
  })
}

/** Looks at the store at `path`. @throws NOT_FOUND, CORRUPTION, INCOMPATIBLE */
function lookAt(path: string): Look {
  const reported = ownersFigures<LsmStats>(path)
  if (reported === undefined) return { levels: levelsOnDisk(path) }
  const { stats, writtenAt } = reported
  return { levels: stats.levels, owner: stats, ...(writtenAt !== undefined && { writtenAt }) }
}

async function pause(ms: number, interrupt: Interrupt): Promise<void> {
  await setTimeout(ms, undefined, { signal: interrupt.signal }).catch(() => interrupt.check())
}

type Show = (look: Look, out: Output) => Promise<void>

const showJson: Show = async (look, out) => {
  await out.line(JSON.stringify(look))
  await out.flush()
}

const showLine: Show = async ({ levels, owner }, out) => {
  const tables = levels.map(({ level, tables, bytes }) => `L${level} ${tables} (${formatBytes(bytes)})`)
  await out.line([tables.join('  ') || 'no tables', ...(owner === undefined ? ['closed'] : [work(owner)])].join('  '))
  await out.flush()
}

/** Draws over what was drawn before. */
function inPlace(): Show {
  let drawn = 0
  return async (look, out) => {
    const lines = [...drawing(look)]
    const back = drawn === 0 ? '' : `\u001b[${drawn}A`
    await out.write([back, ...lines.map((line) => `\u001b[2K${line}\n`), '\u001b[J'].join(''))
    await out.flush()
    drawn = lines.length
  }
}

/** A line for memory and for each level down to the last that holds something. */
function* drawing({ levels, owner, writtenAt }: Look): Generator<string> {
  const style = paint(process.stdout)
  if (owner !== undefined) {
    const { bytes, frozen } = owner.memtable
    const waiting = frozen === 0 ? '' : `, ${plural(frozen, 'memtable')} waiting for a flush`
    yield row('memory', bar(bytes), formatBytes(bytes) + waiting)
  }
  const last = levels.at(-1)?.level ?? 0
  for (let level = 0; level <= last; level++) {
    const { tables = 0, bytes = 0 } = levels.find((each) => each.level === level) ?? {}
    yield row(`level ${level}`, bar(bytes), `${formatBytes(bytes)} in ${plural(tables, 'table')}`)
  }
  if (owner === undefined) yield style('dim', 'no process has it open')
  else yield style('dim', `${work(owner)}; as of ${writtenAt ?? 'an unknown time'}`)
}

function row(name: string, cells: string, text: string): string {
  return `${name.padEnd(8)} ${cells} ${text}`
}

function work({ flushes, compactions, stalls }: LsmStats): string {
  const parts = [plural(flushes, 'flush', 'flushes'), plural(compactions, 'compaction')]
  if (stalls.count > 0) parts.push(`${plural(stalls.count, 'stall')} of ${formatNumber(Math.round(stalls.totalMs))} ms`)
  return parts.join(', ')
}

/** Longer with more bytes, by their logarithm: levels differ tenfold. */
function bar(bytes: number): string {
  const cells = bytes === 0 ? 0 : Math.ceil(Math.log(Math.max(1, bytes / CELL_BYTES)) / Math.log(CELL_RATIO)) + 1
  return '█'.repeat(Math.min(cells, BAR_CELLS)).padEnd(BAR_CELLS, '·')
}
