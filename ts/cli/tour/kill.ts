// The third stop: a process that writes is killed in mid-batch, and what it was promised is looked for.
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import { diskError } from '../../io/disk-errors.ts'
import { compiledUrl } from '../../io/worker.ts'
import type { TreeStore } from '../../storage/ordered/types.ts'
import type { Interrupt } from '../kit/interrupt.ts'
import { formatNumber, plural } from '../kit/text.ts'
import { BATCHES_AT_ONCE, destinations, ORDERS, ORDERS_BY_CITY, ORDERS_PER_BATCH, ordersOf } from './orders.ts'
import { type Report, round } from './report.ts'
import type { Kind, TourStore, TourVerifyReport } from './tour-store.ts'

/** The writer is killed after a number of acknowledged batches in this range. */
const MIN_ACKNOWLEDGED = 60
const MAX_ACKNOWLEDGED = 160

/** What the writer said before it died. */
export interface LastWords {
  pid: number
  /** Batches that it began: 0 to this one, which is not among them. */
  begun: number
  /** The numbers of those that were acknowledged. */
  acknowledged: Set<number>
}

/** What a killed writer left, in batches. */
export interface Survival {
  begun: number
  acknowledged: number
  /** There with all their orders. */
  found: number
  /** There whole, though nobody was told. */
  beyondAcknowledged: number
  /** Acknowledged, and not there whole: 0, or the store has broken its promise. */
  lost: number
  /** There in part: 0 for the same reason. */
  torn: number
}

/** What the third stop did. */
export interface KillResult extends Survival {
  writerPid: number
  signal: 'SIGKILL'
  ordersPerBatch: number
  reopenMilliseconds: number
  verify: TourVerifyReport & { seconds: number }
}

/**
 * Runs a writer on the store in `path` and kills it.
 * @param path - A store of that kind that nobody has open and that holds the cities.
 * @returns Once the process is gone.
 */
export async function runUntilKilled(kind: Kind, path: string, interrupt: Interrupt): Promise<LastWords> {
  const killAfter = randomInt(MIN_ACKNOWLEDGED, MAX_ACKNOWLEDGED)
  const program = fileURLToPath(compiledUrl('./writer-worker.ts', import.meta.url))
  const child = spawn(process.execPath, [program, kind, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (error) => reject(diskError('start', process.execPath, error)))
    child.once('close', () => resolve())
  })
  ended.catch(() => {}) // awaited below, behind what it said
  const kill = (): boolean => child.kill('SIGKILL')
  interrupt.signal.addEventListener('abort', kill)
  const words: LastWords = { pid: child.pid ?? 0, begun: 0, acknowledged: new Set() }
  try {
    // To the end of what is in the pipe: it said some of it after the kill was decided, and before that arrived.
    for await (const line of createInterface({ input: child.stdout })) {
      note(line, words)
      if (words.acknowledged.size >= killAfter) kill()
    }
    await ended
  } finally {
    kill()
    interrupt.signal.removeEventListener('abort', kill)
  }
  interrupt.check()
  if (child.signalCode !== 'SIGKILL' && words.acknowledged.size < killAfter) {
    throw new BedplateError('UNAVAILABLE', `the writer ended by itself, with ${child.signalCode ?? child.exitCode}`)
  }
  return words
}

/** Prints what was done. */
export function describeKill({ pid }: LastWords, report: Report): void {
  report.line(`Process ${pid} wrote batches of ${ORDERS_PER_BATCH} orders, each order with an entry in an index tree.`)
  report.line(`Killed with SIGKILL, ${BATCHES_AT_ONCE} batches on their way: it could not flush, close or say goodbye.`)
}

/**
 * Looks for what the killed writer was promised, in the store that was opened again.
 * @param describe - Prints the outcome, which is judged then.
 * @throws CORRUPTION if something acknowledged is missing or the store is not whole.
 */
export async function examineStore(
  store: TourStore,
  lastWords: LastWords,
  { reopenMs, describe }: { reopenMs: number; describe: (result: KillResult) => Promise<void> },
): Promise<KillResult> {
  const survival = examine(store, lastWords)
  const startedAt = performance.now()
  const verify = await store.verify()
  const seconds = round((performance.now() - startedAt) / 1000, 3)
  const result: KillResult = {
    writerPid: lastWords.pid,
    signal: 'SIGKILL',
    ordersPerBatch: ORDERS_PER_BATCH,
    ...survival,
    reopenMilliseconds: round(reopenMs, 1),
    verify: { ...verify, seconds },
  }
  await describe(result)
  judge(result)
  return result
}

