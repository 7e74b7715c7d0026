import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RangeTombstones } from '../../../ts/storage/lsm/range-tombstones.ts'
import { survivingTombstones } from '../../../ts/storage/lsm/survivors.ts'
import { isInside, keys, spans } from './support.ts'

const tombstones = fc.array(
  fc
    .record({ span: spans, sequence: fc.integer({ min: 1, max: 20 }) })
    .map(({ span, sequence }) => ({ ...span, sequence })),
  { maxLength: 80 },
)

describe('range tombstones', () => {
  it('know the newest one that covers a key, however they came', () => {
    fc.assert(
      fc.property(tombstones, fc.array(keys, { maxLength: 20 }), fc.nat(21), (all, asked, upTo) => {
        const set = new RangeTombstones()
        for (const [i, tombstone] of all.entries()) {
          set.add(tombstone)
          const key = asked[i % Math.max(1, asked.length)]
          if (key !== undefined && i % 9 === 0) set.covering(key, upTo)
        }
        for (const key of asked) {
          const covering = all.filter((each) => isInside(key, each) && each.sequence <= upTo)
          expect(set.covering(key, upTo)).toBe(Math.max(0, ...covering.map(({ sequence }) => sequence)))
        }
      }),
    )
  })

  it('cut at their bounds cover the same', () => {
    fc.assert(
      fc.property(tombstones, keys, fc.nat(21), (all, key, upTo) => {
        const { fragments } = new RangeTombstones(all)
        const pieces = fragments.flatMap(({ start, end, sequences }) =>
          sequences.map((sequence) => ({ start, end, sequence })),
        )
        expect(new RangeTombstones(pieces).covering(key, upTo)).toBe(new RangeTombstones(all).covering(key, upTo))
        for (const [i, { start, end }] of fragments.entries()) {
          expect(Buffer.compare(start, end)).toBeLessThan(0)
          const next = fragments[i + 1]
          if (next !== undefined) expect(Buffer.compare(end, next.start)).toBeLessThanOrEqual(0)
        }
      }),
    )
  })

  it('that a merge keeps hide the same from every snapshot and from the present', () => {
    fc.assert(
      fc.property(tombstones, fc.uniqueArray(fc.nat(20), { maxLength: 4 }), keys, (all, snapshots, key) => {
        const rising = snapshots.sort((a, b) => a - b)
        const table = { start: new Uint8Array(0), end: Uint8Array.of(9), number: 1 } as never
        const kept = new RangeTombstones(
          survivingTombstones(new RangeTombstones(all), { snapshots: rising, older: [[table]] }),
        )
        for (const upTo of [...rising, 100]) {
          // Nobody tells apart two tombstones between which there is no snapshot.
          const [before, after] = [new RangeTombstones(all).covering(key, upTo), kept.covering(key, upTo)]
          expect(after).toBe(before)
        }
      }),
    )
  })

  it('go away where nothing older is left, unless a snapshot looks past them', () => {
    const all = new RangeTombstones([
      { start: Buffer.from('a'), end: Buffer.from('c'), sequence: 5 },
      { start: Buffer.from('b'), end: Buffer.from('d'), sequence: 9 },
    ])
    expect(survivingTombstones(all, { snapshots: [], older: [] })).toEqual([])
    expect(survivingTombstones(all, { snapshots: [7], older: [] }).map(({ sequence }) => sequence)).toEqual([9, 9])
  })
})
