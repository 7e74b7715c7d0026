// A sorted set: a table of members for their scores, and the members in order of (score, member) in runs of at most MAX_RUN
// side by side in memory. Against a skip list of single nodes, a run costs a tenth of the memory and stays in the cache: to
// insert moves at most MAX_RUN elements by one place, and ranks are counted by run. With n members there are about n / 384 runs.
// Up to MAX_SMALL members there is one run and no table: a member is found by looking at each.
import type { EncodingLimits } from './encoding.ts'
import { IndexedMap } from './indexed-map.ts'
import { ARRAY_BYTES, objectBytes, SLOT_BYTES, stringBytes } from './memory.ts'

const MAX_RUN = 512
const MAX_SMALL = 32
const OWN_BYTES = objectBytes(5) + ARRAY_BYTES
const RUN_BYTES = objectBytes(2) + 2 * ARRAY_BYTES + 8

interface Run {
  scores: number[]
  members: string[]
}

/** Members with scores, ordered by score and then by the member's bytes. Ranks count from 0. */
export class SortedSet {
  readonly type = 'zset'
  encoding: 'listpack' | 'skiplist' = 'listpack'
  /** Scores by member; undefined as long as there were never more than MAX_SMALL. */
  #scores: IndexedMap<number> | undefined
  #runs: Run[] = []
  /** What the members cost, while there is no table that counts them. */
  #contentBytes = 0

  get size(): number {
    return this.#scores === undefined ? (this.#runs[0]?.members.length ?? 0) : this.#scores.size
  }

  /** What it costs in memory, about. O(1). */
  get bytes(): number {
    const content = this.#scores === undefined ? this.#contentBytes : this.#scores.bytes
    const slotBytes = this.#scores === undefined ? 8 : SLOT_BYTES
    return OWN_BYTES + content + this.#runs.length * RUN_BYTES + 2 * slotBytes * this.size
  }

