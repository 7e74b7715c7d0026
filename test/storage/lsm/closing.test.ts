// What closing does with writes that nobody has waited for.
import { describe, expect, it } from 'vitest'
import { LSM_ENGINES } from '../../support/lsm-engines.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const PUTS = 600
const VALUE = 'v'.repeat(1000)

describe.each(LSM_ENGINES)('closing the LSM store ($name)', ({ open }) => {
  it('keeps the promises of writes that wait for room in memory', async () => {
    const { path, remove } = temporaryDirectory()
    const settings = { create: true, memtableBytes: 64 * 1024, memoryBytes: 1024 * 1024 } as const
    const store = await open(path, settings)
    const promises = Array.from({ length: PUTS }, (_, i) => store.put(`key ${i}`, VALUE))
    expect(store.stats().stalls.count).toBeGreaterThan(0)
    await store.close()
    await Promise.all(promises)
    const again = await open(path, settings)
    expect([...again.range()].length).toBe(PUTS)
    await again.close()
    remove()
  })

  it('goes through many nested clears, which fill a memtable too', async () => {
    const { path, remove } = temporaryDirectory()
    const store = await open(path, { create: true, durability: 'os' })
    const keyOf = (i: number): string => String(i).padStart(6, '0')
    const clears = 3000
    for (let i = 0; i < clears; i++) {
      store.put(keyOf(i), '')
      store.clear({ lt: keyOf(i) })
    }
    await store.flush()
    expect(store.stats().flushes).toBeGreaterThan(1)
    expect([...store.range()].map(([key]) => key)).toEqual([keyOf(clears - 1)])
    await store.close()
    remove()
  })
})
