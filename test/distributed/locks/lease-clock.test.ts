import { describe, expect, it } from 'vitest'
import { endOf, LeaseClock } from '../../../ts/distributed/locks/lease-clock.ts'
import { openState, put } from '../../support/locks-state.ts'

function withLease() {
  const state = openState()
  state.apply({ grant: { id: 7n, ttlSeconds: 10 } })
  state.apply(put('b', '1', { lease: 7n }))
  state.apply(put('a', '1', { lease: 7n }))
  const clock = new LeaseClock()
  const follow = (role: string, term: number, nowMs: number) => clock.follow({ role, term }, state.leases.all(), nowMs)
  return { state, clock, follow }
}

describe('the clock of leases', () => {
  it('says what ends with a lease, once, and in which term that was decided', () => {
    const { state, clock, follow } = withLease()
    expect(follow('leader', 3, 0)).toBe(true)
    expect(clock.takeExpired(state, 9999)).toEqual([])
    const [ending] = clock.takeExpired(state, 10_000)
    expect(ending).toMatchObject({ id: 7n, term: 3, kvs: [{ key: 'a' }, { key: 'b' }] })
    expect(endOf(ending!)).toEqual({ revoke: { id: 7n, term: 3 } })
    expect(clock.takeExpired(state, 10_000)).toEqual([])
  })

  it('tries again what could not be proposed, while the same leader leads', () => {
    const { state, clock, follow } = withLease()
    follow('leader', 3, 0)
    const [ending] = clock.takeExpired(state, 10_000)
    clock.retry(ending!, 10_000)
    expect(clock.takeExpired(state, 10_999)).toEqual([])
    expect(clock.takeExpired(state, 11_000)).toEqual([ending])
  })

  it('gives a lease its whole time when its member leads anew, whatever of the term before comes late', () => {
    const { state, clock, follow } = withLease()
    follow('leader', 3, 0)
    const [ending] = clock.takeExpired(state, 10_000)
    follow('follower', 4, 10_100)
    expect(follow('leader', 5, 10_200)).toBe(true)
    clock.retry(ending!, 10_300) // leadership was lost before the answer
    expect(clock.takeExpired(state, 20_199)).toEqual([])
    expect(clock.takeExpired(state, 20_200)).toMatchObject([{ id: 7n, term: 5 }])
  })

  it('is told of the same term twice, and goes on', () => {
    const { state, clock, follow } = withLease()
    follow('leader', 3, 0)
    expect(follow('leader', 3, 5000)).toBe(false)
    expect(clock.takeExpired(state, 10_000)).toHaveLength(1)
  })
})