  score(member: string): number | undefined {
    if (this.#scores !== undefined) return this.#scores.get(member)
    const run = this.#runs[0]
    return run?.scores[run.members.indexOf(member)]
  }

  /** @param score - No NaN. @returns True if the member is new. O(log n + MAX_RUN). */
  set(member: string, given: number, limits: EncodingLimits): boolean {
    const old = this.score(member)
    if (old === undefined && this.encoding === 'listpack') {
      const isTooLarge = this.size >= limits.zsetMaxListpackEntries || member.length > limits.zsetMaxListpackValue
      if (isTooLarge) this.encoding = 'skiplist'
    }
    const score = this.encoding === 'listpack' && given === 0 ? 0 : given // a listpack has no -0
    if (old === score) return false
    if (old !== undefined) this.#take(old, member)
    if (this.#scores === undefined && this.size >= MAX_SMALL) this.#scores = this.#table()
    this.#scores?.set(member, score)
    this.#put(score, member)
    return old === undefined
  }

  /** Takes the compact encoding if it is small enough for it, as Redis does with results of ZUNIONSTORE and its like. */
  compact(limits: EncodingLimits): void {
    const isShort = (member: string): boolean => member.length <= limits.zsetMaxListpackValue
    const members = this.slice(0, this.size)
    if (this.size > limits.zsetMaxListpackEntries || !members.every(isShort)) return
    this.encoding = 'listpack'
    for (const member of members) {
      if (!Object.is(this.score(member), -0)) continue
      this.delete(member)
      this.set(member, 0, limits)
    }
  }

  /** @returns False if it was not there. */
  delete(member: string): boolean {
    const score = this.score(member)
    if (score === undefined) return false
    this.#take(score, member)
    this.#scores?.delete(member)
    return true
  }

  /** How many members come before `member`; undefined if it is not there. */
  rank(member: string): number | undefined {
    const score = this.score(member)
    if (score === undefined) return undefined
    return this.countBefore((otherScore, other) => isBefore(otherScore, other, score, member))
  }

  /**
   * How many members come first, where `isFirst` holds for a beginning of the order and for nothing after it.
   * O(log n) calls and a sum over the runs.
   */
  countBefore(isFirst: (score: number, member: string) => boolean): number {
    const run = this.#runWhere(isFirst)
    let count = 0
    for (let i = 0; i < run; i++) count += (this.#runs[i] as Run).members.length
    const within = this.#runs[run]
    return within === undefined ? count : count + placeWhere(within, isFirst)
  }

  /** Visits the members from rank `start` to before `end`, in order or, with `isReversed`, from the last to the first. */
  visit(start: number, end: number, isReversed: boolean, visit: (member: string, score: number) => void): void {
    if (start >= end) return
    const first = isReversed ? end - 1 : start
    let { run, place } = this.#locate(first)
    for (let left = end - start; left > 0; left--) {
      const { members, scores } = this.#runs[run] as Run
      visit(members[place] as string, scores[place] as number)
      if (isReversed) {
        if (--place < 0) place = (this.#runs[--run]?.members.length ?? 0) - 1
      } else if (++place === members.length) {
        run++
        place = 0
      }
    }
  }

  /** The members from rank `start` to before `end`. */
  slice(start: number, end: number): string[] {
    const members: string[] = []
    this.visit(start, end, false, (member) => members.push(member))
    return members
  }

  /** The member at a rank below `size`. */
  at(rank: number): string {
    const { run, place } = this.#locate(rank)
    return (this.#runs[run] as Run).members[place] as string
  }

  /** The member at a position of scans below `size`. */
  memberAt(position: number): string {
    return this.#scores === undefined ? this.at(position) : this.#scores.keyAt(position)
  }

  /** See IndexedMap.scan. Few members are visited at once, whatever `count` is: their positions are ranks, which change. */
  scan(cursor: number, count: number, visit: (position: number) => void): number {
    if (this.#scores !== undefined) return this.#scores.scan(cursor, count, visit)
    for (let position = 0; position < this.size; position++) visit(position)
    return 0
  }

  clone(): SortedSet {
    const copy = new SortedSet()
    copy.encoding = this.encoding
    copy.#scores = this.#scores?.clone()
    copy.#contentBytes = this.#contentBytes
    copy.#runs = this.#runs.map(({ scores, members }) => ({ scores: [...scores], members: [...members] }))
    return copy
  }

  /** Fails unless both halves say the same: for tests. */
  verify(): boolean {
    const all: [number, string][] = []
    this.visit(0, this.size, false, (member, score) => all.push([score, member]))
    const isOrdered = all.every(([score, member], i) => {
      const next = all[i + 1]
      return next === undefined || isBefore(score, member, next[0], next[1])
    })
    return isOrdered && all.every(([score, member]) => this.score(member) === score)
  }

  #table(): IndexedMap<number> {
    const table = new IndexedMap<number>()
    this.visit(0, this.size, false, (member, score) => table.set(member, score))
    return table
  }

  #put(score: number, member: string): void {
    this.#contentBytes += stringBytes(member)
    const isFirst = (otherScore: number, other: string): boolean => isBefore(otherScore, other, score, member)
    // Past the last run means the end of the last one.
    const index = Math.min(this.#runWhere(isFirst), this.#runs.length - 1)
    const run = this.#runs[index]
    if (run === undefined) {
      this.#runs = [{ scores: [score], members: [member] }]
      return
    }
    const place = placeWhere(run, isFirst)
    if (this.#scores === undefined) {
      run.scores = inserted(run.scores, place, score)
      run.members = inserted(run.members, place, member)
      return
    }
    run.scores.splice(place, 0, score)
    run.members.splice(place, 0, member)
    if (run.members.length <= MAX_RUN) return
    // What is added in ascending order fills its runs; anything else halves them.
    const isAtEnd = index === this.#runs.length - 1 && place === MAX_RUN
    const kept = isAtEnd ? MAX_RUN : MAX_RUN / 2
    this.#runs.splice(index + 1, 0, { scores: run.scores.splice(kept), members: run.members.splice(kept) })
  }

  #take(score: number, member: string): void {
    this.#contentBytes -= stringBytes(member)
    const isFirst = (otherScore: number, other: string): boolean => isBefore(otherScore, other, score, member)
    const index = this.#runWhere(isFirst)
    const run = this.#runs[index] as Run
    const place = placeWhere(run, isFirst)
    run.scores.splice(place, 1)
    run.members.splice(place, 1)
    const next = this.#runs[index + 1]
    if (run.members.length === 0) this.#runs.splice(index, 1)
    else if (next !== undefined && run.members.length + next.members.length <= MAX_RUN / 2) {
      run.scores.push(...next.scores)
      run.members.push(...next.members)
      this.#runs.splice(index + 1, 1)
    }
  }

  /** The first run whose last member is not among the first; the number of runs if there is none. */
  #runWhere(isFirst: (score: number, member: string) => boolean): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const { scores, members } = this.#runs[middle] as Run
      const last = members.length - 1
      if (isFirst(scores[last] as number, members[last] as string)) low = middle + 1
      else high = middle
    }
    return low
  }

  #locate(rank: number): { run: number; place: number } {
    let place = rank
    let run = 0
    while (run < this.#runs.length && place >= (this.#runs[run] as Run).members.length) {
      place -= (this.#runs[run] as Run).members.length
      run++
    }
    return { run, place }
  }
}

/** A copy with one element more and no room for others: V8 would make room for 16. */
function inserted<T>(array: readonly T[], place: number, element: T): T[] {
  return place === array.length ? array.concat([element]) : array.slice(0, place).concat([element], array.slice(place))
}

/** How many of a run's members are among the first. */
function placeWhere({ scores, members }: Run, isFirst: (score: number, member: string) => boolean): number {
  let low = 0
  let high = members.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isFirst(scores[middle] as number, members[middle] as string)) low = middle + 1
    else high = middle
  }
  return low
}

function isBefore(score: number, member: string, otherScore: number, other: string): boolean {
  return score < otherScore || (score === otherScore && member < other)
}
