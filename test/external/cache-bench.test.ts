import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { directoryInMemory } from '../support/temporary-directory.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const temporary = directoryInMemory()
afterAll(() => temporary.remove())

it('npm run bench -- cache measures the cache beside redis-server and a bare server', () => {
  const file = (name: string): string => join(temporary.path, name)
  const tiny = ['--seconds', '0.02', '--rounds', '1', '--only', 'SET', '--keys', '1000', '--directory', file('data')]
  const outputs = ['--json', file('cache.json'), '--markdown', file('cache.md')]
  const command = ['--import', './scripts/typescript.mjs', 'bench/run.ts', 'cache', ...tiny, ...outputs]
  const { status, stderr } = spawnSync(process.execPath, command, { cwd: ROOT, encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  const { rows, memory } = JSON.parse(readFileSync(file('cache.json'), 'utf8'))
  const cases = rows.map(({ part, test, pipeline, server }: Record<string, string>) => [part, test, pipeline, server])
  for (const pipeline of [1, 16]) {
    for (const server of ['bedplate', 'redis', 'bare'])
      expect(cases).toContainEqual(['in memory', 'SET', pipeline, server])
    for (const part of ['appendfsync always', 'cluster of 3'])
      expect(cases).toContainEqual([part, 'SET', pipeline, 'redis'])
  }
  for (const { rate, p50, p99, cpu } of rows) expect(rate > 0 && p50 > 0 && p99 >= p50 && cpu >= 0).toBe(true)
  expect(memory).toMatchObject([{ server: 'bedplate' }, { server: 'redis' }, { server: 'bare' }])
  expect(readFileSync(file('cache.md'), 'utf8')).toContain('| in memory | SET | 16 |')
  expect(readdirSync(file('data'))).toEqual([])
})
