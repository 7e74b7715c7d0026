// The pieces that the engine and its clients are made of.
import { describe, expect, it } from 'vitest'
import type { Coverage, Entry, Position } from '../../../ts/distributed/raft/index.ts'
import { Detector } from '../../../ts/distributed/replication/detector.ts'
import {
  decodeSession,
  encodeSession,
  FailoverWatch,
  Freshness,
  failoverLine,
  laterOf,
} from '../../../ts/distributed/replication/index.ts'
import { Marks } from '../../../ts/distributed/replication/marks.ts'
import { Terms } from '../../../ts/distributed/replication/terms.ts'
import { seededRandom } from '../../../ts/io/random.ts'

const at = (index: number, term = 1): Position => ({ index, term })
const upTo =
  (readable: number) =>
  ({ index }: Position): Coverage =>
    index <= readable ? 'covered' : 'behind'

describe('a session token', () => {
  it.each([at(0, 0), at(1, 1), at(2 ** 53 - 1, 2 ** 53 - 1), at(12_345, 7)])('carries a position: %o', (position) => {
    expect(decodeSession(encodeSession(position))).toEqual(position)
  })

  it.each([
    ...['', 's1', 's1.1', 's1.1.', 's1..1', 's2.1.1', 's1.01.1', 's1.-1.1', 's1.1.1 ', 's1.A.1', 's1.1.1.1'],
    's1.zzzzzzzzzzz.1',
    `s1.1.${'1'.repeat(1000)}`,
  ])('is refused if it is none: %s', (text) => {
    expect(() => decodeSession(text)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
  })

  it('moves on to later leaders, and further with one; a position that was committed needs no term', () => {
    expect(laterOf(at(9, 1), at(3, 2))).toEqual(at(3, 2))
    expect(laterOf(at(9, 1), at(3, 1))).toEqual(at(9, 1))
    expect(laterOf(at(9, 3), at(10, 0))).toEqual(at(10, 0))
    expect(laterOf(at(10, 0), at(9, 3))).toEqual(at(10, 0))
  })
})

describe('freshness', () => {
  it('is that of the question, not of the answer', () => {
    const freshness = new Freshness()
    freshness.learned({ askedAtMs: 100, nowMs: 400, position: at(5) })
    expect(freshness.asOfMs(upTo(4))).toBeUndefined()
    expect(freshness.asOfMs(upTo(5))).toBe(100)
    expect(freshness.isWithin(300, 400, upTo(5))).toBe(true)
    expect(freshness.isWithin(299, 400, upTo(5))).toBe(false)
  })

  it('takes answers in any order, and never goes back', () => {
    const freshness = new Freshness()
    freshness.learned({ askedAtMs: 200, nowMs: 210, position: at(6) })
    expect(freshness.asOfMs(upTo(6))).toBe(200)
    freshness.learned({ askedAtMs: 100, nowMs: 220, position: at(5) })
    expect(freshness.asOfMs(upTo(6))).toBe(200)
  })

  it('is gone when what it rests on was cut back', () => {
    const freshness = new Freshness()
    freshness.learned({ askedAtMs: 100, nowMs: 110, position: at(5) })
    expect(freshness.asOfMs(upTo(5))).toBe(100)
    expect(freshness.asOfMs(() => 'lost')).toBeUndefined()
  })

  it('keeps a bounded number of answers that are not reached, the oldest and the newest among them', () => {
    const freshness = new Freshness()
    for (let i = 1; i <= 1000; i++) freshness.learned({ askedAtMs: i, nowMs: i, position: at(i) })
    expect(freshness.asOfMs(upTo(1))).toBe(1)
    expect(freshness.asOfMs(upTo(1000))).toBe(1000)
  })
})

describe('a failure detector', () => {
  const heard = (intervals: readonly number[], term = 1): Detector => {
    const detector = new Detector({ beatTicks: 1, mostTicks: 40 })
    let now = 0
    detector.heard(now, term)
    for (const interval of intervals) {
      now += interval
      detector.heard(now, term)
    }
    return detector
  }

  it('waits for three beats where beats are even, and longer the more uneven they are', () => {
    expect(heard(Array.from({ length: 50 }, () => 1)).usualTicks).toBe(3)
    const uneven = heard(Array.from({ length: 50 }, (_, i) => [1, 6, 2, 9][i % 4] as number)).usualTicks
    expect(uneven).toBeGreaterThan(15)
    expect(uneven).toBeLessThan(60)
  })

  it('forgets unevenness that is over', () => {
    expect(heard([9, 1, 9, 1, ...Array.from({ length: 80 }, () => 1)]).usualTicks).toBeLessThan(5)
  })

  it('counts neither what comes faster than the beat nor what lies between two leaders', () => {
    const detector = heard(Array.from({ length: 20 }, () => 1))
    for (let i = 0; i < 50; i++) detector.heard(20, 1)
    detector.heard(500, 2)
    expect(detector.usualTicks).toBe(3)
  })

  it('takes an outage for no longer than the longest patience', () => {
    const [long, longest] = [heard([1, 1, 40]), heard([1, 1, 100_000])]
    expect(longest.usualTicks).toBe(long.usualTicks)
  })
})

describe('marks of a log', () => {
  it('say when something behind an index was there first, and how many bytes that is', () => {
    const marks = new Marks(0, 0)
    marks.reach(1, 10, 5)
    marks.reach(2, 10, 5)
    marks.reach(3, 10, 8)
    expect(marks.bytesAfter(3)).toBe(0)
    expect(marks.bytesAfter(2)).toBe(10)
    expect(marks.bytesAfter(1)).toBe(30) // rounded up: 1 and 2 came in one tick
    expect([0, 2, 3].map((index) => marks.passedAt(index))).toEqual([5, 8, undefined])
    expect([4, 5, 7, 8].map((tick) => marks.reachedBy(tick))).toEqual([0, 2, 2, 3])
    expect(marks.withinAt(2)).toBe(5)
  })

  it('are right about what is left after a cut', () => {
    const marks = new Marks(0, 0)
    for (let index = 1; index <= 10; index++) marks.reach(index, 10, 1 + Math.floor(index / 4))
    marks.cutTo(5, 9, (after) => (5 - after) * 10)
    expect(marks.lastIndex).toBe(5)
    expect(marks.bytesAfter(0)).toBe(50)
    marks.reach(6, 1, 10)
    expect(marks.bytesAfter(5)).toBe(1)
  })

  it('stay few and never say less than the truth', () => {
    const random = seededRandom(7)
    const marks = new Marks(0, 0)
    const bytesAt = [0]
    for (let index = 1; index <= 20_000; index++) {
      const bytes = 1 + Math.floor(random.next() * 100)
      bytesAt.push((bytesAt.at(-1) as number) + bytes)
      marks.reach(index, bytes, index)
    }
    const total = bytesAt.at(-1) as number
    for (let i = 0; i < 1000; i++) {
      const index = Math.floor(random.next() * 20_000)
      expect(marks.bytesAfter(index)).toBeGreaterThanOrEqual(total - (bytesAt[index] as number))
      expect(marks.passedAt(index)).toBeGreaterThan(index)
      expect(marks.reachedBy(index)).toBeLessThanOrEqual(index)
    }
    expect((marks as unknown as { marks: unknown[] }).marks.length).toBeLessThan(2100)
  })
})

describe('terms of a log', () => {
  const entries = (...terms: number[]): Entry[] => terms.map((term, i) => ({ kind: 'empty', index: i + 1, term }))

  it('are known where the log is gone, until they are cut back', () => {
    const terms = new Terms(0, 0)
    terms.add(entries(1, 1, 3, 3, 4))
    expect([0, 1, 2, 3, 4, 5].map((index) => terms.of(index))).toEqual([0, 1, 1, 3, 3, 4])
    terms.cutFrom(4)
    expect(terms.of(4)).toBe(3)
    terms.cutFrom(3)
    expect(terms.of(3)).toBe(1)
  })

  it('tell a position from one that was lost, as far as they reach and a little further', () => {
    const terms = new Terms(10, 4)
    terms.add([{ kind: 'empty', index: 11, term: 6 }])
    expect(terms.compare(at(11, 6))).toBe('covered')
    expect(terms.compare(at(11, 5))).toBe('lost')
    expect(terms.compare(at(3, 4))).toBe('covered') // all that the leader of term 4 had before 10
    expect(terms.compare(at(3, 5))).toBe('lost') // terms never fall
    expect(terms.compare(at(3, 2))).toBe('forgotten')
  })

  it('are forgotten behind a snapshot that came in', () => {
    const terms = new Terms(0, 0)
    terms.add(entries(1, 2))
    terms.restart(50, 6)
    expect([49, 50, 51].map((index) => terms.of(index))).toEqual([undefined, 6, 6])
  })
})

describe('what is told of a failover', () => {
  it('names a leader that seemed to have failed when it is back', () => {
    const watch = new FailoverWatch(2)
    const changes = [
      { role: 'follower', term: 1, leader: undefined },
      { role: 'follower', term: 1, leader: 1 },
      { role: 'preCandidate', term: 1, leader: undefined },
      { role: 'follower', term: 1, leader: undefined },
      { role: 'preCandidate', term: 1, leader: undefined },
      { role: 'follower', term: 1, leader: 1 },
    ] as const
    const lines = changes.map((change) => {
      const event = watch.take(change)
      return event === undefined ? undefined : failoverLine(2, event)
    })
    expect(lines.filter((line) => line !== undefined)).toEqual([
      '[Follower 2] Leader failed, starting election...',
      '[Follower 2] Following new leader: node-1',
    ])
  })

  it('is nothing when leadership is handed over and the first leader appears', () => {
    const watch = new FailoverWatch(2)
    const first = watch.take({ role: 'follower', term: 1, leader: 1 })
    expect(first).toEqual({ kind: 'following', leader: 1, isFirst: true })
    expect(failoverLine(2, first as NonNullable<typeof first>)).toBeUndefined()
    expect(watch.take({ role: 'candidate', term: 2, leader: undefined })).toBeUndefined()
    expect(watch.take({ role: 'leader', term: 2, leader: 2 })).toEqual({ kind: 'elected', term: 2, isFirst: false })
  })
})
