// npm run test:native -- [--budget SECONDS] [--mutants] [--in-node]
//
// The GoogleTest suites of native/test under AddressSanitizer with UBSan and under ThreadSanitizer, then every fuzzer
// of native/fuzz for its share of the budget (default 20 s). With --mutants also, without sanitizers, that each rule of the
// log, of the B-tree and of the LSM store is missed when it is taken away: minutes. With --in-node also the suites of stores
// in Node, with an addon under AddressSanitizer and UBSan: minutes, too. Fails if a tool is missing, and says which package
// has it.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runBuilder } from './gyp.mjs'
import { writeCache } from './lib/cache.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CLANG = 'clang++-16'
const DEFAULT_BUDGET_SECONDS = 20

/** Each with the Debian package that holds it. */
const TOOLS = [
  { what: 'cmake', aptPackage: 'cmake', isThere: () => isInstalled('cmake') },
  { what: 'ninja', aptPackage: 'ninja-build', isThere: () => isInstalled('ninja') },
  { what: 'g++', aptPackage: 'g++', isThere: () => isInstalled('g++') },
  { what: CLANG, aptPackage: 'clang-16', isThere: () => isInstalled(CLANG) },
  {
    what: 'libFuzzer',
    aptPackage: 'libclang-rt-16-dev',
    isThere: () => existsSync('/usr/lib/llvm-16/lib/clang/16/lib'),
  },
  { what: 'GoogleTest', aptPackage: 'libgtest-dev', isThere: () => existsSync('/usr/include/gtest/gtest.h') },
]

const MUTANTS = 'MutantTest'
const SUITES = [
  { name: 'tests under ASan and UBSan', folder: 'build-asan', sanitize: 'address,undefined', select: ['-E', MUTANTS] },
  { name: 'tests under TSan', folder: 'build-tsan', sanitize: 'thread', select: [] },
]
const MUTANT_SUITE = { name: 'mutants', folder: 'build-plain', sanitize: '', select: ['-R', MUTANTS] }

/** What crosses the boundary between JavaScript and the core. */
const IN_NODE = ['conformance', 'differential', 'iterators', 'snapshots', 'transactions', 'workers']

main()

function main() {
  const { budgetSeconds, mutants, inNode } = readOptions()
  const missing = TOOLS.filter(({ isThere }) => !isThere())
  if (missing.length > 0) {
    print(`test:native: missing ${missing.map(({ what }) => what).join(', ')}`)
    print(`  apt-get install --no-install-recommends ${missing.map(({ aptPackage }) => aptPackage).join(' ')}`)
    process.exit(1)
  }
  const suites = mutants ? [...SUITES, MUTANT_SUITE] : SUITES
  const outcomes = [...suites.map(runSuite), ...(inNode ? [runInNode()] : []), ...runFuzzers(budgetSeconds)]
  const failed = outcomes.filter(({ ok }) => !ok)
  for (const { name, ok } of outcomes) print(`${ok ? 'ok  ' : 'FAIL'} ${name}`)
  print(`test:native: ${outcomes.length - failed.length} passed, ${failed.length} failed`)
  writeCache('results/native.json', { passed: outcomes.length - failed.length, failed: failed.length })
  process.exitCode = failed.length === 0 ? 0 : 1
}

function readOptions() {
  try {
    const flag = { type: 'boolean', default: false }
    const { values } = parseArgs({ options: { budget: { type: 'string' }, mutants: flag, 'in-node': flag } })
    const seconds = Number(values.budget ?? DEFAULT_BUDGET_SECONDS)
    if (seconds > 0) return { budgetSeconds: seconds, mutants: values.mutants, inNode: values['in-node'] }
    print('test:native: --budget takes a number of seconds above 0')
  } catch (error) {
    print(`test:native: ${error.message}`)
  }
  return process.exit(2)
}

function runSuite({ name, folder, sanitize, select }) {
  const ok =
    build(folder, ['-DBEDPLATE_TESTS=ON', `-DBEDPLATE_SANITIZE=${sanitize}`]) &&
    run('ctest', ['--test-dir', folder, '--output-on-failure', '--no-tests=error', '-j', '2', ...select])
  return { name, ok }
}

