// A real redis-server replicates from ours and ours from it, through cuts; redis-cli is a replica; and a master of a cluster of
// processes is killed.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../ts/io/random.ts'
import { ServerBed } from '../support/cache-server.ts'
import { anyChange } from '../support/cache-workload.ts'
import { freePort } from '../support/ports.ts'
import { binary } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { requirePrograms } from './prerequisites.ts'
import { connectTo, type RealConnection } from './redis/real-redis.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

function own(child: ChildProcess): void {
  closing.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
}

/** A redis-server at a port of its own. @returns Its port */
async function startReal(...settings: string[]): Promise<number> {
  requirePrograms('redis-server')
  const { path, remove } = temporaryDirectory()
  closing.push(remove)
  const port = await freePort()
  const args = ['--port', String(port), '--dir', path, '--save', '', '--enable-debug-command', 'yes', ...settings]
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  own(child)
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('Ready to accept')) return port
  throw new Error('redis-server did not start')
}

async function startOurs(): Promise<number> {
  const bed = await ServerBed.start()
  closing.push(() => bed.stop())
  return bed.port
}

async function connect(port: number): Promise<RealConnection> {
  const connection = await connectTo(port)
  closing.push(() => connection.close())
  return connection
}

/** A field of INFO. */
async function info(client: RealConnection, name: string): Promise<string> {
  return new RegExp(`^${name}:(.*)\r$`, 'm').exec(await client.one('INFO', 'everything'))?.[1] ?? ''
}

/** Asks until it is so; the test's own time-out is the limit. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** Waits until a replica has all that its master has. */
async function synced(replica: RealConnection, master: RealConnection): Promise<void> {
  await until(
    async () =>
      (await info(replica, 'master_link_status')) === 'up' &&
      (await info(replica, 'slave_repl_offset')) === (await info(master, 'master_repl_offset')),
  )
}

/** Everything in the first databases, by commands that order what has no order. */
async function contentOf(client: RealConnection): Promise<string[]> {
  const lines: string[] = []
  for (let database = 0; database < 3; database++) {
    await client.one('SELECT', String(database))
    const listed = await client.one('KEYS', '*')
    const keys = listed.split('\r\n').filter((line) => line !== '' && !/^[*$]\d+$/.test(line))
    for (const key of keys.sort()) {
      const type = (await client.one('TYPE', key)).trim().slice(1)
      const [name, ...rest] = READERS[type] ?? ['GET']
      const value = (await client.one(name as string, key, ...rest)).split('\r\n')
      if (type === 'set' || type === 'hash') value.sort()
      lines.push(`${database} ${key} ${await client.one('PEXPIRETIME', key)} ${value.join(' ')}`)
    }
  }
  await client.one('SELECT', '0')
  return lines
}

const READERS: Readonly<Record<string, readonly string[]>> = {
  list: ['LRANGE', '0', '-1'],
  set: ['SMEMBERS'],
  hash: ['HGETALL'],
  zset: ['ZRANGE', '0', '-1', 'WITHSCORES'],
  stream: ['XRANGE', '-', '+'],
}

async function change(client: RealConnection, seed: number): Promise<void> {
  const random = seededRandom(seed)
  for (let i = 0; i < 200; i++) await client.run(anyChange(random, Date.now() + 60_000))
  await client.one('SELECT', '0')
}

describe('a replica', () => {
  it.each([
    ['a redis-server', 'ours', startReal, startOurs, []],
    ['ours', 'a redis-server', startOurs, startReal, []],
    ['ours', 'a redis-server that tells the length', startOurs, startReal, ['--repl-diskless-sync', 'no']],
  ] as const)(
    'that is %s follows a master that is %s, through a cut',
    async (_, __, startReplica, startMaster, settings) => {
      const master = await connect(await startMaster(...settings))
      const port = await startReplica()
      const replica = await connect(port)
      await change(master, 1)
      const masterPort = await info(master, 'tcp_port')
      expect(await replica.one('REPLICAOF', '127.0.0.1', masterPort)).toBe('+OK\r\n')
      await synced(replica, master)
      expect(await contentOf(replica)).toEqual(await contentOf(master))
      await change(master, 2)
      expect(await master.one('CLIENT', 'KILL', 'TYPE', 'replica')).toBe(':1\r\n')
      await change(master, 3)
      await master.one('EVAL', "redis.call('SET', 'by', 'script') redis.call('INCR', 'count')", '0')
      await synced(replica, master)
      expect([await info(master, 'sync_full'), await info(master, 'sync_partial_ok')]).toEqual(['1', '1'])
      expect(await contentOf(replica)).toEqual(await contentOf(master))
      await master.one('SET', 'waited', 'for')
      expect(await master.one('WAIT', '1', '0')).toBe(':1\r\n')
      expect(await replica.one('GET', 'waited')).toBe('$3\r\nfor\r\n')
    },
  )

  it('becomes the master of a redis-server that was its own, which goes on where it was', async () => {
    const [real, ours] = [await startReal(), await startOurs()]
    const [old, next] = [await connect(real), await connect(ours)]
    await change(old, 4)
    await next.one('REPLICAOF', '127.0.0.1', String(real))
    await synced(next, old)
    await old.one('SET', 'last', 'word')
    expect(await old.one('WAIT', '1', '0')).toBe(':1\r\n')
    await synced(next, old)
    await next.one('REPLICAOF', 'NO', 'ONE')
    await next.one('SET', 'first', 'word')
    await old.one('REPLICAOF', '127.0.0.1', String(ours))
    await synced(old, next)
    expect([await info(next, 'sync_full'), await info(next, 'sync_partial_ok')]).toEqual(['0', '1'])
    expect(await contentOf(old)).toEqual(await contentOf(next))
  })
})

