// cache-cli in a cluster of real redis-servers.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../support/ports.ts'
import { runCommand } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { requirePrograms } from './prerequisites.ts'

const NODES = 3
const SLOTS = 16_384
/** A guard against waiting for ever, no measure. */
const MAX_ROUNDS = 100
const QUESTIONS = 10
const servers: ChildProcess[] = []
const ports: number[] = []
const { path, remove } = temporaryDirectory()

beforeAll(async () => {
  requirePrograms('redis-server')
  for (let i = 0; i < NODES; i++) {
    const port = await freePort() // with that of its bus 10,000 above it
    const options = ['--port', port, '--cluster-enabled', 'yes', '--save', '', '--dir', path]
    const files = ['--cluster-config-file', join(path, `${port}.conf`)]
    const server = spawn('redis-server', [...options.map(String), ...files], { stdio: ['ignore', 'pipe', 'inherit'] })
    servers.push(server)
    ports.push(port)
    let said = ''
    for await (const chunk of server.stdout.setEncoding('utf8')) {
      said += chunk
      if (said.includes('eady to accept connections')) break
    }
  }
  for (const [i, port] of ports.entries()) {
    const [first, end] = [Math.floor((i * SLOTS) / NODES), Math.floor(((i + 1) * SLOTS) / NODES)]
    runCommand('cache-cli', ['-p', String(port)], {
      input: `cluster addslotsrange ${first} ${end - 1}\ncluster meet 127.0.0.1 ${ports[0]}\n`,
    })
  }
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const isUp = (port: number): boolean =>
      cli(['-p', String(port)], 'cluster info\n'.repeat(QUESTIONS)).stdout.includes('cluster_state:ok')
    if (ports.every(isUp)) return
  }
  throw new Error('the cluster did not come together')
})

afterAll(async () => {
  for (const server of servers) {
    server.kill('SIGKILL')
    await once(server, 'close')
  }
  remove()
})

function cli(args: readonly string[], input = '') {
  return runCommand('cache-cli', ['-p', String(ports[0]), ...args], { input })
}

describe('in a cluster', () => {
  it('cache-cli finds every key, whichever node it asks first', () => {
    const keys = ['a', 'b', 'c', 'd', 'foo', 'key:1']
    const script = keys.map((key) => `set ${key} "value of ${key}"\nget ${key}\n`).join('')
    expect(cli([], script)).toEqual({
      status: 0,
      stderr: '',
      stdout: keys.map((key) => `OK\nvalue of ${key}\n`).join(''),
    })
  })

  it('cache-cli --cluster says which node has a key, and the hash that says so', () => {
    expect(cli(['set', 'foo', 'v', '--cluster']).stdout).toBe('Stored on node3 (hash: 0xaf96...)\n')
    expect(cli(['get', 'foo', '--cluster']).stdout).toBe('v\nFrom node3 (hash: 0xaf96...)\n')
    const slot = JSON.parse(cli(['cluster', 'keyslot', 'foo', '--json']).stdout).reply as number
    const { node, hash, slot: ours } = JSON.parse(cli(['set', 'foo', 'v', '--cluster', '--json']).stdout)
    expect({ node, hash, ours }).toEqual({ node: 'node3', hash: '0xaf96', ours: slot })
    expect(Number(hash) % 16_384).toBe(slot)
  })
})
