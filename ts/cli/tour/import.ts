// The first stop: the cities go into the store, in batches that each span all three trees.
//
// The last write of every batch says how many cities are in. So whatever cuts an import off, even in mid-batch, the next
// run finds records, indexes and that number in agreement, and goes on from there.
import { BedplateError } from '../../base/errors.ts'
import type { TreeBatchOperation } from '../../storage/ordered/types.ts'
import type { Interrupt } from '../kit/interrupt.ts'
import { startProgress } from '../kit/progress.ts'
import { formatNumber } from '../kit/text.ts'
import { BY_NAME, BY_POPULATION, type DataSet, operationsFor } from './cities.ts'
import { type Report, round } from './report.ts'
import { keyCountOf, settle, type TourStore } from './tour-store.ts'

/** The tree in which the tour keeps what it knows about its own store. */
const NOTES = 'tour'
const NOTE_KEY = 'import'
const CITIES_PER_BATCH = 1000

/** How far the import has come. */
interface Note {
  dataSet: string
  /** Cities in all three trees; -1 while they are emptied. */
  imported: number
  /** All there are. */
  records: number
  /** What it took to bring them in, once they are. */
  cost?: ImportCost
}

/** What an import took. */
export interface ImportCost {
  seconds: number
  /** Bytes of keys and values. */
  contentBytes: number
  /** Bytes that the process handed to the disk meanwhile; 0 where the system does not count them. */
  writtenBytes: number
}

/** What the first stop did. */
export interface ImportResult {
  /** `again`: what was there was incomplete in a way that cannot be continued, or was to be replaced. */
  state: 'new' | 'continued' | 'reused' | 'again'
  dataSet: string
  records: number
  /** Records written by this run. */
  imported: number
  seconds: number
  /** Of the run that brought in everything at once; undefined if that was none. */
  cost?: ImportCost
}

/** What an import works with. */
export interface ImportOptions {
  /** Called only if something has to be imported. */
  load: () => DataSet
  /** Import all again, whatever is there. */
  fresh: boolean
  report: Report
  interrupt: Interrupt
}

/**
 * Brings the cities into `store` unless they are there.
 * @throws INVALID_INPUT if the store holds data of somebody else; Interrupted: what has come in by then stays.
 */
export async function importCities(store: TourStore, options: ImportOptions): Promise<ImportResult> {
  const { report, fresh } = options
  const note = readNote(store)
  const whole = note !== undefined && treeCounts(store).every((count) => count === note.imported)
  if (whole && !fresh && note.imported === note.records) {
    report.line(`The store has the ${formatNumber(note.records)} cities from an earlier run.`)
    const { dataSet, records, cost } = note
    return { state: 'reused', dataSet, records, imported: 0, seconds: 0, ...(cost !== undefined && { cost }) }
  }

  const data = options.load()
  const records = data.cities.length
  const begun = whole && !fresh && note.dataSet === data.name ? note.imported : 0
  const state = begun > 0 ? 'continued' : note === undefined ? 'new' : 'again'
  report.line(beginning(state, begun, data))
  await report.shown()
  if (state === 'again') await empty(store, { dataSet: data.name, imported: -1, records })
  const startedAt = performance.now()
  const writtenBefore = writtenBytes()
  const contentBytes = await importFrom(begun, store, data, options)
  await settle(store)

  const seconds = (performance.now() - startedAt) / 1000
  const imported = records - begun
  const cost = { seconds: round(seconds, 3), contentBytes, writtenBytes: writtenBytes() - writtenBefore }
  if (begun === 0) await store.batch([noteOperation({ dataSet: data.name, imported: records, records, cost })])
  const rate = formatNumber(Math.round(imported / seconds))
  report.line(`Imported ${formatNumber(imported)} cities in ${seconds.toFixed(1)} s, ${rate} a second.`)
  return { state, dataSet: data.name, records, imported, seconds: cost.seconds, ...(begun === 0 && { cost }) }
}

