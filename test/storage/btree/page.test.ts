import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkPage,
  inlineValueAt,
  insertIntoLeaf,
  keyAt,
  mergeInto,
  moveCells,
  Page,
  PageType,
  pageProblem,
  removeCell,
  replaceInLeaf,
  search,
  slotProblem,
  splitPoint,
  usedBytes,
} from '../../../ts/storage/btree/page.ts'
import { compareBytes } from '../../../ts/storage/compare.ts'

const PAGE_BYTES = 1024

function leaf(): Page {
  const page = new Page(PAGE_BYTES)
  page.identify(7, 3)
  page.format(PageType.leaf, 1, 0)
  return page
}

function put(page: Page, key: Uint8Array, value: Uint8Array): boolean {
  const slot = search(page, key)
  const cell = { length: value.length, inline: value }
  return slot >= 0 ? replaceInLeaf(page, slot, cell) : insertIntoLeaf(page, ~slot, key, cell)
}

function contents(page: Page): [string, string][] {
  expect(pageProblem(page)).toBeUndefined()
  expect(slotProblem(page)).toBeUndefined()
  return Array.from({ length: page.count }, (_, slot) => [hex(keyAt(page, slot)), hex(inlineValueAt(page, slot))])
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const byKey = ([a]: [string, string], [b]: [string, string]): number =>
  compareBytes(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'))

/** Keys that share prefixes of many lengths, end early, and differ in the last byte. */
const keys = fc
  .tuple(fc.constantFrom('', 'a', 'user:', 'user:profile:', 'zz'), fc.uint8Array({ maxLength: 6 }))
  .map(([prefix, rest]) => Buffer.concat([Buffer.from(prefix), rest]))
const values = fc.uint8Array({ maxLength: 60 })
const operations = fc.array(fc.oneof(fc.record({ key: keys, value: values }), fc.record({ key: keys })), {
  maxLength: 120,
})

function fill(page: Page, steps: { key: Uint8Array; value?: Uint8Array }[]): Map<string, string> {
  const model = new Map<string, string>()
  for (const { key, value } of steps) {
    if (value === undefined) {
      const slot = search(page, key)
      expect(slot >= 0).toBe(model.delete(hex(key)))
      if (slot >= 0) removeCell(page, slot)
    } else {
      const before = contents(page)
      if (put(page, key, value)) model.set(hex(key), hex(value))
      else expect(contents(page)).toEqual(before)
    }
  }
  return model
}

describe('page', () => {
  it('agrees with a sorted map, and a change that does not fit leaves it as it was', () => {
    fc.assert(
      fc.property(operations, (steps) => {
        const page = leaf()
        const model = fill(page, steps)
        expect(contents(page)).toEqual([...model].sort(byKey))
      }),
      { numRuns: 300 },
    )
  })

  it('splits into two pages that hold its cells in order, and merges back', () => {
    fc.assert(
      fc.property(operations, fc.nat(), (steps, at) => {
        const page = leaf()
        const expected = [...fill(page, steps)].sort(byKey)
        const index = at % (page.count + 1)
        const cut = page.count < 2 ? page.count : splitPoint(page, index, 40)
        const right = leaf()
        moveCells(page, right, cut)
        expect([...contents(page), ...contents(right)]).toEqual(expected)
        const both = usedBytes(page) + usedBytes(right)
        const before = contents(page)
        if (mergeInto(page, right)) expect(contents(page)).toEqual(expected)
        else {
          expect(contents(page)).toEqual(before)
          expect(both).toBeGreaterThan(PAGE_BYTES)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('finds every key, and the place of every absent one, whatever the prefix', () => {
    fc.assert(
      fc.property(operations, keys, (steps, wanted) => {
        const page = leaf()
        const sorted = [...fill(page, steps)].sort(byKey).map(([key]) => Buffer.from(key, 'hex'))
        const at = sorted.findIndex((key) => compareBytes(key, wanted) >= 0)
        const place = at < 0 ? sorted.length : at
        const isThere = at >= 0 && compareBytes(sorted[at] as Buffer, wanted) === 0
        expect(search(page, wanted)).toBe(isThere ? place : ~place)
      }),
      { numRuns: 300 },
    )
  })

  it('names what is wrong with a page that is not the one asked for', () => {
    const page = leaf()
    put(page, Buffer.from('key'), Buffer.from('value'))
    page.seal()
    expect(() => checkPage(page, { page: 7, birth: 3 }, 'data')).not.toThrow()
    expect(() => checkPage(page, { page: 8, birth: 3 }, 'data')).toThrow(
      'data, page 8 (offset 8192): holds page 7 (a misdirected write)',
    )
    expect(() => checkPage(page, { page: 7, birth: 4 }, 'data')).toThrow(
      'is of epoch 3 where 4 was written (a lost write)',
    )
    page.bytes[900]! ^= 1
    expect(() => checkPage(page, { page: 7, birth: 3 }, 'data')).toThrow('checksum does not match')
  })

  it('never leads outside itself, whatever its bytes are', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: PAGE_BYTES, maxLength: PAGE_BYTES }),
        fc.constantFrom(1, 2),
        (bytes, type) => {
          const page = new Page(PAGE_BYTES)
          page.bytes.set(bytes)
          page.bytes[4] = type
          page.u16[19] = type - 1
          if (pageProblem(page) !== undefined) return
          for (let slot = 0; slot < page.count; slot++)
            expect(keyAt(page, slot).length).toBeLessThanOrEqual(2 * PAGE_BYTES)
        },
      ),
      { numRuns: 2000 },
    )
  })
})
