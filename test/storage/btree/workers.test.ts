// A store in several threads of one process: the native engine is shared by all of them, the TypeScript one belongs to one.
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { spawnWorker } from '../../../ts/io/worker.ts'
import type { BTree } from '../../../ts/storage/btree/index.ts'
import { ENGINES } from '../../support/engines.ts'
import { codeOf, codeOfAsync, errorOfAsync } from '../../support/errors.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const SETTINGS = { create: true, pageSizeBytes: 4096, cacheBytes: 1 << 20 } as const

let place: ReturnType<typeof temporaryDirectory>

beforeEach(() => {
  place = temporaryDirectory()
})
afterEach(() => {
  place.remove()
})

/** A thread with the store open. */
interface Thread {
  worker: Worker
  /** Resolves with what its task found. */
  found: Promise<number>
}

async function start(task: string, name: string, count = 0): Promise<Thread> {
  const worker = spawnWorker('../../support/btree-thread.mjs', import.meta.url, {
    workerData: { path: place.path, task, name, count },
  })
  const found = new Promise<number>((resolve, reject) => {
    worker.on('error', reject)
    worker.on('message', (message: string | { found: number }) => {
      if (typeof message === 'object') resolve(message.found)
    })
  })
  found.catch(() => {}) // who waits for it is told
  await Promise.race([once(worker, 'message'), found])
  return { worker, found }
}

describe.each(ENGINES)('a store of the $name engine', ({ name, native, open }) => {
  it('is open once more in the same thread, or it is locked', async () => {
    const store = await open(place.path, SETTINGS)
    if (!native) expect(await codeOfAsync(open(place.path))).toBe('LOCKED')
    else {
      const again = await open(place.path)
      await again.put('a', 'b')
      await again.close()
      expect([store.get('a'), codeOf(() => again.put('c', 'd'))]).toEqual(['b', 'CLOSED'])
    }
    await store.close()
  })

  it('is locked to the other engine, whose error names the holder', async () => {
    const store = await open(place.path, SETTINGS)
    for (const other of ENGINES.filter((one) => one.name !== name)) {
      for (const readOnly of [true, false]) {
        const error = await errorOfAsync(other.open(place.path, { readOnly }))
        expect(error).toMatchObject({ code: 'LOCKED', retryable: true })
        expect(error?.message).toContain(`process ${process.pid}`)
      }
    }
    await store.close()
    const reader = await open(place.path, { readOnly: true })
    for (const other of ENGINES) {
      const second = await other.open(place.path, { readOnly: true })
      await second.close()
      expect(await codeOfAsync(other.open(place.path))).toBe('LOCKED')
    }
    await reader.close()
  })
})

describe.each(ENGINES.filter(({ native }) => native))('several threads with one store ($name)', ({ open }) => {
  let store: BTree

  beforeEach(async () => {
    store = await open(place.path, SETTINGS)
  })

  /** Closes it, and lets every engine look at what is left. */
  async function closeAndVerify(): Promise<void> {
    expect(store.stats().snapshots.open).toBe(0)
    expect((await store.verify()).problems).toEqual([])
    const expected = [...store.range()]
    await store.close()
    for (const engine of ENGINES) {
      const again = await engine.open(place.path)
      expect([...again.range()].length).toBe(expected.length)
      expect((await again.verify()).problems).toEqual([])
      await again.close()
    }
  }

  it('write and read side by side', async () => {
    const names = ['a', 'b', 'c', 'd']
    const threads = await Promise.all(names.map((name) => start('write', name, 2000)))
    for (let i = 0; i < 2000; i++) store.put(`main ${i}`, 'x')
    expect(await Promise.all(threads.map(({ found }) => found))).toEqual([0, 0, 0, 0])
    for (const name of names) {
      expect([name, [...store.range({ gt: `${name} `, lt: `${name}!` })].length]).toEqual([name, 2000])
    }
    expect(store.keyCount).toBe(10_000)
    await closeAndVerify()
  })

  it('lose no update that they make in transactions', async () => {
    const threads = await Promise.all(['a', 'b', 'c'].map((name) => start('increment', name, 60)))
    await Promise.all(threads.map(({ found }) => found))
    expect(store.get('number')).toBe('180')
    await closeAndVerify()
  })

  it('may hold a snapshot while others write, checkpoint and compact', async () => {
    for (let i = 0; i < 300; i++) store.put(`key ${i}`, `before ${i} `.repeat(i % 90 === 0 ? 800 : 3))
    const { worker, found } = await start('watch', 'watcher')
    await once(worker, 'message')
    for (let i = 0; i < 1500; i++) {
      store.put(`key ${i % 300}`, `after ${i} `.repeat(i % 70 === 0 ? 700 : 2))
      if (i % 9 === 0) store.delete(`key ${(i * 7) % 300}`)
      if (i % 200 === 0) await store.checkpoint()
      if (i % 500 === 250) await store.compact()
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    worker.postMessage('stop')
    expect(await found).toBeGreaterThan(0)
    await closeAndVerify()
  })

  it.each([1, 2])('may be terminated in the middle of anything (seed %i)', async (seed) => {
    const random = seededRandom(seed)
    await store.put('kept', 'all along')
    for (let round = 0; round < 3; round++) {
      const threads = await Promise.all(Array.from({ length: 4 }, (_, i) => start('stir', `thread ${round} ${i}`)))
      for (const { worker } of threads) {
        await new Promise((resolve) => setTimeout(resolve, random.next() * 40))
        store.put(`main ${round}`, 'x')
        await worker.terminate()
      }
    }
    await store.put('last', 'after all')
    expect([store.get('kept'), store.get('last')]).toEqual(['all along', 'after all'])
    await closeAndVerify()
  })

  it('go on when the thread that opened it first has closed', async () => {
    const { found } = await start('write', 'late', 500)
    await store.put('a', 'b')
    await store.close()
    expect(await found).toBe(0)
    store = await open(place.path)
    expect([store.get('a'), store.keyCount]).toEqual(['b', 501])
    await closeAndVerify()
  })
})