/** Node itself is not instrumented: the sanitizer's libraries are loaded before it, and its own leaks are none of ours. */
function runInNode() {
  const name = 'stores in Node under ASan and UBSan'
  const folder = join(ROOT, '.cache/addon-asan')
  const flags = '-fsanitize=address,undefined'
  rmSync(join(folder, 'native'), { recursive: true, force: true })
  cpSync(join(ROOT, 'native'), join(folder, 'native'), { recursive: true })
  writeFileSync(join(folder, 'binding.gyp'), "{ 'includes': ['native/bedplate.gypi'] }\n")
  const options = {
    cwd: folder,
    quiet: true,
    defines: 'warnings_are_errors=false',
    env: { CXXFLAGS: `${flags} -fno-omit-frame-pointer -O1 -g1`, LDFLAGS: flags },
  }
  const built = runBuilder('node-gyp', ['configure', 'build', '--jobs', '2'], options)
  if (built.status !== 0) print(built.output)
  const libraries = ['libasan.so', 'libubsan.so'].map((library) => outputOf('g++', [`-print-file-name=${library}`]))
  const env = {
    LD_PRELOAD: libraries.join(' '),
    ASAN_OPTIONS: 'detect_leaks=0',
    BEDPLATE_NATIVE: join(folder, 'build/Release/bedplate.node'),
  }
  const files = IN_NODE.map((suite) => `test/storage/btree/${suite}.test.ts`)
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit', '--testTimeout', '120000', ...files]
  return { name, ok: built.status === 0 && run(process.execPath, vitest, env) }
}

/** libFuzzer keeps what it learnt in .cache/corpus, so each run starts where the last one ended. */
function runFuzzers(budgetSeconds) {
  const names = readdirSync(join(ROOT, 'native/fuzz')).flatMap((file) => /^(.*)_fuzz\.cc$/.exec(file)?.[1] ?? [])
  // A launcher that the environment names, such as ccache, serves this compiler too.
  const launcher = process.env.CXX?.match(/^(\S+) \S+$/)?.[1] ?? ''
  const compiler = [`-DCMAKE_CXX_COMPILER=${CLANG}`, `-DCMAKE_CXX_COMPILER_LAUNCHER=${launcher}`]
  const built = build('build-fuzz', ['-DBEDPLATE_FUZZ=ON', ...compiler])
  const seconds = Math.max(1, Math.round(budgetSeconds / names.length))
  return names.map((name) => {
    const corpus = join(ROOT, '.cache/corpus', name)
    mkdirSync(corpus, { recursive: true })
    const limits = [`-max_total_time=${seconds}`, '-max_len=16384', '-timeout=10', '-print_final_stats=1']
    const ok =
      built && run(join('build-fuzz', `fuzz_${name}`), [corpus, ...limits, `-artifact_prefix=${corpus}.crash-`])
    return { name: `fuzzer ${name}, ${seconds} s`, ok }
  })
}

function build(folder, options) {
  return (
    run('cmake', ['-S', '.', '-B', folder, '-G', 'Ninja', ...options]) && run('cmake', ['--build', folder, '-j', '2'])
  )
}

/** Runs quietly: the output is shown only if the program failed, the time if it was long. */
function run(program, args, env = {}) {
  const started = performance.now()
  const path = program.includes('/') ? resolve(ROOT, program) : program
  const { status, stdout, stderr, error } = spawnSync(path, args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, ...env },
  })
  const seconds = (performance.now() - started) / 1000
  if (seconds >= 10) print(`${program} ${args.slice(0, 2).join(' ')}: ${seconds.toFixed(0)} s`)
  if (status === 0) return true
  print(`${program} ${args.join(' ')}\n${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`)
  return false
}

function outputOf(program, args) {
  return spawnSync(program, args, { encoding: 'utf8' }).stdout.trim()
}

function isInstalled(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}

function print(line) {
  process.stdout.write(`${line}\n`)
}
