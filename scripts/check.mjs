// npm run check [-- STEP...]: everything that can be judged without running the product. Prints one line a step, with
// the tool's own words where it complains, and ends with status 1 if a step failed.
//
// The clang tools come from the system. Where one is missing, its step says which Debian package holds it and counts
// as not run: a failure under CI=true, elsewhere a line at the end that cannot be overlooked. What clang-tidy found good
// it is not asked again, until a source, its rules or its version change (scripts/lib/verdicts.mjs).
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { delimiter, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeCache } from './lib/cache.mjs'
import { keyOf, rememberGood, wasGood } from './lib/verdicts.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TIDY_BUILD = 'build-tidy'
const CLANG_FORMAT = { program: 'clang-format-16', aptPackage: 'clang-format-16' }
const CLANG_TIDY = { program: 'clang-tidy-16', aptPackage: 'clang-tidy-16' }

/** Its data flow does not end in functions with loops of GoogleTest's macros; a test that takes a value that is not there fails. */
const NOT_FOR_TESTS = ['bugprone-unchecked-optional-access']

/** The longest first. Every step returns what is wrong as text; the empty string means nothing is. */
const STEPS = [
  { name: 'clang-tidy', run: checkNativeCode, needs: [CLANG_TIDY] },
  { name: 'types', run: () => complaints(bin('tsc'), ['-p', 'tsconfig.test.json']) },
  { name: 'biome', run: () => complaints(bin('biome'), ['check', '--error-on-warnings', '.']) },
  { name: 'floors', run: checkFloors },
  { name: 'unused', run: () => complaints(bin('knip'), ['--no-progress']) },
  { name: 'package', run: checkPackage },
  { name: 'clang-format', run: checkNativeFormat, needs: [CLANG_FORMAT] },
  // Takes minutes: asked for by name, and before a release.
  { name: 'clang-analyzer', run: analyseNativeCode, needs: [CLANG_TIDY], onlyByName: true },
]

main()

async function main() {
  const wanted = process.argv.slice(2)
  const unknown = wanted.filter((name) => !STEPS.some((step) => step.name === name))
  if (unknown.length > 0) {
    print(`check: unknown step ${unknown.join(', ')}; there are ${STEPS.map((step) => step.name).join(', ')}`)
    process.exit(2)
  }
  const waiting = STEPS.filter((step) => (wanted.length === 0 ? !step.onlyByName : wanted.includes(step.name)))
  const outcomes = []
  const lane = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) outcomes.push(await perform(step))
  }
  await Promise.all([lane(), lane()])
  summarise(outcomes, wanted.length === 0)
}

async function perform({ name, run, needs = [] }) {
  const started = performance.now()
  const missing = needs.filter(({ program }) => !isInstalled(program))
  if (missing.length > 0) {
    const packages = missing.map(({ aptPackage }) => aptPackage).join(' ')
    print(`NOT RUN ${name}: needs ${missing.map(({ program }) => program).join(', ')}: apt-get install ${packages}`)
    return { state: 'missing', packages }
  }
  const wrong = await run().catch((error) => error.stack)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  print(wrong === '' ? `ok      ${name} (${seconds} s)` : `FAIL    ${name} (${seconds} s)\n${wrong}`)
  return { state: wrong === '' ? 'passed' : 'failed' }
}

function summarise(outcomes, whole) {
  const count = (state) => outcomes.filter((outcome) => outcome.state === state).length
  const packages = outcomes.flatMap((outcome) => outcome.packages ?? []).join(' ')
  const strict = process.env.CI === 'true'
  const failed = count('failed') + (strict ? count('missing') : 0)
  if (whole) writeCache('results/check.json', { passed: count('passed'), failed })
  print(`check: ${count('passed')} passed, ${count('failed')} failed, ${count('missing')} not run`)
  if (packages !== '') print(`check: INCOMPLETE, what did not run fails in CI: apt-get install ${packages}`)
  process.exitCode = failed === 0 ? 0 : 1
}

// ---- Steps ----

/** The import rules. A cruise that saw no modules has checked nothing, whatever it says. */
async function checkFloors() {
  const command = [bin('depcruise'), ['-c', '.dependency-cruiser.mjs', '--output-type', 'json', 'ts', 'bin']]
  const { stdout, stderr } = await output(...command)
  let summary
  try {
    summary = JSON.parse(stdout).summary
  } catch {
    return stdout + stderr
  }
  const expected = filesBelow('ts', '.ts').length
  if (summary.totalCruised < expected) {
    return `dependency-cruiser saw ${summary.totalCruised} modules, ts/ alone has ${expected}: is @swc/core installed?`
  }
  return summary.violations
    .map(({ rule, from, to, cycle }) => `${rule.name}: ${from} -> ${cycle?.map(({ name }) => name).join(' -> ') ?? to}`)
    .join('\n')
}

/** `exports`, `types` and `files` of package.json against what the build has really made. */
async function checkPackage() {
  const build = await complaints(process.execPath, ['scripts/build.mjs'])
  if (build !== '') return build
  return complaints(bin('publint'), ['run', '--strict', '--pack', 'false'])
}