function note(line: string, words: LastWords): void {
  const [word, rest = ''] = line.split(/ (.*)/)
  if (word === 'begun') words.begun = Math.max(words.begun, Number(rest) + 1)
  if (word === 'acknowledged') words.acknowledged.add(Number(rest))
  if (word !== 'failed') return
  const { code, message } = JSON.parse(rest) as { code: ErrorCode; message: string }
  throw new BedplateError(code, `the writer failed: ${message}`)
}

/** Compares the store with what the writer's batches hold, order by order and byte by byte. */
export function examine(store: TreeStore, { begun, acknowledged }: Omit<LastWords, 'pid'>): Survival {
  const cities = destinations(store)
  const orders = store.tree(ORDERS)
  const index = store.tree(ORDERS_BY_CITY)
  let found = 0
  let lost = 0
  let torn = 0
  // A batch of each lane may have begun without having been said.
  for (let batch = 0; batch < begun + BATCHES_AT_ONCE; batch++) {
    const parts = ordersOf(batch, cities).flatMap(({ key, value, indexKey }) => [
      orders.get(key) === value,
      index.has(indexKey),
    ])
    const there = parts.filter((isThere) => isThere).length
    if (there === parts.length) found++
    else if (acknowledged.has(batch)) lost++
    if (there > 0 && there < parts.length) torn++
  }
  const beyondAcknowledged = found - (acknowledged.size - lost)
  return { begun, acknowledged: acknowledged.size, found, beyondAcknowledged, lost, torn }
}

/** Prints what was found, batch by batch. */
export async function describeSurvival(result: KillResult, report: Report): Promise<void> {
  const { begun, acknowledged, found, beyondAcknowledged, lost, torn, reopenMilliseconds, verify } = result
  const row = (name: string, batches: number, meaning: string): string[] => {
    return [name, formatNumber(batches), formatNumber(batches * ORDERS_PER_BATCH), meaning]
  }
  report.line(
    `Opened again in ${reopenMilliseconds.toFixed(0)} ms; its dead owner's lock was taken over, its log replayed.`,
  )
  report.table([
    ['', 'batches', 'orders', ''],
    row('begun', begun, ''),
    row('acknowledged', acknowledged, 'their promises had resolved'),
    row('found', found, 'whole, every byte compared'),
    row('more than promised', beyondAcknowledged, 'on disk before anybody could be told'),
    row('lost', lost, 'acknowledged, but not there'),
    row('torn', torn, 'there in part'),
  ])
  if (lost === 0 && torn === 0) report.good('Every acknowledged order is back; no batch came back in part.')
  if (verify.ok) report.good(`verify() finds the store whole: ${extentOf(verify)}.`)
  await report.shown()
}

/** The same in a line. */
export async function summariseSurvival(result: KillResult, report: Report): Promise<void> {
  const { begun, acknowledged, found, lost, torn, reopenMilliseconds, verify } = result
  const counts = `${formatNumber(begun)} begun, ${formatNumber(acknowledged)} acknowledged, ${formatNumber(found)} found`
  report.line(`Its writer was killed in the same way. Batches of orders: ${counts}; ${lost} lost, ${torn} torn.`)
  if (verify.ok)
    report.good(`Opened again in ${reopenMilliseconds.toFixed(0)} ms; verify() finds it whole: ${extentOf(verify)}.`)
  await report.shown()
}

function extentOf(verify: KillResult['verify']): string {
  const what =
    'keys' in verify
      ? `${plural(verify.keys, 'key')} in ${plural(verify.trees, 'tree')}, ${plural(verify.pages.leaf + verify.pages.branch, 'page')}`
      : `${plural(verify.entries, 'version')} in ${plural(verify.tables, 'table')}, ${plural(verify.blocks, 'block')}`
  return `${what}, read in ${verify.seconds.toFixed(2)} s`
}

function judge({ lost, torn, verify }: KillResult): void {
  if (lost > 0 || torn > 0) {
    const batches = `${plural(lost, 'acknowledged batch', 'acknowledged batches')} lost, ${torn} torn`
    throw new BedplateError('CORRUPTION', `the store has not kept its promise: ${batches}`)
  }
  if (!verify.ok) throw new BedplateError('CORRUPTION', `the store is damaged: ${verify.problems.join('; ')}`)
}
