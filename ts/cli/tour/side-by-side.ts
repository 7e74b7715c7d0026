// The stop where the same data goes into a store of the other engine, and the two are set side by side.
import { closing } from '../kit/closing.ts'
import type { Interrupt } from '../kit/interrupt.ts'
import { formatBytes, formatNumber } from '../kit/text.ts'
import { loadCities } from './cities.ts'
import { type ImportCost, type ImportResult, importCities } from './import.ts'
import { examineStore, type KillResult, runUntilKilled, summariseSurvival } from './kill.ts'
import { forgetOrders } from './orders.ts'
import type { Report } from './report.ts'
import { measureSpeed, type SpeedResult } from './speed.ts'
import { dataBytesOf, openTourStore, settle, type TourStore } from './tour-store.ts'

/** What is set side by side. */
export interface Side {
  engine: 'native' | 'typescript'
  cost?: ImportCost
  /** On disk, without the log. */
  dataBytes: number
  speed: SpeedResult
}

/** What the stop did. */
export interface LsmResult extends Side {
  path: string
  import: ImportResult
  kill: KillResult
  /** Levels that hold tables. */
  levels: { level: number; tables: number; bytes: number }[]
}

/** Imports the cities into the LSM store at `path`, kills a writer of it, and measures it. */
export async function visitLsm(visit: {
  path: string
  fresh: boolean
  report: Report
  interrupt: Interrupt
}): Promise<LsmResult> {
  const { path, report, interrupt } = visit
  const imported = await closing(await openTourStore('lsm', path, true), async (store) => {
    const result = await importCities(store, { ...visit, load: loadCities })
    await forgetOrders(store)
    interrupt.check()
    return result
  })
  const lastWords = await runUntilKilled('lsm', path, interrupt)
  const startedAt = performance.now()
  return closing(await openTourStore('lsm', path), async (store) => {
    const reopenMs = performance.now() - startedAt
    const kill = await examineStore(store, lastWords, {
      reopenMs,
      describe: (result) => summariseSurvival(result, report),
    })
    const speed = await measureSpeed(store, interrupt)
    await settle(store)
    const stats = store.stats()
    const levels = 'levels' in stats ? stats.levels.map(({ level, tables, bytes }) => ({ level, tables, bytes })) : []
    return { path, import: imported, kill, levels, ...sideOf(store, imported, speed) }
  })
}

/** What is set beside another engine of a store that is open and has settled. */
export function sideOf(store: TourStore, { cost }: ImportResult, speed: SpeedResult): Side {
  const dataBytes = dataBytesOf(store)
  return { engine: store.stats().engine, dataBytes, speed, ...(cost !== undefined && { cost }) }
}

/** Prints two sides in a table. */
export async function compareSides(btree: Side, lsm: Side, report: Report): Promise<void> {
  const row = (what: string, figure: (side: Side) => string | undefined, remark = ''): string[][] => {
    const [ours, theirs] = [figure(btree), figure(lsm)]
    return ours === undefined || theirs === undefined ? [] : [[what, ours, theirs, remark]]
  }
  report.line()
  report.table([
    ['', `B-tree (${languageOf(btree)})`, `LSM (${languageOf(lsm)})`, ''],
    ...row('import', ({ cost }) => cost && `${cost.seconds.toFixed(1)} s`, 'the first one, everything in its place'),
    ...row('on disk', ({ dataBytes }) => formatBytes(dataBytes), 'without the log'),
    ...row('written to disk', writtenPerByte, 'by the import, its log included, for each byte of data'),
    ...row('random gets', ({ speed }) => formatNumber(speed.randomGets), 'a second, from the cache'),
    ...row('range entries', ({ speed }) => formatNumber(speed.rangeEntries), 'a second, all cities in order'),
    ...row(
      'durable puts',
      ({ speed }) => formatNumber(speed.durablePuts.at(-1)?.perSecond ?? 0),
      'a second, 64 writers',
    ),
  ])
  await report.shown()
}

function writtenPerByte({ cost }: Side): string | undefined {
  return cost && cost.writtenBytes > 0 ? `${(cost.writtenBytes / cost.contentBytes).toFixed(1)} bytes` : undefined
}

function languageOf({ engine }: Side): string {
  return engine === 'native' ? 'C++' : 'TypeScript'
}
