import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { INTERFACE_VERSION } from '../../ts/native/addon.ts'
import { describeNative } from '../../ts/native/describe.ts'
import { detectLibc } from '../../ts/native/libc.ts'
import { loadNative, refuseBigEndian, searchIn } from '../../ts/native/loader.ts'
import { crc32cPortable } from '../../ts/storage/crc32c/portable.ts'
import { codeOf } from '../support/errors.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url))
const TAG = process.platform === 'linux' ? `.${detectLibc()}` : ''
const PREBUILT = `prebuilds/${process.platform}-${process.arch}/bedplate${TAG}.node`
const BUILT = 'build/Release/bedplate.node'

// A stand-in for a binary: JavaScript that `require` loads from a file of any name that it can register.
const require = createRequire(import.meta.url)
const loadAsJavaScript = require.extensions['.js']!
const loadAsBinary = require.extensions['.node']!

let directory: ReturnType<typeof temporaryDirectory>

beforeEach(() => {
  directory = temporaryDirectory()
})

afterEach(() => {
  require.extensions['.node'] = loadAsBinary
  directory.remove()
})

/** Puts a binary that says it has this interface at `path` inside the package, and returns the whole path. */
function putBinary(path: string, interfaceVersion = INTERFACE_VERSION): string {
  require.extensions['.node'] = loadAsJavaScript
  const whole = join(directory.path, path)
  mkdirSync(dirname(whole), { recursive: true })
  writeFileSync(whole, `exports.describe = () => ({ interfaceVersion: ${interfaceVersion}, path: __filename })`)
  return whole
}

describe('the loader', () => {
  it('takes the own build before the prebuilt binary', () => {
    const built = putBinary(BUILT)
    putBinary(PREBUILT)
    const { addon, report } = searchIn(directory.path, undefined)
    expect(addon?.describe()).toMatchObject({ path: built })
    expect(report).toMatchObject({ engine: 'native', attempts: [{ source: 'built', path: built, outcome: 'loaded' }] })
  })

  it('takes the prebuilt binary where nothing was built', () => {
    const prebuilt = putBinary(PREBUILT)
    const { addon, report } = searchIn(directory.path, undefined)
    expect(addon?.describe()).toMatchObject({ path: prebuilt })
    expect(report.attempts.map(({ source, outcome }) => [source, outcome])).toEqual([
      ['built', 'no such file'],
      ['prebuilt', 'loaded'],
    ])
  })

  it('takes nothing but the override where there is one', () => {
    putBinary(BUILT)
    const override = putBinary('elsewhere.node')
    expect(searchIn(directory.path, override).addon?.describe()).toMatchObject({ path: override })
    const { addon, report } = searchIn(directory.path, join(directory.path, 'missing.node'))
    expect(addon).toBeUndefined()
    expect(report.reason).toBe(`${join(directory.path, 'missing.node')}: no such file`)
  })

  it('takes nothing at all when it is turned off', () => {
    putBinary(BUILT)
    const { addon, report } = searchIn(directory.path, 'off')
    expect(addon).toBeUndefined()
    expect(report).toEqual({ engine: 'typescript', attempts: [], reason: 'turned off by BEDPLATE_NATIVE=off' })
  })

  it('refuses a binary made for another version, and goes on to the next', () => {
    const stale = putBinary(BUILT, 99)
    expect(searchIn(directory.path, undefined).report.reason).toContain(`${stale}: made for another version`)
    putBinary(PREBUILT)
    expect(searchIn(directory.path, undefined).report.engine).toBe('native')
  })

  it('says what is wrong with a file that is no binary', () => {
    mkdirSync(join(directory.path, 'build/Release'), { recursive: true })
    writeFileSync(join(directory.path, BUILT), 'not a binary')
    const { addon, report } = searchIn(directory.path, undefined)
    expect(addon).toBeUndefined()
    expect(report.reason).toMatch(/bedplate\.node: .*(file too short|invalid|not a)/i)
  })

  it('names the platform when there is no file', () => {
    expect(searchIn(directory.path, undefined).report.reason).toBe(`no binary for ${process.platform}-${process.arch}`)
  })

  it('finds in this checkout what its report says', () => {
    const { engine, attempts } = describeNative()
    expect(loadNative() !== undefined).toBe(engine === 'native')
    expect(attempts.some(({ outcome }) => outcome === 'loaded')).toBe(engine === 'native')
  })
})

describe('a package without a native core', () => {
  /** Runs `code` in a package that has this one's compiled code and no binary. */
  function runWithout(code: string): { stdout: string; stderr: string } {
    cpSync(DIST, join(directory.path, 'dist'), { recursive: true })
    writeFileSync(join(directory.path, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(directory.path, 'main.mjs'), code)
    const { BEDPLATE_NATIVE: _, ...env } = process.env
    return spawnSync(process.execPath, [join(directory.path, 'main.mjs')], { encoding: 'utf8', env })
  }

  it('computes in silence with the twin', () => {
    const { stdout, stderr } = runWithout(`
      import { crc32c } from './dist/storage/crc32c/index.js'
      console.log(crc32c(new Uint8Array(100)))`)
    expect({ stdout, stderr }).toEqual({ stdout: `${crc32cPortable(new Uint8Array(100))}\n`, stderr: '' })
  })

  it('gives one notice to commands that ask for it', () => {
    const { stderr } = runWithout(`
      import { noticeTwins } from './dist/native/loader.js'
      noticeTwins()
      noticeTwins()`)
    expect(stderr).toBe(
      `bedplate: no native core (no binary for ${process.platform}-${process.arch}); the TypeScript twins do its work, slower\n`,
    )
  })
})

describe('refuseBigEndian', () => {
  it('turns away only hosts of the other byte order', () => {
    expect(codeOf(() => refuseBigEndian('LE'))).toBeUndefined()
    expect(codeOf(() => refuseBigEndian('BE'))).toBe('NOT_SUPPORTED')
  })
})

describe('detectLibc', () => {
  it('tells musl from glibc by the dynamic linker that a program names', () => {
    const program = join(directory.path, 'program')
    writeFileSync(program, '\x7fELF.../lib/ld-musl-x86_64.so.1\0')
    expect(detectLibc(program)).toBe('musl')
    writeFileSync(program, '\x7fELF.../lib64/ld-linux-x86-64.so.2\0')
    expect(detectLibc(program)).toBe('glibc')
  })

  it('takes a program that cannot be read for glibc', () => {
    expect(detectLibc(join(directory.path, 'missing'))).toBe('glibc')
  })
})
