import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { parse } from '@swc/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NodeState } from '../../ts/cli/local-cluster/nodes.ts'
import { freePorts } from '../support/ports.ts'
import { binary, runCommand } from '../support/run-command.ts'
import { directoryInMemory } from '../support/temporary-directory.ts'

const home = directoryInMemory()
const lines: string[] = []
let cluster: ChildProcess
let control = 0
let port = 0

beforeAll(async () => {
  ;[control = 0, port = 0] = await freePorts(4)
  const args = [binary('bedplate'), 'raft', 'up', '--nodes=3', `--port=${port}`, `--control=${control}`]
  cluster = spawn(process.execPath, args, {
    cwd: home.path,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Of a node that somebody runs by itself; those of the cluster must not take it for theirs.
    env: { ...process.env, BEDPLATE_RAFT_HOST: '0.0.0.0', BEDPLATE_RAFT_PEERS: '9=10.0.0.9:1' },
  })
  createInterface({ input: cluster.stdout! }).on('line', (line) => lines.push(line))
  await until(() => elections().length > 0)
})

afterAll(async () => {
  if (cluster.exitCode === null) {
    cluster.kill('SIGTERM')
    await once(cluster, 'exit')
  }
  home.remove()
})

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Who said that it was elected, in order. */
function elections(): number[] {
  return lines.flatMap((line) => {
    const id = /^\[Node (\d)\] Elected leader for term \d+$/.exec(line)?.[1]
    return id === undefined ? [] : [Number(id)]
  })
}

async function fault(request: object): Promise<NodeState[]> {
  const response = await fetch(`http://127.0.0.1:${control}/faults`, { method: 'POST', body: JSON.stringify(request) })
  expect(response.status).toBe(200)
  return (await response.json()) as NodeState[]
}

async function appends(id: number, command: string): Promise<boolean> {
  const init = { method: 'POST', body: JSON.stringify({ command }), headers: { connection: 'close' } }
  const response = await fetch(`http://127.0.0.1:${port + id - 1}/append`, init).catch(() => undefined)
  return response?.ok === true
}

async function leaderAt(id: number): Promise<number | null> {
  const headers = { connection: 'close' }
  const response = await fetch(`http://127.0.0.1:${port + id - 1}/status`, { headers }).catch(() => undefined)
  return response === undefined ? null : ((await response.json()) as { leader: number | null }).leader
}

