// The single cores of the B-tree, engine beside engine: what a store does over and over, without its disk, its log and its
// promises. A native core joins by a second entry in `engines`; the first one is what the others are compared with.

import { memoryFile } from '../ts/io/overlay-file.ts'
import { FreeList } from '../ts/storage/btree/free-list.ts'
import { insertIntoLeaf, NO_PAGE, Page, PageType, search } from '../ts/storage/btree/page.ts'
import { Pager } from '../ts/storage/btree/pager.ts'
import { findLeaf, Tree } from '../ts/storage/btree/tree.ts'
import { DEFAULT_PAGE_SIZE_BYTES } from '../ts/storage/btree/types.ts'
import { RecordWriter } from '../ts/storage/ordered/record.ts'
import { makeValues, newKey, setKey, shuffled } from './contest/records.ts'
import { type BenchmarkSettings, compare, duration } from './support.ts'

/** Enough for three levels of pages: root, branches, leaves. */
const TREE_RECORDS = 200_000
/** More than one leaf takes. */
const LEAF_RECORDS = 1000
const SEED = 1

/** One core and the engines that have it, by name; each makes a function that does the work once. */
interface Core {
  name: string
  engines: Record<string, () => () => void>
}

export const CORES: readonly Core[] = [
  { name: 'page search', engines: { typescript: searchPage } },
  { name: 'page insert', engines: { typescript: insertIntoPage } },
  { name: 'descend 3 levels', engines: { typescript: descend } },
  { name: 'record encode', engines: { typescript: encodeRecord } },
]

export default function run({ seconds }: BenchmarkSettings): void {
  console.log('core              engine          median   spread   calls/s   ratio')
  for (const { name, engines } of CORES) {
    const contestants = Object.entries(engines).map(([engine, make]) => ({ name: engine, run: make() }))
    const measured = compare(contestants, seconds / CORES.length)
    for (const { name: engine, median, spread } of measured) {
      const figures = [
        duration(median).padStart(10),
        `± ${(spread * 100).toFixed(1)} %`.padStart(9),
        `${(1 / median / 1e6).toFixed(2)} M`.padStart(10),
        `${(measured[0]!.median / median).toFixed(2)}x`.padStart(8),
      ]
      console.log(`${name.padEnd(18)}${engine.padEnd(12)}${figures.join('')}`)
    }
  }
}

/** Looks a key up in a leaf that is full. */
function searchPage(): () => void {
  const page = emptyLeaf()
  const [value] = makeValues(SEED)
  let count = 0
  while (count < LEAF_RECORDS && insertIntoLeaf(page, count, keyOf(count), { length: value!.length, inline: value! })) {
    count++
  }
  const keys = keysInRandomOrder(count)
  let at = 0
  return () => {
    if (search(page, keys[at]!) < 0) throw new Error('a key of the page was not found')
    at = (at + 1) % keys.length
  }
}

/** Finds the place of a new key in a leaf and puts it there; the full leaf is emptied, and all begins again. */
function insertIntoPage(): () => void {
  const page = emptyLeaf()
  const [value] = makeValues(SEED)
  const cell = { length: value!.length, inline: value! }
  const keys = keysInRandomOrder(LEAF_RECORDS)
  let at = 0
  return () => {
    const key = keys[at]!
    at = (at + 1) % keys.length
    const slot = search(page, key)
    if (slot < 0 && insertIntoLeaf(page, ~slot, key, cell)) return
    page.format(PageType.leaf, 1, 0)
    insertIntoLeaf(page, 0, key, cell)
  }
}

/** Goes from the root to the leaf of a key, all pages in the cache. */
function descend(): () => void {
  const pager = new Pager(memoryFile('the benchmark'), {
    pageSizeBytes: DEFAULT_PAGE_SIZE_BYTES,
    cacheBytes: Number.MAX_SAFE_INTEGER,
    freeList: new FreeList(),
    epoch: 1,
  })
  const tree = new Tree(pager, 1, NO_PAGE, () => {})
  const values = makeValues(SEED)
  for (let i = 0; i < TREE_RECORDS; i++) {
    const inline = values[i % values.length]!
    tree.put(keyOf(i), { length: inline.length, inline })
  }
  if (tree.depth !== 3) throw new Error(`the tree has ${tree.depth} levels`)
  const key = newKey()
  const order = shuffled(TREE_RECORDS, SEED)
  let at = 0
  return () => {
    if (!findLeaf(pager, tree.root, setKey(key, order[at]!)).isLeaf) throw new Error('no leaf')
    at = (at + 1) % order.length
  }
}

/** Writes the log record of one put. */
function encodeRecord(): () => void {
  const writer = new RecordWriter()
  const key = newKey()
  const [value] = makeValues(SEED)
  return () => {
    writer.begin()
    writer.put(1, key, value!)
    if (writer.bytes.length < key.length + value!.length) throw new Error('the record is too short')
  }
}

function emptyLeaf(): Page {
  const page = new Page(DEFAULT_PAGE_SIZE_BYTES)
  page.format(PageType.leaf, 1, 0)
  return page
}

function keyOf(index: number): Buffer {
  return setKey(newKey(), index)
}

function keysInRandomOrder(count: number): Buffer[] {
  return Array.from(shuffled(count, SEED), keyOf)
}
