// node scripts/lib/store-on-both-engines.mjs DIRECTORY: one store, written and read by both engines in turns. A program of
// its own, so that it can run where the test runner cannot: under emulation, or in an addon with sanitizers.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { openBTree } from '../../dist/storage/btree/index.js'

const COUNT = 2000
const path = join(process.argv[2], 'store')
const keyOf = (i) => `key ${String(i).padStart(6, '0')}`
const textOf = (i, round) => `${round}:${i}:`.repeat(1 + (i % 50 === 0 ? 900 : i % 7))

const expected = new Map()
for (const [round, native] of [false, true, false, true].entries()) {
  const store = await openBTree(path, { create: round === 0, native, durability: 'os' })
  assert.equal(store.stats().engine, native ? 'native' : 'typescript')
  assert.deepEqual(new Map(store.range()), expected)
  for (let i = round; i < COUNT; i += round + 1) {
    expected.set(keyOf(i), textOf(i, round))
    void store.put(keyOf(i), textOf(i, round))
  }
  for (let i = 0; i < COUNT; i += 5 + round) {
    expected.delete(keyOf(i))
    void store.delete(keyOf(i))
  }
  await store.transaction((tx) => tx.put('last', tx.get(keyOf(1)) ?? 'none'))
  expected.set('last', expected.get(keyOf(1)) ?? 'none')
  const sorted = new Map([...expected].sort(([a], [b]) => (a < b ? -1 : 1)))
  expected.clear()
  for (const [key, value] of sorted) expected.set(key, value)
  assert.deepEqual(new Map(store.range()), expected)
  if (round % 2 === 1) await store.compact()
  const { ok, problems } = await store.verify()
  assert.ok(ok, problems.join('\n'))
  await store.close()
}
console.log(`a store of ${expected.size} keys went through both engines twice`)
