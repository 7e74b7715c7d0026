// Handles and memory return to zero, whatever is done to a store before it is closed.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isCode } from '../../../ts/base/errors.ts'
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { openStore, SMALL } from '../../support/btree-crash/store.ts'
import type { Held } from '../../support/btree-lifetimes.ts'
import { ENGINES } from '../../support/engines.ts'
import { codeOfAsync } from '../../support/errors.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const PROGRAM = fileURLToPath(new URL('../../support/btree-lifetimes.ts', import.meta.url))
/** Each is opened seven times, and five times in vain. */
const STORES = 100
/** A store has dozens of pages of 4 KiB in memory: if one page of each were kept, it would be more than this. */
const SLACK_BYTES = 300 * 1024
/** Compiled code is kept in the heap, and there is ever more of it in a young process. */
const NODE_OPTIONS = ['--expose-gc', '--no-opt', '--no-sparkplug', '--import', './scripts/typescript.mjs']
/** In memory where there is such a place: what is counted here does not depend on the speed of a disk. */
const PARENT = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

describe.each(ENGINES)(`a process that has opened and closed ${STORES} stores with the $name engine`, ({ name }) => {
  const directory = mkdtempSync(join(PARENT, 'bedplate-'))
  let before: Held
  let after: Held

  beforeAll(() => {
    const args = [...NODE_OPTIONS, PROGRAM, directory, String(STORES), name]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
    expect(status, stderr).toBe(0)
    ;({ before, after } = JSON.parse(stdout))
  }, 240_000)
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('has no more files open than before', () => {
    expect(after.files).toBe(before.files)
  })

  it.each(['heap', 'external', 'arrayBuffers'] as const)('has no more memory than before: %s', (kind) => {
    expect(after[kind] - before[kind]).toBeLessThan(SLACK_BYTES)
  })
})

describe('opening that fails at any of its calls', () => {
  /** What a store that was not closed leaves: recovery has something to do. */
  async function unclosed(): Promise<DiskImage> {
    const disk = new SimulatedDisk()
    const { store } = await openStore(disk, SMALL, { create: true })
    for (let i = 0; i < 50; i++) void store.put(`key ${i}`, 'v'.repeat(40))
    await store.checkpoint()
    await store.put('behind', 'the checkpoint')
    return disk.currentImage()
  }

  it.each<[string, () => Promise<DiskImage | undefined>, boolean]>([
    ['to make a store', async () => undefined, false],
    ['to recover one', unclosed, false],
    ['to read one', unclosed, true],
  ])('%s gives back every handle and lock', async (_, before, readOnly) => {
    const image = await before()
    let failed = 0
    for (let nth = 1; ; nth++) {
      const disk = new SimulatedDisk(image === undefined ? {} : { image })
      const fault = disk.failAt({ nth, error: 'EIO' })
      try {
        const { store } = await openStore(disk, SMALL, { create: image === undefined, readOnly })
        await codeOfAsync(store.close())
      } catch (error) {
        expect(isCode(error, 'IO'), String(error)).toBe(true)
        failed++
      }
      expect([nth, disk.openHandles, disk.heldLocks]).toEqual([nth, 0, 0])
      if (fault.applied === 0) break
    }
    expect(failed).toBeGreaterThan(5)
  })
})
