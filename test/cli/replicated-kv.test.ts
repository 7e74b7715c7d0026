import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { afterAll, describe, expect, it } from 'vitest'
import { replicaOptionsOf, SETTINGS, SYSTEM } from '../../ts/cli/replicated-kv/settings.ts'
import { parseSettingsFile, readSettings } from '../../ts/service/index.ts'
import { freePorts } from '../support/ports.ts'
import { Processes, until } from '../support/replicated-kv/processes.ts'
import { binary, runCommand } from '../support/run-command.ts'
import { directoryInMemory } from '../support/temporary-directory.ts'

const home = directoryInMemory()
let nodes: Processes
let up: ChildProcess | undefined

afterAll(async () => {
  await nodes?.close()
  up?.kill('SIGKILL') // its nodes end with it
  home.remove()
})

/** What `curl http://localhost:PORT/PATH` prints. */
async function curl(id: number, path: string): Promise<string | undefined> {
  return (await nodes.ask(id, path))?.body
}

describe('three processes', () => {
  it('do what the seed shows', async () => {
    nodes = await Processes.open(home.path, 3)
    await nodes.startAll(3)
    expect([...nodes.printed.values()]).toEqual([
      [`Leader started on port ${nodes.portOf(1)}`],
      ['Follower 2 connected to leader'],
      ['Follower 3 connected to leader'],
    ])
    expect(await curl(1, '/set?key=user:1&value=Alice')).toBe('OK\n')
    expect(await curl(2, '/get?key=user:1')).toBe('Alice\n')

    await nodes.end(1, 'SIGTERM') // `kill <leader-pid>`
    await until(() => nodes.printed.get(3)!.length === 2)
    expect([nodes.printed.get(2), nodes.printed.get(3)]).toEqual([
      [
        'Follower 2 connected to leader',
        '[Follower 2] Leader failed, starting election...',
        '[Follower 2] Elected as new leader',
      ],
      ['Follower 3 connected to leader', '[Follower 3] Following new leader: node-2'],
    ])
    expect(await curl(3, '/get?key=user:1')).toBe('Alice\n')
  })

  it('go on after a crash of the leader, and a leader that was replaced follows, whatever it is started with', async () => {
    expect(await curl(3, '/set?key=user:2&value=Bob')).toBe('OK\n') // a follower passes it on
    nodes.start(1)
    await until(() => nodes.printed.get(1)!.includes('Follower 1 connected to leader'))
    await nodes.end(2, 'SIGKILL')
    await until(() => [1, 3].some((id) => nodes.printed.get(id)!.includes(`[Follower ${id}] Elected as new leader`)))
    const leader = await nodes.leader()
    const other = leader === 1 ? 3 : 1
    await until(() => nodes.printed.get(other)!.includes(`[Follower ${other}] Following new leader: node-${leader}`))
    expect(nodes.printed.get(leader)!.slice(-2)).toEqual([
      `[Follower ${leader}] Leader failed, starting election...`,
      `[Follower ${leader}] Elected as new leader`,
    ])
    expect(await curl(1, '/get?key=user:2')).toBe('Bob\n')
  })

  it('tell a shell that has cut the URL how to quote it', async () => {
    expect(await curl(1, '/set?key=user:1')).toBe(
      'error: /set wants a value: ?key=...&value=..., or the body of a POST\n' +
        'hint: a shell cuts an unquoted URL at the &: quote it, as in curl "http://localhost:8001/set?key=user:1&value=Alice"\n',
    )
  })

  it('let a node go for good: neither its directory nor its number comes back', async () => {
    const removed = await nodes.ask(1, '/members', { method: 'POST', body: '{"remove":2}' })
    expect(removed?.status).toBe(200)
    const args = [
      '--port=0',
      '--follower',
      `--leader-addr=localhost:${nodes.portOf(1)}`,
      `--data-dir=${home.path}/again`,
    ]
    const ended = runCommand('replicated-kv', ['--node-id=2', ...args])
    expect({ status: ended.status, text: ended.stderr.split('\n')[0] }).toEqual({
      status: 1,
      text: `replicated-kv: localhost:${nodes.portOf(1)}: node 2 is known with another directory`,
    })
  })

  it('end with 0 at SIGTERM', async () => {
    const [id = 0] = nodes.running
    const pid = nodes.pidOf(id)
    await nodes.end(id, 'SIGTERM')
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })
})

