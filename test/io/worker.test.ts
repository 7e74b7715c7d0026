import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { compiledUrl, spawnWorker } from '../../ts/io/worker.ts'
import { crc32cPortable } from '../../ts/storage/crc32c/portable.ts'

const ROOT = new URL('../../', import.meta.url)

describe('compiledUrl', () => {
  it('leads from a source under ts/ to its compiled twin in dist/', () => {
    const { href } = compiledUrl('../storage/some-worker.ts', new URL('ts/io/worker.ts', ROOT).href)
    expect(href).toBe(new URL('dist/storage/some-worker.js', ROOT).href)
  })

  it('stays in dist/ for code that runs from there', () => {
    const { href } = compiledUrl('./some-worker.ts', new URL('dist/io/worker.js', ROOT).href)
    expect(href).toBe(new URL('dist/io/some-worker.js', ROOT).href)
  })
})

describe('spawnWorker', () => {
  it('runs the compiled form of a TypeScript module', async () => {
    const worker = spawnWorker('../../ts/storage/crc32c/portable.ts', import.meta.url)
    expect(await once(worker, 'exit')).toEqual([0])
  })

  it('passes options on, and every thread has the same CRC-32C', async () => {
    const bytes = new Uint8Array(5000).fill(3)
    const answers = Array.from({ length: 3 }, async () => {
      const worker = spawnWorker('../support/crc32c-worker.mjs', import.meta.url, { workerData: bytes })
      const [answer] = await once(worker, 'message')
      await worker.terminate()
      return answer as number
    })
    expect(await Promise.all(answers)).toEqual([1, 2, 3].map(() => crc32cPortable(bytes)))
  })

  it('reports a module that does not exist as an error of the worker', async () => {
    const worker = spawnWorker('./no-such-worker.ts', import.meta.url)
    const [error] = (await once(worker, 'error')) as [NodeJS.ErrnoException]
    expect(error.message).toContain(fileURLToPath(new URL('no-such-worker.js', import.meta.url)))
  })
})
