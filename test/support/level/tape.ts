// As much of tape as the suite of abstract-level uses, on vitest: its tests run unchanged, each as a test of vitest's.
import assert from 'node:assert/strict'
import { it } from 'vitest'

/** What a test of tape is given. */
export interface TapeTest {
  plan(count: number): void
  end(): void
  pass(message?: string): void
  fail(message?: string): void
  ok(value: unknown, message?: string): void
  is(found: unknown, wanted: unknown, message?: string): void
  isNot(found: unknown, wanted: unknown, message?: string): void
  same(found: unknown, wanted: unknown, message?: string): void
  throws(fn: () => unknown, matches: (error: Error) => boolean): void
  doesNotThrow(fn: () => unknown): void
}

export type TapeTestFunction = (name: string, body: (t: TapeTest) => unknown) => void

/** Makes a `test` like tape's, and counts its assertions. */
export function tapeOnVitest(): { test: TapeTestFunction; assertions(): number } {
  let assertions = 0
  const names = new Map<string, number>()
  const test: TapeTestFunction = (name, body) => {
    const before = names.get(name) ?? 0
    names.set(name, before + 1)
    it(before === 0 ? name : `${name} (${before + 1})`, async () => {
      const run = new Run()
      try {
        const result = body(run)
        await result
        // A test ends with its promise, with its plan, or by `end`; one that promised nothing and planned nothing calls that.
        if (run.planned !== undefined || !(result instanceof Promise)) await run.over
        run.check()
      } finally {
        assertions += run.count
      }
    })
  }
  return { test, assertions: () => assertions }
}

class Run implements TapeTest {
  count = 0
  planned: number | undefined
  /** Resolves when the plan is fulfilled, or at `end`. */
  readonly over: Promise<void>
  private finish: () => void = () => {}
  private failure: unknown

  constructor() {
    this.over = new Promise((resolve) => {
      this.finish = resolve
    })
  }

  plan(count: number): void {
    this.planned = count
    if (this.count >= count) this.finish()
  }

  end(): void {
    this.finish()
  }

  /** Throws if an assertion failed where nobody heard of it, or if there were too many. */
  check(): void {
    if (this.failure !== undefined) throw this.failure
    if (this.planned !== undefined) assert.equal(this.count, this.planned, 'as many assertions as planned')
  }

  pass(): void {
    this.assert(() => {})
  }

  fail(message = 'failed'): void {
    this.assert(() => assert.fail(message))
  }

  ok(value: unknown, message?: string): void {
    this.assert(() => assert.ok(value, message))
  }

  is(found: unknown, wanted: unknown, message?: string): void {
    this.assert(() => assert.equal(found, wanted, message))
  }

  isNot(found: unknown, wanted: unknown, message?: string): void {
    this.assert(() => assert.notEqual(found, wanted, message))
  }

  same(found: unknown, wanted: unknown, message?: string): void {
    this.assert(() => assert.deepEqual(found, wanted, message))
  }

  throws(fn: () => unknown, matches: (error: Error) => boolean): void {
    this.assert(() => assert.throws(fn, matches))
  }

  doesNotThrow(fn: () => unknown): void {
    this.assert(() => assert.doesNotThrow(fn))
  }

  /** In tape a failed assertion fails the test but does not end it. */
  private assert(check: () => void): void {
    this.count++
    try {
      check()
    } catch (error) {
      this.failure ??= error
    }
    if (this.count === this.planned) this.finish()
  }
}
