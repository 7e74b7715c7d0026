// Finds the native core, or the reason why there is none. Nothing happens before the first call.
//
// Looked for in this order; the first that loads is taken:
//   1. override  the file that the environment variable BEDPLATE_NATIVE names; nothing else is tried then.
//                `off` means: no native core.
//   2. built     build/Release/bedplate.node: a checkout's own build, or that of `bedplate build-native`
//   3. prebuilt  prebuilds/<platform>-<arch>/bedplate[.glibc|.musl].node: what the package brings along
// Without one, the TypeScript twins do the work. They give the same results and the same files.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BedplateError } from '../base/errors.ts'
import { PACKAGE_URL } from '../base/package.ts'
import { type Addon, INTERFACE_VERSION } from './addon.ts'
import { detectLibc } from './libc.ts'
import type { NativeAttempt, NativeReport } from './report.ts'

/** What a search ended with. */
export interface NativeSearch {
  addon: Addon | undefined
  report: NativeReport
}

const PACKAGE = fileURLToPath(PACKAGE_URL)
const MISSING = 'no such file'
const TURNED_OFF = 'turned off by BEDPLATE_NATIVE=off'
const require = createRequire(import.meta.url)

let found: NativeSearch | undefined

/** The native core if there is one that fits; looked for once in each thread. */
export function loadNative(): Addon | undefined {
  return search().addon
}

let noticed = false

/** Says once in this process, on stderr, that the twins do the work. For commands; a library keeps quiet. */
export function noticeTwins(): void {
  const { reason } = search().report
  if (noticed || reason === undefined || reason === TURNED_OFF) return
  noticed = true
  process.stderr.write(`bedplate: no native core (${reason}); the TypeScript twins do its work, slower\n`)
}

/** The search that counts here. */
export function search(): NativeSearch {
  refuseBigEndian(endianness())
  found ??= searchIn(PACKAGE, process.env['BEDPLATE_NATIVE'])
  return found
}

/**
 * Every engine asks for the native core before it touches a file, so this is where a host that would misread our files
 * is turned away: pages and records are little-endian and read in place.
 * @throws NOT_SUPPORTED
 */
export function refuseBigEndian(order: 'BE' | 'LE'): void {
  if (order === 'LE') return
  throw new BedplateError(
    'NOT_SUPPORTED',
    `bedplate needs a little-endian processor; ${process.arch} is big-endian here`,
  )
}

/** The search itself, with its inputs given: `override` is the value of BEDPLATE_NATIVE. */
export function searchIn(packageDirectory: string, override: string | undefined): NativeSearch {
  const attempts: NativeAttempt[] = []
  for (const [source, path] of candidates(packageDirectory, override)) {
    const result = tryToLoad(path)
    attempts.push({ source, path, outcome: typeof result === 'string' ? result : 'loaded' })
    if (typeof result !== 'string') {
      return { addon: result, report: { engine: 'native', attempts, binary: result.describe() } }
    }
  }
  return { addon: undefined, report: { engine: 'typescript', attempts, reason: explain(attempts) } }
}

function candidates(packageDirectory: string, override: string | undefined): [NativeAttempt['source'], string][] {
  if (override === 'off') return []
  if (override !== undefined && override !== '') return [['override', resolve(override)]]
  const tag = process.platform === 'linux' ? `.${detectLibc()}` : ''
  return [
    ['built', resolve(packageDirectory, 'build/Release/bedplate.node')],
    ['prebuilt', resolve(packageDirectory, `prebuilds/${process.platform}-${process.arch}/bedplate${tag}.node`)],
  ]
}

/** The addon at `path`, or why it cannot be used. */
function tryToLoad(path: string): Addon | string {
  if (!existsSync(path)) return MISSING
  try {
    const addon = require(path) as Addon
    const { interfaceVersion } = addon.describe()
    if (interfaceVersion === INTERFACE_VERSION) return addon
    return `made for another version of bedplate (interface ${interfaceVersion}, wanted ${INTERFACE_VERSION})`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function explain(attempts: readonly NativeAttempt[]): string {
  if (attempts.length === 0) return TURNED_OFF
  const broken = attempts.filter(({ source, outcome }) => source === 'override' || outcome !== MISSING)
  if (broken.length > 0) return broken.map(({ path, outcome }) => `${path}: ${outcome}`).join('; ')
  return `no binary for ${process.platform}-${process.arch}`
}
