// Long lives of stores on the real disk beside a plain array of what they should hold: ten million operations each, with little
// memory, so that data goes through the disk over and over.
//
//   lsm=17 engine=native         one life; engines are native and typescript
//   btree=17 engine=typescript   the same of a B-tree store
import { join } from 'node:path'
import { type Random, seededRandom } from '../../ts/io/random.ts'
import { loadNative } from '../../ts/native/loader.ts'
import { type BTree, openBTree } from '../../ts/storage/btree/index.ts'
import { type Lsm, openLsm } from '../../ts/storage/lsm/index.ts'
import type { OrderedReader } from '../../ts/storage/ordered-store.ts'
import { complaintOf } from '../support/errors.ts'
import type { HeavyContext, HeavyFailure, HeavySuite } from '../support/heavy.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const OPERATIONS = 10_000_000
const KEYS = 200_000
const MEMORY_BYTES = 8 * 1024 * 1024
const LONGEST_BATCH = 1000
const LONGEST_CLEAR = 2000
const READS_A_CHECK = 200
const MOST_SNAPSHOTS = 3
/** Between two comparisons of everything. */
const OPERATIONS_A_REVIEW = 1_000_000

const STORES = ['lsm', 'btree'] as const
const ENGINES = ['native', 'typescript'] as const

const suite: HeavySuite = {
  name: 'model',
  atLeast: () => ({ 'lsm operations': 2 * OPERATIONS, 'btree operations': 2 * OPERATIONS }),

  async run(context) {
    const failures: HeavyFailure[] = []
    const counts: Record<string, number> = { 'lsm operations': 0, 'btree operations': 0, 'reviews of everything': 0 }
    let cases = 0
    const attempt = async (caseName: string): Promise<void> => {
      context.begin(caseName, { cases, counts, failures })
      cases++
      const message = await complaintOf(() => liveOnce(caseName, counts, context))
      if (message !== undefined) failures.push({ caseName, message })
    }
    for (const name of context.only === undefined ? context.remembered : [context.only]) await attempt(name)
    if (context.only !== undefined) return { cases, counts, failures }
    for (let seed = context.seed; seed === context.seed || context.hasTime(); seed++) {
      for (const store of STORES) for (const engine of ENGINES) await attempt(`${store}=${seed} engine=${engine}`)
      if (failures.length > 0) break
    }
    return { cases, counts, failures }
  },
}

export default suite

async function liveOnce(caseName: string, counts: Record<string, number>, context: HeavyContext): Promise<void> {
  const [, kind, seed, engine] = /^(lsm|btree)=(\d+) engine=(native|typescript)$/.exec(caseName) ?? []
  if (kind === undefined) throw new Error(`no such case: ${caseName}`)
  const native = engine === 'native'
  if (native && loadNative()?.openLsm === undefined) throw new Error('there is no native engine: build it first')
  const directory = temporaryDirectory()
  try {
    const path = join(directory.path, 'store')
    const open = (): Promise<Store> =>
      kind === 'lsm'
        ? openLsm(path, { create: true, memoryBytes: MEMORY_BYTES, durability: 'os', native })
        : openBTree(path, { create: true, cacheBytes: MEMORY_BYTES, durability: 'os', native })
    const life = new Life(open, seededRandom(Number(seed)))
    await life.run((done) => {
      counts['reviews of everything']!++
      context.report(`${caseName}: ${done / 1e6} million operations`)
    })
    counts[`${kind} operations`]! += OPERATIONS
  } finally {
    directory.remove()
  }
}

type Store = BTree | Lsm

/** What a store should hold: of each key the number of the operation that wrote it, 0 if it is not there. */
type Model = Uint32Array

class Life {
  private readonly open: () => Promise<Store>
  private readonly random: Random
  /** Their places in order are their numbers. */
  private readonly keys: readonly string[]
  private readonly model: Model = new Uint32Array(KEYS)
  private snapshots: { snapshot: OrderedReader & { close(): void }; model: Model }[] = []
  private store!: Store
  private done = 0

  constructor(open: () => Promise<Store>, random: Random) {
    this.open = open
    this.random = random
    // Of several lengths, and with much or little in common.
    this.keys = Array.from({ length: KEYS }, (_, i) => `${i % 3 === 0 ? 'k' : 'user:0000:'}${i.toString(36)}`).sort()
  }

