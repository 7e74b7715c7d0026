// npm run test:faults | test:simulation | test:soak -- [--budget SECONDS] [--seed N] [--suite NAME] [--case NAME] [--list] [--from FOLDER]
//
// Finds the heavy suites (`test/faults/*.ts`, `test/simulation/*.ts`, for the soak all of them and `test/soak/*.ts`; their
// contract is test/support/heavy.ts), divides the budget among them, runs each in a process of its own, prints what was covered, also by
// one that was cut off or died, and ends with status 1 if anything failed. Suites with cases that failed before come first, then the most recently changed ones; failed cases are
// remembered in .cache/heavy.json.
import { fork, spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readArguments } from './lib/arguments.mjs'
import { readCache, writeCache } from './lib/cache.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const folder = (name) => fileURLToPath(new URL(`../test/${name}`, import.meta.url))
/** Those of the soak alone need more than Node. */
const SUITES = {
  faults: [folder('faults')],
  simulation: [folder('simulation')],
  soak: [folder('faults'), folder('simulation'), folder('soak')],
}
const CHILD = fileURLToPath(new URL('./lib/heavy-child.mjs', import.meta.url))
const MEMORY = 'heavy.json'
const DEFAULT_BUDGET_SECONDS = { faults: 60, simulation: 60, soak: 3600 }
/** Clusters need twice as long as one store for what they must cover. */
const SHARES = { simulation: 2 }

// A suite may go on past its share until it has covered its minimum, but not for ever.
const graceMs = (budgetMs) => budgetMs + 180_000

main()

async function main() {
  const options = readOptions()
  const suites = findSuites(options)
  if (suites.length === 0) return usage(`no suite ${options.suite ?? ''} in ${options.from.join(', ')}`)
  if (options.list) return print(suites.map((suite) => suite.name).join('\n'))
  const build = spawnSync(process.execPath, ['scripts/build.mjs', '--keep-going'], { cwd: ROOT, stdio: 'inherit' })
  if (build.status !== 0) process.exit(1)

  print(`${options.mode}: ${suites.length} suites, budget ${options.budgetMs / 1000} s, seed ${options.seed}`)
  const started = performance.now()
  const outcomes = await runAll(suites, options)
  remember(outcomes, options)
  summarise(outcomes, options, (performance.now() - started) / 1000)
}

// ---- Options and discovery ----

function readOptions() {
  const string = { type: 'string' }
  const { values, positionals } = readArguments(import.meta.url, {
    ...{ budget: string, seed: string, suite: string, case: string, from: string },
    list: { type: 'boolean' },
  })
  const mode = positionals[0]
  if (!(mode in DEFAULT_BUDGET_SECONDS)) usage('say faults, simulation or soak')
  const seed = Number(values.seed ?? defaultSeed(mode))
  const budgetSeconds = Number(values.budget ?? DEFAULT_BUDGET_SECONDS[mode])
  if (!Number.isSafeInteger(seed) || seed < 0) usage('--seed takes a whole number of at least 0')
  if (!(budgetSeconds > 0)) usage('--budget takes a number of seconds above 0')
  if (values.case !== undefined && values.suite === undefined) usage('--case needs --suite')
  const { suite, case: only, list } = values
  const from = values.from === undefined ? SUITES[mode] : [resolve(values.from)]
  return { mode, seed, budgetMs: budgetSeconds * 1000, suite, case: only, list, from }
}

/** The short run repeats itself from day to day, so that a red run means a change; the soak goes somewhere new. */
function defaultSeed(mode) {
  return mode === 'soak' ? Math.floor(Date.now() / 1000) : 1
}

function findSuites({ suite: wanted, from }) {
  const memory = readCache(MEMORY) ?? {}
  return from
    .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
    .filter((file) => file.endsWith('.ts') && (wanted === undefined || basename(file) === `${wanted}.ts`))
    .map((file) => ({
      name: basename(file, '.ts'),
      file,
      shares: SHARES[basename(dirname(file))] ?? 1,
      changedMs: statSync(file).mtimeMs,
      remembered: memory[basename(file, '.ts')] ?? [],
    }))
    .sort((a, b) => Number(b.remembered.length > 0) - Number(a.remembered.length > 0) || b.changedMs - a.changedMs)
}

// ---- Running ----

