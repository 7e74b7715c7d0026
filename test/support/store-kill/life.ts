// The life of one store on the real disk: its writers are killed one after the other, and after each the store is opened
// and compared with what that writer had said.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import type { Durability } from '../../../ts/storage/log/types.ts'
import { must } from '../btree-crash/expectation.ts'
import { contentOf, difference, Model, type Trees } from '../btree-crash/model.ts'
import { killAfterReports } from '../kill-after-reports.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { applyStep, loadOf, type Report, type Step, stepAt, stepOf, type WriterOrders } from './plan.ts'
import { type KilledStore, type Kind, openKilled } from './stores.ts'

const WRITER = fileURLToPath(new URL('./writer.ts', import.meta.url))
/** One store after the other goes through them. */
const LEVELS: readonly Durability[] = ['sync', 'memory', 'os', { intervalMs: 5 }]
const ROUNDS = 4
/** A writer is killed after so many reports at most, seldom after so many. */
const MOST_REPORTS = 350
/** It never gets so far. */
const ENDLESS_STEPS = 100_000

/** What was done and found. */
export interface Tally {
  kills: number
  killsWhileOpening: number
  /** Killed in one engine, opened in the other. */
  crossings: number
  acknowledgedSteps: number
  /** Steps that were found though nobody had been told. */
  moreThanPromised: number
  /** Work under way at a kill, and finished before. */
  interruptedWork: number
  finishedWork: number
}

export function newTally(): Tally {
  return {
    kills: 0,
    killsWhileOpening: 0,
    crossings: 0,
    acknowledgedSteps: 0,
    moreThanPromised: 0,
    interruptedWork: 0,
    finishedWork: 0,
  }
}

/**
 * Lives the life of seed `seed` of a store of that kind. @throws Violation if the store breaks its word.
 * @param engines - Values of the option `native` that can be had.
 */
export async function liveOnce(kind: Kind, seed: number, engines: readonly boolean[], tally: Tally): Promise<void> {
  const directory = temporaryDirectory()
  try {
    const life = new Life({ kind, path: join(directory.path, 'store'), seed, engines, tally })
    for (let round = 0; round < ROUNDS; round++) await life.round(round)
  } finally {
    directory.remove()
  }
}

interface LifeOptions {
  kind: Kind
  path: string
  seed: number
  engines: readonly boolean[]
  tally: Tally
}

/** What a writer did, in the order of its commits. */
interface Deeds {
  events: readonly ({ step: Step; number: number } | { load: string; number: number })[]
  /** So many events must be there. */
  floor: number
  /** A load that was not acknowledged, and where among the events it began: it is there or not. */
  openLoad: { tree: string; number: number; at: number } | undefined
  acknowledged: number
  isWorking: boolean
  finishedWork: number
}

class Life {
  private readonly options: LifeOptions
  private readonly random: Random
  private readonly durability: Durability
  /** What the store holds between two rounds. */
  private trees: Trees = new Map()
  private firstStep = 0

  constructor(options: LifeOptions) {
    this.options = options
    this.random = seededRandom(options.seed)
    this.durability = LEVELS[options.seed % LEVELS.length] as Durability
  }

  /** Runs a writer until it is killed, at times another that is killed while it recovers, and looks what is there. */
  async round(round: number): Promise<void> {
    const { kind, seed, path, tally } = this.options
    const native = this.engine()
    const orders = { kind, path, seed, firstStep: this.firstStep, durability: this.durability, native }
    const reports = await this.kill(
      { ...orders, steps: ENDLESS_STEPS },
      1 + Math.floor(this.random.next() ** 2 * MOST_REPORTS),
    )
    const deeds = deedsOf(reports, seed, this.durability)
    const begun = reports.flatMap((report) => (report.say === 'begin' ? [report.step] : []))
    this.firstStep = Math.max(this.firstStep, ...begun.map((step) => step + 1))
    if (this.random.next() < 0.4) {
      await this.kill({ ...orders, native: this.engine(), steps: 0 }, this.random.next() < 0.7 ? 1 : 2)
      tally.killsWhileOpening++
    }
    const reader = this.engine()
    if (reader !== native) tally.crossings++
    tally.acknowledgedSteps += deeds.acknowledged
    tally.finishedWork += deeds.finishedWork
    if (deeds.isWorking) tally.interruptedWork++
    try {
      await this.examine(deeds, reader)
    } catch (error) {
      const how = `written by ${nameOf(native)}, opened by ${nameOf(reader)}, durability ${JSON.stringify(this.durability)}`
      throw new Error(`round ${round}, ${how}: ${(error as Error).message}`, { cause: error })
    }
  }

