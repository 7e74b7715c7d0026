import type { Cancel, Clock } from '../../ts/io/clock.ts'

/** Time that moves when it is told to. Turns of the event loop are real. */
export class ManualClock implements Clock {
  private nowMs: number
  private readonly timers = new Set<{ atMs: number; fire: () => void }>()

  constructor(nowMs = 1_000_000) {
    this.nowMs = nowMs
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.timers.size
  }

  now(): number {
    return this.nowMs
  }

  monotonic(): number {
    return this.nowMs * 1e6
  }

  timer(afterMs: number, fire: () => void): Cancel {
    const timer = { atMs: this.nowMs + afterMs, fire }
    this.timers.add(timer)
    return () => void this.timers.delete(timer)
  }

  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  /** Moves the wall clock alone, as when somebody sets it. */
  set(nowMs: number): void {
    this.nowMs = nowMs
  }

  /** Lets time pass and fires what is due by then. */
  advance(ms: number): void {
    this.nowMs += ms
    for (const timer of [...this.timers]) {
      if (timer.atMs > this.nowMs) continue
      this.timers.delete(timer)
      timer.fire()
    }
  }
}
