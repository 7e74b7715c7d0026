// npm run test:redis-suite -- [--files NAME,...] [--changed [REF]] [--third [1|2|3]] [--budget SECONDS] [--server redis] [--json FILE] ...
//
// Redis 7.0.15's own tests, written in Tcl, against us as a server that was there before: one fresh server for each file. Prints what
// each file passed, what failed, and how much of what redis-server itself passes in this way. What each file passes is kept in
// test/external/redis-suite.json: fewer is a failure, and ends this with 1.
//
//   --files      names such as unit/type/list; all of them otherwise
//   --changed    those that belong to the sources that differ from REF (the commit before, unless given)
//   --third      a third of all files, by today's date unless it is said which; together with --changed both
//   --budget     so many seconds: of a third, a part that takes no longer, another one each time the third comes round
//   --server     `redis` for the real one
//   --json       writes what was found, with the names of all tests
//   --update     after a whole run of ours: keeps what it found as what is expected. --baseline FILE is the --json of redis-server
//   --patience   waits so many times as long for a file before it is given up: for a busy machine
//   --markdown   prints the table of docs/systems/cache.md, and runs nothing
//
// REDIS_SUITE_LOGS names a folder for the output of each file. The tests come from Debian's source package, kept below .cache/:
// `apt-get source` in folders of its own, as any user. Needed are tclsh, apt, tar, and the programs of the package redis-tools.
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readArguments } from './lib/arguments.mjs'
import { freePort } from './lib/free-port.mjs'
import { chooseFiles } from './redis-suite/choice.mjs'
import { judge, readExpected, showTable, updateExpected } from './redis-suite/expected.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CACHE = join(process.env.BEDPLATE_CACHE_DIR ?? join(ROOT, '.cache'), 'redis-suite')
/** A file is given up after so long, and after so long without a word; `--patience` times that. */
const FILE_SECONDS = 300
const SILENT_SECONDS = 120
/** Files whose tests begin servers of their own: none of it runs against a server that was there before. */
const NOT_FOR_US = /^(?:integration\/|unit\/(?:printver|tls|cluster|oom-score-adj|shutdown|violations|aofrw|wait))/
const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m`, 'g')
const SOURCES = `Types: deb-src
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: http://deb.debian.org/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`

const { values: options, positionals } = readArguments(import.meta.url, {
  files: { type: 'string' },
  changed: { type: 'boolean' },
  third: { type: 'boolean' },
  budget: { type: 'string', default: 'Infinity' },
  server: { type: 'string', default: 'bedplate' },
  json: { type: 'string' },
  update: { type: 'boolean' },
  baseline: { type: 'string' },
  patience: { type: 'string', default: '1' },
  markdown: { type: 'boolean' },
})

await main()

