// The projects of examples/ work as they are copied.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const directory = temporaryDirectory()
afterAll(() => directory.remove())

describe('examples/vitest', () => {
  it('passes its tests', () => {
    const project = join(directory.path, 'vitest')
    cpSync(join(ROOT, 'examples/vitest'), project, { recursive: true })
    mkdirSync(join(project, 'node_modules'))
    symlinkSync(ROOT, join(project, 'node_modules/bedplate'))
    for (const name of ['ioredis', 'vitest']) {
      symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name))
    }
    // Without what the vitest around us has set.
    const { VITEST: _, VITEST_MODE: __, VITEST_POOL_ID: ___, VITEST_WORKER_ID: ____, ...env } = process.env
    const vitest = join(project, 'node_modules/vitest/vitest.mjs')
    const { status, stdout, stderr } = spawnSync(process.execPath, [vitest, 'run'], {
      cwd: project,
      encoding: 'utf8',
      env: { ...env, NO_COLOR: '1' },
    })
    expect(status, stdout + stderr).toBe(0)
    expect(stdout).toMatch(/Tests +2 passed \(2\)/)
  })
})