/** @returns Bytes of the keys and values that went in. */
async function importFrom(
  begun: number,
  store: TourStore,
  data: DataSet,
  { report, interrupt }: ImportOptions,
): Promise<number> {
  const { name, cities } = data
  const records = cities.length
  const format = (done: number) => `${formatNumber(done)} of ${formatNumber(records)} cities`
  const progress = await startProgress({ label: 'importing', total: records, format })
  let acknowledged = begun
  let contentBytes = 0
  let onItsWay: Promise<void> = Promise.resolve()
  try {
    for (let from = begun; from < records; from += CITIES_PER_BATCH) {
      const imported = Math.min(from + CITIES_PER_BATCH, records)
      const operations = cities.slice(from, imported).flatMap(operationsFor)
      operations.push(noteOperation({ dataSet: name, imported, records }))
      contentBytes += operations.reduce((sum, operation) => sum + bytesOf(operation), 0)
      await onItsWay // the next batch was encoded while this one went to the disk
      interrupt.check()
      onItsWay = store.batch(operations).then(() => {
        acknowledged = imported
        progress.update(imported)
      })
      onItsWay.catch(() => {}) // awaited in the next round; until then it must not count as unhandled
    }
    await onItsWay
    return contentBytes
  } catch (error) {
    progress.stop()
    report.line(`Stopped after ${format(acknowledged)}; the next run goes on from there.`)
    await report.shown()
    throw error
  } finally {
    progress.stop()
  }
}

function beginning(state: ImportResult['state'], begun: number, { name, cities }: DataSet): string {
  const total = formatNumber(cities.length)
  if (state === 'continued')
    return `An earlier import was cut off: going on after ${formatNumber(begun)} of ${total} cities.`
  const again = state === 'again' ? ' again' : ''
  return `Importing ${total} cities of GeoNames${again}, from the npm package ${name} ...`
}

/** What the store says about itself; undefined if it is new. @throws INVALID_INPUT if it is not the tour's. */
function readNote(store: TourStore): Note | undefined {
  const trees = store.treeNames()
  if (trees.length === 0 && keyCountOf(store) === 0) return undefined
  const note = trees.includes(NOTES) ? parseNote(store.tree(NOTES).get(NOTE_KEY)) : undefined
  if (note !== undefined) return note
  // Starting again would empty it, and nothing shows that it is ours to empty.
  throw new BedplateError('INVALID_INPUT', `${store.path} is a store with other data than the tour's`, {
    hint: 'give the tour a directory of its own with --data DIRECTORY',
  })
}

function parseNote(text = 'null'): Note | undefined {
  try {
    const note = JSON.parse(text) as Partial<Note> | null
    const complete =
      typeof note?.dataSet === 'string' && Number.isInteger(note.imported) && Number.isInteger(note.records)
    return complete ? (note as Note) : undefined
  } catch {
    return undefined
  }
}

function treeCounts(store: TourStore): number[] {
  return [store, store.tree(BY_NAME), store.tree(BY_POPULATION)].map(keyCountOf)
}

/** Empties the trees, and the file. The note comes first: cut off from here on, the next run empties them again. */
async function empty(store: TourStore, note: Note): Promise<void> {
  await store.batch([noteOperation(note)])
  await store.clear()
  await store.dropTree(BY_NAME)
  await store.dropTree(BY_POPULATION)
  await store.compact()
}

function noteOperation(note: Note): TreeBatchOperation {
  return { type: 'put', tree: NOTES, key: NOTE_KEY, value: JSON.stringify(note) }
}

function bytesOf(operation: TreeBatchOperation): number {
  return Buffer.byteLength(operation.key) + (operation.type === 'put' ? Buffer.byteLength(operation.value) : 0)
}

/** Bytes that this process has handed to the disk: blocks of 512, which Linux counts. */
function writtenBytes(): number {
  return process.platform === 'linux' ? 512 * process.resourceUsage().fsWrite : 0
}
