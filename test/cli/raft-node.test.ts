import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterAll, describe, expect, it } from 'vitest'
import { raftOptionsOf, SETTINGS, SYSTEM, type Values } from '../../ts/cli/raft-node/settings.ts'
import { realClock } from '../../ts/io/clock.ts'
import { parseSettingsFile, readSettings } from '../../ts/service/index.ts'
import { freePorts } from '../support/ports.ts'
import { binary, runCommand } from '../support/run-command.ts'
import { directoryInMemory } from '../support/temporary-directory.ts'

const NODES = [1, 2, 3, 4, 5]
const home = directoryInMemory()
const children = new Map<number, ChildProcess>()
/** What each node has printed, over all of its lives. */
const printed = new Map<number, string[]>(NODES.map((id) => [id, []]))
let firstPort = 0

afterAll(() => {
  for (const child of children.values()) child.kill('SIGKILL')
  home.remove()
})

/** `./raft-node --id=1 --cluster=1,2,3,4,5 --port=8001` of the seed, on other ports. */
function start(id: number): void {
  const args = [`--id=${id}`, `--cluster=${NODES.join(',')}`, `--port=${firstPort + id - 1}`]
  const child = spawn(process.execPath, [binary('raft-node'), ...args], {
    cwd: home.path,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  children.set(id, child)
  createInterface({ input: child.stdout }).on('line', (line) => printed.get(id)!.push(line))
}

async function end(id: number, signal: NodeJS.Signals): Promise<void> {
  const child = children.get(id)!
  children.delete(id)
  child.kill(signal)
  await once(child, 'exit')
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** The node that said last that it was elected, in the highest term. */
function leader(): { id: number; term: number } | undefined {
  const elections = NODES.flatMap((id) =>
    printed.get(id)!.flatMap((line) => {
      const term = /^\[Node (\d)\] Elected leader for term (\d+)$/.exec(line)?.[2]
      return term === undefined ? [] : [{ id, term: Number(term) }]
    }),
  )
  return elections.sort((a, b) => b.term - a.term)[0]
}

/** `curl http://localhost:PORT/append -d '{"command":...}'`: what it prints. */
async function append(id: number, command: string): Promise<string> {
  const body = JSON.stringify({ command })
  const headers = { connection: 'close', 'content-type': 'application/x-www-form-urlencoded' }
  const response = await fetch(`http://127.0.0.1:${firstPort + id - 1}/append`, { method: 'POST', body, headers })
  return (await response.text()).trimEnd()
}

/** `curl http://localhost:PORT/log`, asked again while there is no leader. */
async function logOf(id: number): Promise<{ index: number; command: string }[]> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${firstPort + id - 1}/log?from=1`).catch(() => undefined)
    if (response?.ok) return (await response.json()) as { index: number; command: string }[]
    await realClock.turn()
  }
}

describe('five processes', () => {
  it('do what the seed shows', async () => {
    firstPort = (await freePorts(NODES.length))[0] as number
    for (const id of NODES) start(id)
    await until(() => leader() !== undefined)
    const first = leader()!
    expect(await append(first.id, 'SET key1 value1')).toBe('{"success":true,"index":1}')
    await until(() => NODES.every((id) => printed.get(id)!.includes(`[Node ${id}] Log entry 1 committed`)))
    await end(first.id, 'SIGTERM')
    await until(() => leader()!.term > first.term)
    expect(leader()!.id).not.toBe(first.id)
    expect(await append(leader()!.id, 'SET key2 value2')).toBe('{"success":true,"index":2}')
    await until(() => printed.get(leader()!.id)!.includes(`[Node ${leader()!.id}] Log entry 2 committed`))
    start(first.id)
  })

  it('lose nothing that was acknowledged when each is killed in turn, and come back from their disks', async () => {
    const acknowledged = ['SET key1 value1', 'SET key2 value2']
    for (const [round, id] of NODES.entries()) {
      await end(id, 'SIGKILL')
      const alive = NODES.find((other) => other !== id)!
      for (let i = 0; i < 3; i++) {
        const command = `SET round${round} ${i}`
        // A request that was under way to a leader that is gone may have been executed: it is asked again.
        while (!(await append(alive, command).catch(() => '')).startsWith('{"success":true')) await realClock.turn()
        acknowledged.push(command)
      }
      start(id)
    }
    await until(() => NODES.every((id) => printed.get(id)!.some((line) => line.includes('recovered from disk'))))
    const logs = await Promise.all(NODES.map(logOf))
    for (const log of logs) expect(log).toEqual(logs[0])
    const commands = logs[0]!.map(({ command }) => command)
    expect([...new Set(commands)]).toEqual(acknowledged)
    expect(logs[0]!.map(({ index }) => index)).toEqual(commands.map((_, i) => i + 1))
  })

  it('end with 0 at SIGTERM', async () => {
    const [id, child] = [...children][0]!
    children.delete(id)
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })
})

type Texts = Readonly<Record<string, string | undefined>>

function valuesOf(flags: Texts, environment: Texts, file: string): Values {
  return readSettings(SETTINGS, { flags, environment, system: SYSTEM, file: parseSettingsFile(file) })
}

const OPTIONS = { port: '8001', id: '1', cluster: '1,2,3,4,5' }

describe('raft-node', () => {
  it('finds the others by the rule of its port, or where --peers says', () => {
    const { members, listen, basePort } = raftOptionsOf(valuesOf(OPTIONS, {}, ''), false)
    expect(Object.values(members).map(({ port }) => port)).toEqual([8001, 8002, 8003, 8004, 8005])
    expect({ listen, basePort }).toEqual({ listen: { host: '127.0.0.1', port: 8001 }, basePort: 8000 })
    const named = { BEDPLATE_RAFT_PEERS: '2=10.0.0.2:8001,3=[::1]:9' }
    const elsewhere = raftOptionsOf(valuesOf({ ...OPTIONS, cluster: '1,2,3' }, named, 'cluster-id orders'), false)
    expect(elsewhere).toMatchObject({ basePort: 0, clusterId: 'orders' })
    expect(elsewhere.members[3]).toEqual({ host: '::1', port: 9 })
    const newcomer = raftOptionsOf(valuesOf({ ...OPTIONS, id: '6', port: '8006' }, {}, ''), false)
    expect(Object.keys(newcomer.members)).toEqual(['1', '2', '3', '4', '5'])
    expect(newcomer.listen.port).toBe(8006)
  })

  it.each([
    [{ id: undefined }, /--id, --cluster and --port are needed/],
    [{ id: '0' }, /--id must be a whole number from 1 to/],
    [{ cluster: '1,1' }, /--cluster must be ids like 1,2,3, each once, got "1,1"/],
    [{ cluster: '1,x' }, /--cluster must be ids like 1,2,3, each once, got "1,x"/],
    [{ cluster: '1,2', port: '65535' }, /node 2 would listen on port 65536/],
    [{ cluster: '1,2', id: '3', port: '2' }, /nobody says where node 1 is/],
    [{ cluster: '1,2', peers: '3=a:1' }, /nobody says where node 2 is/],
    [{ cluster: '1,2', peers: '2=a' }, /"a" is no address/],
    [{ cluster: '1,2', peers: 'a:1' }, /--peers must be like 2=10.0.0.2:8001/],
    [{ host: '0.0.0.0' }, /refusing to listen on 0\.0\.0\.0 without certificates/],
  ])('refuses %j', (flags, message) => {
    expect(() => raftOptionsOf(valuesOf({ ...OPTIONS, ...flags }, {}, ''), false)).toThrow(message)
  })

  it('explains itself on standard error', () => {
    const ended = runCommand('raft-node', ['--id=1', '--cluster=1', '--port=0', '--advertise=x'], { cwd: home.path })
    expect({ ...ended, stdout: '' }).toEqual({
      status: 2,
      stdout: '',
      stderr: 'raft-node: --advertise: "x" is no address\nhint: write host:port, such as 10.0.0.7:8001 or [::1]:8001\n',
    })
  })

  it('says as JSON what happens, and refuses the directory to another node', async () => {
    const args = ['--id=1', '--cluster=1', '--port=0', '--data-dir=alone', '--json']
    const child = spawn(process.execPath, [binary('raft-node'), ...args], {
      cwd: home.path,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    children.set(9, child)
    const lines: Record<string, unknown>[] = []
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)))
    await until(() => lines.length === 2)
    const events = Object.fromEntries(lines.map((line) => [line['event'], line]))
    expect(events).toMatchObject({
      ready: { node: 1, host: '127.0.0.1', pid: child.pid },
      elected: { node: 1, term: 1 },
    })
    const locked = runCommand('raft-node', args, { cwd: home.path })
    expect([locked.status, JSON.parse(locked.stderr).error.code]).toEqual([1, 'LOCKED'])
    await end(9, 'SIGKILL')
    const other = runCommand('raft-node', ['--id=2', '--cluster=1', '--port=9002', '--data-dir=alone'], {
      cwd: home.path,
    })
    expect(other.status).toBe(1)
    expect(other.stderr).toContain('alone belongs to node 1, not to node 2\nhint: ')
  })
})
