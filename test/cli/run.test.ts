import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, it } from 'vitest'
import { binary, runCommand } from '../support/run-command.ts'

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** A program that says what the server at REDIS_HOST and REDIS_PORT answers to PING. */
const PING = `
const { REDIS_URL, REDIS_HOST, REDIS_PORT } = process.env
const socket = require('net').connect(REDIS_PORT, REDIS_HOST, () => socket.write('PING\\r\\n'))
socket.on('data', (reply) => {
  console.log(String(reply).trim(), REDIS_URL === 'redis://' + REDIS_HOST + ':' + REDIS_PORT)
  process.exit(7)
})`

function run(...args: string[]) {
  return runCommand('bedplate', ['run', ...args])
}

describe('bedplate run', () => {
  it('gives a command servers that answer, and ends with its status', () => {
    expect(run('--', process.execPath, '-e', PING)).toEqual({ status: 7, stdout: '+PONG true\n', stderr: '' })
  })

  it('starts what is there on request alone', () => {
    const ask = 'fetch(process.env.REPLICATED_KV_URL + "/set?key=a&value=1").then((r) => r.text()).then(console.log)'
    const { stdout, status } = run('--only', 'replicated-kv', '--', process.execPath, '-e', ask)
    expect({ stdout, status }).toEqual({ stdout: 'OK\n\n', status: 0 })
    const words = ['partitioned-kv', '--', process.execPath, binary('partitioned-kv'), 'set', 'user:1', 'Alice']
    const stored = run('--only', ...words) // which finds it by PARTITIONED_KV_URL
    expect(stored).toEqual({ status: 0, stdout: 'Stored on node1 (hash: 0x7701...)\n', stderr: '' })
    const without = run('--', process.execPath, '-p', 'process.env.REPLICATED_KV_URL')
    expect(without.stdout).toBe('undefined\n')
  })

  it('gives it no more memory than the heap of the process holds', () => {
    const set = PING.replace('PING', 'CONFIG SET maxmemory 900gb')
    expect(run('--only', 'cache', '--', process.execPath, '-e', set).stdout).toMatch(
      /^-ERR .*more than the heap of this process can hold/,
    )
  })

  it('gives a command a lock service at ETCD_ENDPOINTS, which lock-client takes from there', () => {
    const { stdout, status } = run('--only', 'locks', '--', process.execPath, binary('lock-client'), 'acquire', 'mine')
    expect({ stdout, status }).toEqual({ stdout: 'Lock acquired: lock-id-2\nTTL: 30s\n', status: 0 })
  })

  it('leaves the arguments of the command to it, also without --', () => {
    const show = 'console.log(process.argv.slice(1).join())'
    const { stdout } = run('--only', 'cache', process.execPath, '-e', show, 'x', '--only', '--help')
    expect(stdout).toBe('x,--only,--help\n')
  })

  it.each([
    [['--', 'no-such-program'], 127, /cannot start no-such-program: not found/],
    [['--', '/'], 126, /cannot start \/: /],
    [['--', 'sh', '-c', 'kill -USR1 $$'], 138, /^$/],
    [['--only', 'cash', '--', 'true'], 2, /there is no server "cash"\nhint: --only takes cache, locks/],
    [[], 2, /missing required argument 'command'/],
  ])('ends as shells do: %j', (args, status, stderr) => {
    const ended = run(...args)
    expect(ended.stderr).toMatch(stderr)
    expect({ status: ended.status, stdout: ended.stdout }).toEqual({ status, stdout: '' })
  })

  it('passes signals on, and ends as the command then does', async () => {
    const program = `
      process.on('SIGTERM', () => { console.log('told'); process.exitCode = 5; clearInterval(alive) })
      const alive = setInterval(() => {}, 1000)
      console.log('up')`
    const args = [binary('bedplate'), 'run', '--', process.execPath, '-e', program]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    const lines = createInterface({ input: child.stdout })
    const [first] = await once(lines, 'line')
    const told = once(lines, 'line')
    child.kill('SIGTERM')
    expect([first, (await told)[0]]).toEqual(['up', 'told'])
    expect(await once(child, 'exit')).toEqual([5, null])
  })
})