describe('replicated-kv up', () => {
  it('runs a leader and its followers and prints their lines, and ends them with it', async () => {
    const [control = 0, port = 0] = await freePorts(4)
    const args = [
      binary('bedplate'),
      'replicated-kv',
      'up',
      '--nodes=3',
      `--port=${port}`,
      `--data-dir=${home.path}/up`,
      `--control=${control}`,
    ]
    up = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines: string[] = []
    createInterface({ input: up.stdout! }).on('line', (line) => lines.push(line))
    await until(() => lines.some((line) => line.startsWith('Replicated store ready: ')))
    expect(lines).toContain(`Leader started on port ${port}`)
    expect(lines).toContain('Follower 2 connected to leader')
    expect(lines).toContain('Follower 3 connected to leader')
    const pids = lines.flatMap((line) => /process (\d+)$/.exec(line)?.[1] ?? []).map(Number)
    expect(pids).toHaveLength(3)

    const fault = async (body: object): Promise<Record<string, unknown>[]> => {
      const asked = { method: 'POST', body: JSON.stringify(body) }
      return (await fetch(`http://127.0.0.1:${control}/faults`, asked)).json() as Promise<Record<string, unknown>[]>
    }
    const view = async (): Promise<View> => {
      return (await (await fetch(`http://127.0.0.1:${control}/api/replicated-kv/since/1`)).json()) as View
    }
    let first = 0
    await until(async () => {
      first = (await view()).nodes.find(({ role }) => role === 'leader')?.id ?? 0
      return first !== 0
    })
    expect((await fault({ fault: 'partition', groups: [[first]] }))[first - 1]).toMatchObject({
      state: 'running',
      cutFrom: [1, 2, 3].filter((id) => id !== first),
    })
    await until(() => lines.some((line) => line.endsWith('Elected as new leader')))
    expect((await fault({ fault: 'heal' }))[first - 1]).toMatchObject({ cutFrom: [] })
    await until(async () => (await view()).nodes.every(({ leader }) => leader !== null && leader !== first))
    const killed = runCommand('replicated-kv', ['faults', 'kill', '3', `--control=${control}`])
    expect(killed.stdout.split('\n')[2]).toBe(`[Node 3] down, port ${port + 2}`)
    expect(await fault({ fault: 'pause', node: 3 })).toEqual({
      error: { code: 'INVALID_INPUT', message: 'node 3 is down', hint: 'replicated-kv faults start 3' },
    })
    const post = async (what: string, body: object): Promise<unknown> => {
      const asked = { method: 'POST', body: JSON.stringify(body) }
      return (await fetch(`http://127.0.0.1:${control}/api/replicated-kv/${what}`, asked)).json()
    }
    const [one, two] = [expect.stringMatching(/^node [12]: OK$/), { text: 'node 2: Alice' }]
    expect(await post('set', { node: null, key: 'user:1', value: 'Alice' })).toEqual({ text: one })
    expect(await post('get', { node: 2, key: 'user:1', consistency: 'linearizable' })).toEqual(two)
    expect(await post('get', { node: 2, key: 'user:2', consistency: 'linearizable' })).toEqual({
      text: 'node 2: there is no key "user:2"',
    })
    expect(await post('get', { node: 7, key: 'user:2', consistency: 'stale' })).toMatchObject({
      error: { code: 'INVALID_INPUT', message: 'there is no such node' },
    })
    expect((await fault({ fault: 'start', node: 3 }))[2]).toMatchObject({ state: 'running' })
    await until(async () => (await view()).nodes[2]!.keys === 1)
    const { nodes: shown, contents } = await view()
    expect(shown[2]).toMatchObject({ id: 3, role: 'follower', cutFrom: [], lag: { entries: expect.any(Number) } })
    expect(Object.values(contents)).toContain('user:1 = Alice')
    const last = lines.flatMap((line) => /^\[Node 3\] http\S+ process (\d+)$/.exec(line)?.[1] ?? []).map(Number)
    expect(last).toHaveLength(2)
    pids.push(...last)
    up.kill('SIGTERM')
    expect(await once(up, 'exit')).toEqual([0, null])
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })
})

