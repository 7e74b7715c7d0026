// The table of Redis's own tests in docs/systems/cache.md is that of test/external/redis-suite.json. UPDATE=1 writes it anew.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { chooseFiles } from '../../scripts/redis-suite/choice.mjs'
import { type ExpectedFile, judge, readExpected, showTable } from '../../scripts/redis-suite/expected.mjs'

const PAGE = fileURLToPath(new URL('../../docs/systems/cache.md', import.meta.url))
const TABLE = /\| file \| passes \| redis-server \|[\s\S]*?\n(?=\n)/

const file = (redis: number, ours: number, seconds: number): ExpectedFile => ({ redis, ours, seconds, missing: {} })
const passed = (name: string, count: number) => ({ file: name, passed: Array(count).fill('x'), failed: [], seconds: 1 })

it("the page of the cache tells what is passed of Redis's own tests, and why not the rest", () => {
  const page = readFileSync(PAGE, 'utf8')
  const expected = readExpected()
  const wanted = page.replace(TABLE, () => `${showTable(expected)}\n`)
  if (process.env['UPDATE'] === '1') writeFileSync(PAGE, wanted)
  else expect(page).toBe(wanted)
  for (const [name, { redis, ours, missing }] of Object.entries(expected.files)) {
    expect([name, ours + Object.values(missing).flat().length]).toEqual([name, redis])
    expect(Object.keys(missing)).not.toContain('not looked at yet')
  }
})

describe("a run of Redis's own tests", () => {
  it('fails where less is passed than was, and counts nothing that redis-server does not pass', () => {
    const expected = { files: { a: file(10, 8, 1), b: file(5, 5, 1) } }
    expect(judge([passed('a', 8), passed('b', 6)], expected)).toEqual({
      lines: ['redis-suite: 13/15 over 2 of 2 files; 15 in all'],
      isGood: true,
    })
    expect(judge([passed('a', 7)], expected)).toMatchObject({ isGood: false })
  })

  it('fails where another test fails than those that are known, however many pass', () => {
    const known = { ...file(10, 8, 1), missing: { 'not there': ['m'] }, failsThere: ['t'] }
    const run = (failed: string[]) => judge([{ ...passed('a', 9), failed }], { files: { a: known } })
    expect(run(['m', 't']).isGood).toBe(true)
    expect(run(['m', 'new'])).toEqual({
      lines: ['redis-suite: a fails what it passed: "new"', 'redis-suite: 9/10 over 1 of 1 files; 10 in all'],
      isGood: false,
    })
  })

  it('comes to every file by and by, in parts that keep to the budget', () => {
    const all = Array.from({ length: 40 }, (_, index) => `unit/${index}`)
    const files = Object.fromEntries(all.map((name, index) => [name, file(1, 1, (index * 7) % 50)]))
    const seen = new Set<string>()
    for (let day = 0; day < 60; day++) {
      const chosen = chooseFiles(all, { files }, { third: true, positionals: [], budget: 60, day })
      const seconds = chosen.reduce((sum, name) => sum + (files[name]?.seconds ?? 0), 0)
      expect(seconds).toBeLessThanOrEqual(60)
      for (const name of chosen) seen.add(name)
    }
    expect(seen.size).toBe(all.length)
  })
})
