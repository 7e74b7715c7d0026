// Tools and servers of Redis in one cluster with ours: redis-cli makes and checks it, and redis-server 7.0 is a node of it.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { NodeFlag } from '../../ts/cache/cluster/types.ts'
import { ServersBed } from '../support/cluster/servers.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { requirePrograms } from './prerequisites.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function nodes(count: number): Promise<ServersBed> {
  const servers = await ServersBed.start(count)
  closing.push(() => servers.stop())
  return servers
}

/** Runs redis-cli. @returns What it said. @throws Error if it ends with another status than 0 */
async function redisCli(...args: readonly (string | number)[]): Promise<string> {
  requirePrograms('redis-cli')
  const env = { ...process.env, TERM: 'dumb' } // without colours
  const { stdout } = await promisify(execFile)('redis-cli', args.map(String), { encoding: 'latin1', env })
  return stdout
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as { port: number }
  listener.close()
  return port
}

/** A redis-server that is a node of no cluster yet. @returns Its port. */
async function startRealNode(): Promise<{ port: number; child: ChildProcess }> {
  requirePrograms('redis-server')
  const { path, remove } = temporaryDirectory()
  const [port, busPort] = [await freePort(), await freePort()]
  const settings = {
    port,
    'cluster-port': busPort,
    dir: path,
    save: '',
    'cluster-enabled': 'yes',
    'cluster-node-timeout': 1000,
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  closing.push(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    remove()
  })
  let said = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    said += chunk
    if (said.includes('Ready to accept connections')) return { port, child }
  }
  throw new Error(`redis-server did not start:\n${said}`)
}

/** Asks until the answer is the one that is waited for; the test's own time-out is the limit. */
async function until(ask: () => Promise<boolean>): Promise<void> {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, 50))
}

const isUp = async (port: number): Promise<boolean> =>
  (await redisCli('-p', port, 'cluster', 'info')).includes('cluster_state:ok')

describe('redis-cli', () => {
  it('makes a cluster of our nodes, checks it, and works on it', async () => {
    const { beds } = await nodes(3)
    const [first] = beds
    const addresses = beds.map(({ port }) => `127.0.0.1:${port}`)
    const said = await redisCli('--cluster', 'create', ...addresses, '--cluster-yes')
    expect(said).toContain('[OK] All 16384 slots covered.')
    await until(async () => beds.every(({ member }) => member.topology.isUp))
    expect(await redisCli('-c', '-p', first?.port ?? 0, 'set', 'foo', 'bar')).toBe('OK\n')
    expect(await redisCli('-c', '-p', first?.port ?? 0, 'get', 'foo')).toBe('bar\n')
    const checked = await redisCli('--cluster', 'check', addresses[1] as string)
    expect(checked).toContain('[OK] All nodes agree about slots configuration.')
    expect(await redisCli('--cluster', 'info', addresses[2] as string)).toContain('[OK] 1 keys in 3 masters.')
  })
})

describe('a redis-server', () => {
  it('is a node beside ours: they agree, tell each other of messages, and of failures', async () => {
    const { beds } = await nodes(2)
    const real = await startRealNode()
    const ports = [...beds.map(({ port }) => port), real.port]
    const addresses = ports.map((port) => `127.0.0.1:${port}`)
    await redisCli('--cluster', 'create', ...addresses, '--cluster-yes')
    await until(async () => (await isUp(real.port)) && beds.every(({ member }) => member.topology.isUp))
    for (const key of ['a', 'b', 'c']) {
      expect(await redisCli('-c', '-p', real.port, 'set', key, `of ${key}`)).toBe('OK\n')
      expect(await redisCli('-c', '-p', ports[0] as number, 'get', key)).toBe(`of ${key}\n`)
    }
    const listener = beds[0]?.raw(real.port)
    listener?.send('SUBSCRIBE c\r\n')
    await listener?.expect('*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n')
    const speaker = beds[0]?.raw()
    speaker?.send('PUBLISH c m\r\n')
    await listener?.expect('*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n')
    speaker?.send('SUBSCRIBE d\r\n')
    await speaker?.expect(':0\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nd\r\n:1\r\n')
    await redisCli('-p', real.port, 'publish', 'd', 'n')
    await speaker?.expect('*3\r\n$7\r\nmessage\r\n$1\r\nd\r\n$1\r\nn\r\n')

    // Two of three masters see that the third is gone.
    const name = (await redisCli('-p', real.port, 'cluster', 'myid')).trim()
    real.child.kill('SIGKILL')
    await until(async () =>
      beds.every(({ member }) => ((member.topology.nodes.get(name)?.flags ?? 0) & NodeFlag.failed) !== 0),
    )
    expect(await isUp(ports[0] as number)).toBe(false)
  })

  it('says with us that one of ours has failed', async () => {
    const { beds } = await nodes(2)
    const real = await startRealNode()
    await redisCli(
      '--cluster',
      'create',
      ...[...beds.map(({ port }) => port), real.port].map((port) => `127.0.0.1:${port}`),
      '--cluster-yes',
    )
    await until(async () => (await isUp(real.port)) && beds.every(({ member }) => member.topology.isUp))
    const name = beds[1]?.member.topology.myself.name as string
    await beds[1]?.stop()
    await until(async () =>
      (await redisCli('-p', real.port, 'cluster', 'nodes'))
        .split('\n')
        .some((line) => line.startsWith(name) && / master,fail /.test(line)),
    )
  })
})
