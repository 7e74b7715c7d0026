import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { ROWS } from '../../bench/log/rows.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const temporary = temporaryDirectory()
afterAll(() => temporary.remove())

it('npm run bench -- log measures every row beside the calls under it', () => {
  const file = (name: string): string => join(temporary.path, name)
  const tiny = ['--bytes', '1000000', '--turns', '1', '--seconds', '0.02', '--directory', file('logs')]
  const outputs = ['--json', file('log.json'), '--markdown', file('log.md'), '--svg', file('log.svg')]
  const command = ['--import', './scripts/typescript.mjs', 'bench/run.ts', 'log', ...tiny, ...outputs]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: ROOT, encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  const { rows, scale, machine } = JSON.parse(readFileSync(file('log.json'), 'utf8')) as {
    rows: { id: string; median: number; ratio: number; samples: number[] }[]
    scale: object
    machine: { node: string }
  }
  expect(rows.map(({ id }) => id)).toEqual(ROWS.map(({ id }) => id))
  expect(rows.every(({ median, ratio }) => median > 0 && ratio > 0)).toBe(true)
  expect([scale, machine.node]).toEqual([{ bytes: 1_000_000, seconds: 0.02, turns: 1 }, process.versions.node])
  for (const { title } of ROWS) {
    expect(stdout).toContain(title)
    expect(readFileSync(file('log.md'), 'utf8')).toContain(`| ${title} |`)
    expect(readFileSync(file('log.svg'), 'utf8')).toContain(`>${title}, beside `)
  }
  expect(readdirSync(file('logs'))).toEqual([])
})
