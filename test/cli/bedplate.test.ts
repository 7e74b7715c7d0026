import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { version: string }

function bedplate(
  args: string[],
  env: Record<string, string> = {},
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [`${ROOT}bin/bedplate`, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
}

describe('bedplate', () => {
  it('lists its subcommands when it gets none', () => {
    const { status, stdout } = bedplate([])
    expect(status).toBe(0)
    for (const name of ['doctor', 'build-native']) expect(stdout).toContain(`  ${name} `)
  })

  it('prints its version', () => {
    expect(bedplate(['--version'])).toMatchObject({ status: 0, stdout: `${version}\n` })
  })

  it.each([[['docter']], [['--no-such-option']], [['doctor', '--jsn']], [['doctor', 'surplus']]])(
    'ends with 2 on wrong usage: %o',
    (args) => {
      const { status, stdout, stderr } = bedplate(args)
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
      expect(stderr).toMatch(/^bedplate( doctor)?: .*\nhint: /)
    },
  )

  it.each([[['--help']], [['--version']], [['doctor']], [['kvstore', 'get', '--help']]])(
    'says what is wrong where standard output cannot be written: %o',
    (args) => {
      const full = openSync('/dev/full', 'w')
      const { status, stderr } = spawnSync(process.execPath, [`${ROOT}bin/bedplate`, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', full, 'pipe'],
      })
      closeSync(full)
      expect(status).toBe(1)
      expect(stderr).toMatch(/^(bedplate( doctor)?|kvstore): cannot write standard output: no space left [^\n]*\n$/)
    },
  )

  it('keeps its exit status where standard error cannot be written', () => {
    const full = openSync('/dev/full', 'w')
    const { status } = spawnSync(process.execPath, [`${ROOT}bin/bedplate`, 'docter'], {
      stdio: ['ignore', 'pipe', full],
    })
    closeSync(full)
    expect(status).toBe(2)
  })

  it('gives help for a subcommand by either word', () => {
    const help = bedplate(['kvstore', 'get', '--help'])
    expect(help.stdout).toContain('Usage: kvstore get ')
    expect(bedplate(['help', 'kvstore', 'get'])).toMatchObject({ status: 0, stdout: help.stdout, stderr: '' })
    expect(bedplate(['help']).stdout).toBe(bedplate(['--help']).stdout)
    expect(bedplate(['help', 'docter'])).toMatchObject({ status: 2, stdout: '' })
  })

  it('suggests the subcommand that was meant', () => {
    expect(bedplate(['docter']).stderr).toContain('did you mean doctor?')
  })
})

describe('bedplate doctor', () => {
  it('says in words which engine runs and that it computes rightly', () => {
    const { status, stdout } = bedplate(['doctor'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^native {5}(yes|no)/m)
    expect(stdout).toMatch(/^CRC-32C {4}right, typescript/m)
  })

  it('says the same as JSON', () => {
    const { status, stdout } = bedplate(['doctor', '--json'])
    expect(status).toBe(0)
    const diagnosis = JSON.parse(stdout)
    expect(diagnosis).toMatchObject({ version, node: process.versions.node })
    expect(diagnosis.crc32c.every((check: { ok: boolean }) => check.ok)).toBe(true)
  })

  it('says that the native core was turned off, and why nothing was tried', () => {
    const { stdout } = bedplate(['doctor', '--json'], { BEDPLATE_NATIVE: 'off' })
    expect(JSON.parse(stdout).native).toEqual({
      engine: 'typescript',
      attempts: [],
      reason: 'turned off by BEDPLATE_NATIVE=off',
    })
    const text = bedplate(['doctor'], { BEDPLATE_NATIVE: 'off' }).stdout
    expect(text).toContain('Without BEDPLATE_NATIVE=off it is looked for.')
    expect(text).not.toContain('build-native')
  })
})

describe('bedplate build-native', () => {
  it('names what is missing where there is no compiler', () => {
    const { status, stderr } = bedplate(['build-native'], { PATH: '', CXX: '', PYTHON: '', npm_config_python: '' })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^bedplate build-native: cannot compile here, missing: .*Python 3/)
  })
})
