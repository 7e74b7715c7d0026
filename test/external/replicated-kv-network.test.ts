import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Namespaces } from '../support/namespaces.ts'
import { until } from '../support/replicated-kv/processes.ts'
import { binary } from '../support/run-command.ts'
import { directoryInMemory } from '../support/temporary-directory.ts'
import { requirePrograms } from './prerequisites.ts'

const PORT = 8001
const NODES = [1, 2, 3] as const
const home = directoryInMemory()
const children: ChildProcess[] = []
const printed = new Map<number, string[]>()
let machines: Namespaces

beforeAll(() => {
  requirePrograms('ip')
  machines = new Namespaces({ name: `bp${process.pid % 10_000}`, prefix: '10.213.77', count: NODES.length })
})

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  machines?.remove()
  home.remove()
})

async function start(id: number): Promise<void> {
  const host = machines.address(id)
  const part = id === 1 ? ['--leader'] : ['--follower', `--leader-addr=${machines.address(1)}:${PORT}`]
  const flags = [`--node-id=${id}`, `--port=${PORT}`, `--host=${host}`, '--insecure', ...part]
  const [program = '', ...before] = machines.inside(id)
  const command = [process.execPath, binary('replicated-kv'), ...flags, `--data-dir=${home.path}/node-${id}`]
  const child = spawn(program, [...before, ...command], { stdio: ['ignore', 'pipe', 'ignore'] })
  children.push(child)
  const lines: string[] = []
  printed.set(id, lines)
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  await until(() => lines.length > 0)
}

/** What a node answers; undefined if it cannot be reached within a second. */
async function ask(id: number, path: string): Promise<string | undefined> {
  const url = `http://${machines.address(id)}:${PORT}${path}`
  const init = { headers: { connection: 'close' }, signal: AbortSignal.timeout(1000) }
  const response = await fetch(url, init).catch(() => undefined)
  return response?.ok === true ? response.text() : undefined
}

describe('three machines', () => {
  it('elect another leader when the cable of theirs is pulled, and take it back when it is plugged in', async () => {
    for (const id of NODES) await start(id)
    expect(await ask(1, '/set?key=a&value=1')).toBe('OK\n')
    machines.cut(1)
    const hasElected = (id: number): boolean => printed.get(id)!.includes(`[Follower ${id}] Elected as new leader`)
    await until(() => [2, 3].some(hasElected))
    await until(async () => (await ask(2, '/set?key=a&value=2')) === 'OK\n')
    expect(await ask(3, '/get?key=a')).toBe('2\n')
    expect(await ask(1, '/get?key=a')).toBeUndefined()

    machines.heal(1)
    const leader = [2, 3].find(hasElected)
    await until(() => printed.get(1)!.includes(`[Follower 1] Following new leader: node-${leader}`))
    await until(async () => (await ask(1, '/get?key=a')) === '2\n')
    expect(await ask(1, '/set?key=a&value=3')).toBe('OK\n')
  })
})
