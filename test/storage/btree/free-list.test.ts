import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodePageNumbers, encodePageNumbers, FreeList } from '../../../ts/storage/btree/free-list.ts'

describe('free list', () => {
  it('gives a page out again only when no needed epoch lies in its life', () => {
    const list = new FreeList()
    const pages = [list.allocate(), list.allocate(), list.allocate()]
    list.retire({ page: pages[0] as number, birth: 1, retiredAt: 3 })
    list.retire({ page: pages[1] as number, birth: 3, retiredAt: 5 })
    list.retire({ page: pages[2] as number, birth: 5, retiredAt: 6 })
    const freed: number[] = []
    list.reclaim([2, 5], (page) => freed.push(page))
    expect(freed).toEqual([pages[1]]) // 2 needs the first, 5 the third; a pinned snapshot at 2 does not hold the second
    list.reclaim([5], (page) => freed.push(page))
    expect(freed).toEqual([pages[1], pages[0]])
    list.reclaim([6], (page) => freed.push(page))
    expect(freed).toEqual([pages[1], pages[0], pages[2]])
    expect([list.allocate(), list.allocate(), list.allocate()].sort()).toEqual(pages.sort())
    expect(list.allocate()).toBe(5)
  })

  it('writes its numbers down and reads them back', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 2, max: 2 ** 40 }), { maxLength: 200 }), (numbers) => {
        const sorted = Float64Array.from(numbers).sort()
        const stream = encodePageNumbers(sorted)
        expect(decodePageNumbers(stream, sorted.length, 2 ** 41)).toEqual([...sorted])
        if (sorted.length > 0) {
          expect(decodePageNumbers(stream.subarray(0, -1), sorted.length, 2 ** 41)).toBeUndefined()
          expect(decodePageNumbers(stream, sorted.length - 1, 2 ** 41)).toBeUndefined()
          expect(decodePageNumbers(stream, sorted.length, sorted.at(-1) as number)).toBeUndefined()
        }
      }),
    )
  })

  it('takes any bytes without harm', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 50 }), (bytes, count) => {
        const numbers = decodePageNumbers(bytes, count, 1000)
        if (numbers !== undefined)
          expect(numbers.every((page, i) => page >= 2 && page < 1000 && page > (numbers[i - 1] ?? 1))).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})