  /** Starts a writer and kills it after so many reports. @returns All that it said. */
  private async kill(orders: WriterOrders, afterReports: number): Promise<Report[]> {
    const reports = await killAfterReports<Report>(WRITER, orders, afterReports)
    this.options.tally.kills++
    return reports
  }

  private async examine(deeds: Deeds, native: boolean): Promise<void> {
    const { kind, path } = this.options
    const store = await openKilled({ kind, path, durability: this.durability, native })
    try {
      this.adopt(deeds, store)
      const { problems } = await store.verify()
      must(problems.length === 0, () => `verify: ${problems.join('; ')}`)
    } finally {
      await store.close()
    }
  }

  /** Finds the events that the store shows, and takes their outcome for what it holds from now on. */
  private adopt(deeds: Deeds, store: KilledStore): void {
    const { seed, tally } = this.options
    const found = contentOf(store, store.treeNames())
    const { openLoad } = deeds
    const isLoaded = openLoad !== undefined && store.treeNames().includes(openLoad.tree)
    const events = isLoaded
      ? deeds.events.toSpliced(openLoad.at, 0, { load: openLoad.tree, number: openLoad.number })
      : deeds.events
    // A load is in the log behind everything that came before it began.
    const floor = isLoaded ? Math.max(deeds.floor, openLoad.at + 1) : deeds.floor
    const newest = newestStep(store)
    const seen = events.findIndex((event) => 'step' in event && event.number === newest) + 1
    const least = Math.max(floor, seen)

    let model = new Model(this.trees)
    let nearest: string | undefined
    for (let count = 0; count <= events.length; count++) {
      const event = events[count - 1]
      if (event !== undefined) model = applyEvent(this.trees, event, seed)
      if (count < least) continue
      if (model.content === found) {
        tally.moreThanPromised += count - floor
        return
      }
      nearest ??= difference(found, model.content)
    }
    const { length } = events
    must(false, () => `not the state after any of events ${least} to ${length}; after ${least}: ${nearest}`)
  }

  private engine(): boolean {
    const { engines } = this.options
    return engines[Math.floor(this.random.next() * engines.length)] as boolean
  }
}

function nameOf(native: boolean): string {
  return native ? 'the native engine' : 'TypeScript'
}

/** Makes sense of what a writer said. */
function deedsOf(reports: readonly Report[], seed: number, durability: Durability): Deeds {
  const events: Deeds['events'][number][] = []
  const indexOfStep = new Map<number, number>()
  let work: { at: number; tree: string; number: number; isLoad: boolean } | undefined
  let floor = 0
  let acknowledged = 0
  let finishedWork = 0
  for (const report of reports) {
    switch (report.say) {
      case 'begin': {
        const { step: number, drop } = report
        events.push({ number, step: drop === undefined ? stepAt(seed, number) : { kind: 'drop', tree: drop } })
        indexOfStep.set(number, events.length)
        break
      }
      case 'done':
        acknowledged++
        if (durability !== 'memory') floor = Math.max(floor, indexOfStep.get(report.step) as number)
        break
      case 'begin work':
        work = { at: events.length, tree: report.tree, number: report.step, isLoad: report.work === 'load' }
        break
      case 'done work':
        finishedWork++
        floor = Math.max(floor, work?.at ?? 0)
        if (work?.isLoad) {
          events.splice(work.at, 0, { load: work.tree, number: work.number })
          for (const [step, index] of indexOfStep) if (index > work.at) indexOfStep.set(step, index + 1)
          floor++
        }
        work = undefined
        break
    }
  }
  const openLoad = work?.isLoad ? { tree: work.tree, number: work.number, at: work.at } : undefined
  return { events, floor, openLoad, acknowledged, isWorking: work !== undefined, finishedWork }
}

/** Changes `trees`. @returns A model of them, good until the next change. */
function applyEvent(trees: Trees, event: Deeds['events'][number], seed: number): Model {
  if ('step' in event) applyStep(trees, event.step)
  else trees.set(event.load, new Map(loadOf(seed, event.number)))
  return new Model(trees)
}

/** The number of the newest step of which something can be seen. */
function newestStep(store: KilledStore): number {
  const trees = [
    store,
    ...store
      .treeNames()
      .filter((name) => !name.startsWith('load'))
      .map((name) => store.tree(name)),
  ]
  return Math.max(-1, ...trees.flatMap((tree) => Array.from(tree.range(), ([, value]) => stepOf(value))))
}
