// npm run test:etcd3-suite -- CHECKOUT [--json FILE] [--server etcd]
//
// The own tests of the npm package etcd3 (github.com/microsoft/etcd3, mocha), unchanged, against our lock-service: over TLS with the
// certificate that lies in that repository, on an empty data directory. Prints the title of each test that failed and `passed/total`,
// where the total is that of all tests there are, also if mocha leaves out the rest of a file after a hook that failed.
// Ends with 0 if all were run and none failed; tests that the suite itself leaves out count as neither passed nor failed.
//
//   CHECKOUT   a work tree of that repository, such as `git clone https://github.com/microsoft/etcd3` makes. What its package.json
//              wants is installed there, and its sources are compiled, unless that was done before
//   --json     writes what was passed, failed and left out
//   --server   `etcd` for Debian's etcd (package etcd-server) instead of ours: what it passes is the most there is to pass
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { readArguments } from './lib/arguments.mjs'
import { freePort } from './lib/free-port.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SUITE_SECONDS = 300
const START_SECONDS = 30
/** The tests take it for the version of the server, whichever that is. */
const ETCD_VERSION = '3.4.23'

const { values: options, positionals } = readArguments(import.meta.url, {
  json: { type: 'string' },
  server: { type: 'string', default: 'bedplate' },
})

process.exitCode = await main()

async function main() {
  const [checkout] = positionals
  if (checkout === undefined || !['bedplate', 'etcd'].includes(options.server)) {
    process.stderr.write('usage: npm run test:etcd3-suite -- CHECKOUT [--json FILE] [--server etcd]\n')
    return 2
  }
  const folder = resolve(checkout)
  provide(folder)
  const directory = mkdtempSync(join(tmpdir(), 'etcd3-suite-'))
  let server
  try {
    const all = await mocha(folder, ['--dry-run'], 'nowhere', join(directory, 'all.json'))
    server = await startServer(folder, directory)
    const report = await mocha(folder, [], server.address, join(directory, 'report.json'))
    const { passed, total, failed, leftOut, notRun } = judge(all, report)
    for (const { fullTitle, err } of failed) print(`FAIL ${fullTitle}: ${String(err.message).split('\n')[0]}`)
    for (const { fullTitle } of leftOut) print(`left out by the suite: ${fullTitle}`)
    for (const { fullTitle } of notRun) print(`not run: ${fullTitle}`)
    print(`etcd3-suite: ${passed}/${total} on ${options.server}, ${Math.round(report.stats.duration / 1000)} s`)
    if (options.json !== undefined) {
      const [failures, left, missed] = [failed, leftOut, notRun].map((tests) => tests.map(({ fullTitle }) => fullTitle))
      const result = { server: options.server, passed, total, failed: failures, leftOut: left, notRun: missed }
      writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)
    }
    return failed.length === 0 && notRun.length === 0 && passed > 0 ? 0 : 1
  } finally {
    server?.process.kill('SIGKILL')
    await server?.ended
    rmSync(directory, { recursive: true, force: true })
  }
}

/** What has come of all tests there are. Several may have one title. */
function judge(all, report) {
  const ran = new Map()
  for (const { fullTitle } of report.tests) ran.set(fullTitle, (ran.get(fullTitle) ?? 0) + 1)
  const notRun = all.tests.filter(({ fullTitle }) => {
    const left = ran.get(fullTitle) ?? 0
    ran.set(fullTitle, left - 1)
    return left <= 0
  })
  const { passes, failures: failed, pending: leftOut } = report
  return { passed: passes.length, total: all.tests.length, failed, leftOut, notRun }
}

/** Installs and compiles what is not there yet. @throws If the folder is no checkout, or a step fails */
function provide(folder) {
  const manifest = join(folder, 'package.json')
  const name = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).name : undefined
  if (name !== 'etcd3' || !existsSync(join(folder, 'src', 'test'))) {
    throw new Error(`${folder} is no work tree of microsoft/etcd3 (the package in the registry has no tests)`)
  }
  if (!existsSync(join(folder, 'node_modules', 'mocha'))) {
    run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], folder)
  }
  if (!existsSync(join(folder, 'lib', 'test'))) run(process.execPath, ['node_modules/typescript/bin/tsc'], folder)
}

function run(program, args, cwd) {
  const { status, error } = spawnSync(program, args, { cwd, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error(`${program} ${args[0]} ended with ${status ?? error} in ${cwd}`)
}

/** Starts a server with the suite's certificate. @returns Once it accepts connections. */
async function startServer(folder, directory) {
  const certificates = join(folder, 'src', 'test', 'certs')
  const cert = join(certificates, 'certs', 'etcd0.localhost.crt')
  const key = join(certificates, 'private', 'etcd0.localhost.key')
  const [port, peerPort] = [await freePort(), await freePort()]
  const address = `127.0.0.1:${port}`
  const data = join(directory, 'data')
  const [program, args, isReady] =
    options.server === 'etcd'
      ? [
          'etcd',
          [
            `--data-dir=${data}`,
            `--listen-client-urls=https://${address}`,
            `--advertise-client-urls=https://${address}`,
            `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
            `--cert-file=${cert}`,
            `--key-file=${key}`,
          ],
          /serving client requests|serving client traffic/,
        ]
      : [
          process.execPath,
          [
            join(ROOT, 'bin', 'lock-service'),
            '--json',
            `--port=${port}`,
            `--data-dir=${data}`,
            `--tls-cert=${cert}`,
            `--tls-key=${key}`,
          ],
          /"event":"ready"/,
        ]
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise((done) => child.once('close', done))
  const log = []
  const ready = new Promise((done, fail) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        log.push(line)
        if (log.length > 20) log.shift()
        if (isReady.test(line)) done()
      })
    }
    child.once('error', fail)
    ended.then(() => fail(new Error(`${program} ended:\n${log.join('\n')}`)))
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), START_SECONDS * 1000)
  await ready.finally(() => clearTimeout(timer))
  return { process: child, address, ended }
}

/** Runs mocha. @returns Its report. */
async function mocha(folder, more, address, report) {
  const reporter = ['--reporter', 'json', '--reporter-option', `output=${report}`]
  const args = ['node_modules/mocha/bin/mocha.js', ...reporter, ...more]
  const env = { ...process.env, ETCD_ADDR: address, ETCD_VERSION }
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] })
  let complaints = ''
  child.stderr.on('data', (bytes) => {
    complaints = (complaints + bytes).slice(-2000)
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), SUITE_SECONDS * 1000)
  const [status] = await once(child, 'close')
  clearTimeout(timer)
  if (!existsSync(report)) throw new Error(`mocha ended with ${status} and left no report:\n${complaints}`)
  return JSON.parse(readFileSync(report, 'utf8'))
}

function print(line) {
  process.stdout.write(`${line}\n`)
}
