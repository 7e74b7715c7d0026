// Random workloads: everything a store can do, in any order, on a disk that is fast or slow. A seed is a workload.
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Mutant } from '../../../ts/storage/btree/mutant.ts'
import type { KeyRange } from '../../../ts/storage/ordered-store.ts'
import { must } from './expectation.ts'
import type { Pinned } from './pinned.ts'
import { Recorder } from './recorder.ts'
import { SlowSyncs } from './slow-syncs.ts'
import type { StoreSettings } from './store.ts'
import { treeOf, type Write } from './writes.ts'

const KEYS = 120
/** Trees that writes go to; '' is the default one. Bulk loads have trees of their own. */
const TREES = ['', '', '', 'a', 'b']
const MAX_PINNED = 3
/** How often a focused kind of step comes, compared with all others. */
const FOCUS = 0.2

/** What a workload is made of. */
export interface WorkloadPlan {
  settings: StoreSettings
  /** Operations. */
  steps: number
  /** Syncs end later than they begin, with calls in between. */
  slowSyncs: boolean
  /** Only so many kinds of steps happen, chosen by the seed: some things go wrong only if nothing else happens. */
  kinds: readonly StepKind[]
  /** The store is closed at the end. */
  closes: boolean
}

/** The plan that belongs to a seed. */
export function planOf(seed: number): WorkloadPlan {
  const random = seededRandom(4 * seed)
  const pageSizeBytes = pick(random, [512, 512, 512, 4096])
  const settings: StoreSettings = {
    pageSizeBytes,
    cacheBytes: pick(random, [16, 16, 24, 200]) * pageSizeBytes,
    durability: pick(random, ['sync', 'sync', 'sync', 'os', 'memory', { intervalMs: 5 }] as const),
    checkpointLogBytes: pick(random, [2048, 8192, 1024 * 1024]),
    denseCloseBytes: pick(random, [4096, 1024 * 1024]),
    firstSegmentBytes: pick(random, [12_288, 16_384]),
    maxSegmentBytes: 32_768,
    medium: { sectorBytes: pageSizeBytes === 4096 ? pick(random, [512, 4096]) : 512, powersafe: random.next() < 0.7 },
  }
  const isShort = random.next() < 0.3
  const kindChance = pick(random, [0.3, 0.6, 1])
  return {
    settings,
    steps: isShort ? 4 + below(random, 12) : 40 + below(random, 100),
    slowSyncs: random.next() < 0.5,
    kinds: ALL_KINDS.filter((kind) => isBasic(kind) || random.next() < kindChance),
    closes: random.next() < 0.5,
  }
}

/** How to run a workload. */
export interface RunOptions {
  /** The rule that is taken away; default: none. */
  mutant?: Mutant | undefined
  /** Kinds of steps that shall happen, and often. Default: as the plan has it. */
  focus?: readonly StepKind[]
  /** Default: a new one, with the plan's medium. */
  disk?: SimulatedDisk
  /** True: errors of the store are expected; the workload ends early once the store refuses to go on. */
  tolerant?: boolean
}

/**
 * Runs the workload of `seed`, checking on the way what can be checked without a crash.
 * @returns The recorder; everything that was begun has ended. The disk is `recorder.disk`.
 * @throws Violation, or an error of the store; with `tolerant` only the error of opening a new store.
 */
export async function runWorkload(seed: number, options: RunOptions = {}): Promise<Recorder> {
  const { mutant, focus = [], tolerant = false } = options
  const plan = planOf(seed)
  const settings = { ...plan.settings, mutant }
  const disk = options.disk ?? new SimulatedDisk(settings.medium)
  const syncs = plan.slowSyncs ? new SlowSyncs(disk, seededRandom(4 * seed + 1)) : undefined
  const random = seededRandom(4 * seed + 2)
  try {
    const recorder = await Recorder.open(disk, settings, { random, isSound: !tolerant })
    await new Workload(plan, recorder, random, tolerant).run(focus)
    return recorder
  } finally {
    syncs?.stop()
  }
}

type Step = (this: Workload) => Promise<void> | void
type Steps = { readonly [Kind in StepKind | 'finish']: Step }

