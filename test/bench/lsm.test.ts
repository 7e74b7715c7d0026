import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Results, summarise, type Turn } from '../../bench/contest/results.ts'
import type { Outcome } from '../../bench/contest/types.ts'
import { LSM_CONTEST } from '../../bench/lsm/contest.ts'
import { ROWS } from '../../bench/lsm/rows.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

describe('npm run bench -- lsm', () => {
  const temporary = temporaryDirectory()
  const file = (name: string): string => join(temporary.path, name)
  let results: Results
  let stdout = ''

  /** Where there is no program at all, and so no db_bench. */
  beforeAll(() => {
    const tiny = ['--records', '300', '--turns', '1', '--seconds', '0.01', '--contestants', 'twin,rocksdb']
    const outputs = ['--json', file('b.json'), '--svg', file('b.svg'), '--markdown', file('b.md')]
    const command = ['--import', './scripts/typescript.mjs', 'bench/run.ts', 'lsm', ...tiny, ...outputs]
    const { status, stderr, ...rest } = spawnSync(process.execPath, [...command, '--directory', file('stores')], {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, PATH: temporary.path },
    })
    expect(status, stderr).toBe(0)
    stdout = rest.stdout
    results = JSON.parse(readFileSync(file('b.json'), 'utf8')) as Results
  })
  afterAll(() => temporary.remove())

  it('gives our store a figure in every row', () => {
    const isThere = (id: string): boolean =>
      results.rows.some((row) => row.id === id && row.cells.some(({ contestant }) => contestant === 'twin'))
    expect(ROWS.filter(({ id }) => !isThere(id)).map(({ id }) => id)).toEqual([])
    expect(results.leftOut).toEqual([])
    const samples = results.rows.flatMap(({ cells }) => cells.flatMap((cell) => cell.samples))
    expect(samples.every((sample) => Number.isFinite(sample) && sample >= 0)).toBe(true)
  })

  it('says who cannot take part, and what would help', () => {
    expect(stdout).toContain('RocksDB, db_bench: db_bench is not installed; to compare: apt-get install rocksdb-tools')
    expect(results.contestants.map(({ id }) => id)).toEqual(['twin'])
  })

  it('prints the same rows as text, as Markdown and as a chart', () => {
    const markdown = readFileSync(file('b.md'), 'utf8')
    for (const { title } of ROWS) {
      expect(stdout).toContain(`${title},`)
      expect(markdown).toContain(`| ${title} |`)
    }
    expect(readFileSync(file('b.svg'), 'utf8')).toMatch(/^<svg [^>]*viewBox=[\s\S]*LSM benchmark[\s\S]*<\/svg>\n$/)
  })

  it('leaves no store behind', () => {
    expect(readdirSync(file('stores'))).toEqual([])
  })
})

describe('the goals of the native engine', () => {
  const { contestants, rows, checkGoals } = LSM_CONTEST
  const turn = (figures: Record<string, Record<string, Record<string, number>>>): Turn =>
    new Map(
      Object.entries(figures).map(([id, tasks]) => [
        id,
        new Map(Object.entries(tasks).map(([task, found]) => [task, { rssBytes: 0, ...found } as Outcome])),
      ]),
    )
  const scale = { records: 1, seconds: 1, cacheBytes: 1, seed: 1 }

  it('are ratios to whom the goal names, one of them across two rows', () => {
    const one = turn({
      native: { get: { rate: 900 }, 'durable-64': { rate: 80 }, 'fill-random': { closedFileBytes: 120 } },
      btree: { 'durable-64': { rate: 100 } },
      'classic-level': { get: { rate: 300 }, 'get-awaited': { rate: 100 }, 'fill-random': { closedFileBytes: 100 } },
      'classic-level-64': { 'durable-64': { rate: 40 } },
    })
    expect(checkGoals(summarise([one], { contestants, rows }), scale)).toMatchObject([
      { row: 'durable-64', against: 'btree', ratio: 0.8, wanted: '>= 0.9x', reached: false },
      { row: 'durable-64', against: 'classic-level-64', ratio: 2, reached: true },
      { row: 'get', against: 'classic-level', ratio: 3, wanted: '>= 2x', reached: true },
      { row: 'get', against: 'classic-level', ratio: 9, wanted: '>= 8x', reached: true },
      { row: 'size', ratio: 1.2, wanted: '<= 1.1x', reached: false },
    ])
  })

  it('name rows and contestants that there are', () => {
    const all = new Map(
      contestants.map(({ id }) => [
        id,
        new Map(
          LSM_CONTEST.tasks.map((task) => [
            task,
            { rssBytes: 1, rate: 1, settledRate: 1, closedFileBytes: 1 } as Outcome,
          ]),
        ),
      ]),
    )
    expect(checkGoals(summarise([all], { contestants, rows }), scale)).toHaveLength(13)
  })
})
