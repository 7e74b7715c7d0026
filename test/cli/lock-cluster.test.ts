import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Etcd3 } from 'etcd3'
import { afterAll, describe, expect, it } from 'vitest'
import { CLUSTER_SETTINGS, memberOf } from '../../ts/cli/lock-service/cluster-settings.ts'
import { readSettings, SERVER_SETTINGS } from '../../ts/service/index.ts'
import { freePorts } from '../support/raft/ports.ts'
import { binary, runCommand } from '../support/run-command.ts'
import { directoryInMemory } from '../support/temporary-directory.ts'

const home = directoryInMemory()
const children = new Set<ChildProcess>()

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  home.remove()
})

interface Running {
  readonly child: ChildProcess
  readonly events: Record<string, unknown>[]
}

function start(args: readonly string[]): Running {
  const child = spawn(process.execPath, [binary('lock-service'), ...args, '--json', '--log-level=error'], {
    cwd: home.path,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  children.add(child)
  const events: Record<string, unknown>[] = []
  createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line)))
  return { child, events }
}

async function end({ child }: Running, signal: NodeJS.Signals): Promise<unknown[]> {
  children.delete(child)
  const ended = once(child, 'exit')
  child.kill(signal)
  return ended
}

async function until<T>(find: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = find()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const termOf = ({ events }: Running): number =>
  Math.max(0, ...events.filter(({ event }) => event === 'elected').map(({ term }) => Number(term)))

describe('three processes', () => {
  const IDS = [1, 2, 3]
  const running = new Map<number, Running>()
  const ports: number[] = []

  function startMember(id: number): void {
    const [port, peerPort] = [ports[id - 1], ports[id + 2]]
    const args = [`--id=${id}`, `--cluster=${IDS}`, `--port=${port}`, `--peer-port=${peerPort}`]
    running.set(id, start([...args, `--data-dir=member-${id}`]))
  }

  it('lose nothing that was acknowledged when the leader is killed, through an unmodified client', async () => {
    ports.push(...(await freePorts(6)))
    for (const id of IDS) startMember(id)
    await until(() => [...running.values()].every(({ events }) => events.some(({ event }) => event === 'ready')))
    const leader = await until(() => [...running].find(([, each]) => termOf(each) > 0))
    const client = new Etcd3({ hosts: IDS.map((id) => `127.0.0.1:${ports[id - 1]}`) })
    const acknowledged: string[] = []
    let isKilled = false
    let sinceKill = 0
    // Each writer goes on until it has been answered often enough after the kill.
    const writer = async (name: string): Promise<void> => {
      for (let i = 0; !isKilled || sinceKill < 60; i++) {
        const key = `${name}/${i}`
        await client
          .put(key)
          .value(i)
          .then(
            () => {
              acknowledged.push(key)
              if (isKilled) sinceKill++
            },
            () => {},
          )
      }
    }
    const writers = ['a', 'b', 'c', 'd'].map(writer)
    await until(() => acknowledged.length > 40)
    await end(leader[1], 'SIGKILL')
    isKilled = true
    await Promise.all(writers)
    const kept = new Set(await client.getAll().keys())
    expect(acknowledged.filter((key) => !kept.has(key))).toEqual([])
    client.close()

    // It comes back from its disk, and has the same.
    startMember(leader[0])
    await until(() => running.get(leader[0])!.events.some(({ event }) => event === 'ready'))
    const again = new Etcd3({ hosts: `127.0.0.1:${ports[leader[0] - 1]}` })
    const found = new Set(await again.getAll().keys())
    expect(acknowledged.filter((key) => !found.has(key))).toEqual([])
    again.close()
    for (const member of running.values()) expect(await end(member, 'SIGTERM')).toEqual([0, null])
  })
})

describe('lock-service --nodes 3', () => {
  it('runs a cluster of processes, and ends them', async () => {
    const cluster = start(['--nodes=3', '--port=0', '--memory'])
    const { endpoints } = (await until(() => cluster.events.find(({ event }) => event === 'ready'))) as {
      endpoints: string[]
    }
    const members = cluster.events.filter(({ event }) => event === 'member')
    expect(members.map(({ node }) => node).sort()).toEqual([1, 2, 3])
    const client = new Etcd3({ hosts: endpoints })
    await client.put('k').value('v')
    expect(await client.get('k').string()).toBe('v')
    client.close()
    expect(await end(cluster, 'SIGTERM')).toEqual([0, null])
    for (const { pid } of members) expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH')
  })

  it('says what it cannot do', () => {
    const { status, stderr } = runCommand('lock-service', ['--id=1', '--cluster=1,2', '--memory'], { cwd: home.path })
    expect({ status, isSaid: stderr.includes('keeps what it has promised on disk') }).toEqual({
      status: 2,
      isSaid: true,
    })
  })
})

describe('a member of a cluster', () => {
  const settings = { ...CLUSTER_SETTINGS, host: SERVER_SETTINGS.host, 'tls-ca': SERVER_SETTINGS['tls-ca'] }
  const member = ({ port = 2379, ...flags }: Record<string, unknown>) => {
    const values = readSettings(settings, { flags: flags as Record<string, string>, environment: {}, system: 'LOCKS' })
    return memberOf({ ...values, port: Number(port) }, false)
  }

  it('finds the others by the rule of its port, or where --peers says', () => {
    const byRule = member({ id: '2', cluster: '1,2,3', port: 2380 })
    expect(byRule).toMatchObject({ id: 2, basePort: 12_378, listen: { host: '127.0.0.1', port: 12_380 } })
    expect(Object.values(byRule.members).map(({ port }) => port)).toEqual([12_379, 12_380, 12_381])
    const named = member({ id: '1', cluster: '1,2', 'peer-port': '9', peers: '2=10.0.0.2:7' })
    expect(named).toMatchObject({ basePort: 0, clusterId: 'lock-service', members: { 1: { port: 9 }, 2: { port: 7 } } })
  })

  it.each([
    [{ id: '1' }, /--id and --cluster belong together/],
    [{ cluster: '1,2' }, /--id and --cluster belong together/],
    [{ id: '1', cluster: '1,2', port: 0 }, /--peer-port is needed/],
    [{ id: '1', cluster: '1,2', port: 60_000 }, /--peer-port is needed/],
    [{ id: '1', cluster: '1,1' }, /--cluster must be ids like 1,2,3, each once/],
    [{ id: '1', cluster: '1,2', host: '0.0.0.0' }, /refusing to listen on 0\.0\.0\.0 without certificates/],
    [{ nodes: '99' }, /--nodes must be a whole number from 1 to 9/],
  ])('refuses %j', (flags, message) => {
    expect(() => member(flags)).toThrow(message)
  })
})