async function checkNativeFormat() {
  const files = [...filesBelow('native', '.cc'), ...filesBelow('native', '.h')].filter((file) => !isForeign(file))
  if (files.length === 0) return 'no sources below native/'
  return complaints(CLANG_FORMAT.program, ['--dry-run', '--Werror', ...files])
}

/**
 * The product and its fuzzers as one unit, its tests as another: clang-tidy takes ten seconds for the headers of the system,
 * once a unit. Names in anonymous namespaces are therefore unique in theirs. The path-sensitive analysis takes five times as
 * long as the rest and is a step of its own. Sources that were found good once are not looked at again.
 */
function checkNativeCode() {
  const { product, fuzzers, tests } = nativeSources()
  const units = [
    { name: 'product', includes: [...product.map(inclusion), ...fuzzers.map(fuzzerInclusion)], unwanted: [] },
    { name: 'tests', includes: tests.map(inclusion), unwanted: NOT_FOR_TESTS },
  ]
  return tidyNative(units, '-clang-analyzer-*')
}

/** Of the product alone: GoogleTest's macros would take most of the time. */
function analyseNativeCode() {
  const { product } = nativeSources()
  return tidyNative([{ name: 'product', includes: product.map(inclusion), unwanted: [] }], '-*,clang-analyzer-*')
}

async function tidyNative(units, checks) {
  mkdirSync(join(ROOT, TIDY_BUILD), { recursive: true })
  const defines = ['NAPI_VERSION=9', 'NODE_ADDON_API_DISABLE_DEPRECATED', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS']
  const folders = ['node_modules/node-addon-api', 'node_modules/node-api-headers/include', 'native/third_party/lz4']
  const headers = folders.flatMap((folder) => ['-isystem', folder])
  const flags = ['-std=c++20', '-fno-exceptions', '-Inative', ...defines.map((define) => `-D${define}`), ...headers]
  const found = await Promise.all(
    units.map(({ name, includes, unwanted }) => {
      if (includes.length === 0) return `no sources below native/ for the unit ${name}`
      const file = join(TIDY_BUILD, `${name}.cc`)
      writeFileSync(join(ROOT, file), includes.join(''))
      const chosen = [checks, 'bugprone-suspicious-include', ...unwanted].join(',-')
      const options = ['--quiet', '--config-file=.clang-tidy', `--checks=${chosen}`]
      return complaintsOnce(CLANG_TIDY.program, [...options, file, '--', ...flags], filesReadByTidy())
    }),
  )
  return found.join('')
}

/** The units are made of these sources, by this file. Node's headers are as the lock says, those of the system as the tool is. */
function filesReadByTidy() {
  const sources = ['.cc', '.c', '.h'].flatMap((extension) => filesBelow('native', extension))
  return [...sources, '.clang-tidy', 'package-lock.json', 'scripts/check.mjs']
}

/** What of native/ is whose; all of it is somebody's. */
function nativeSources() {
  const sources = filesBelow('native', '.cc')
  const isIn = (folder) => (source) => source.startsWith(join('native', folder) + sep)
  const [tests, fuzzers] = [sources.filter(isIn('test')), sources.filter(isIn('fuzz'))]
  return { product: sources.filter((source) => !tests.includes(source) && !fuzzers.includes(source)), fuzzers, tests }
}

function inclusion(source) {
  return `#include "${join(ROOT, source)}"\n`
}

/** Each fuzzer has the same entry. */
function fuzzerInclusion(source, index) {
  return `#undef LLVMFuzzerTestOneInput\n#define LLVMFuzzerTestOneInput FuzzerEntry${index}\n${inclusion(source)}`
}

// ---- Helpers ----

/** What the program printed if it failed; the empty string if it ended with 0. */
async function complaints(program, args) {
  const { status, stdout, stderr } = await output(program, args)
  return status === 0 ? '' : stdout + stderr || `${program} ended with ${status}`
}

/** The same, unless the program had nothing to say of the same files before. @param files - All that it reads. */
async function complaintsOnce(program, args, files) {
  const { stdout: version } = await output(program, ['--version'])
  const key = keyOf([program, version, ...args], files)
  if (wasGood(key)) return ''
  const wrong = await complaints(program, args)
  if (wrong === '') rememberGood(key)
  return wrong
}

function output(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
    const text = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr']) {
      child[stream].setEncoding('utf8').on('data', (chunk) => {
        text[stream] += chunk
      })
    }
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status: status ?? signal, ...text }))
  })
}

function bin(name) {
  return join(ROOT, 'node_modules', '.bin', name)
}

function isInstalled(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}

/** What others wrote is not ours to format. */
function isForeign(file) {
  return file.startsWith(join('native', 'third_party'))
}

/** Paths relative to the root. */
function filesBelow(folder, extension) {
  return readdirSync(join(ROOT, folder), { recursive: true })
    .filter((name) => name.endsWith(extension))
    .map((name) => join(folder, name))
}

function print(line) {
  process.stdout.write(`${line}\n`)
}