/** The kinds of steps with their weights. */
const WEIGHTS = {
  put: 30,
  delete: 10,
  batch: 8,
  longBatch: 1,
  clear: 2,
  drop: 1,
  swap: 4,
  transaction: 4,
  transactionSync: 3,
  abandoned: 1,
  load: 2,
  pin: 4,
  pinDurably: 1,
  unpin: 4,
  read: 6,
  readAsync: 2,
  checkpoint: 4,
  flush: 3,
  backup: 1,
  compact: 1,
  verify: 1,
  reopen: 1,
  time: 2,
  turn: 12,
  settle: 8,
} as const
export type StepKind = keyof typeof WEIGHTS
const ALL_KINDS = Object.keys(WEIGHTS) as StepKind[]

/** What every workload has. */
function isBasic(kind: StepKind): boolean {
  return ['put', 'delete', 'checkpoint', 'turn', 'settle', 'unpin'].includes(kind)
}

class Workload {
  private readonly plan: WorkloadPlan
  private readonly recorder: Recorder
  private readonly random: Random
  private readonly isTolerant: boolean
  private readonly pinned: Pinned[] = []
  private count = 0

  constructor(plan: WorkloadPlan, recorder: Recorder, random: Random, isTolerant: boolean) {
    this.plan = plan
    this.recorder = recorder
    this.random = random
    this.isTolerant = isTolerant
  }

  async run(focus: readonly StepKind[]): Promise<void> {
    const { plan, random, recorder } = this
    const bag = plan.kinds.flatMap((kind) => new Array<StepKind>(WEIGHTS[kind]).fill(kind))
    const focused = focus.flatMap((kind) => new Array<StepKind>(Math.ceil(FOCUS * bag.length)).fill(kind))
    bag.push(...focused)
    for (let step = 0; step < plan.steps && recorder.isUsable; step++) {
      await this.attempt(STEPS[pick(random, bag)])
    }
    await recorder.settled()
    await this.attempt(STEPS.finish)
  }

  /** Does one step. Its errors are kept by the recorder if they are expected. */
  private async attempt(step: Step): Promise<void> {
    const { recorder } = this
    try {
      await step.call(this)
    } catch (error) {
      if (!this.isTolerant) throw error
      recorder.note(error)
    }
    const [error] = recorder.errors
    if (error !== undefined && !this.isTolerant) throw error
  }

  private async unpinAll(): Promise<void> {
    for (const pinned of this.pinned.splice(0)) await this.attempt(() => pinned.close())
  }

  // -- steps --------------------------------------------------------------------------------------------------------

