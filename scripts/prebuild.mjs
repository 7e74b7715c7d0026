// npm run prebuild [-- --arch arm64]: makes prebuilds/<platform>-<arch>/, the binary that the tarball brings along.
//
// Without --arch for this machine, and build/Release of this checkout holds the same afterwards. With another one, on
// Linux, by a cross compiler in a folder of its own. A Linux binary may ask for no newer C and C++ library than CEILINGS
// allows, so that one binary serves distributions of several years.
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { missingTools, runBuilder } from './gyp.mjs'
import { withLock } from './lib/build-lock.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const BUILT = join(ROOT, 'build/Release/bedplate.node')
/** Debian 12, Ubuntu 22.04 and Fedora 36 have these. On older systems `bedplate build-native` compiles, or the twins serve. */
const CEILINGS = { GLIBC: '2.34', GLIBCXX: '3.4.30', CXXABI: '1.3.13' }
/** Cross compilers by what Node calls the processor. */
const CROSS = { arm64: { prefix: 'aarch64-linux-gnu-', aptPackage: 'g++-aarch64-linux-gnu' } }

process.exitCode = main(readArchitecture())

function main(arch) {
  const missing = missingTools()
  if (missing.length > 0) return fail(`missing ${missing.join(', ')}`)
  const status = arch === process.arch ? withLock(join(ROOT, '.cache/build.lock'), buildHere) : buildAcross(arch)
  return status === 0 && process.platform === 'linux' ? checkCeiling(arch) : status
}

function readArchitecture() {
  try {
    return parseArgs({ options: { arch: { type: 'string' } } }).values.arch ?? process.arch
  } catch (error) {
    process.exit(fail(error.message, 2))
  }
}

function buildHere() {
  const status = runPrebuildify(ROOT, [])
  if (status !== 0) return status
  restoreBuild()
  return 0
}

/** In a copy of the sources: a checkout's build/ is for its own machine. */
function buildAcross(arch) {
  const cross = process.platform === 'linux' ? CROSS[arch] : undefined
  if (cross === undefined) return fail(`cannot build for ${arch} on ${process.platform}-${process.arch}`, 2)
  if (!isInstalled(`${cross.prefix}g++`)) return fail(`missing ${cross.prefix}g++: apt-get install ${cross.aptPackage}`)
  const folder = mkdtempSync(join(tmpdir(), 'bedplate-cross-'))
  try {
    for (const name of ['binding.gyp', 'package.json', 'native']) {
      cpSync(join(ROOT, name), join(folder, name), { recursive: true })
    }
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    // A launcher that the environment names, such as ccache, serves this compiler too.
    for (const [name, program] of [
      ['CC', 'gcc'],
      ['CXX', 'g++'],
    ]) {
      const launcher = process.env[name]?.match(/^(\S+) \S+$/)?.[1]
      process.env[name] = [launcher, `${cross.prefix}${program}`].filter(Boolean).join(' ')
    }
    const status = runPrebuildify(folder, ['--arch', arch, '--strip-bin', `${cross.prefix}strip`])
    if (status === 0) cpSync(join(folder, 'prebuilds'), join(ROOT, 'prebuilds'), { recursive: true })
    if (status === 0) process.stderr.write(`prebuild: made ${newestIn(prebuildsOf(arch))}\n`)
    return status
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function runPrebuildify(cwd, more) {
  const args = ['--napi', '--strip', '-t', process.versions.node, ...more]
  // Linux has two C libraries, whose binaries lie side by side under names that say which (ts/native/loader.ts).
  if (process.platform === 'linux') args.push('--tag-libc')
  const { status, output } = runBuilder('prebuildify', args, { cwd, quiet: true })
  if (status !== 0) process.stderr.write(output)
  return status
}

/** prebuildify takes the binary out of build/, where the loader of this checkout looks first: put a copy back. */
function restoreBuild() {
  const made = newestIn(prebuildsOf(process.arch))
  mkdirSync(join(ROOT, 'build/Release'), { recursive: true })
  copyFileSync(made, `${BUILT}.new`)
  renameSync(`${BUILT}.new`, BUILT)
  // npm may be printing JSON on standard output.
  process.stderr.write(`prebuild: made ${made}\n`)
}

function prebuildsOf(arch) {
  return join(ROOT, 'prebuilds', `${process.platform}-${arch}`)
}

function newestIn(folder) {
  const modified = (file) => statSync(join(folder, file)).mtimeMs
  const [newest] = readdirSync(folder).sort((a, b) => modified(b) - modified(a))
  return join(folder, newest)
}

/** Reads the versions that the binary asks for from its string table, which needs no tool of the other processor. */
function checkCeiling(arch) {
  const file = newestIn(prebuildsOf(arch))
  const asked = readFileSync(file, 'latin1').match(/(GLIBC|GLIBCXX|CXXABI)_[0-9.]+(?=\0)/g) ?? []
  const tooNew = asked.filter((name) => {
    const [library, version] = name.split('_')
    return isAbove(version, CEILINGS[library])
  })
  if (tooNew.length === 0) return 0
  return fail(`${file} asks for ${tooNew.join(', ')}; see CEILINGS in scripts/prebuild.mjs`)
}

function isAbove(version, ceiling) {
  const numbers = version.split('.').map(Number)
  const limits = ceiling.split('.').map(Number)
  const at = numbers.findIndex((number, i) => number !== (limits[i] ?? 0))
  return at >= 0 && numbers[at] > (limits[at] ?? 0)
}

function isInstalled(program) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.some((folder) => spawnSync(join(folder, program), ['--version']).status === 0)
}

function fail(message, status = 1) {
  process.stderr.write(`prebuild: ${message}\n`)
  return status
}
