import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contestantById } from '../../bench/btree/contestants/index.ts'
import { checkGoals } from '../../bench/btree/goals.ts'
import { ROWS } from '../../bench/btree/rows.ts'
import type { TaskName } from '../../bench/btree/types.ts'
import { CORES } from '../../bench/btree-cores.bench.ts'
import { lostRows } from '../../bench/contest/goals.ts'
import { type Results, summarise, type Turn } from '../../bench/contest/results.ts'
import type { Outcome } from '../../bench/contest/types.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MIB = 1024 * 1024

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const command = ['--import', './scripts/typescript.mjs', 'bench/run.ts', ...args]
  return spawnSync(process.execPath, command, { cwd: ROOT, encoding: 'utf8' })
}

describe('npm run bench -- btree', () => {
  const temporary = temporaryDirectory()
  const file = (name: string): string => join(temporary.path, name)
  let results: Results
  let stdout = ''

  beforeAll(() => {
    const outputs = ['--json', file('b.json'), '--svg', file('b.svg'), '--markdown', file('b.md')]
    const tiny = ['--records', '300', '--turns', '1', '--seconds', '0.01', '--contestants', 'twin,raw']
    const { status, stderr, ...rest } = bench('btree', ...tiny, ...outputs, '--directory', file('stores'))
    expect(status, stderr).toBe(0)
    stdout = rest.stdout
    results = JSON.parse(readFileSync(file('b.json'), 'utf8')) as Results
  })
  afterAll(() => temporary.remove())

  it('gives our store a figure in every row that it does not leave out', () => {
    const missing = results.leftOut.map(({ task }) => task)
    const expected = ROWS.filter(({ task }) => !missing.includes(task)).map(({ id }) => id)
    const found = results.rows.filter(({ cells }) => cells.some(({ contestant }) => contestant === 'twin'))
    expect(found.map(({ id }) => id)).toEqual(expected)
    expect(missing).toEqual(['get-4-workers'])
  })

  it('keeps every sample, with its unit and what it is compared with', () => {
    const samples = results.rows.flatMap(({ cells }) => cells.flatMap((cell) => cell.samples))
    expect(samples.every((sample) => Number.isFinite(sample) && sample >= 0)).toBe(true)
    const [first] = results.rows
    expect(first).toMatchObject({
      id: 'fill-sequential',
      unit: 'records/s',
      better: 'more',
      reference: { contestant: 'lmdb-nosync', row: 'fill-sequential' },
      cells: [{ contestant: 'twin', spread: 0 }],
    })
  })

  it('says on what and how it was measured', () => {
    expect(results).toMatchObject({
      scale: { records: 300, turns: 1, seconds: 0.01, keyBytes: 16, valueBytes: 100 },
      machine: { cores: expect.any(Number), node: process.versions.node },
      disk: expect.any(String),
    })
    expect(results.contestants.map(({ modes }) => typeof modes.durable)).toEqual(['string', 'string'])
  })

  it('prints the same rows as text, as Markdown and as a chart', () => {
    const markdown = readFileSync(file('b.md'), 'utf8')
    for (const { title } of results.rows) {
      expect(stdout).toContain(`${title},`)
      expect(markdown).toContain(`| ${title} |`)
    }
    expect(readFileSync(file('b.svg'), 'utf8')).toMatch(/^<svg [^>]*viewBox=[\s\S]*getMany of 100[\s\S]*<\/svg>\n$/)
  })

  it('leaves no store behind', () => {
    expect(readdirSync(file('stores'))).toEqual([])
  })
})

describe('npm run bench -- btree-cores', () => {
  it.each(
    CORES.flatMap(({ name, engines }) => Object.entries(engines).map(([engine, make]) => ({ name, engine, make }))),
  )('has work for $name in $engine', ({ make }) => {
    const work = make()
    for (let call = 0; call < 2000; call++) work()
  })
})

describe('a benchmark run', () => {
  it.each([
    [['btree', '--recods', '5'], 'usage: npm run bench -- btree'],
    [['btree', '--tasks', 'get,put'], 'unknown: put'],
  ])('refuses %j', (args, message) => {
    const { status, stderr } = bench(...args)
    expect(stderr).toContain(message)
    expect(status).toBe(2)
  })
})

describe('the summary of the turns', () => {
  const contestants = ['native', 'twin', 'lmdb', 'raw'].map(contestantById)
  const turn = (figures: Record<string, Partial<Record<TaskName, Partial<Outcome>>>>): Turn =>
    new Map(
      Object.entries(figures).map(([id, outcomes]) => [
        id,
        new Map(Object.entries(outcomes).map(([task, outcome]) => [task, { rssBytes: 0, ...outcome } as Outcome])),
      ]),
    )
  const rows = summarise(
    [
      turn({ native: { get: { rate: 300 } }, twin: { get: { rate: 90 } }, lmdb: { get: { rate: 100 } } }),
      turn({ native: { get: { rate: 30 } }, twin: { get: { rate: 10 } }, lmdb: { get: { rate: 10 } } }),
      turn({ native: { get: { rate: 200 } }, twin: { get: { rate: 80 } }, lmdb: { get: { rate: 100 } } }),
    ],
    { contestants, rows: ROWS },
  )

  it('takes medians, and ratios within each turn', () => {
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({
      id: 'get',
      cells: [
        { contestant: 'native', median: 200, spread: 0.85, ratio: 3 },
        { contestant: 'twin', median: 80, spread: 0.875, ratio: 0.9 },
        { contestant: 'lmdb', median: 100, spread: 0.9, ratio: 1 },
      ],
    })
  })

  it('knows the rows in which ours is behind, also where less is better', () => {
    const sizes = summarise(
      [
        turn({
          native: { 'fill-random': { closedFileBytes: 3 * MIB } },
          lmdb: { 'fill-random': { closedFileBytes: 2 * MIB } },
        }),
      ],
      { contestants, rows: ROWS },
    )
    expect(lostRows(rows, 'native')).toEqual([])
    expect(lostRows(rows, 'twin').map(({ id }) => id)).toEqual(['get'])
    expect(lostRows(sizes, 'native').map(({ id }) => id)).toEqual(['size-closed'])
  })

  it('measures memory above that of an empty store', () => {
    const memory = summarise(
      [turn({ native: { empty: { rssBytes: 90 * MIB }, get: { rate: 1, rssBytes: 100 * MIB } } })],
      { contestants, rows: ROWS },
    )
    expect(memory.find(({ id }) => id === 'rss-get')?.cells).toMatchObject([{ median: 10 * MIB }])
    expect(checkGoals(memory, 64 * MIB)).toMatchObject([{ row: 'rss-get', ratio: 10 / 128, reached: true }])
  })

  it('holds the native engine to its goals', () => {
    expect(checkGoals(rows, 64 * MIB)).toMatchObject([
      { row: 'get', against: 'lmdb', ratio: 3, wanted: '>= 2x', reached: true },
      { row: 'get', against: 'twin', ratio: 3, wanted: '>= 3x', reached: true },
    ])
    const raw = summarise([turn({ native: { 'durable-1': { rate: 70 } }, raw: { 'durable-1': { rate: 100 } } })], {
      contestants,
      rows: ROWS,
    })
    expect(checkGoals(raw, 0)).toMatchObject([{ row: 'durable-1', ratio: 0.7, wanted: '>= 0.77x', reached: false }])
  })
})