  static readonly steps: Steps = {
    put() {
      void this.recorder.write(this.putIn(this.tree()))
    },
    delete() {
      void this.recorder.delete(this.key(), this.tree())
    },
    batch() {
      const operations = Array.from({ length: 1 + below(this.random, 6) }, () => {
        const tree = this.tree()
        const key = this.key()
        return this.random.next() < 0.3
          ? { type: 'delete' as const, key, tree }
          : { type: 'put' as const, key, value: this.value(), tree }
      })
      void this.recorder.write({ kind: 'batch', operations })
    },
    longBatch() {
      const operations = Array.from({ length: 2 + below(this.random, 3) }, () => ({
        type: 'put' as const,
        key: this.key(),
        value: this.longValue(),
      }))
      void this.recorder.write({ kind: 'batch', operations })
    },
    clear() {
      void this.recorder.write({ kind: 'clear', range: this.range(), tree: this.tree() })
    },
    drop() {
      void this.recorder.write({ kind: 'drop', tree: pick(this.random, ['a', 'b', 'load']) })
    },
    swap() {
      const key = this.key()
      const holds = this.recorder.model.get('', key)
      const expected = this.random.next() < 0.7 ? holds : 'something else'
      void this.recorder.compareAndSwap(key, expected, this.random.next() < 0.7 ? this.value() : undefined)
    },
    async transaction() {
      const writes = this.writes()
      await this.recorder.transaction(writes, {
        meanwhile: async (tx) => {
          tx.get(this.key())
          // Not among the keys of the transaction, so there is no conflict.
          void this.recorder.put(`meanwhile-${below(this.random, 5)}`, this.value())
          if (this.random.next() < 0.5) await this.recorder.checkpoint()
          else await turn()
        },
      })
    },
    transactionSync() {
      void this.recorder.transactionSync(this.writes())
    },
    async abandoned() {
      await this.recorder.transaction(this.writes(), { fails: true })
    },
    async load() {
      await this.recorder.settled()
      await this.recorder.write({ kind: 'drop', tree: 'load' })
      if (this.recorder.model.treeNames().includes('load')) return // a full disk refused to drop it
      const count = 1 + below(this.random, 60)
      const entries = Array.from({ length: count }, (_, i): [string, string] => [keyOf(i), this.value()])
      const isSlow = this.random.next() < 0.5
      const loaded = this.recorder.bulkLoad(entries, 'load', isSlow ? turn : undefined)
      for (let i = below(this.random, isSlow ? 20 : 4); i > 0; i--) {
        await turn()
        if (this.random.next() < 0.2) void this.recorder.checkpoint()
        else void this.recorder.write(this.putIn(this.tree()))
      }
      await loaded
    },
    pin() {
      if (this.pinned.length < MAX_PINNED) this.pinned.push(this.recorder.snapshot())
    },
    async pinDurably() {
      const pinned = await this.recorder.durableSnapshot()
      if (pinned !== undefined) this.pinned.push(pinned)
    },
    unpin() {
      this.pinned.splice(below(this.random, this.pinned.length + 1), 1)[0]?.close()
    },
    read() {
      const [tree, key] = [this.tree(), this.key()]
      const found = treeOf(this.recorder.store, tree).get(key)
      must(found === this.recorder.model.get(tree, key), () => `get("${key}") of tree "${tree}" gave ${found}`)
    },
    async readAsync() {
      const [tree, key, { model }] = [this.tree(), this.key(), this.recorder]
      const found = await treeOf(this.recorder.store, tree).getAsync(key)
      must(found === model.get(tree, key), () => `getAsync("${key}") of tree "${tree}" gave ${found}`)
    },
    checkpoint() {
      void this.recorder.checkpoint()
    },
    flush() {
      void this.recorder.flushed()
    },
    backup() {
      void this.recorder.backup(`/backup-${++this.count}`)
    },
    compact() {
      void this.recorder.compact()
    },
    async verify() {
      if (this.isTolerant) await this.recorder.store.verify()
      else await this.recorder.verify()
    },
    async reopen() {
      await this.unpinAll()
      await this.recorder.reopen(this.random)
    },
    time() {
      this.recorder.clock.advance(below(this.random, 10))
    },
    turn,
    async settle() {
      await this.recorder.settled()
      this.recorder.checkContent()
    },
    async finish() {
      const { recorder } = this
      if (recorder.isUsable) recorder.checkContent()
      if (this.random.next() < 0.5) await this.unpinAll() // else closing the store has to do
      if (!this.plan.closes) return
      await recorder.close()
      if (!this.isTolerant) recorder.checkNothingHeld()
    },
  }

  private tree(): string {
    return pick(this.random, TREES)
  }

  private key(): string {
    return keyOf(below(this.random, KEYS))
  }

  /** Short values, some at the edge of a page, and some of several pages. Each is unlike all others. */
  private value(): string {
    const mark = `${++this.count}.`
    const shape = this.random.next()
    if (shape < 0.75) return mark + 'v'.repeat(below(this.random, 24))
    if (shape < 0.95) return mark.repeat(1 + below(this.random, 60))
    return this.longValue()
  }

  private longValue(): string {
    return `${++this.count}.`.repeat(1 + below(this.random, 800))
  }

  private range(): KeyRange {
    const from = below(this.random, KEYS)
    return { gte: keyOf(from), lt: keyOf(from + below(this.random, 30)) }
  }

  private putIn(tree: string): Write {
    return { kind: 'put', key: this.key(), value: this.value(), tree }
  }

  private writes(): Write[] {
    return Array.from({ length: 1 + below(this.random, 5) }, () => {
      const tree = this.tree()
      const shape = this.random.next()
      if (shape < 0.7) return this.putIn(tree)
      if (shape < 0.9) return { kind: 'delete', key: this.key(), tree }
      return { kind: 'clear', range: this.range(), tree }
    })
  }
}

const STEPS = Workload.steps

function keyOf(number: number): string {
  return `k${String(number).padStart(3, '0')}`
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A whole number from 0 to `bound` - 1. */
export function below(random: Random, bound: number): number {
  return Math.floor(random.next() * bound)
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[below(random, items.length)] as T
}
