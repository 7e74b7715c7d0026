// node scripts/build.mjs [--keep-going] [--force]
//
// Brings dist/ and the addon up to date; does nothing if they are. Called before start and test, and by bin/ in a
// checkout. Several may run at once: one builds, the others wait and then find nothing to do.
//
// A native build that fails, or cannot be tried, never fails this: the TypeScript twins take over, and one line says so.
// A type error does, after everything was written; with --keep-going it is only shown.
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { missingTools, runBuilder } from './gyp.mjs'
import { withLock } from './lib/build-lock.mjs'
import { fingerprint, lastOutcome, recordOutcome } from './lib/freshness.mjs'
import { mirror } from './lib/mirror.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const LOCK = join(ROOT, '.cache/build.lock')
const STAGING = join(ROOT, '.cache/dist')
const TSC_MEMORY = join(ROOT, '.cache/tsc.json')
const DIST = join(ROOT, 'dist')
const BUNDLER = join(ROOT, 'scripts/lib/bundle-commands.mjs')
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc')

main()

function main() {
  const { keepGoing, force } = readOptions()
  if (!existsSync(TSC)) fail('the TypeScript compiler is not installed: run npm ci first', 1)
  const typesAreRight = withLock(LOCK, () => {
    const right = buildTypeScript(force, keepGoing)
    buildNative(force)
    return right
  })
  if (!typesAreRight && !keepGoing) process.exitCode = 1
}

function readOptions() {
  try {
    const { values } = parseArgs({ options: { 'keep-going': { type: 'boolean' }, force: { type: 'boolean' } } })
    return { keepGoing: values['keep-going'] ?? false, force: values.force ?? false }
  } catch (error) {
    return fail(error.message, 2)
  }
}

/** Compiles ts/ into dist/ and says whether its types are right. A compiler that cannot run at all ends the process. */
function buildTypeScript(force, keepGoing) {
  const last = force ? undefined : lastOutcome('typescript')
  if (last === 'made' || (last === 'failed' && keepGoing)) return last === 'made'
  const sources = fingerprint('typescript')
  if (force || !existsSync(STAGING)) rmSync(TSC_MEMORY, { force: true })
  const { status, stdout } = spawnSync(
    process.execPath,
    [TSC, '-p', ROOT, '--outDir', STAGING, '--incremental', '--tsBuildInfoFile', TSC_MEMORY],
    { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  )
  process.stderr.write(stdout)
  if (!existsSync(TSC_MEMORY)) fail('the TypeScript compiler wrote nothing', 1)
  const bundled = spawnSync(process.execPath, [BUNDLER, STAGING], { stdio: ['ignore', 'ignore', 'inherit'] })
  if (bundled.status !== 0) fail('the commands could not be bundled', 1)
  mirror(STAGING, DIST, hasSource)
  recordOutcome('typescript', sources, status === 0 ? 'made' : 'failed')
  return status === 0
}

/** False for what the compiler once made of a file that is gone: it never removes anything itself. */
function hasSource(file) {
  if (dirname(file) === 'commands') return true
  return existsSync(join(ROOT, 'ts', file.replace(/(\.js|\.js\.map|\.d\.ts)$/, '.ts')))
}

/** Builds the addon if it can. A build that failed is tried again when a source changes, or by --force. */
function buildNative(force) {
  const last = force ? undefined : lastOutcome('native')
  if (last === 'made') return
  const sources = fingerprint('native')
  const missing = missingTools()
  if (missing.length > 0) {
    recordOutcome('native', sources, 'no tools')
    return notice(`its build needs ${missing.join(', ')}`)
  }
  if (last === 'failed') return notice('its build failed; npm run compile -- --force tries again')
  const { status, output } = runBuilder('node-gyp', ['configure', 'build', '--jobs', '2'], { cwd: ROOT, quiet: true })
  recordOutcome('native', sources, status === 0 ? 'made' : 'failed')
  if (status === 0) return
  process.stderr.write(output)
  notice('its build failed')
}

function notice(reason) {
  process.stderr.write(`bedplate: no native core (${reason}); the TypeScript twins do its work\n`)
}

function fail(message, status) {
  process.stderr.write(`build: ${message}\n`)
  process.exit(status)
}