interface View {
  readonly nodes: readonly { id: number; role: string; leader: number | null; keys: number }[]
  readonly contents: Readonly<Record<string, string>>
}

function optionsOf(flags: Record<string, string>, given: Record<string, string | true> = {}) {
  const values = readSettings(SETTINGS, { flags, environment: {}, system: SYSTEM, file: parseSettingsFile('') })
  return replicaOptionsOf(values, given)
}

const OWN = { 'node-id': '2', port: '8002' }

describe('replicated-kv', () => {
  it('knows the secret of its cluster by a file, and never says it', () => {
    writeFileSync(`${home.path}/secret`, 'swordfish\n')
    writeFileSync(`${home.path}/empty`, '\n')
    writeFileSync(`${home.path}/long`, 'sword\nfish\n')
    const flags = { ...OWN, host: '10.0.0.1', 'secret-file': `${home.path}/secret` }
    expect(optionsOf(flags, { leader: true })).toMatchObject({ secret: 'swordfish' })
    const told = (name: string) => () => optionsOf({ ...OWN, 'secret-file': `${home.path}/${name}` })
    expect(told('nowhere')).toThrow(/--secret-file: cannot read .*nowhere/)
    expect(told('empty')).toThrow(/--secret-file: .*empty is empty/)
    expect(told('long')).toThrow(/^--secret-file \S+long: this is no secret that a header can carry$/)
  })

  it('knows its leader by its address', () => {
    const options = optionsOf({ ...OWN, 'leader-addr': 'localhost:8001' }, { follower: true })
    expect(options).toMatchObject({ id: 2, lead: false, leader: { host: 'localhost', port: 8001 } })
  })

  it.each([
    [{}, {}, /--node-id and --port are needed/],
    [OWN, { leader: true, follower: true }, /--leader begins a cluster, --follower joins one/],
    [OWN, { follower: true }, /--follower wants --leader-addr/],
    [{ ...OWN, 'leader-addr': 'x' }, {}, /--leader-addr: "x" is no address/],
    [
      { ...OWN, host: '0.0.0.0' },
      { leader: true },
      /refusing to listen on 0\.0\.0\.0 without a secret or certificates/,
    ],
    [{ ...OWN, host: '0.0.0.0' }, { leader: true, insecure: true }, /nobody can reach a node at 0\.0\.0\.0/],
    [{ ...OWN, mode: 'eager' }, {}, /--mode must be one of sync, semi-sync, async, got "eager"/],
    [{ ...OWN, reads: 'bounded' }, {}, /--reads must be linearizable, stale or bounded:<ms>, such as bounded:500/],
  ] as const)('refuses %j with %j', (flags, given, message) => {
    expect(() => optionsOf(flags, given)).toThrow(message)
  })

  it('says what an empty directory wants to know', () => {
    const ended = runCommand('replicated-kv', ['--node-id=7', '--port=0', `--data-dir=${home.path}/none`])
    expect(ended).toEqual({
      status: 1,
      stdout: '',
      stderr:
        'replicated-kv: the directory is empty, and nobody says of what cluster the node shall be\n' +
        'hint: the first node begins a cluster (--leader), all others join it (--follower --leader-addr=host:port)\n',
    })
  })
})
