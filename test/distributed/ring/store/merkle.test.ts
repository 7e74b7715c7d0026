// Two trees find what they know differently, and ask for little.
import { describe, expect, it } from 'vitest'
import { hashKey, positionOf, type TokenRange } from '../../../../ts/distributed/ring/index.ts'
import { MAX_ASKED_NODES, MerkleTree, TreeComparison } from '../../../../ts/distributed/ring/store/index.ts'
import { seededRandom } from '../../../../ts/io/random.ts'
import { codeOf } from '../../../support/errors.ts'

const WHOLE: TokenRange = { start: 0, end: 2 ** 53 }

function add(tree: MerkleTree, key: string, version = 1): void {
  tree.change(positionOf(key), undefined, hashKey(`${key}=${version}`))
}

function compareTrees(
  ours: MerkleTree,
  theirs: MerkleTree,
): { differences: TokenRange[]; asked: number; most: number } {
  const comparison = new TreeComparison(ours)
  let [asked, most] = [0, 0]
  for (let nodes = comparison.ask(); nodes.length > 0; nodes = comparison.ask()) {
    asked += nodes.length
    most = Math.max(most, nodes.length)
    comparison.take(nodes, theirs.answer(nodes))
  }
  return { differences: comparison.differences, asked, most }
}

const isIn = (ranges: readonly TokenRange[], key: string): boolean =>
  ranges.some(({ start, end }) => start <= positionOf(key) && positionOf(key) < end)

describe('Merkle trees', () => {
  it('of the same entries are equal, in whatever order and by whatever way they came', () => {
    const [ours, theirs] = [new MerkleTree(WHOLE, 8), new MerkleTree(WHOLE, 8)]
    const keys = Array.from({ length: 500 }, (_, i) => `key ${i}`)
    for (const key of keys) add(ours, key, 2)
    for (const key of keys.toReversed()) {
      add(theirs, key, 1)
      theirs.change(positionOf(key), hashKey(`${key}=1`), hashKey(`${key}=2`))
    }
    theirs.change(positionOf('gone'), undefined, hashKey('x'))
    theirs.change(positionOf('gone'), hashKey('x'), undefined)
    expect(compareTrees(ours, theirs)).toEqual({ differences: [], asked: 1, most: 1 })
  })

  it('find what is new, changed or missing, by few digests', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed)
      const depth = Math.floor(random.next() * 13)
      const [ours, theirs] = [new MerkleTree(WHOLE, depth), new MerkleTree(WHOLE, depth)]
      const odd = new Set<string>()
      for (let i = 0; i < 2000; i++) {
        const key = `${seed}/${i}`
        const isOdd = random.next() < 0.005
        if (isOdd) odd.add(key)
        if (!isOdd || random.next() < 0.5) add(ours, key)
        if (!isOdd) add(theirs, key)
        else if (random.next() < 0.5) add(theirs, key, 2)
      }
      const { differences, asked } = compareTrees(ours, theirs)
      const missed = [...odd].filter((key) => !isIn(differences, key))
      // Of those some are in neither.
      for (const key of missed) {
        const position = positionOf(key)
        expect(compareTrees(part(ours, position), part(theirs, position)).differences).toEqual([])
      }
      expect(asked).toBeLessThanOrEqual(1 + 2 * depth * odd.size)
      expect(differences.length).toBeLessThanOrEqual(odd.size)
    }
  })

  it('ask for no more than fits a message', () => {
    const [ours, theirs] = [new MerkleTree(WHOLE, 12), new MerkleTree(WHOLE, 12)]
    for (let i = 0; i < 20_000; i++) add(ours, `key ${i}`)
    const { differences, most } = compareTrees(ours, theirs)
    expect(most).toBe(MAX_ASKED_NODES)
    for (let i = 0; i < 20_000; i += 97) expect(isIn(differences, `key ${i}`)).toBe(true)
    expect(codeOf(() => theirs.answer(Array.from({ length: MAX_ASKED_NODES + 1 }, () => 1)))).toBe('INVALID_INPUT')
  })

  it('cover their range without gaps, also one of few positions', () => {
    for (const range of [
      WHOLE,
      { start: 5, end: 6 },
      { start: 100, end: 117 },
      { start: 2 ** 53 - 1001, end: 2 ** 53 },
    ]) {
      const tree = new MerkleTree(range, 6)
      let end = range.start
      for (let leaf = 64; leaf < 128; leaf++) {
        expect(tree.rangeOf(leaf).start).toBe(end)
        end = tree.rangeOf(leaf).end
      }
      expect(end).toBe(range.end)
      for (const position of [range.start, range.end - 1]) {
        const other = new MerkleTree(range, 6)
        other.change(position, undefined, { high: 1, low: 2 })
        const [difference] = compareTrees(tree, other).differences
        expect(difference?.start).toBeLessThanOrEqual(position)
        expect(difference?.end).toBeGreaterThan(position)
      }
    }
  })

  it('ignore answers to other questions, and refuse what cannot be', () => {
    const tree = new MerkleTree(WHOLE, 3)
    const comparison = new TreeComparison(tree)
    expect(comparison.ask()).toEqual([1])
    comparison.take([2], Uint32Array.of(1, 1))
    expect(comparison.ask()).toEqual([1])
    expect(codeOf(() => comparison.take([1], new Uint32Array(4)))).toBe('INVALID_INPUT')
    for (const node of [0, 16, 1.5, -1]) expect(codeOf(() => tree.answer([node]))).toBe('INVALID_INPUT')
    expect(codeOf(() => new MerkleTree(WHOLE, 21))).toBe('INVALID_INPUT')
    expect(codeOf(() => new MerkleTree({ start: 5, end: 5 }, 1))).toBe('INVALID_INPUT')
    expect(codeOf(() => new MerkleTree({ start: 5, end: 9 }, 1).change(9, undefined, undefined))).toBe('INVALID_INPUT')
  })
})

/** A tree that has only the digest of the leaf of one position, as another tree has it. */
function part(tree: MerkleTree, position: number): MerkleTree {
  const copy = new MerkleTree(WHOLE, 0)
  for (let leaf = 2 ** tree.depth; leaf < 2 ** (tree.depth + 1); leaf++) {
    const { start, end } = tree.rangeOf(leaf)
    if (position < start || position >= end) continue
    const [high = 0, low = 0] = tree.answer([leaf])
    copy.change(position, undefined, { high, low })
  }
  return copy
}
