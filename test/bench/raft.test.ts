import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { directoryInMemory } from '../support/temporary-directory.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const temporary = directoryInMemory()
afterAll(() => temporary.remove())

it('npm run bench -- raft measures appends in process and over HTTP, failovers and the simulator', () => {
  const file = (name: string): string => join(temporary.path, name)
  const tiny = ['--seconds', '0.02', '--nodes', '3', '--clients', '2', '--kills', '1', '--directory', file('nodes')]
  const outputs = ['--json', file('raft.json'), '--markdown', file('raft.md')]
  const command = ['--import', './scripts/typescript.mjs', 'bench/run.ts', 'raft', ...tiny, ...outputs]
  const { status, stderr } = spawnSync(process.execPath, command, { cwd: ROOT, encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  const { rows, failovers, simulatorEvents } = JSON.parse(readFileSync(file('raft.json'), 'utf8'))
  expect(rows).toMatchObject([
    { where: 'in process', nodes: 3, clients: 2 },
    { where: 'over HTTP', nodes: 3, clients: 2 },
  ])
  for (const { rate, p50, p99 } of rows) expect(rate > 0 && p50 > 0 && p99 >= p50).toBe(true)
  expect(failovers).toHaveLength(1)
  expect(simulatorEvents).toBeGreaterThan(0)
  expect(readFileSync(file('raft.md'), 'utf8')).toContain('| over HTTP | 3 | 2 |')
  expect(readdirSync(file('nodes'))).toEqual([])
})
