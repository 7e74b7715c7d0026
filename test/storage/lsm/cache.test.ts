import { describe, expect, it } from 'vitest'
import { Cache } from '../../../ts/storage/lsm/cache.ts'

describe('a cache', () => {
  it('keeps what was used since its hand came by last, within its bound', () => {
    const cache = new Cache<string>(30)
    for (const key of [1, 2, 3]) cache.set(key, `value ${key}`, 10)
    expect(cache.get(1)).toBe('value 1')
    cache.set(4, 'value 4', 10)
    expect([1, 2, 3, 4].map((key) => cache.get(key))).toEqual(['value 1', undefined, 'value 3', 'value 4'])
    expect([cache.bytes, cache.hits, cache.misses]).toEqual([30, 4, 1])
  })

  it('keeps nothing that is larger than all of it', () => {
    const cache = new Cache<string>(30)
    cache.set(1, 'small', 30)
    cache.set(2, 'large', 31)
    expect([cache.get(1), cache.get(2), cache.bytes]).toEqual(['small', undefined, 30])
  })

  it('keeps to a smaller bound at once, and uses a larger one', () => {
    const cache = new Cache<number>(1000)
    for (let key = 0; key < 100; key++) cache.set(key, key, 10)
    cache.limit(55)
    expect(cache.bytes).toBe(50)
    cache.limit(0)
    expect(cache.bytes).toBe(0)
    cache.set(1, 1, 10)
    expect(cache.get(1)).toBe(undefined)
    cache.limit(20)
    cache.set(1, 1, 10)
    expect(cache.get(1)).toBe(1)
  })
})
