// Clients of Redis, unmodified, against replicated-kv.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Servers } from '../support/replicated-kv/servers.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { requirePrograms } from './prerequisites.ts'

const run = promisify(execFile)
const SECRET = 'sesame-sesame-sesame'

let nodes: Servers
let home: ReturnType<typeof temporaryDirectory>

beforeAll(async () => {
  requirePrograms('redis-cli', 'redis-server') // redis-benchmark comes with redis-cli
  home = temporaryDirectory()
  nodes = new Servers(home.path, { mode: 'async', secret: SECRET })
  await nodes.startAll(2)
}, 60_000)

afterAll(async () => {
  await nodes?.close()
  home?.remove()
})

function cli(node: number, ...args: string[]): Promise<string> {
  const where = ['-p', String(nodes.address(node).port), '-a', SECRET, '--no-auth-warning']
  return run('redis-cli', [...where, ...args]).then(({ stdout }) => stdout.trimEnd())
}

describe('redis-cli', () => {
  it('writes on one node and reads on the other', async () => {
    expect(await cli(1, 'set', 'user:1', 'Alice')).toBe('OK')
    expect(await cli(2, 'get', 'user:1')).toBe('Alice')
    expect(await cli(2, '-3', 'mget', 'user:1', 'none')).toBe('Alice')
    expect(await cli(2, 'del', 'user:1', 'none')).toBe('1')
    expect(await cli(1, 'exists', 'user:1')).toBe('0')
    expect(await cli(1, 'bedplate', 'reads')).toBe('default')
    expect(await cli(1, 'info', 'replication')).toMatch(/role:(master|slave)/)
  })

  it('is told that there is a password', async () => {
    const { stdout } = await run('redis-cli', ['-p', String(nodes.address(1).port), 'get', 'user:1'])
    expect(stdout).toBe('NOAUTH Authentication required.\n\n')
  })

  it('streams commands with --pipe', async () => {
    const sent = Array.from(
      { length: 5000 },
      (_, i) => `*3\r\n$3\r\nSET\r\n$${5 + String(i).length}\r\npipe:${i}\r\n$1\r\nv\r\n`,
    )
    const child = execFile('redis-cli', [
      '-p',
      String(nodes.address(1).port),
      '-a',
      SECRET,
      '--no-auth-warning',
      '--pipe',
    ])
    const output = new Promise<string>((resolve) => {
      let text = ''
      child.stdout?.on('data', (chunk: string) => (text += chunk))
      child.on('close', () => resolve(text))
    })
    child.stdin?.end(sent.join(''))
    expect(await output).toMatch(/errors: 0, replies: 5000/)
    expect(await cli(2, 'get', 'pipe:4999')).toBe('v')
  }, 60_000)
})

describe('redis-benchmark', () => {
  it('runs its sets and gets, pipelined', async () => {
    const where = ['-p', String(nodes.address(1).port), '-a', SECRET]
    const { stdout } = await run('redis-benchmark', [
      ...where,
      '-t',
      'set,get,mset',
      '-n',
      '4000',
      '-c',
      '8',
      '-P',
      '16',
      '-q',
    ])
    expect(stdout).toMatch(/SET: [\d.]+ requests per second/)
    expect(stdout).toMatch(/GET: [\d.]+ requests per second/)
    expect(stdout).toMatch(/MSET \(10 keys\): [\d.]+ requests per second/)
    expect(await cli(2, 'get', 'key:__rand_int__')).toMatch(/^.{3}$/)
  }, 120_000)
})
