import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { directoryInMemory } from '../support/temporary-directory.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const temporary = directoryInMemory()
afterAll(() => temporary.remove())

it('npm run bench -- ring measures looks against hashring, and changes', () => {
  const file = join(temporary.path, 'ring.json')
  const args = ['bench/run.ts', 'ring', '--seconds', '0.02', '--nodes', '3', '--json', file]
  const command = ['--import', './scripts/typescript.mjs', ...args]
  const { status, stderr } = spawnSync(process.execPath, command, { cwd: ROOT, encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  const { nodes, lookups, changes } = JSON.parse(readFileSync(file, 'utf8'))
  expect(nodes).toBe(3)
  expect(lookups).toHaveLength(9)
  expect(changes).toHaveLength(7)
  for (const { median } of [...lookups, ...changes]) expect(median).toBeGreaterThan(0)
})
