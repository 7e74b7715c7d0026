// The TypeScript that the documents show compiles as strict consumers compile it, and runs.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codeBlocks, documentsIn } from '../support/documents.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc')
const STRICT = [
  '--strict',
  '--module',
  'nodenext',
  '--target',
  'es2023',
  '--lib',
  'es2023,esnext.disposable',
  '--types',
  'node',
]

const examples = ['README.md', ...documentsIn('docs/learn'), ...documentsIn('docs/systems')]
  .flatMap((document) => codeBlocks(document, 'ts'))
  .map((block, index) => ({ ...block, name: `example-${index}` }))

describe('the examples in the documents', () => {
  const project = mkdtempSync(join(tmpdir(), 'bedplate-'))
  let complaints: string[]

  /** All at once: each start of the compiler takes seconds. */
  beforeAll(() => {
    mkdirSync(join(project, 'node_modules'))
    symlinkSync(ROOT, join(project, 'node_modules/bedplate'))
    symlinkSync(join(ROOT, 'node_modules/@types'), join(project, 'node_modules/@types'))
    writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }')
    for (const { name, text } of examples) writeFileSync(join(project, `${name}.ts`), text)
    const { stdout } = run([TSC, ...STRICT, ...examples.map(({ name }) => `${name}.ts`)], project)
    complaints = stdout.split('\n').filter((line) => line !== '')
  }, 120_000)
  afterAll(() => rmSync(project, { recursive: true, force: true }))

  it.each(examples)('$document:$line compiles', ({ name }) => {
    expect(complaints.filter((line) => line.startsWith(`${name}.ts`) || !line.startsWith('example-'))).toEqual([])
  })

  it.each(examples)('$document:$line runs', ({ name }) => {
    const folder = join(project, `${name}-folder`)
    mkdirSync(folder)
    const { status, stderr } = run([join(project, `${name}.js`)], folder)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  it('are there', () => {
    expect(new Set(examples.map(({ document }) => document))).toContain('README.md')
    expect(new Set(examples.map(({ document }) => document))).toContain('docs/systems/btree.md')
  })
})

function run(args: string[], cwd: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, args, { cwd, encoding: 'utf8' })
}