async function main() {
  if (options.markdown === true) {
    print(showTable(readExpected()))
    return
  }
  const suite = provideSuite()
  const expected = readExpected()
  const files = chooseFiles(allFiles(suite), expected, { ...options, positionals, budget: Number(options.budget) })
  if (files.length === 0) print('redis-suite: no file of it belongs to what was changed')
  const results = []
  for (const file of files) {
    const result = await runFile(suite, file)
    results.push(result)
    const { passed, failed, problem, seconds } = result
    const end = problem === undefined ? '' : `, ended early: ${problem}`
    print(`${file}: ${passed.length} passed, ${failed.length} failed${end} (${seconds} s)`)
    for (const each of failed) print(`  FAIL ${each}`)
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ results }, null, 2)}\n`)
  if (options.server === 'redis') {
    print(`redis-suite: ${results.reduce((sum, { passed }) => sum + passed.length, 0)} passed by redis-server`)
    return
  }
  if (options.update === true) {
    if (options.baseline === undefined) throw new Error('--update needs --baseline FILE, the --json of --server redis')
    updateExpected(results, JSON.parse(readFileSync(options.baseline, 'utf8')).results)
  }
  const { lines, isGood } = judge(results, readExpected())
  for (const line of lines) print(line)
  process.exitCode = isGood ? 0 : 1
}

/** Fetches the tests where they are not there yet. @returns Their folder. */
function provideSuite() {
  const folder = join(CACHE, 'redis-7.0.15')
  if (!existsSync(join(folder, 'tests'))) {
    for (const each of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(CACHE, each), { recursive: true })
    writeFileSync(join(CACHE, 'debian.sources'), SOURCES)
    const settings = [
      `Dir::Etc::SourceList=${join(CACHE, 'debian.sources')}`,
      'Dir::Etc::SourceParts=-',
      `Dir::State::Lists=${join(CACHE, 'lists')}`,
      `Dir::Cache=${join(CACHE, 'cache')}`,
      `APT::Sandbox::User=${process.env.USER ?? 'root'}`,
    ].flatMap((setting) => ['-o', setting])
    run('apt-get', [...settings, '-q', 'update'])
    run('apt-get', [...settings, '-q', 'source', '--download-only', 'redis'])
    const archive = readdirSync(CACHE).find((name) => name.endsWith('.orig.tar.gz'))
    if (archive === undefined) throw new Error(`apt-get source left no archive in ${CACHE}`)
    run('tar', ['xf', archive])
  }
  for (const program of ['redis-cli', 'redis-benchmark']) {
    const path = join(folder, 'src', program)
    if (!existsSync(path)) symlinkSync(`/usr/bin/${program}`, path)
  }
  return folder
}

function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: CACHE, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error(`${program} ${args.at(-1)} ended with ${status ?? error}`)
}

/** Of all test files, those that can be run against a server that was there before. */
function allFiles(suite) {
  const text = readFileSync(join(suite, 'tests', 'test_helper.tcl'), 'utf8')
  const all = (/set ::all_tests \{([^}]*)\}/.exec(text)?.[1] ?? '').trim().split(/\s+/)
  return all.filter((file) => !NOT_FOR_US.test(file))
}

async function runFile(suite, file) {
  const started = performance.now()
  const server = await startServer()
  const result = { file, passed: [], failed: [], problem: undefined, seconds: 0 }
  if (server === undefined) return { ...result, problem: 'no server' }
  const args = ['tests/test_helper.tcl', '--host', '127.0.0.1', '--port', String(server.port), '--single', file]
  args.push('--baseport', String(22_000 + 40 * (server.port % 250))) // so that two runs do not meet
  const suiteRun = spawn('tclsh', [...args, '--clients', '1', '--durable', '--no-latency'], {
    cwd: suite,
    detached: true, // its own clients are ended with it
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let heardMs = performance.now()
  for (const stream of [suiteRun.stdout, suiteRun.stderr]) {
    stream.on('data', (bytes) => {
      output += bytes.toString('latin1')
      heardMs = performance.now()
    })
  }
  const ended = new Promise((resolve) => suiteRun.on('close', resolve))
  const [fileSeconds, silentSeconds] = [FILE_SECONDS, SILENT_SECONDS].map((each) => each * Number(options.patience))
  const timer = setInterval(() => {
    const now = performance.now()
    if (now - started > 1000 * fileSeconds) result.problem = `not done after ${fileSeconds} s`
    else if (now - heardMs > 1000 * silentSeconds) result.problem = `nothing happened for ${silentSeconds} s`
    else return
    process.kill(-suiteRun.pid, 'SIGKILL')
  }, 1000)
  const status = await ended
  clearInterval(timer)
  const gone = new Promise((resolve) => server.process.once('exit', resolve))
  if (server.process.kill('SIGKILL')) await gone
  rmSync(server.directory, { recursive: true, force: true })
  for (const line of output.replaceAll(COLOURS, '').split('\n')) {
    const ok = /^\[ok\]: (.*?)(?: \(\d+ ms\))?$/.exec(line)?.[1]
    if (ok !== undefined) result.passed.push(ok)
    const failure = /^\[(?:err|exception)\]: (.*)/.exec(line)?.[1]
    if (failure === undefined) continue
    if (line.startsWith('[exception]')) result.problem ??= failure.slice(0, 200)
    else result.failed.push(failure.replace(/ in tests\/.*$/, '').slice(0, 200))
  }
  // With 1 it has told what failed.
  if (status !== 0 && result.failed.length === 0) result.problem ??= `tclsh ended with ${status}`
  result.seconds = Math.round((performance.now() - started) / 1000)
  if (process.env.REDIS_SUITE_LOGS !== undefined) {
    mkdirSync(process.env.REDIS_SUITE_LOGS, { recursive: true })
    writeFileSync(join(process.env.REDIS_SUITE_LOGS, `${file.replaceAll('/', '-')}.log`), output)
  }
  return result
}

/** A server on a free port; undefined if it did not come up. */
async function startServer() {
  const port = await freePort()
  const directory = mkdtempSync(join(CACHE, 'data-'))
  const common = ['--port', String(port), '--dir', directory, '--enable-debug-command', 'yes']
  const isRedis = options.server === 'redis'
  const [program, args] = isRedis
    ? ['redis-server', [...common, '--save', '']]
    : [process.execPath, [join(ROOT, 'bin', 'cache-server'), ...common]]
  const child = spawn(program, args, { cwd: CACHE, stdio: 'ignore' })
  for (let i = 0; i < 300; i++) {
    const answer = spawnSync('redis-cli', ['-p', String(port), 'ping'], { encoding: 'utf8' })
    if (answer.stdout.startsWith('PONG')) return { process: child, port, directory }
    if (child.exitCode !== null) return undefined
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  child.kill('SIGKILL')
  return undefined
}

function print(line) {
  process.stdout.write(`${line}\n`)
}
