import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareEntries, type Entry, EntryKind } from '../../../ts/storage/lsm/entry.ts'
import { LoserTree } from '../../../ts/storage/lsm/loser-tree.ts'
import { MergeCursor, VisibleCursor } from '../../../ts/storage/lsm/merge.ts'
import { isOperand } from '../../../ts/storage/lsm/operand.ts'
import { RangeTombstones } from '../../../ts/storage/lsm/range-tombstones.ts'
import { SurvivorCursor } from '../../../ts/storage/lsm/survivors.ts'
import { cursorOver, drain, show, spans, versions } from './support.ts'

describe('a loser tree', () => {
  it('sorts numbers of many lists', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.integer()), { minLength: 1, maxLength: 20 }), (lists) => {
        const left = lists.map((list) => list.toSorted((a, b) => b - a))
        const heads = (i: number): number => left[i]?.at(-1) ?? Number.POSITIVE_INFINITY
        const tree = new LoserTree(left.length, (a, b) => heads(a) < heads(b))
        tree.rebuild()
        const found: number[] = []
        while (heads(tree.winner) !== Number.POSITIVE_INFINITY) {
          found.push(left[tree.winner]?.pop() as number)
          tree.replay()
        }
        expect(found).toEqual(lists.flat().sort((a, b) => a - b))
      }),
    )
  })
})

describe('a merge', () => {
  it('gives all versions of all sources in order, both ways', () => {
    fc.assert(
      fc.property(versions, fc.integer({ min: 0, max: 6 }), (sorted, count) => {
        for (const reverse of [false, true]) {
          const expected = count === 0 ? [] : directed(sorted, reverse)
          const cursor = new MergeCursor(
            split(sorted, count).map((part) => cursorOver(directed(part, reverse))),
            reverse,
          )
          expect(drain(cursor)).toEqual(expected.map(show))
        }
      }),
    )
  })

  it('shows of each key what is seen at a sequence, both ways', () => {
    fc.assert(
      fc.property(versions, fc.integer({ min: 0, max: 31 }), (sorted, sequence) => {
        const seen = visible(sorted, sequence)
        for (const reverse of [false, true]) {
          const merged = new MergeCursor(
            split(sorted, 3).map((part) => cursorOver(directed(part, reverse))),
            reverse,
          )
          const cursor = new VisibleCursor(merged, { sequence, reverse })
          expect(chainsOf(cursor)).toEqual(directed(seen, reverse).map((chain) => chain.map(show)))
        }
      }),
    )
  })

  it('keeps what the present and every snapshot see, over what is older', () => {
    const snapshots = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 4 })
    const cleared = fc.array(
      fc
        .record({ span: spans, sequence: fc.integer({ min: 1, max: 30 }) })
        .map(({ span, sequence }) => ({ ...span, sequence })),
      { maxLength: 5 },
    )
    fc.assert(
      fc.property(versions, snapshots, cleared, fc.boolean(), (sorted, asked, ranges, isBottom) => {
        const rising = asked.sort((a, b) => a - b)
        const table = { start: new Uint8Array(0), end: Uint8Array.of(9) } as never
        const tombstones = new RangeTombstones(ranges)
        const retention = { snapshots: rising, older: isBottom ? [] : [[table]] }
        const kept = entriesOf(new SurvivorCursor(cursorOver(sorted), tombstones, retention))
        for (const sequence of [...rising, 100]) {
          for (const older of isBottom ? [undefined] : [undefined, '-7', 'text']) {
            const shown = (entries: readonly Entry[]): (string | undefined)[] =>
              keysIn(sorted).map((key) => meaningOf(key, entries, { tombstones, sequence, older }))
            expect(shown(kept)).toEqual(shown(sorted))
          }
        }
        for (const [i, { key, sequence, kind }] of kept.entries()) {
          const next = kept[i + 1]
          const isDivided = (older: Entry): boolean => rising.some((each) => older.sequence <= each && each < sequence)
          if (next === undefined || Buffer.compare(next.key, key) !== 0) {
            // Nothing is left that it may wait for, unless that was a deletion which another stratum had no need of.
            const oldest = sorted.findLast((other) => Buffer.compare(other.key, key) === 0) as Entry
            expect(isOperand(kind) && isBottom && ranges.length === 0 && !isDivided(oldest)).toBe(false)
          } else if (!isDivided(next)) {
            expect([isOperand(kind), next.kind === kind]).toEqual([true, false]) // else they would be one
          }
        }
      }),
    )
  })
})

function directed<T>(entries: readonly T[], reverse: boolean): T[] {
  return reverse ? entries.toReversed() : [...entries]
}

/** Deals entries out to `count` sources. */
function split(sorted: readonly Entry[], count: number): Entry[][] {
  return Array.from({ length: count }, (_, source) => sorted.filter((_, i) => (i * 7) % count === source))
}

/** Of each key the versions that are not newer than `sequence`, down to the first that is no operand. */
function visible(sorted: readonly Entry[], sequence: number): Entry[][] {
  const seen = sorted.filter((entry) => entry.sequence <= sequence)
  return keysIn(seen).map((key) => {
    const all = seen.filter((entry) => Buffer.compare(entry.key, key) === 0).sort(compareEntries)
    const base = all.findIndex(({ kind }) => !isOperand(kind))
    return base < 0 ? all : all.slice(0, base + 1)
  })
}

function keysIn(sorted: readonly Entry[]): Uint8Array[] {
  return sorted
    .map(({ key }) => key)
    .filter((key, i, all) => i === 0 || Buffer.compare(all[i - 1] as Buffer, key) !== 0)
}

/** What is seen of a key, if a store holds `older` of it below all of `entries`. */
function meaningOf(
  key: Uint8Array,
  entries: readonly Entry[],
  { tombstones, sequence, older }: { tombstones: RangeTombstones; sequence: number; older: string | undefined },
): string | undefined {
  const hidden = tombstones.covering(key, sequence)
  const own = entries.filter((entry) => Buffer.compare(entry.key, key) === 0 && entry.sequence >= hidden)
  const [chain = []] = visible(own, sequence)
  let value = hidden > 0 ? undefined : older
  for (const { kind, value: bytes } of chain.toReversed()) {
    const text = Buffer.from(bytes).toString('latin1')
    if (kind === EntryKind.put) value = text
    else if (kind === EntryKind.delete) value = undefined
    else if (kind === EntryKind.append) value = `${value ?? ''}${text}`
    else {
      const base = /^-?\d+$/.test(value ?? '') ? BigInt(value as string) : 0n
      value = String(BigInt.asIntN(64, base + Buffer.from(bytes).readBigInt64LE()))
    }
  }
  return value
}

function chainsOf(cursor: VisibleCursor): string[][] {
  const found: string[][] = []
  for (let step = cursor.step(); step !== false; step = cursor.step()) {
    if (step === true) found.push(cursor.chain.map(show))
    else step.load()
  }
  return found
}

function entriesOf(cursor: SurvivorCursor): Entry[] {
  const found: Entry[] = []
  for (let step = cursor.step(); step !== false; step = cursor.step()) {
    if (step === true) found.push(cursor.entry)
    else step.load()
  }
  return found
}
