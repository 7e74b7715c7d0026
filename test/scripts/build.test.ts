import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
// @ts-expect-error -- plain JavaScript that runs before anything is compiled
import { withLock } from '../../scripts/lib/build-lock.mjs'
// @ts-expect-error -- plain JavaScript that runs before anything is compiled
import { mirror } from '../../scripts/lib/mirror.mjs'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const SCRIPTS = fileURLToPath(new URL('../../scripts/', import.meta.url))

let directory: ReturnType<typeof temporaryDirectory>

beforeEach(() => {
  directory = temporaryDirectory()
})

afterEach(() => directory.remove())

/** Writes the files named by their path, and returns the folder. */
function folder(name: string, files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(directory.path, name, path, '..'), { recursive: true })
    writeFileSync(join(directory.path, name, path), text)
  }
  return join(directory.path, name)
}

describe('the build lock', () => {
  it('lets many processes in, one at a time', async () => {
    const [lock, log] = [join(directory.path, 'lock'), join(directory.path, 'log')]
    const code = `
      import { appendFileSync } from 'node:fs'
      import { withLock } from ${JSON.stringify(`${SCRIPTS}lib/build-lock.mjs`)}
      for (let i = 0; i < 5; i++) withLock(${JSON.stringify(lock)}, () => {
        appendFileSync(${JSON.stringify(log)}, 'in\\n')
        appendFileSync(${JSON.stringify(log)}, 'out\\n')
      })`
    const processes = Array.from({ length: 4 }, () => spawn(process.execPath, ['--input-type=module', '-e', code]))
    const statuses = await Promise.all(processes.map((child) => once(child, 'close')))
    expect(statuses).toEqual(processes.map(() => [0, null]))
    expect(readFileSync(log, 'utf8')).toBe('in\nout\n'.repeat(20))
    expect(readdirSync(directory.path)).toEqual(['log'])
  })

  it('is taken over from a process that died', () => {
    const lock = join(directory.path, 'lock')
    const { pid } = spawnSync(process.execPath, ['-e', ''])
    writeFileSync(lock, String(pid))
    expect(withLock(lock, () => readFileSync(lock, 'utf8'))).toBe(String(process.pid))
    expect(readdirSync(directory.path)).toEqual([])
  })

  it('is given back when the work fails', () => {
    const fail = () => {
      throw new Error('no')
    }
    expect(() => withLock(join(directory.path, 'lock'), fail)).toThrow('no')
    expect(readdirSync(directory.path)).toEqual([])
  })
})

describe('the mirror', () => {
  const everything = () => true

  it('makes the target equal to the source', () => {
    const source = folder('source', { 'a.js': 'new', 'b/c.js': 'same' })
    const target = folder('target', { 'a.js': 'old', 'b/c.js': 'same', 'gone/d.js': 'x' })
    mirror(source, target, everything)
    expect(readFileSync(join(target, 'a.js'), 'utf8')).toBe('new')
    expect(readdirSync(target, { recursive: true }).sort()).toEqual(['a.js', 'b', 'b/c.js', 'gone'])
  })

  it('leaves what is equal untouched and replaces the rest, so that readers of the old file keep it', () => {
    const source = folder('source', { 'same.js': 'same', 'changed.js': 'new' })
    const target = folder('target', { 'same.js': 'same', 'changed.js': 'old' })
    const inode = (file: string) => statSync(join(target, file)).ino
    const before = { same: inode('same.js'), changed: inode('changed.js') }
    mirror(source, target, everything)
    expect(inode('same.js')).toBe(before.same)
    expect(inode('changed.js')).not.toBe(before.changed)
  })

  it('leaves out, and removes, what is not wanted', () => {
    const source = folder('source', { 'a.js': '1', 'stale.js': '2' })
    const target = folder('target', { 'stale.js': '2' })
    mirror(source, target, (file: string) => file !== 'stale.js')
    expect(readdirSync(target)).toEqual(['a.js'])
  })
})

describe('scripts/build.mjs', () => {
  it('changes nothing when all is up to date', () => {
    const build = () => spawnSync(process.execPath, [`${SCRIPTS}build.mjs`, '--keep-going'], { encoding: 'utf8' })
    build()
    const before = statSync(join(SCRIPTS, '../dist/index.js')).ino
    expect(build().status).toBe(0)
    expect(statSync(join(SCRIPTS, '../dist/index.js')).ino).toBe(before)
  })

  it('ends with 2 on wrong usage', () => {
    const { status, stderr } = spawnSync(process.execPath, [`${SCRIPTS}build.mjs`, '--fast'], { encoding: 'utf8' })
    expect(status).toBe(2)
    expect(stderr).toContain('--fast')
  })

  it('puts into bundles of commands nothing that looks for files beside itself', () => {
    const commands = join(SCRIPTS, '../dist/commands')
    const places = readdirSync(commands).flatMap(
      (file) => readFileSync(join(commands, file), 'utf8').match(/^(?!\s*\/?\*).*import\.meta\.url.*/gm) ?? [],
    )
    const threads = places.flatMap((line) => /spawnWorker\("\.\/(.+)\.ts"/.exec(line)?.[1] ?? [])
    expect(threads).toEqual(['node-worker']) // which lies beside the bundle
    for (const thread of threads) expect(existsSync(join(commands, `${thread}.js`))).toBe(true)
    const known = [
      'PACKAGE_URL = new URL("../../", import.meta.url)',
      // These look for packages, which are found from anywhere below this one.
      'createRequire(import.meta.url)',
      // Where sources lie: nothing of a bundle is there.
      'sources = new URL("../../ts/", import.meta.url)',
      'href.startsWith(sources) ? ',
      'spawnWorker("./node-worker.ts"',
    ]
    expect(places.filter((line) => !known.some((each) => line.includes(each)))).toEqual([])
  })
})
