import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

let cache: string

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'bedplate-heavy-'))
  // Else each test would compile everything once more, below the feet of those that run beside it.
  const built = process.env['BEDPLATE_CACHE_DIR'] ?? join(ROOT, '.cache')
  if (existsSync(join(built, 'build.json'))) copyFileSync(join(built, 'build.json'), join(cache, 'build.json'))
})

afterEach(() => rmSync(cache, { recursive: true }))

function heavy(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['scripts/heavy.mjs', 'faults', '--from', 'test/scripts/heavy-suites', '--budget', '2', ...args],
    { cwd: ROOT, encoding: 'utf8', env: { ...process.env, BEDPLATE_CACHE_DIR: cache } },
  )
  return { status, output: stdout + stderr }
}

describe('the runner of heavy suites', () => {
  it('ends with 0 when every case held and enough was covered', () => {
    const { status, output } = heavy('--suite', 'holds', '--seed', '5')
    expect(output).toContain('holds: seed 5, IO')
    expect(output).toContain('faults: 3 passed, 0 failed')
    expect(status).toBe(0)
  })

  it('fails a suite that covered less than it must', () => {
    const { status, output } = heavy('--suite', 'covers-little')
    expect(output).toContain('covered only 4 images, at least 10 wanted')
    expect(status).toBe(1)
  })

  it('fails a suite without a result, and says what it had done', () => {
    const { status, output } = heavy('--suite', 'dies')
    expect(output).toContain('FAIL dies: 2 cases')
    expect(output).toContain('images: 12')
    expect(output).toContain("lost a write\n  reproduce: npm run test:faults -- --suite dies --seed 1 --case 'seed=2'")
    expect(output).toContain('the process ended with SIGKILL and no result, in case 3, seed=3')
    expect(output).toContain('until then it had covered 12 images, at least 20 wanted')
    expect(output).toContain('faults: 1 passed, 2 failed')
    expect(status).toBe(1)
  })

  it('remembers of a suite without a result what failed and what never ended', () => {
    heavy('--suite', 'dies')
    expect(heavy('--suite', 'dies').output).toContain('remembered: seed=2, seed=3')
  })

  it('prints a line that replays a failed case, and remembers it until the replay passes', () => {
    const first = heavy('--suite', 'breaks')
    expect(first.status).toBe(1)
    expect(first.output).toContain(`reproduce: npm run test:faults -- --suite breaks --seed 1 --case 'seed=7 it'\\''s'`)
    expect(heavy('--suite', 'breaks').output).toContain("remembered: seed=7 it's")
    expect(heavy('--suite', 'breaks', '--case', "seed=7 it's").status).toBe(0)
    expect(heavy('--suite', 'breaks').output).toContain('remembered: nothing')
  })

  it('does not remember a case that there is not', () => {
    const { status, output } = heavy('--suite', 'breaks', '--case', 'seed=x')
    expect(output).toContain('no such case: seed=x')
    expect(status).toBe(1)
    expect(heavy('--suite', 'breaks').output).toContain('remembered: nothing')
  })

  it('runs suites with remembered failures first, and adds everything up', () => {
    heavy('--suite', 'breaks')
    expect(heavy('--list').output.split('\n')[0]).toBe('breaks')
    expect(heavy().status).toBe(1)
    expect(JSON.parse(readFileSync(join(cache, 'results/faults.json'), 'utf8'))).toEqual({ passed: 9, failed: 4 })
  })

  it('refuses wrong words with status 2', () => {
    expect(heavy('--suite', 'nowhere').status).toBe(2)
    expect(heavy('--seed', 'x').status).toBe(2)
    expect(heavy('--case', 'alone').status).toBe(2)
  })
})