describe('bedplate raft', () => {
  it('runs a cluster and prints the lines of its nodes', async () => {
    await until(() => appends(1, 'SET a 1'))
    await until(() => [1, 2, 3].every((id) => lines.includes(`[Node ${id}] Log entry 1 committed`)))
  })

  it('cuts the leader off: the others go on without it, and it follows them once it hears them', async () => {
    const leader = (await leaderAt(1)) as number
    const others = [1, 2, 3].filter((id) => id !== leader) as [number, number]
    const states = await fault({ fault: 'partition', groups: [[leader]] })
    expect(states.find(({ id }) => id === leader)!.cutFrom).toEqual(others)
    await until(async () => others.includes((await leaderAt(others[0])) ?? 0))
    await until(() => appends(others[0], 'SET b 2'))
    await until(async () => (await leaderAt(leader)) === null) // it has noticed that nobody answers
    await fault({ fault: 'heal' })
    await until(async () => others.includes((await leaderAt(leader)) ?? 0))
  })

  it('kills, starts, pauses and resumes, and says how the nodes are', async () => {
    expect((await fault({ fault: 'kill', node: 3 }))[2]).toMatchObject({ id: 3, state: 'down' })
    await until(() => appends(1, 'SET c 3'))
    await fault({ fault: 'start', node: 3 })
    await until(async () => (await leaderAt(3)) !== null)
    const follower = (await leaderAt(1)) === 2 ? 3 : 2 // an answer that a paused leader owes is waited for, for 5 s
    expect((await fault({ fault: 'pause', node: follower }))[follower - 1]!.state).toBe('paused')
    await until(() => appends(1, 'SET d 4'))
    expect((await fault({ fault: 'resume', node: follower }))[follower - 1]!.state).toBe('running')
    const { status, stdout } = runCommand('bedplate', ['raft', 'faults', 'status', `--control=${control}`])
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: [1, 2, 3].map((id) => `[Node ${id}] running, port ${port + id - 1}\n`).join(''),
    })
    const refused = runCommand('bedplate', ['raft', 'faults', 'resume', '7', `--control=${control}`])
    expect([refused.status, refused.stderr]).toEqual([1, 'bedplate raft: there is no node 7; there are 1, 2, 3\n'])
  })

  it('shows nodes, logs and messages to its own page, and lets no other page change anything', async () => {
    const get = (path: string) => fetch(`http://127.0.0.1:${control}${path}`)
    const page = await get('/')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    for (const [, file] of (await page.text()).matchAll(/(?:src|href)="(\/[^"]+)"/g))
      expect((await get(file!)).status).toBe(200)
    for (const file of ['base', 'faults', 'raft', 'raft-drawing', 'replay']) {
      const parsed = parse(await (await get(`/${file}.js`)).text(), { syntax: 'ecmascript', target: 'es2022' })
      await expect(parsed).resolves.toMatchObject({ type: 'Module' })
    }
    interface View {
      readonly nodes: { id: number; role: string; commit: number; terms: number[] }[]
      readonly messages: { number: number; text: string }[]
      readonly next: number
    }
    const view = async (since: number) => (await (await get(`/api/raft/since/${since}`)).json()) as View
    await until(async () => (await view(1)).nodes.filter(({ role }) => role === 'leader').length === 1)
    const { nodes, messages, next } = await view(1)
    expect(nodes.map(({ terms, commit }) => commit > 0 && terms.length >= commit)).toEqual([true, true, true])
    expect(messages.map(({ text }) => text).join('\n')).toContain('SET d 4')
    expect((await view(next)).messages.every(({ number }) => number >= next)).toBe(true)
    const post = (path: string, body: string, origin: string) =>
      fetch(`http://127.0.0.1:${control}${path}`, { method: 'POST', body, headers: { origin } })
    const own = `http://127.0.0.1:${control}`
    const appended = await post('/api/raft/append', '{"command":"SET e 5"}', own)
    expect([appended.status, await appended.json()]).toEqual([200, { index: 5, node: expect.any(Number) }])
    expect((await post('/faults', '{"fault":"kill","node":1}', 'http://evil.example')).status).toBe(403)
    for (const wrong of [
      '',
      '[]',
      '{}',
      '{"fault":"burn"}',
      '{"fault":"kill","node":"1"}',
      '{"fault":"partition","groups":7}',
    ]) {
      expect((await post('/faults', wrong, own)).status, wrong).toBe(400)
    }
    const none = await post('/faults', '{"fault":"kill","node":9}', own)
    expect(await none.json()).toEqual({
      error: { code: 'INVALID_INPUT', message: 'there is no node 9; there are 1, 2, 3' },
    })
    expect((await fault({ fault: 'status' })).map(({ state }) => state)).toEqual(['running', 'running', 'running'])
    for (const path of ['/api/raft/since/x', '/api/replay/none/1', '/api/replay/election/x', '/api/none']) {
      expect((await get(path)).status).toBe(404)
    }
    expect((await get('/api/replay/election/4294967296')).status).toBe(400)
  })

  it('ends all nodes with it', async () => {
    const states = await fault({ fault: 'status' })
    cluster.kill('SIGTERM')
    expect(await once(cluster, 'exit')).toEqual([0, null])
    for (const { pid } of states) expect(() => process.kill(pid!, 0)).toThrow('ESRCH')
  })

  it('says that there is no cluster', () => {
    const { status, stderr } = runCommand('bedplate', ['raft', 'faults', 'kill', '1', '--control=1'])
    expect(status).toBe(1)
    expect(stderr).toContain('no cluster is heard at 127.0.0.1:1\nhint: bedplate raft up starts one')
  })
})
