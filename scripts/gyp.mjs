// node scripts/gyp.mjs node-gyp|prebuildify ARGUMENT...
//
// Runs a builder of addons against Node's headers on this machine; nothing is ever downloaded. Shipped in the tarball
// too, where `bedplate build-native` uses it. Headers come from the first of these that has them:
//   1. the directory that npm_config_nodedir names,
//   2. the running node's own installation: `include/node` beside its `bin`,
//   3. a folder put together for the occasion from the package node-api-headers and the running node's configuration.
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SELF = fileURLToPath(import.meta.url)
const require = createRequire(import.meta.url)

/**
 * What a native build needs and this machine lacks, in words; empty if nothing. Looks at files only, so it is cheap,
 * and says nothing about whether the tools work.
 */
export function missingTools() {
  const missing = []
  const lacks = (names) => !names.some((name) => name && isInstalled(name))
  if (process.platform !== 'win32') {
    if (lacks([process.env.CXX?.split(' ')[0], 'c++', 'g++', 'clang++']))
      missing.push('a C++20 compiler (g++ or clang++)')
    if (lacks(['make', 'gmake'])) missing.push('make')
  }
  if (lacks([process.env.PYTHON, process.env.npm_config_python, 'python3', 'python'])) missing.push('Python 3')
  if (toolPath('node-gyp') === undefined) missing.push('node-gyp (it comes with npm)')
  for (const name of ['node-addon-api', 'node-api-headers']) {
    if (resolvePackage(name) === undefined) missing.push(`the package ${name}`)
  }
  return missing
}

/**
 * Runs node-gyp or prebuildify.
 * @param options.cwd - The folder that holds binding.gyp.
 * @param options.quiet - Collect the output instead of showing it.
 * @param options.defines - Variables for binding.gyp, as in `name=value name=value`.
 * @param options.env - More for the environment, such as CXXFLAGS.
 * @returns `status` (0: built) and, if quiet, `output`.
 */
export function runBuilder(tool, args, { cwd = process.cwd(), quiet = false, defines, env = {} } = {}) {
  const path = toolPath(tool)
  if (path === undefined) return { status: 1, output: `${tool} is not installed` }
  const temporary = mkdtempSync(join(tmpdir(), 'bedplate-headers-'))
  try {
    const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], {
      cwd,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
      env: { ...builderEnvironment(temporary), ...(defines && { GYP_DEFINES: defines }), ...env },
    })
    return { status: status ?? 1, output: quiet ? stdout + stderr : '' }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

function builderEnvironment(temporary) {
  const headers = resolvePackage('node-addon-api')
  const searched = [headers === undefined ? undefined : dirname(headers), process.env.NODE_PATH]
  return {
    ...process.env,
    npm_config_nodedir: installedNode() ?? assembleNode(temporary),
    JOBS: process.env.JOBS ?? String(availableParallelism()),
    // binding.gyp asks `node` where node-addon-api is, and may do so from a folder outside the package.
    NODE_PATH: searched.filter(Boolean).join(delimiter),
    PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
  }
}

function installedNode() {
  const candidates = [process.env.npm_config_nodedir, dirname(dirname(realpathSync(process.execPath)))]
  return candidates.find((folder) => folder !== undefined && existsSync(join(folder, 'include/node/node_api.h')))
}

/** A folder that looks like an installed node to node-gyp: enough for an addon that uses Node-API alone. */
function assembleNode(folder) {
  const include = join(folder, 'include/node')
  mkdirSync(include, { recursive: true })
  const { include_dir: declarations } = require('node-api-headers')
  for (const file of readdirSync(declarations)) copyFileSync(join(declarations, file), join(include, file))
  writeFileSync(join(include, 'config.gypi'), JSON.stringify(process.config, null, 2))
  writeFileSync(join(include, 'common.gypi'), JSON.stringify(COMMON_SETTINGS, null, 2))
  return folder
}

/** The part of Node's own common.gypi that an addon cannot do without. */
const COMMON_SETTINGS = {
  target_defaults: {
    default_configuration: 'Release',
    configurations: { Release: { cflags: ['-O3'] }, Debug: { cflags: ['-O0', '-g'] } },
    cflags: ['-fPIC', '-pthread'],
    cflags_cc: ['-fno-exceptions', '-fno-rtti', '-std=gnu++20'],
    ldflags: ['-pthread'],
  },
}

/** The program of a builder: our own dependency, or the node-gyp inside npm. */
function toolPath(tool) {
  if (tool === 'prebuildify') return packageFile('prebuildify', 'bin.js')
  const npm = join(dirname(dirname(realpathSync(process.execPath))), 'lib/node_modules/npm')
  const windowsNpm = join(dirname(process.execPath), 'node_modules/npm')
  const callingNpm = process.env.npm_execpath === undefined ? [] : [join(dirname(process.env.npm_execpath), '..')]
  const bundled = [...callingNpm, npm, windowsNpm].map((folder) =>
    join(folder, 'node_modules/node-gyp/bin/node-gyp.js'),
  )
  return packageFile('node-gyp', 'bin/node-gyp.js') ?? bundled.find((path) => existsSync(path))
}

function packageFile(name, file) {
  const folder = resolvePackage(name)
  return folder === undefined ? undefined : join(folder, file)
}

function resolvePackage(name) {
  try {
    return dirname(require.resolve(`${name}/package.json`))
  } catch {
    return undefined
  }
}

function isInstalled(program) {
  if (program.includes('/')) return existsSync(program)
  const suffixes = process.platform === 'win32' ? ['.exe', '.cmd', '.bat'] : ['']
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.some((folder) => suffixes.some((suffix) => existsSync(join(folder, program + suffix))))
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === SELF) {
  const [tool, ...args] = process.argv.slice(2)
  if (tool !== 'node-gyp' && tool !== 'prebuildify') {
    process.stderr.write('usage: node scripts/gyp.mjs node-gyp|prebuildify ARGUMENT...\n')
    process.exit(2)
  }
  process.exitCode = runBuilder(tool, args).status
}
