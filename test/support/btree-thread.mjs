// A thread that works on a store which other threads have open too. It says `ready` once the store is open, and at its end
// what it found. Its work is named by workerData.task.
import { parentPort, workerData } from 'node:worker_threads'
import { openBTree } from '../../dist/storage/btree/index.js'

const { path, task, name, count } = workerData
const options = { native: true, pageSizeBytes: 4096, cacheBytes: 1 << 20 }

const tasks = {
  /** Puts keys of its own, and reads each of them back. */
  async write(store) {
    let wrong = 0
    for (let i = 0; i < count; i++) {
      const done = store.put(`${name} ${i}`, `${i} `.repeat(1 + (i % 50)))
      if (store.get(`${name} ${i}`) !== `${i} `.repeat(1 + (i % 50))) wrong++
      if (i % 20 === 19) await done
    }
    await store.flushed()
    return wrong
  },

  /** Raises one number that all threads raise. */
  async increment(store) {
    for (let i = 0; i < count; i++) {
      await store.transaction(
        async (tx) => {
          const before = Number((await tx.getAsync('number')) ?? 0)
          tx.put('number', String(before + 1))
        },
        { retries: Number.POSITIVE_INFINITY },
      )
    }
    return 0
  },

  /** Looks at a snapshot again and again until it is told to stop. */
  async watch(store) {
    const snapshot = store.snapshot()
    const expected = JSON.stringify([...snapshot.range()])
    let looks = 0
    let stopped = false
    parentPort.once('message', () => {
      stopped = true
    })
    parentPort.postMessage('watching')
    while (!stopped) {
      if (JSON.stringify([...snapshot.range()]) !== expected) throw new Error('the snapshot has changed')
      looks++
      await new Promise((resolve) => setImmediate(resolve))
    }
    snapshot.close()
    return looks
  },

  /** Everything at once, without end: it is going to be terminated. */
  async stir(store) {
    for (let i = 0; ; i++) {
      void store.batch([
        { type: 'put', key: `${name} ${i}`, value: 'x'.repeat(i % 3000) },
        { type: 'delete', key: `${name} ${i - 50}` },
      ])
      const walk = store.range()[Symbol.iterator]()
      walk.next()
      store.snapshot()
      void store.getAsync(`${name} ${i}`)
      if (i % 10 === 0) void store.checkpoint()
      if (i % 25 === 7) void store.compact()
      // Others may have changed what it read: that is an answer too.
      if (i % 20 === 3)
        store.transaction((tx) => tx.put('shared', `${[...tx.range({ limit: 9 })].length}`)).catch(() => {})
      await new Promise((resolve) => setImmediate(resolve))
    }
  },
}

const store = await openBTree(path, options)
parentPort.postMessage('ready')
const found = await tasks[task](store)
await store.close()
parentPort.postMessage({ found })
