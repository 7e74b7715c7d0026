// What a writer does until it is killed. Step n of a store follows from the store's seed alone, so whoever watches the
// writer needs to be told no more than the numbers of the steps.
import { seededRandom } from '../../../ts/io/random.ts'
import type { TreeBatchOperation } from '../../../ts/storage/ordered/types.ts'
import type { KeyRange } from '../../../ts/storage/ordered-store.ts'
import type { Trees } from '../btree-crash/model.ts'
import { changeModel, changeModelAtOnce, type Write } from '../btree-crash/writes.ts'
import type { Kind, Opening, Work } from './stores.ts'

/** One commit. A `swap` is a compare-and-swap that expects what is there. */
export type Step =
  | Write
  | { kind: 'swap'; key: string; value: string; tree: string }
  | { kind: 'transaction'; writes: readonly Write[]; sync: boolean }

/** What a writer is started with, as its argument in JSON. */
export interface WriterOrders extends Opening {
  seed: number
  firstStep: number
  /** 0: it only opens the store and waits. */
  steps: number
}

/** What a writer says, a line of JSON each; everything is said at once, and before it is done. */
export type Report =
  | { say: 'opening' | 'opened' }
  /** A step begins. Which tree a `drop` takes the plan does not know. */
  | { say: 'begin'; step: number; drop?: string }
  /** The promise of a step has resolved. */
  | { say: 'done'; step: number }
  /** Work begins. `tree`: what a load fills, as `loadOf(seed, step)` says. */
  | { say: 'begin work'; work: Work; step: number; tree: string }
  | { say: 'done work'; work: Work }
  | { say: 'failed'; message: string }

const TREES = ['', '', 'a', 'b']
const KEYS = 150
const MOST_LOADED = 600

/** What step `number` does. */
export function stepAt(seed: number, number: number): Step {
  const random = randomOf(seed, number)
  const kind = random()
  if (kind < 0.5) return somePut(random, number)
  if (kind < 0.62) return { kind: 'delete', key: someKey(random), tree: someTree(random) }
  if (kind < 0.76) return { kind: 'batch', operations: several(random, 14, () => someOperation(random, number)) }
  if (kind < 0.8) return { kind: 'clear', range: someRange(random), tree: someTree(random) }
  if (kind < 0.88)
    return { kind: 'swap', key: someKey(random), value: someValue(random, number), tree: someTree(random) }
  return { kind: 'transaction', writes: several(random, 10, () => someWrite(random, number)), sync: random() < 0.4 }
}

/** What work begins with step `number` in an engine of that kind, if none is under way. */
export function workAt(kind: Kind, seed: number, number: number): Work | undefined {
  const random = randomOf(seed, number + 0.5)
  if (random() > 0.08) return undefined
  const chance = random()
  if (chance >= 0.6) return chance < 0.75 ? 'compact' : 'flushed'
  return kind === 'lsm' ? 'flush' : chance < 0.4 ? 'checkpoint' : 'load'
}

/** The entries of the load that begins with step `number`. */
export function loadOf(seed: number, number: number): [string, string][] {
  const random = randomOf(seed, number + 0.25)
  const count = 1 + Math.floor(random() * MOST_LOADED)
  return Array.from({ length: count }, (_, i) => [
    `loaded ${String(i).padStart(4, '0')}`,
    `${number} ${'l'.repeat(i % 50)}`,
  ])
}

/** Does a step to a model. */
export function applyStep(trees: Trees, step: Step): void {
  if (step.kind === 'swap') changeModel(trees, { ...step, kind: 'put' })
  else if (step.kind === 'transaction') changeModelAtOnce(trees, step.writes)
  else changeModel(trees, step)
}

/** The number of the step that wrote `value`. */
export function stepOf(value: string): number {
  return Number.parseInt(value, 10)
}

type Next = () => number

function randomOf(seed: number, number: number): Next {
  const random = seededRandom(seed * 1_000_003 + number * 4)
  return () => random.next()
}

function somePut(random: Next, number: number): Extract<Write, { kind: 'put' }> {
  return { kind: 'put', key: someKey(random), value: someValue(random, number), tree: someTree(random) }
}

function someOperation(random: Next, number: number): TreeBatchOperation {
  const { kind, ...put } = somePut(random, number)
  return random() < 0.75 ? { type: kind, ...put } : { type: 'delete', key: put.key, tree: put.tree ?? '' }
}

/** A write that a transaction can do. */
function someWrite(random: Next, number: number): Write {
  const kind = random()
  if (kind < 0.7) return somePut(random, number)
  if (kind < 0.9) return { kind: 'delete', key: someKey(random), tree: someTree(random) }
  return { kind: 'clear', range: someRange(random), tree: someTree(random) }
}

function several<T>(random: Next, most: number, make: () => T): T[] {
  return Array.from({ length: 1 + Math.floor(random() * most) }, make)
}

function someTree(random: Next): string {
  return TREES[Math.floor(random() * TREES.length)] as string
}

function someKey(random: Next): string {
  const number = Math.floor(random() * KEYS)
  return number % 3 === 0 ? `a long prefix that many keys begin with: ${number}` : `k${number}`
}

function someRange(random: Next): KeyRange {
  const from = Math.floor(random() * KEYS)
  return { gte: `k${from}`, lt: `k${from + Math.floor(random() * 3)}` }
}

/** Begins with the number of the step. Inline mostly; seldom so long that it fills a segment of the log. */
function someValue(random: Next, number: number): string {
  const longest = random() < 0.8 ? 100 : random() < 0.8 ? 3000 : random() < 0.9 ? 20_000 : 200_000
  return `${number} `.padEnd(Math.floor(random() * longest), 'v')
}
