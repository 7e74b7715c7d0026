// The crash suites of the native engines (native/test), for as long as the soak lasts, and their mutants. They are built as
// `npm run test:native` builds them, and need what it needs.
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { HeavyFailure, HeavySuite } from '../support/heavy.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FOLDER = 'build-plain'
const PROGRAM = join(ROOT, FOLDER, 'bedplate_tests')
/** Names of tests, and what their figures are called. */
const SUITES = { BTree: 'B-tree', Lsm: 'LSM', Log: 'log' } as const

const suite: HeavySuite = {
  name: 'native',

  atLeast: () => ({
    'B-tree images': 100_000,
    'LSM images': 100_000,
    'log images': 100_000,
    'B-tree mutants': 30,
    'LSM mutants': 21,
    'log mutants': 15,
  }),

  async run(context) {
    build()
    const failures: HeavyFailure[] = []
    const counts: Record<string, number> = {}
    let cases = 0
    const attempt = async (test: string, run: Run): Promise<void> => {
      context.begin(`${test} case=${run.firstCase}`, { cases, counts, failures })
      const { failure, figures } = await runTest(test, context.seed, run)
      cases += figures['workloads'] ?? 1
      const prefix = prefixOf(test)
      for (const [name, figure] of Object.entries(figures)) {
        counts[`${prefix} ${name}`] = (counts[`${prefix} ${name}`] ?? 0) + figure
      }
      if (failure === undefined) return
      failures.push({ caseName: `${test} case=${/case (\d+)/.exec(failure)?.[1] ?? 0}`, message: failure })
    }
    for (const name of context.only === undefined ? context.remembered : [context.only]) {
      const [, test, number] = /^(\S+) case=(\d+)$/.exec(name) ?? []
      if (test === undefined) failures.push({ caseName: name, message: `no such case: ${name}` })
      else await attempt(test, { seconds: 0, firstCase: Number(number) })
    }
    if (context.only !== undefined) return { cases, counts, failures }
    for (const test of testNames('*MutantTest*')) await attempt(test, { seconds: 0, firstCase: 0 })
    const tests = testNames('*CrashTest.*')
    const shares = tests.reduce((sum, test) => sum + shareOf(test), 0)
    for (const test of tests) {
      const seconds = Math.ceil((context.budgetMs / 1000 / shares) * shareOf(test))
      context.report(`${test} for ${seconds} s`)
      await attempt(test, { seconds, firstCase: 0 })
    }
    return { cases, counts, failures }
  },
}

export default suite

/** What figures of a test are called by. */
function prefixOf(test: string): string {
  if (test.includes('BTree')) return SUITES.BTree
  return test.includes('Lsm') ? SUITES.Lsm : SUITES.Log
}

/** Most of the time goes to power cuts: of images there can never be enough. Those of an LSM store take five times as long. */
function shareOf(test: string): number {
  if (!test.endsWith('AfterAnyPowerCut')) return 1
  return prefixOf(test) === SUITES.Lsm ? 15 : 3
}

function build(): void {
  for (const args of [
    ['-S', '.', '-B', FOLDER, '-G', 'Ninja', '-DBEDPLATE_TESTS=ON'],
    ['--build', FOLDER, '-j', '2'],
  ]) {
    const { status, stdout, stderr, error } = spawnSync('cmake', args, { cwd: ROOT, encoding: 'utf8' })
    if (status !== 0) throw new Error(`cmake ${args.join(' ')}\n${stdout}${stderr}${error?.message ?? ''}`)
  }
}

function testNames(filter: string): string[] {
  const { stdout } = spawnSync(PROGRAM, ['--gtest_list_tests', `--gtest_filter=${filter}`], { encoding: 'utf8' })
  const names: string[] = []
  let prefix = ''
  for (const line of stdout.split('\n')) {
    const [name = ''] = line.split('#')
    if (name.startsWith('  ')) names.push(prefix + name.trim())
    else if (name.trim().endsWith('.')) prefix = name.trim()
  }
  return names
}

/** How long a test goes on, and the case that it begins with. */
interface Run {
  seconds: number
  firstCase: number
}

/** Runs one test. @returns Its failure, and the figures that it recorded. */
async function runTest(
  test: string,
  seed: number,
  { seconds, firstCase }: Run,
): Promise<{ failure: string | undefined; figures: Record<string, number> }> {
  const directory = temporaryDirectory()
  try {
    const report = join(directory.path, 'report.json')
    const env = {
      ...process.env,
      BEDPLATE_SEED: String(seed),
      BEDPLATE_BUDGET_SECONDS: String(seconds),
      BEDPLATE_CASE: String(firstCase),
    }
    const ended = await endOf(spawn(PROGRAM, [`--gtest_filter=${test}`, `--gtest_output=json:${report}`], { env }))
    const found = readReport(report)
    if (found === undefined) return { failure: `${test}: ${ended.output}`, figures: {} }
    const { failures, ...properties } = found
    const figures: Record<string, number> = {}
    for (const [name, value] of Object.entries(properties)) {
      if (typeof value === 'string' && /^\d+$/.test(value)) figures[name.replaceAll('_', ' ')] = Number(value)
    }
    if (failures !== undefined) return { failure: failures.map(({ failure }) => failure).join('\n'), figures }
    return { failure: ended.isGood ? undefined : `${test}: ${ended.output}`, figures }
  } finally {
    directory.remove()
  }
}

async function endOf(child: ReturnType<typeof spawn>): Promise<{ isGood: boolean; output: string }> {
  let output = ''
  const add = (data: Buffer): void => {
    output = (output + data).slice(-8192)
  }
  child.stdout?.on('data', add)
  child.stderr?.on('data', add)
  const [status, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (...end) => resolve(end))
  })
  return { isGood: status === 0, output: `${output}\nended with ${signal ?? `status ${status}`}` }
}

/** What GoogleTest says of the one test that ran; undefined if it did not come to that. */
function readReport(path: string): ({ failures?: { failure: string }[] } & Record<string, unknown>) | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).testsuites[0].testsuite[0]
  } catch {
    return undefined
  }
}
