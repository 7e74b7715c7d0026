import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

// The public interface as the published declarations state it. A change of it shows in the diff of test/api/; to accept
// it run `npx vitest run test/api.test.ts -u`.

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { exports: Record<string, unknown> }

const entries = Object.entries(exports).flatMap(([subpath, target]) => {
  const types = JSON.stringify(target).match(/"types":"(?:\.\/)?([^"]+\.d\.ts)"/)?.[1]
  return types === undefined ? [] : [{ name: subpath === '.' ? 'index' : subpath.slice(2).replaceAll('/', '-'), types }]
})

describe('the public interface', () => {
  it('has at least one entry', () => {
    expect(entries.length).toBeGreaterThan(0)
  })

  it.each(entries)('of $name is the one agreed on', async ({ name, types }) => {
    await expect(declarations(types)).toMatchFileSnapshot(`api/${name}.txt`)
  })
})

/** The declarations reachable from `entry`, in order of discovery, without comments. */
function declarations(entry: string): string {
  const found = new Set([entry])
  let text = ''
  for (const file of found) {
    const source = readFileSync(join(ROOT, file), 'utf8')
    text += `// ${file}\n${withoutComments(source)}\n`
    for (const [, specifier] of source.matchAll(/from ['"](\.[^'"]+)['"]/g)) {
      const target = join(dirname(file), specifier!.replace(/\.(?:ts|js)$/, '.d.ts'))
      if (existsSync(join(ROOT, target))) found.add(target)
    }
  }
  return text
}

function withoutComments(source: string): string {
  return source
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/^\s*\/\/.*$/gm, '')
    .replaceAll(/\n\s*\n+/g, '\n')
    .trim()
}
