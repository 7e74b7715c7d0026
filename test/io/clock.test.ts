import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { realClock } from '../../ts/io/clock.ts'

const LONGEST_MS = 2 ** 31 - 1

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a timer of the real clock', () => {
  it('waits as long as it should, also if that is longer than a timer of Node can', () => {
    const fire = vi.fn()
    realClock.timer(3 * LONGEST_MS, fire)
    vi.advanceTimersByTime(3 * LONGEST_MS - 1)
    expect(fire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(fire).toHaveBeenCalledOnce()
  })

  it('is cancelled in any part of that', () => {
    const fire = vi.fn()
    const cancel = realClock.timer(2 * LONGEST_MS, fire)
    vi.advanceTimersByTime(LONGEST_MS + 1)
    cancel()
    vi.advanceTimersByTime(LONGEST_MS)
    expect(fire).not.toHaveBeenCalled()
  })
})
