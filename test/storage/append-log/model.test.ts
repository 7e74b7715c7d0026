// Random calls against an array: append, read, truncate at both ends, reopen, and a reader beside all of it.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { ReadOnlyAppendLog } from '../../../ts/storage/append-log/read-only-log.ts'
import type { WritableLog } from '../../../ts/storage/append-log/writable-log.ts'
import type { Durability } from '../../../ts/storage/log/types.ts'
import { bytesOf, LogBed, readAll, textsOf } from '../../support/append-log.ts'

type Call =
  | { kind: 'append'; sizes: number[]; wait: boolean }
  | { kind: 'truncateBefore' | 'truncateAfter'; part: number; wait: boolean }
  | { kind: 'read'; part: number; maxBytes: number }
  | { kind: 'flush' | 'close' | 'abandon' | 'refresh' }

const size = fc.oneof({ weight: 9, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.nat(20_000) })
const part = fc.double({ min: 0, max: 1, noNaN: true })
const call: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      sizes: fc.array(size, { minLength: 1, maxLength: 20 }),
      wait: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('truncateBefore' as const, 'truncateAfter' as const),
      part,
      wait: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('read' as const), part, maxBytes: fc.integer({ min: 1, max: 5000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('flush', 'close', 'abandon', 'refresh' as const),
    }) as fc.Arbitrary<Call>,
  },
)
const durability = fc.constantFrom<Durability>('sync', 'os', 'memory', { intervalMs: 5 })

/** A log beside the array that it should be. */
class Model {
  readonly bed = new LogBed()
  readonly records: string[] = []
  firstOffset = 0
  private stamp = 0
  private readonly durability: Durability
  private log!: WritableLog
  private reader!: ReadOnlyAppendLog

  constructor(level: Durability) {
    this.durability = level
  }

  async open(): Promise<void> {
    this.log = await this.bed.open({ durability: this.durability })
    this.reader = this.bed.openReader()
    expect([this.log.firstOffset, this.log.nextOffset]).toEqual([this.firstOffset, this.records.length])
    this.compare()
  }

  async run(step: Call): Promise<void> {
    const { log, records } = this
    const at = (share: number): number => this.firstOffset + Math.round(share * (records.length - this.firstOffset))
    switch (step.kind) {
      case 'append': {
        const texts = step.sizes.map((length) => `${this.stamp++}:`.padEnd(length, 'r'))
        const done = log.append(texts.map(bytesOf))
        const first = records.length
        records.push(...texts)
        if (step.wait) expect(await done).toBe(first)
        break
      }
      case 'truncateBefore': {
        const offset = at(step.part)
        const done = log.truncateBefore(offset)
        this.firstOffset = offset
        await done // only then the beginning moves
        break
      }
      case 'truncateAfter': {
        const offset = at(step.part) - 1
        const done = log.truncateAfter(offset)
        records.length = offset + 1
        expect(log.nextOffset).toBe(offset + 1)
        if (step.wait) await done
        break
      }
      case 'read': {
        const from = at(step.part)
        const block = log.read(from, step.maxBytes)
        expect(block.nextOffset).toBeLessThanOrEqual(log.readableOffset > from ? log.readableOffset : from)
        expect(textsOf(block)).toEqual(records.slice(from, block.nextOffset))
        if (from < log.readableOffset) expect(block.count).toBeGreaterThan(0)
        break
      }
      case 'flush':
        await log.flushed()
        expect(log.durableOffset).toBe(records.length)
        break
      case 'refresh':
        this.compare()
        break
      default:
        await this.end(step.kind === 'abandon')
        await this.open()
    }
  }

  async verify(): Promise<void> {
    expect((await this.log.verify()).problems).toEqual([])
  }

  /** Closes it; a killed one only after everything was written. */
  async end(isKilled: boolean): Promise<void> {
    if (isKilled) await this.log.flushed()
    if (isKilled) this.log.abandon()
    else await this.log.close()
    await this.reader.close()
    expect([this.bed.disk.openHandles, this.bed.disk.heldLocks, this.bed.clock.pending]).toEqual([0, 0, 0])
  }

  /** The handle that writes and the one beside it show the same beginning of the array. */
  private compare(): void {
    for (const one of [this.log, this.reader]) {
      one.refresh()
      expect(one.firstOffset).toBe(this.firstOffset)
      const found = readAll(one)
      expect(found).toEqual(this.records.slice(this.firstOffset, this.firstOffset + found.length))
    }
    expect(this.reader.readableOffset).toBeLessThanOrEqual(this.log.readableOffset)
  }
}

it('a log is an array that can be cut at both ends', async () => {
  await fc.assert(
    fc.asyncProperty(durability, fc.array(call, { maxLength: 40 }), async (level, calls) => {
      const model = new Model(level)
      await model.open()
      for (const step of calls) await model.run(step)
      await model.run({ kind: 'flush' })
      await model.run({ kind: 'close' })
      await model.verify()
      await model.end(false)
    }),
    { numRuns: 150 },
  )
})
