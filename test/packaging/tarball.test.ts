import { spawnSync } from 'node:child_process'
import {
  constants,
  copyFileSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../support/temporary-directory.ts'

// What a user gets: the tarball, installed into an empty folder on a machine that has node and npm and nothing else.

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PREBUILDS = `prebuilds/${process.platform}-${process.arch}`
const directory = temporaryDirectory()
const project = join(directory.path, 'project')
const installed = join(project, 'node_modules/bedplate')

/** What is built here only has to load: optimising it would be for nothing. */
const QUICKLY = { CXXFLAGS: '-O0' }

/** Asking the registry what is known of each package would take a third of the time of an installation, and prove nothing. */
const QUIETLY = ['--prefer-offline', '--no-audit', '--no-fund']

let tarball: { filename: string; files: { path: string; mode: number }[] }

beforeAll(() => {
  const packed = run('npm', ['pack', '--json', '--pack-destination', directory.path], { cwd: ROOT })
  expect(packed.status, packed.stderr).toBe(0)
  tarball = JSON.parse(packed.stdout)[0]

  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true }')
  const install = runBare('npm', ['install', ...QUIETLY, join(directory.path, tarball.filename)])
  expect(install.status, install.stderr).toBe(0)
})

afterAll(() => directory.remove())

interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

function run(program: string, args: string[], options: { cwd?: string; env?: Record<string, string> } = {}): Ended {
  const { BEDPLATE_NATIVE: _, npm_config_nodedir: __, ...env } = process.env
  return spawnSync(program, args, { cwd: options.cwd ?? project, encoding: 'utf8', env: { ...env, ...options.env } })
}

/** Runs with a PATH that has nothing but node, npm, npx and the shell that npx starts commands with. */
function runBare(program: string, args: string[]): Ended {
  const path = join(directory.path, 'path')
  mkdirSync(path, { recursive: true })
  const npm = realpathSync(join(dirname(process.execPath), 'npm'))
  const npx = realpathSync(join(dirname(process.execPath), 'npx'))
  for (const [name, target] of Object.entries({ node: process.execPath, npm, npx, sh: '/bin/sh' })) {
    rmSync(join(path, name), { force: true })
    symlinkSync(target, join(path, name))
  }
  return run(join(path, program), args, { env: { PATH: path } })
}

function doctor(): { native: { engine: string; attempts: { source: string; outcome: string }[] }; crc32c: object[] } {
  const { status, stdout, stderr } = runBare('npx', ['bedplate', 'doctor', '--json'])
  expect(status, stderr).toBe(0)
  return JSON.parse(stdout)
}

