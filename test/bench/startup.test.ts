import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

it('npm run bench -- startup sets the start of kvstore against that of Node alone', () => {
  const args = ['--import', './scripts/typescript.mjs', 'bench/run.ts', 'startup', '--seconds', '0.01']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(/^kvstore get +\S+ ms +± [\d.]+ % +[\d.]+ x\nnode -e 0 +\S+ ms +± [\d.]+ % +1\.00 x$/m)
})
