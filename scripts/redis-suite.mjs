// npm run test:redis-suite -- [--files NAME,...] [--part I/N] [--json FILE] [--budget SECONDS] [--server redis]
//
// Redis 7.0.15's own tests, written in Tcl, against us as a server that was there before: one fresh server for each file. Prints what
// each file passed, what failed, and `passed/1743`, what redis-server itself passes in this way. Ends with 0 if every file was run to
// its end, whatever passed: the figure is judged by whoever reads it (docs/systems/cache.md).
//
//   --files    names such as unit/type/list; all of them otherwise
//   --part     of all files the I-th of N parts, so that several runs make up a whole one
//   --budget   begins no further file after so many seconds
//   --server   `redis` for the real one
//
// The tests come from Debian's source package, kept below .cache/: `apt-get source` in folders of its own, as any user. Needed are
// tclsh, apt, tar and the programs of the package redis-tools.
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
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CACHE = join(process.env.BEDPLATE_CACHE_DIR ?? join(ROOT, '.cache'), 'redis-suite')
const PASSED_BY_REDIS = 1743
const FILE_SECONDS = 300
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

const { values: options } = parseArgs({
  options: {
    files: { type: 'string' },
    part: { type: 'string' },
    json: { type: 'string' },
    budget: { type: 'string', default: 'Infinity' },
    server: { type: 'string', default: 'bedplate' },
  },
})

await main()

async function main() {
  const suite = provideSuite()
  const started = performance.now()
  const results = []
  let skipped = 0
  for (const file of chooseFiles(suite)) {
    if ((performance.now() - started) / 1000 > Number(options.budget)) {
      skipped++
      continue
    }
    const result = await runFile(suite, file)
    results.push(result)
    const { passed, failed, problem, seconds } = result
    const end = problem === undefined ? '' : `, ended early: ${problem}`
    print(`${file}: ${passed} passed, ${failed.length} failed${end} (${seconds} s)`)
    for (const each of failed) print(`  FAIL ${each}`)
  }
  const passed = results.reduce((sum, result) => sum + result.passed, 0)
  print(
    `redis-suite: ${passed}/${PASSED_BY_REDIS} over ${results.length} files${skipped > 0 ? `, ${skipped} not begun` : ''}`,
  )
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ passed, skipped, results }, null, 2)}\n`)
  process.exitCode = results.some(({ problem }) => problem === 'no server') ? 1 : 0
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

function chooseFiles(suite) {
  if (options.files !== undefined) return options.files.split(',')
  const text = readFileSync(join(suite, 'tests', 'test_helper.tcl'), 'utf8')
  const all = (/set ::all_tests \{([^}]*)\}/.exec(text)?.[1] ?? '').trim().split(/\s+/)
  const files = all.filter((file) => !NOT_FOR_US.test(file))
  if (options.part === undefined) return files
  const [part, parts] = options.part.split('/').map(Number)
  return files.filter((_, index) => index % parts === (part - 1) % parts)
}

async function runFile(suite, file) {
  const started = performance.now()
  const server = await startServer()
  const result = { file, passed: 0, failed: [], problem: undefined, seconds: 0 }
  if (server === undefined) return { ...result, problem: 'no server' }
  const args = ['tests/test_helper.tcl', '--host', '127.0.0.1', '--port', String(server.port), '--single', file]
  const suiteRun = spawn('tclsh', [...args, '--clients', '1', '--durable', '--no-latency'], {
    cwd: suite,
    detached: true, // its own clients are ended with it
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [suiteRun.stdout, suiteRun.stderr])
    stream.on('data', (bytes) => (output += bytes.toString('latin1')))
  const ended = new Promise((resolve) => suiteRun.on('close', resolve))
  const timer = setTimeout(() => {
    result.problem = `not done after ${FILE_SECONDS} s`
    process.kill(-suiteRun.pid, 'SIGKILL')
  }, FILE_SECONDS * 1000)
  await ended
  clearTimeout(timer)
  const gone = new Promise((resolve) => server.process.once('exit', resolve))
  if (server.process.kill('SIGKILL')) await gone
  rmSync(server.directory, { recursive: true, force: true })
  for (const line of output.replaceAll(COLOURS, '').split('\n')) {
    if (line.startsWith('[ok]')) result.passed++
    const failure = /^\[(?:err|exception)\]: (.*)/.exec(line)?.[1]
    if (failure === undefined) continue
    if (line.startsWith('[exception]')) result.problem ??= failure.slice(0, 200)
    else result.failed.push(failure.slice(0, 200))
  }
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

function freePort() {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

function print(line) {
  process.stdout.write(`${line}\n`)
}
