import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SELF = 'test/tidy.test.ts'
const NOT_OURS = /^(node_modules|dist|build|build-.*|prebuilds|coverage|bedplate-data|\.cache|\.git)$/
const SOURCE = /\.(ts|mjs|cjs|cc|h|py|sh)$/
const ENTRY =
  /(^ts\/.*\/index|\.test|\.bench|-worker)\.ts$|^test\/(faults|simulation|soak|scripts\/heavy-suites)\/[^/]+\.ts$/
const MAX_LINES = 800
const MAX_BYTES = 400_000

const files = listFiles('')
/** What others wrote is as they left it. */
const FOREIGN = 'native/third_party/'
const sources = files.filter((file) => !file.startsWith(FOREIGN) && (SOURCE.test(file) || /^bin\/[\w-]+$/.test(file)))
const documents = files.filter((file) => file.endsWith('.md'))
const manifest = JSON.parse(read('package.json')) as Manifest

interface Manifest {
  scripts: Record<string, string>
  bin?: Record<string, string>
  exports?: Record<string, unknown>
}

describe('the sources', () => {
  it('import downwards only, without cycles', () => {
    const { status, stdout } = spawnSync(process.execPath, ['scripts/check.mjs', 'floors'], { cwd: ROOT })
    expect(status, String(stdout)).toBe(0)
  })

  it('lie on floors that ARCHITECTURE.md names', () => {
    const architecture = read('ARCHITECTURE.md')
    const inFloors = filesBelow('ts').filter((file) => file !== 'ts/index.ts') // the package's front door
    const floors = [...new Set(inFloors.map((file) => file.split('/')[1]!))]
    expect(floors.filter((floor) => !architecture.includes(` ${floor}/`))).toEqual([])
  })

  it('are all in use', () => {
    const product = sources.filter((file) => /^(ts|bin|scripts)\//.test(file))
    const usedByProduct = new Set([...entryPoints(), ...product.flatMap(importsOf)])
    const usedByTests = new Set([...entryPoints(), ...sources.flatMap(importsOf)])
    // The simulated outside world is part of the product, but only tests live in it.
    const isForTests = (file: string): boolean => file.startsWith('test/') || /^ts\/io\/simulated-/.test(file)
    const all = [...filesBelow('ts'), ...filesBelow('test')]
    const dead = all.filter((file) => !(isForTests(file) ? usedByTests : usedByProduct).has(file))
    expect(dead.filter((file) => file.endsWith('.ts'))).toEqual([])
  })

  it('show every storage engine through its index.ts', () => {
    // `ordered` is no engine but what two of them are made with.
    const isEngine = /^ts\/storage\/(?!ordered\/)[^/]+\//
    const engines = new Set(filesBelow('ts/storage').flatMap((file) => file.match(isEngine)?.[0] ?? []))
    expect([...engines].filter((folder) => !files.includes(`${folder}index.ts`))).toEqual([])
  })

  it('stay at a size that can be read', () => {
    expect(sources.filter((file) => read(file).split('\n').length > MAX_LINES)).toEqual([])
  })

  it('carry no marks of unfinished work', () => {
    expect(linesWith(/(\/\/|\*|#).*\b(TODO|FIXME|XXX|HACK)\b/)).toEqual([])
  })

  it('skip and single out no test', () => {
    expect(linesWith(/\b(it|test|describe)\.(skip|only|todo|skipIf|runIf|fails)\b|\bcontext\.skip\(/)).toEqual([])
  })
})

describe('the repository', () => {
  it('holds no large file', () => {
    const large = files.filter((file) => statSync(join(ROOT, file)).size > MAX_BYTES)
    expect(large).toEqual([])
  })

  it('has the root documents', () => {
    const wanted = ['ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md']
    expect(wanted.filter((file) => !files.includes(file))).toEqual([])
  })
})

describe('the documents', () => {
  it.each(documents)('%s links to files that exist', (document) => {
    const links = [...prose(document).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!)
    const inside = links.filter((link) => !/^(https?:|mailto:|#)/.test(link)).map((link) => link.replace(/#.*/, ''))
    expect(inside.filter((link) => !existsSync(join(ROOT, dirname(document), link)))).toEqual([])
  })

  it.each(documents)('%s links to headings that exist', (document) => {
    const links = [...prose(document).matchAll(/\]\(([^)\s]*)#([^)\s]+)\)/g)]
    const inside = links.filter(
      ([, file = '']) => !/^(https?:|mailto:)/.test(file) && (file === '' || file.endsWith('.md')),
    )
    const dead = inside.filter(([, file = '', anchor = '']) => {
      const target = file === '' ? document : normalize(join(dirname(document), file))
      return existsSync(join(ROOT, target)) && !anchorsOf(target).includes(anchor)
    })
    expect(dead.map(([link]) => link)).toEqual([])
  })

  it.each(documents)('%s names files that exist', (document) => {
    const names = [...read(document).matchAll(/`([^`\s]+)`/g)].map((match) => match[1]!)
    expect(names.filter((name) => isPath(name) && !existsSync(join(ROOT, name)))).toEqual([])
  })

  it.each(documents)('%s names npm scripts that exist', (document) => {
    const run = [...read(document).matchAll(/npm run (?:-\w+ )*([\w:-]+)/g)].map((match) => match[1]!)
    const short = [...read(document).matchAll(/\bnpm (start|test)\b/g)].map((match) => match[1]!)
    expect([...run, ...short].filter((name) => manifest.scripts[name] === undefined)).toEqual([])
  })

  it('that comments refer to exist', () => {
    const named = sources.flatMap((file) => read(file).match(/\bdocs\/[\w/.-]+\.md\b/g) ?? [])
    expect([...new Set(named)].filter((name) => !existsSync(join(ROOT, name)))).toEqual([])
  })
})

/** What is started or imported from outside: package exports, the front doors of folders, commands, workers, tests. */
function entryPoints(): string[] {
  const published = JSON.stringify([manifest.exports, manifest.bin]).match(/dist\/[\w/.-]+\.js/g) ?? []
  const started = files.filter((file) => ENTRY.test(file))
  const configured = read('vitest.config.ts').match(/test\/support\/[\w-]+\.ts/g) ?? []
  return [...published.map(toSource), ...started, ...configured]
}

/** The files a source imports, spawns or loads by a relative specifier; those of dist/ count as their sources. */
function importsOf(file: string): string[] {
  const specifiers = read(file).matchAll(/['"`](\.{1,2}\/[^'"`\s]+\.(?:ts|js|mjs))['"`]/g)
  return [...specifiers].map((match) => toSource(normalize(join(dirname(file), match[1]!))))
}

function toSource(path: string): string {
  if (!path.startsWith('dist/')) return path
  // The bundles of commands have the names of what they bundle.
  return path
    .replace(/^dist\//, 'ts/')
    .replace(/^ts\/commands\//, 'ts/cli/')
    .replace(/\.js$/, '.ts')
}

/** True for names like `ts/io/disk.ts` or `docs/formats/`; patterns and products of the build are not meant. */
function isPath(name: string): boolean {
  return /^(ts|test|native|scripts|bin|bench|docs|\.ci)\/[\w./-]+$/.test(name) && !name.includes('...')
}

/** A document without its code blocks, in which brackets mean other things. */
function prose(document: string): string {
  return read(document).replaceAll(/```[\s\S]*?```/g, '')
}

/** What the headings of a document are linked by, as GitHub makes it of their text. */
function anchorsOf(document: string): string[] {
  const titles = [...prose(document).matchAll(/^#+ (.*)$/gm)].map((match) => match[1]!)
  return titles.map((title) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function linesWith(pattern: RegExp): string[] {
  return sources
    .filter((file) => file !== SELF)
    .flatMap((file) =>
      read(file)
        .split('\n')
        .map((line, index) => ({ where: `${file}:${index + 1}`, line })),
    )
    .filter(({ line }) => pattern.test(line))
    .map(({ where, line }) => `${where}: ${line.trim()}`)
}

function filesBelow(folder: string): string[] {
  return files.filter((file) => file.startsWith(`${folder}/`))
}

function listFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter((entry) => !NOT_OURS.test(entry.name))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? listFiles(path) : entry.isFile() ? [path] : []
    })
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}