describe('FAILOVER', () => {
  it.each([
    ['a redis-server', 'ours', startReal, startOurs],
    ['ours', 'a redis-server', startOurs, startReal],
  ] as const)('makes %s the master in place of %s', async (_, __, startReplica, startMaster) => {
    const [masterPort, replicaPort] = [await startMaster(), await startReplica()]
    const [master, replica] = [await connect(masterPort), await connect(replicaPort)]
    await replica.one('REPLICAOF', '127.0.0.1', String(masterPort))
    await until(async () => (await info(master, 'slave0')).includes('state=online'))
    await change(master, 6)
    expect(await master.one('FAILOVER')).toBe('+OK\r\n')
    await until(async () => (await info(replica, 'role')) === 'master')
    await synced(master, replica)
    await until(async () => (await info(master, 'master_failover_state')) === 'no-failover')
    expect([await info(replica, 'sync_full'), await info(replica, 'sync_partial_ok')]).toEqual(['0', '1'])
    await change(replica, 7)
    await synced(master, replica)
    expect(await contentOf(master)).toEqual(await contentOf(replica))
  })
})

describe('redis-cli', () => {
  it('is sent all data and what follows (--replica), and a file (--rdb)', async () => {
    requirePrograms('redis-cli', 'redis-server')
    const port = await startOurs()
    const client = await connect(port)
    await change(client, 5)
    const child = spawn('redis-cli', ['-p', String(port), '--replica'], { stdio: ['ignore', 'pipe', 'ignore'] })
    own(child)
    await until(async () => (await info(client, 'slave0')).includes('state=online'))
    await client.one('SET', 'k', 'seen by redis-cli')
    for await (const line of createInterface({ input: child.stdout })) if (line.includes('seen by redis-cli')) break
    const { path, remove } = temporaryDirectory()
    closing.push(remove)
    await promisify(execFile)('redis-cli', ['-p', String(port), '--rdb', join(path, 'x.rdb')])
    const { stdout } = await promisify(execFile)('redis-check-rdb', [join(path, 'x.rdb')])
    expect(stdout).toContain('RDB looks OK')
  })
})

describe('a cluster of processes', () => {
  it('loses nothing of what was waited for when a master is killed', async () => {
    const { path, remove } = temporaryDirectory()
    closing.push(remove)
    const nodes = await Promise.all([0, 1, 2, 3].map((index) => startNode(join(path, `${index}.conf`))))
    const clients = await Promise.all(nodes.map(({ port }) => connect(port)))
    const [a, , , spare] = clients as [RealConnection, RealConnection, RealConnection, RealConnection]
    for (const [index, client] of clients.entries()) {
      await client.one('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))
      const [from, to] = [index, index + 1].map((part) => Math.floor((part * 16_384) / 3)) as [number, number]
      if (client !== spare) await client.one('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to - 1))
    }
    for (const { port, busPort } of nodes.slice(1)) {
      await a.one('CLUSTER', 'MEET', '127.0.0.1', String(port), String(busPort))
    }
    const name = (await a.one('CLUSTER', 'MYID')).split('\r\n')[1] as string
    await until(async () => (await spare.one('CLUSTER', 'REPLICATE', name)) === '+OK\r\n')
    await until(async () => (await a.one('CLUSTER', 'INFO')).includes('cluster_state:ok'))
    await until(async () => (await info(a, 'slave0')).includes('state=online'))
    await until(async () => (await clients[1]?.one('CLUSTER', 'NODES'))?.includes(`slave ${name}`) === true)
    let waited = 0
    const isKilled = once(nodes[0]?.child as ChildProcess, 'exit')
    for (;;) {
      // The slot of b, 3300, is the first master's.
      const replies = a.run([
        ['RPUSH', '{b}', String(waited + 1)],
        ['WAIT', '1', '0'],
      ])
      const outcome = await Promise.race([replies, isKilled.then(() => undefined)])
      replies.catch(() => {})
      if (outcome?.[1] !== ':1\r\n') break
      if (++waited === 300) nodes[0]?.child.kill('SIGKILL')
    }
    expect(waited).toBeGreaterThanOrEqual(300)
    await until(async () => (await spare.one('ROLE')).includes('master'))
    await until(async () => (await spare.one('CLUSTER', 'INFO')).includes('cluster_state:ok'))
    const length = Number((await spare.one('LLEN', '{b}')).slice(1))
    expect(length).toBeGreaterThanOrEqual(waited)
  })
})

interface NodeProcess {
  readonly child: ChildProcess
  readonly port: number
  readonly busPort: number
}

async function startNode(conf: string): Promise<NodeProcess> {
  const busPort = await freePort()
  const settings = ['--port=0', '--json', '--cluster-enabled=yes', `--cluster-config-file=${conf}`]
  const flags = [...settings, `--cluster-port=${busPort}`, '--cluster-node-timeout=1500', '--log-level=error']
  const child = spawn(process.execPath, [binary('cache-server'), ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  own(child)
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { child, busPort, port: (JSON.parse(line) as { port: number }).port }
}
