import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareEntries, type Entry, EntryKind } from '../../../ts/storage/lsm/entry.ts'
import { LoserTree } from '../../../ts/storage/lsm/loser-tree.ts'
import { MergeCursor, VisibleCursor } from '../../../ts/storage/lsm/merge.ts'
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
          expect(drain(cursor)).toEqual(directed(seen, reverse).map(show))
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
          const shown = (entries: readonly Entry[]): string[] =>
            visible(entries, sequence)
              .filter(({ key, sequence: own }) => tombstones.covering(key, sequence) <= own)
              .filter(({ kind }) => kind === EntryKind.put || !isBottom)
              .map(show)
          expect(shown(kept)).toEqual(shown(sorted))
        }
        const strata = kept.map(({ key, sequence }) => `${key} ${rising.filter((each) => each < sequence).length}`)
        expect(new Set(strata).size).toBe(strata.length)
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

/** The newest version of each key that is not newer than `sequence`. */
function visible(sorted: readonly Entry[], sequence: number): Entry[] {
  const seen = sorted.filter((entry) => entry.sequence <= sequence).sort(compareEntries)
  return seen.filter((entry, i) => i === 0 || Buffer.compare((seen[i - 1] as Entry).key, entry.key) !== 0)
}

function entriesOf(cursor: SurvivorCursor): Entry[] {
  const found: Entry[] = []
  for (let step = cursor.step(); step !== false; step = cursor.step()) {
    if (step === true) found.push(cursor.entry)
    else step.load()
  }
  return found
}
