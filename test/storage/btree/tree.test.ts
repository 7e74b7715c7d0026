import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { Cursor } from '../../../ts/storage/btree/cursor.ts'
import { FreeList } from '../../../ts/storage/btree/free-list.ts'
import { NO_PAGE } from '../../../ts/storage/btree/page.ts'
import { Pager } from '../../../ts/storage/btree/pager.ts'
import { prepareValue, Tree } from '../../../ts/storage/btree/tree.ts'
import { compareBytes } from '../../../ts/storage/compare.ts'
import { WHOLE_RANGE } from '../../../ts/storage/ordered/range.ts'

function makeTree(pageSizeBytes: number, cachePages: number): { pager: Pager; tree: Tree } {
  const file = new SimulatedDisk().open('/data', 'create')
  const pager = new Pager(file, {
    pageSizeBytes,
    cacheBytes: cachePages * pageSizeBytes,
    freeList: new FreeList(),
    epoch: 1,
  })
  return { pager, tree: new Tree(pager, 1, NO_PAGE, () => {}) }
}

function put(pager: Pager, tree: Tree, key: Uint8Array, value: Uint8Array): void {
  tree.put(key, prepareValue(pager, tree.id, key, value))
  pager.trim()
}

function entries(pager: Pager, tree: Tree, range = WHOLE_RANGE): [string, string][] {
  const cursor = new Cursor(pager, tree.root, range)
  const found: [string, string][] = []
  while (cursor.next()) found.push([hex(cursor.key()), hex(cursor.value())])
  return found
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Keys that force long common prefixes, breaks of them, empty keys and deep trees. */
function randomKey(random: { next(): number }): Uint8Array {
  const shape = random.next()
  if (shape < 0.01) return new Uint8Array(0)
  if (shape < 0.5)
    return Buffer.from(`user:${'x'.repeat(Math.floor(random.next() * 3) * 10)}${Math.floor(random.next() * 500)}`)
  const length = Math.floor(random.next() * 20)
  return Uint8Array.from({ length }, () => Math.floor(random.next() * 4) * 85)
}

describe('tree', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'agrees with a sorted map, also for the frozen states along the way (seed %i)',
    (seed) => {
      const random = seededRandom(seed)
      const { pager, tree } = makeTree(512, 16)
      const model = new Map<string, string>()
      const frozen: { epoch: number; root: typeof tree.root; expected: [string, string][] }[] = []
      const sorted = (): [string, string][] =>
        [...model].sort(([a], [b]) => compareBytes(Buffer.from(a, 'hex'), Buffer.from(b, 'hex')))
      for (let step = 0; step < 3000; step++) {
        const key = randomKey(random)
        const deleting = random.next() < (Math.floor(step / 600) % 2 === 0 ? 0.3 : 0.7)
        if (deleting) expect(tree.delete(key)).toBe(model.delete(hex(key)))
        else {
          const value = Buffer.alloc(Math.floor(random.next() ** 6 * 3000), step & 0xff)
          put(pager, tree, key, value)
          model.set(hex(key), hex(value))
        }
        pager.trim()
        if (random.next() < 0.01) frozen.push({ epoch: pager.openEpoch(), root: tree.root, expected: sorted() })
        if (frozen.length > 3) {
          const [state] = frozen.splice(Math.floor(random.next() * 3), 1)
          const cursor = new Cursor(pager, state!.root, WHOLE_RANGE)
          const found: [string, string][] = []
          while (cursor.next()) found.push([hex(cursor.key()), hex(cursor.value())])
          expect(found).toEqual(state!.expected)
          pager.closeEpoch(state!.epoch)
        }
        if (step % 100 === 0) expect(entries(pager, tree)).toEqual(sorted())
      }
      expect(entries(pager, tree)).toEqual(sorted())
      expect(entries(pager, tree, { ...WHOLE_RANGE, reverse: true })).toEqual(sorted().reverse())
      expect(tree.keyCount).toBe(model.size)
      for (const { epoch } of frozen) pager.closeEpoch(epoch)
      expect(tree.deleteRange(WHOLE_RANGE)).toBe(model.size)
      expect(tree.root).toEqual(NO_PAGE)
      pager.reclaim()
      expect(pager.freeList.freeCount + 2).toBe(pager.freeList.pageCount)
    },
  )
})