describe('the tarball', () => {
  it('runs nothing at installation', () => {
    const { scripts, gypfile } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
    const atInstallation = [
      'preinstall',
      'install',
      'postinstall',
      'prepare',
      'preprepare',
      'postprepare',
      'prepublish',
    ]
    expect(Object.keys(scripts).filter((name) => atInstallation.includes(name))).toEqual([])
    expect(gypfile).toBe(false)
  })

  it('has no binding.gyp at its top, which npm would build', () => {
    expect(tarball.files.map(({ path }) => path)).not.toContain('binding.gyp')
  })

  it('holds what runs, the binary, the sources of the binary, and nothing else', () => {
    const paths = tarball.files.map(({ path }) => path)
    const folders = new Set(paths.filter((path) => path.includes('/')).map((path) => path.split('/')[0]))
    expect([...folders].sort()).toEqual(['bin', 'dist', 'native', 'prebuilds', 'scripts'])
    expect(paths).toContain('native/bedplate.gypi')
    expect(paths).toContain('LICENSE')
    expect(paths.filter((path) => path.startsWith('scripts/'))).toEqual(['scripts/gyp.mjs'])
    expect(paths.filter((path) => path.startsWith(PREBUILDS))).not.toEqual([])
    expect(paths.filter((path) => /^native\/(test|fuzz)\/|\.test\.|tsbuildinfo/.test(path))).toEqual([])
  })

  it('brings along what its documents link to', () => {
    const paths = tarball.files.map(({ path }) => path)
    const links = paths
      .filter((path) => path.endsWith('.md') && !path.includes('/'))
      .flatMap((path) => readFileSync(join(installed, path), 'utf8').match(/\]\((?!https?:|mailto:|#)[^)\s#]+/g) ?? [])
      .map((link) => link.slice(2))
    expect(links.length).toBeGreaterThan(2)
    expect(links.filter((link) => !paths.includes(link))).toEqual([])
  })

  it('has executable commands', () => {
    const commands = tarball.files.filter(({ path }) => /^bin\/[^.]+$/.test(path))
    expect(commands.map(({ path }) => path)).toContain('bin/bedplate')
    for (const { mode } of commands) expect(mode & 0o111).toBe(0o111)
  })
})

describe('the installed package', () => {
  it('runs its native core', () => {
    const { native, crc32c } = doctor()
    expect(native.engine).toBe('native')
    expect(native.attempts.at(-1)).toMatchObject({ source: 'prebuilt', outcome: 'loaded' })
    expect(crc32c).toMatchObject([
      { engine: 'native', ok: true },
      { engine: 'typescript', ok: true },
    ])
  })

  const script = `
    if (crc32c(new TextEncoder().encode('123456789'.repeat(20))) !== 0x5a2ae5bb) throw new Error('wrong CRC')
    if (new BedplateError('IO', '').code !== 'IO') throw new Error('wrong error')
    console.log('fine')`

  it('is imported by ES modules', () => {
    writeFileSync(
      join(project, 'main.mjs'),
      `import { BedplateError } from 'bedplate'
       import { crc32c } from 'bedplate/crc32c'
       ${script}`,
    )
    expect(runBare('node', ['main.mjs'])).toMatchObject({ status: 0, stdout: 'fine\n', stderr: '' })
  })

  it('is required by CommonJS', () => {
    writeFileSync(
      join(project, 'main.cjs'),
      `const { BedplateError } = require('bedplate')
       const { crc32c } = require('bedplate/crc32c')
       ${script}`,
    )
    expect(runBare('node', ['main.cjs'])).toMatchObject({ status: 0, stdout: 'fine\n' })
  })

  it('loads every entry that it exports', () => {
    const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
    const entries = Object.keys(exports).filter((entry) => !entry.endsWith('.json'))
    const code = entries.map((entry) => `await import(${JSON.stringify(entry.replace('.', 'bedplate'))})`).join('\n')
    writeFileSync(join(project, 'entries.mjs'), code)
    expect(runBare('node', ['entries.mjs'])).toMatchObject({ status: 0, stderr: '' })
  })

  it('has types that strict consumers compile against', () => {
    writeFileSync(
      join(project, 'consumer.ts'),
      `import { BedplateError, crc32c } from 'bedplate'
       import type { BTreeOptions } from 'bedplate/btree'
       export const crc: number = crc32c(new Uint8Array(1))
       export const code: string = new BedplateError('IO', '').code
       export const options: BTreeOptions = { create: true }
       // @ts-expect-error -- the types are real ones
       crc32c('text')`,
    )
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node']
    const roots = ['--typeRoots', join(ROOT, 'node_modules/@types')]
    const tsc = run(process.execPath, [
      join(ROOT, 'node_modules/typescript/bin/tsc'),
      ...options,
      ...roots,
      'consumer.ts',
    ])
    expect(tsc.stdout).toBe('')
  })

  it('gives BullMQ a server for as long as examples/bullmq.mjs runs', () => {
    const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const packages = ['bullmq', 'ioredis'].map((name) => `${name}@${devDependencies[name]}`)
    const install = runBare('npm', ['install', ...QUIETLY, '--ignore-scripts', ...packages])
    expect(install.status, install.stderr).toBe(0)
    copyFileSync(join(ROOT, 'examples/bullmq.mjs'), join(project, 'bullmq.mjs'))
    const { status, stdout, stderr } = runBare('npx', ['bedplate', 'run', '--', 'node', 'bullmq.mjs'])
    expect(status, stdout + stderr).toBe(0)
    expect(stdout).toBe('500 jobs completed, 0 failed, 50 attempts failed and were repeated\n')
  })

  it('runs the twin, with the reason, when the binary is gone', () => {
    const aside = join(directory.path, 'prebuilds')
    renameSync(join(installed, 'prebuilds'), aside)
    try {
      const { native, crc32c } = doctor()
      expect(native).toMatchObject({
        engine: 'typescript',
        reason: `no binary for ${process.platform}-${process.arch}`,
      })
      expect(crc32c).toMatchObject([{ engine: 'typescript', ok: true }])
      expect(runBare('node', ['main.mjs'])).toMatchObject({ status: 0, stdout: 'fine\n', stderr: '' })
    } finally {
      renameSync(aside, join(installed, 'prebuilds'))
    }
  })

  it('says what is missing when it is to build its native core without a compiler', () => {
    const { status, stderr } = runBare('npx', ['bedplate', 'build-native'])
    expect(status).toBe(1)
    expect(stderr).toContain('missing: a C++20 compiler (g++ or clang++), make, Python 3')
  })

  /** The checkout itself is built with the headers of its node: this one has none beside it, so those of node-api-headers serve. */
  it('builds its native core where there is a compiler, also for a node without headers', () => {
    const lonelyNode = join(directory.path, 'lonely-node')
    copyFileSync(process.execPath, lonelyNode, constants.COPYFILE_FICLONE)
    const npm = realpathSync(join(dirname(process.execPath), 'npm'))
    const args = [join(installed, 'bin/bedplate'), 'build-native']
    const { status, stdout, stderr } = run(lonelyNode, args, { env: { ...QUICKLY, npm_execpath: npm } })
    expect(status, stderr).toBe(0)
    expect(stdout).toContain(join(installed, 'build/Release/bedplate.node'))
    expect(doctor().native.attempts).toMatchObject([{ source: 'built', outcome: 'loaded' }])
  })
})
