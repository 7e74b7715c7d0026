// A network of datagrams: which of them arrive, when, and how often.
import { assert } from '../../base/errors.ts'
import type { Random } from '../../io/random.ts'
import { chance, untilNext } from './chance.ts'
import type { NetworkFaults, ProcessId } from './types.ts'

/** Ids lie below this, so that a way from one process to another is one number. */
export const MAX_PROCESS_ID = 1023
const WAYS_FROM = MAX_PROCESS_ID + 1

/** The ways between processes. It decides; the simulation carries. */
export class Network {
  /** What happens to every message from now on. */
  faults: NetworkFaults
  /** What has happened so far; messages that a way was blocked for are lost too. */
  readonly counts = { lost: 0, duplicated: 0, late: 0 }
  private readonly random: Random
  /** How many reasons there are why nothing passes a way. */
  private readonly blocks = new Map<number, number>()
  private readonly cloggedUntil = new Map<number, number>()
  /** How often a way has lost all that was on it. */
  private readonly resets = new Map<number, number>()
  /** When the last message of a way arrives, while messages keep their order. */
  private readonly lastArrival = new Map<number, number>()

  constructor(random: Random, faults: NetworkFaults) {
    this.random = random
    this.faults = faults
  }

  /** When a message that leaves at `nowMs` arrives: no time if it is lost, two if it is duplicated. */
  arrivals(from: ProcessId, to: ProcessId, nowMs: number): number[] {
    const { faults, random } = this
    const way = wayOf(from, to)
    if (this.isBlocked(way) || chance(random, faults.lossRate)) {
      this.counts.lost++
      return []
    }
    const first = this.arrival(way, nowMs)
    if (!chance(random, faults.duplicateRate)) return [first]
    this.counts.duplicated++
    return [first, this.arrival(way, nowMs)]
  }

  /** What a message must show when it arrives: `passes` says whether it still does. */
  ticket(from: ProcessId, to: ProcessId): number {
    return this.resetsOf(wayOf(from, to))
  }

  /** Says whether a message that was sent with `ticket` still arrives. */
  passes(from: ProcessId, to: ProcessId, ticket: number): boolean {
    const way = wayOf(from, to)
    const isThere = !this.isBlocked(way) && this.resetsOf(way) === ticket
    if (!isThere) this.counts.lost++
    return isThere
  }

  /**
   * Lets nothing pass from each of `froms` to each of `tos`, one way; what is under way is lost if it arrives meanwhile.
   * Ways may be blocked several times and are free when every block is undone.
   * @returns What undoes it; a second call does nothing.
   */
  block(froms: readonly ProcessId[], tos: readonly ProcessId[]): () => void {
    const ways = froms.flatMap((from) => tos.filter((to) => to !== from).map((to) => wayOf(from, to)))
    for (const way of ways) this.blocks.set(way, (this.blocks.get(way) ?? 0) + 1)
    let isUndone = false
    return () => {
      if (isUndone) return
      isUndone = true
      for (const way of ways) {
        const count = (this.blocks.get(way) ?? 0) - 1
        if (count > 0) this.blocks.set(way, count)
        else this.blocks.delete(way)
      }
    }
  }

  /** Blocks both ways between each of `some` and each of `others`. @returns What undoes it. */
  separate(some: readonly ProcessId[], others: readonly ProcessId[]): () => void {
    const undo = [this.block(some, others), this.block(others, some)]
    return () => {
      for (const each of undo) each()
    }
  }

  /** Holds back what is sent from `from` to `to` until `untilMs`. Nothing is lost. */
  clog(from: ProcessId, to: ProcessId, untilMs: number): void {
    this.cloggedUntil.set(wayOf(from, to), untilMs)
  }

  /** Loses all that is under way between two processes, both ways. */
  reset(a: ProcessId, b: ProcessId): void {
    for (const way of [wayOf(a, b), wayOf(b, a)]) this.resets.set(way, (this.resets.get(way) ?? 0) + 1)
  }

  /** Frees all ways. What undoes an earlier block must not be called any more. */
  heal(): void {
    this.blocks.clear()
    this.cloggedUntil.clear()
  }

  // Most of the time there is none of either, and a map that is empty need not be asked.
  private isBlocked(way: number): boolean {
    return this.blocks.size > 0 && this.blocks.has(way)
  }

  private resetsOf(way: number): number {
    return this.resets.size > 0 ? (this.resets.get(way) ?? 0) : 0
  }

  private arrival(way: number, nowMs: number): number {
    const { faults, random } = this
    const isLate = chance(random, faults.lateRate)
    if (isLate) this.counts.late++
    const late = isLate ? untilNext(random, faults.lateMs) : 0
    const delay = faults.minDelayMs + untilNext(random, faults.meanDelayMs) + late
    const clogged = this.cloggedUntil.size > 0 ? this.cloggedUntil.get(way) : undefined
    const time = Math.max(nowMs, clogged ?? 0) + delay
    if (faults.reorders) return time
    const ordered = Math.max(time, this.lastArrival.get(way) ?? 0)
    this.lastArrival.set(way, ordered)
    return ordered
  }
}

function wayOf(from: ProcessId, to: ProcessId): number {
  assert(from >= 0 && from <= MAX_PROCESS_ID && to >= 0 && to <= MAX_PROCESS_ID, 'ids of processes are small')
  return from * WAYS_FROM + to
}
