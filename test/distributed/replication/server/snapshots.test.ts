// Stores that go to other nodes as a whole: by snapshots, in pieces.
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { Servers } from '../../../support/replicated-kv/servers.ts'
import { directoryInMemory, temporaryDirectory } from '../../../support/temporary-directory.ts'

const LARGE_STORE = fileURLToPath(new URL('../../../support/replicated-kv/large-store.mjs', import.meta.url))
const MIB = 1024 * 1024
const home = directoryInMemory()

afterAll(() => home.remove())

describe('a snapshot', () => {
  it('is what a node begins with that joins when the log is gone, and what it comes back with if its records are lost', async () => {
    const nodes = new Servers(join(home.path, 'joining'), { snapshotBytes: 50_000 })
    await nodes.start(1)
    const entries = Array.from({ length: 1500 }, (_, i) => ({ key: Buffer.from(`k${i}`), value: Buffer.alloc(100, i) }))
    await Promise.all(entries.map((entry) => nodes.get(1).replica.write([entry])))
    await nodes.start(2)
    expect(nodes.get(2).replica.keyCount).toBe(1500)
    const last = entries.at(-1)!
    const { value } = await nodes.get(2).replica.get(last.key)
    expect(Buffer.compare(value as Uint8Array, last.value)).toBe(0)
    await nodes.stop(2)
    rmSync(join(home.path, 'joining', 'node-2', 'state'), { recursive: true })
    await nodes.start(2)
    await nodes.get(2).replica.get(last.key)
    expect(nodes.get(2).replica.keyCount).toBe(1500)
    await nodes.close()
  })

  it('takes a store from disk to disk in far less memory than that has', async () => {
    const directory = temporaryDirectory()
    try {
      const args = ['--expose-gc', '--max-old-space-size=24', LARGE_STORE, directory.path, '96']
      const { stdout } = await promisify(execFile)(process.execPath, args)
      const { isWhole, sizeBytes, mostBytes } = JSON.parse(stdout) as Record<string, number>
      expect(isWhole).toBe(true)
      expect(sizeBytes).toBeGreaterThan(96 * MIB)
      expect(mostBytes).toBeLessThan(48 * MIB) // with the batches of two stores, of which the logs keep some
    } finally {
      directory.remove()
    }
  })
})
