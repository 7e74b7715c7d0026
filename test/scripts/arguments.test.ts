import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

describe.each(['heavy', 'redis-suite', 'etcd3-suite'])('scripts/%s.mjs', (name) => {
  const run = (arg: string): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, [`scripts/${name}.mjs`, arg], { cwd: ROOT, encoding: 'utf8' })

  it('says by --help what it can be told', () => {
    const { status, stdout, stderr } = run('--help')
    expect(stdout).toMatch(/^npm run test:.* -- .*\n\n[A-Z]/)
    expect(stdout).not.toContain('import')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  it('refuses what it does not know with the same', () => {
    const { status, stdout, stderr } = run('--nothing')
    expect(stderr).toMatch(/^Unknown option '--nothing'.*\n\nnpm run test:/)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })
})