/** Two at a time; each takes its part of the time that is left when it starts, so early finishers leave theirs. */
async function runAll(suites, options) {
  const lanes = Math.min(2, availableParallelism(), suites.length)
  const deadline = performance.now() + options.budgetMs
  const waiting = [...suites]
  const outcomes = []
  let laneTimeGivenMs = 0

  const lane = async () => {
    for (let suite = waiting.shift(); suite !== undefined; suite = waiting.shift()) {
      const leftMs = Math.max(1000, deadline - performance.now())
      const shares = waiting.reduce((sum, each) => sum + each.shares, suite.shares)
      const share = ((lanes * options.budgetMs - laneTimeGivenMs) * suite.shares) / shares
      const budgetMs = Math.round(Math.max(1000, Math.min(leftMs, share)))
      laneTimeGivenMs += budgetMs
      outcomes.push(await runSuite(suite, budgetMs, options))
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return outcomes
}

function runSuite(suite, budgetMs, { seed, mode, case: only }) {
  const context = { budgetMs, seed, soak: mode === 'soak', remembered: suite.remembered, only }
  const started = performance.now()
  return new Promise((settle) => {
    let outcome
    let error
    let soFar
    let wanted = {}
    let begun = 0
    let current
    const where = () => (current === undefined ? 'before its first case' : `in case ${begun}, ${current}`)
    const child = fork(CHILD, {
      cwd: ROOT,
      execArgv: ['--enable-source-maps', '--expose-gc', '--import', './scripts/typescript.mjs'],
      env: environment(),
    })
    const alarm = setTimeout(() => {
      const seconds = Math.round(graceMs(budgetMs) / 1000)
      error = `still running ${seconds} s after its start: killed ${where()}`
      child.kill('SIGKILL')
    }, graceMs(budgetMs))
    child.on('message', (message) => {
      if (message.caseName !== undefined) {
        current = message.caseName
        soFar = message.soFar
        begun++
      } else if (message.wanted !== undefined) wanted = message.wanted
      else if (message.line !== undefined) print(`  ${suite.name}: ${message.line}`)
      else if (message.error !== undefined) error = message.error
      else outcome = message
    })
    child.on('error', ({ message }) => {
      error = message
    })
    child.on('close', (status, signal) => {
      clearTimeout(alarm)
      error ??= `the process ended with ${signal ?? `status ${status}`} and no result, ${where()}`
      const missing = only === undefined ? shortOf(soFar?.counts ?? {}, wanted) : []
      // A suite goes on until it has covered enough, so a budget that is too small looks like a case without an end.
      if (outcome === undefined && missing.length > 0) error += `\nuntil then it had covered ${missing.join(', ')}`
      outcome ??= { error, result: soFar, current }
      settle({ suite, seconds: (performance.now() - started) / 1000, ...outcome })
    })
    child.send({ file: suite.file, context })
  })
}

/** Suites start Nodes by the dozen, and each would read these certificates first: longer than all the rest of its start. */
function environment() {
  const { NODE_EXTRA_CA_CERTS: _, VERIFY = '1', ...env } = process.env
  return { ...env, VERIFY }
}

// ---- Memory and report ----

/** What a suite says of a name that means nothing to it, or means nothing any more. */
const NO_SUCH_CASE = /^no such case: /

/**
 * A replay takes back its own case once it passes; a whole run replaces what was remembered of its suite. One without a result takes
 * nothing back, and adds the case that never ended to those that failed. A name that means nothing would fail for ever.
 */
function remember(outcomes, options) {
  const memory = readCache(MEMORY) ?? {}
  for (const { suite, result, error, current } of outcomes) {
    const failures = result?.failures.filter(({ message }) => !NO_SUCH_CASE.test(message)) ?? []
    const names = failures.map(({ caseName }) => caseName)
    if (current !== undefined) names.push(current)
    if (error !== undefined) names.push(...suite.remembered)
    else if (options.case !== undefined) names.push(...suite.remembered.filter((name) => name !== options.case))
    memory[suite.name] = [...new Set(names)]
  }
  writeCache(MEMORY, memory)
}

function summarise(outcomes, options, seconds) {
  let passed = 0
  let failed = 0
  for (const outcome of outcomes) {
    const problems = problemsOf(outcome, options)
    const cases = outcome.result?.cases ?? 0
    passed += Math.max(0, cases - (outcome.result?.failures.length ?? 0))
    failed += problems.length
    print(
      `${problems.length === 0 ? 'ok  ' : 'FAIL'} ${outcome.suite.name}: ${cases} cases in ${outcome.seconds.toFixed(1)} s`,
    )
    for (const [name, count] of Object.entries(outcome.result?.counts ?? {})) print(`       ${name}: ${count}`)
    for (const problem of problems) print(problem)
  }
  writeCache(`results/${options.mode}.json`, { passed, failed })
  print(`${options.mode}: ${passed} passed, ${failed} failed in ${seconds.toFixed(1)} s`)
  process.exitCode = failed === 0 ? 0 : 1
}

function problemsOf({ suite, result, atLeast, error }, options) {
  const replay = `npm run test:${options.mode} -- --suite ${suite.name} --seed ${options.seed}`
  const describe = (message, command) => `  ${message.replaceAll('\n', '\n  ')}\n  reproduce: ${command}`
  const failures = result?.failures ?? []
  const problems = failures.map(({ caseName, message }) =>
    describe(`${caseName}\n${message}`, `${replay} --case ${quote(caseName)}`),
  )
  if (error !== undefined) return [...problems, describe(error, replay)]
  if (options.case !== undefined) return problems
  if (result.cases === 0) problems.push(describe('no case ran', replay))
  for (const missing of shortOf(result.counts, atLeast)) problems.push(describe(`covered only ${missing}`, replay))
  return problems
}

/** What has been covered less than it is to be. */
function shortOf(counts, atLeast) {
  return Object.entries(atLeast)
    .filter(([name, least]) => (counts[name] ?? 0) < least)
    .map(([name, least]) => `${counts[name] ?? 0} ${name}, at least ${least} wanted`)
}

function quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function print(line) {
  process.stdout.write(`${line}\n`)
}

function usage(message) {
  process.stderr.write(
    `heavy: ${message}\nusage: heavy.mjs faults|simulation|soak [--budget S] [--seed N] [--suite NAME [--case NAME]] [--list] [--from FOLDER]\n`,
  )
  process.exit(2)
}