  async run(onReview: (done: number) => void): Promise<void> {
    this.store = await this.open()
    try {
      for (let reviewAt = OPERATIONS_A_REVIEW; this.done < OPERATIONS; reviewAt += OPERATIONS_A_REVIEW) {
        while (this.done < reviewAt) await this.step()
        await this.review()
        onReview(this.done)
      }
    } finally {
      for (const { snapshot } of this.snapshots) snapshot.close()
      await this.store.close()
    }
  }

  private below(bound: number): number {
    return Math.floor(this.random.next() * bound)
  }

  private async step(): Promise<void> {
    const kind = this.below(100)
    if (kind < 80) await this.batch()
    else if (kind < 82) await this.clear()
    else if (kind < 95) this.look(this.store, this.model)
    else if (kind < 98) this.pin()
    else this.unpin()
  }

  private async batch(): Promise<void> {
    const operations = Array.from({ length: 1 + this.below(LONGEST_BATCH) }, () => {
      const index = this.below(KEYS)
      const key = this.keys[index]!
      const isPut = this.below(4) > 0
      this.done++
      this.model[index] = isPut ? this.done : 0
      return isPut
        ? ({ type: 'put', key, value: valueWritten(this.done) } as const)
        : ({ type: 'delete', key } as const)
    })
    await this.store.batch(operations)
  }

  private async clear(): Promise<void> {
    const from = this.below(KEYS)
    const to = Math.min(KEYS - 1, from + this.below(LONGEST_CLEAR))
    this.model.fill(0, from, to)
    this.done++
    await this.store.clear({ gte: this.keys[from]!, lt: this.keys[to]! })
  }

  private pin(): void {
    if (this.snapshots.length >= MOST_SNAPSHOTS) return
    this.snapshots.push({ snapshot: this.store.snapshot(), model: this.model.slice() })
  }

  private unpin(): void {
    for (const { snapshot, model } of this.snapshots.splice(this.below(MOST_SNAPSHOTS), 1)) {
      this.look(snapshot, model)
      snapshot.close()
    }
  }

  /** Compares some keys alone, some together, and some in their order. */
  private look(reader: OrderedReader, model: Model): void {
    for (let i = 0; i < READS_A_CHECK; i++) {
      const index = this.below(KEYS)
      this.expect(index, reader.get(this.keys[index]!), model)
    }
    const some = Array.from({ length: READS_A_CHECK }, () => this.below(KEYS))
    for (const [i, value] of reader.getMany(some.map((index) => this.keys[index]!)).entries()) {
      this.expect(some[i]!, value, model)
    }
    const from = this.below(KEYS)
    this.compare(reader, model, { from, to: Math.min(KEYS - 1, from + READS_A_CHECK) })
    this.done += 3 * READS_A_CHECK
  }

  /** Compares everything, after the store was closed and opened, and checks its files. */
  private async review(): Promise<void> {
    for (const { snapshot, model } of this.snapshots.splice(0)) {
      this.compare(snapshot, model)
      snapshot.close()
    }
    await this.store.close()
    this.store = await this.open()
    this.compare(this.store, this.model)
    const report = await this.store.verify()
    if (!report.ok) throw new Error(`verify: ${report.problems.slice(0, 3).join('; ')}`)
  }

  private compare(reader: OrderedReader, model: Model, { from = 0, to = KEYS } = {}): void {
    let index = from
    for (const [key, value] of reader.range({ gte: this.keys[from]!, ...(to < KEYS ? { lt: this.keys[to]! } : {}) })) {
      while (index < to && model[index] === 0) index++
      if (index >= to || key !== this.keys[index]) throw new Error(`${key} is there after ${this.done} operations`)
      this.expect(index++, value, model)
    }
    while (index < to && model[index] === 0) index++
    if (index < to) throw new Error(`${this.keys[index]} is missing after ${this.done} operations`)
  }

  private expect(index: number, value: string | undefined, model: Model): void {
    const written = model[index]!
    if (value === (written === 0 ? undefined : valueWritten(written))) return
    throw new Error(
      `${this.keys[index]} is "${value}" after ${this.done} operations; operation ${written} was its last`,
    )
  }
}

function valueWritten(operation: number): string {
  return `${operation}:`.padEnd(operation % 90, 'v')
}
