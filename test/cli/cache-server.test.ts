import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, it } from 'vitest'
import { RawClient } from '../support/cache-server.ts'
import { binary, runCommand } from '../support/run-command.ts'

const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** Starts a server and waits for the line that says that it is ready. */
async function start(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [binary('cache-server'), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  children.push(child)
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { child, line }
}

describe('cache-server', () => {
  it('says as JSON where it is, serves, and ends with 0 at SIGTERM', async () => {
    const { child, line } = await start(['--port=0', '--json', '--admin-port=0'])
    const { event, host, port, adminPort, pid } = JSON.parse(line)
    expect({ event, host, pid }).toEqual({ event: 'ready', host: '127.0.0.1', pid: child.pid })
    const client = new RawClient(createConnection({ host, port }))
    client.send('SET k v\r\nGET k\r\n')
    await client.expect('+OK\r\n$1\r\nv\r\n')
    const metrics = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
    expect(metrics).toContain('\nbedplate_cache_commands_total 2\n')
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await client.closed()).toBe('')
    expect(await ended).toEqual([0, null])
  })

  it('takes settings from the environment', async () => {
    const { line } = await start([], { BEDPLATE_CACHE_PORT: '0', BEDPLATE_CACHE_REQUIREPASS: 'grün' })
    const port = Number(/^Cache server ready on redis:\/\/127\.0\.0\.1:(\d+)$/.exec(line)?.[1])
    const client = new RawClient(createConnection({ host: '127.0.0.1', port }))
    client.send(Buffer.from('GET k\r\nAUTH grün\r\n').toString('latin1'))
    await client.expect('-NOAUTH Authentication required.\r\n+OK\r\n')
  })

  it.each([
    [['--port=x'], 2, /--port must be a whole number from 0 to 65535, got "x"/],
    [['--prot=1'], 2, /unknown option '--prot=1'/],
    [['--host=0.0.0.0', '--port=0'], 1, /refusing to listen on 0\.0\.0\.0 without authentication\nhint: /],
    [['--port=0', '--tls-cert=none.pem'], 1, /TLS needs both --tls-cert and --tls-key/],
    [['--port=0', '--maxmemory=lots'], 2, /--maxmemory must be a size such as 100mb or 2gb, got "lots"/],
    [
      ['--port=0', '--maxmemory=900gb'],
      1,
      /more than the heap of this process can hold \(\d+\): start it with NODE_OPT/,
    ],
    [['--port=0', '--maxmemory-policy=any'], 2, /--maxmemory-policy must be one of volatile-lru, /],
    [['--save=60'], 2, /--save must be pairs of seconds and changes, got "60"/],
    [['--dir=x', '--dbfilename=../x'], 2, /--dbfilename must be a name without a directory, got \.\.\/x/],
    [['--appendfsync=sometimes'], 2, /--appendfsync must be one of everysec, always, no/],
    [['--port=60000', '--cluster-enabled=yes'], 1, /--port 60000 leaves no room for the port of the bus/],
    [
      ['--port=0', '--cluster', '--replicaof=127.0.0.1:1'],
      2,
      /--replicaof is for one server: --cluster starts several/,
    ],
    [['--port=0', '--cluster', '--cluster-port=7'], 2, /--cluster-port is for one server/],
    [['--port=0', '--cluster', '--masterauth=x'], 2, /--masterauth is for one server/],
    [['--port=0', '--cluster', '--cluster-enabled=yes'], 2, /--cluster-enabled is for one server/],
    [
      ['--port=0', '--cluster', '--dir=x'],
      1,
      /a cluster in one process keeps its data in memory alone\nhint: leave out --dir/,
    ],
    [['--port=0', '--cluster', '--maxmemory=900gb'], 1, /more than the heap of this process can hold/],
    [['--port=0', '--nodes=3'], 2, /--nodes is for a cluster in one process: say --cluster as well/],
    [['--port=0', '--cluster-enabled=yes', '--replicaof=127.0.0.1:1'], 2, /--replicaof is for servers on their own/],
    [['--port=0', '--replicaof=nowhere'], 1, /"nowhere" is no address/],
    [['--port=0', '--cluster-enabled=maybe'], 2, /--cluster-enabled must be one of yes, no/],
    [['--port=0', '--config=none.conf'], 1, /--config: cannot read .*none\.conf/],
  ])('refuses %j', (args, status, message) => {
    const ended = runCommand('cache-server', args)
    expect(ended.stderr).toMatch(message)
    expect({ status: ended.status, stdout: ended.stdout }).toEqual({ status, stdout: '' })
  })

  it('starts a cluster of three nodes in threads, as the transcript says, and ends it with 0', async () => {
    const { child, line } = await start(['--port=0', '--cluster', '--json'])
    const { nodes } = JSON.parse(line) as { nodes: { host: string; port: number }[] }
    expect(nodes.length).toBe(3)
    const clients = nodes.map(({ host, port }) => new RawClient(createConnection({ host, port })))
    for (const client of clients) client.send('CLUSTER KEYSLOT foo\r\nGET foo\r\n')
    const [a, b, c] = clients as [RawClient, RawClient, RawClient]
    await c.expect(':12182\r\n$-1\r\n')
    for (const client of [a, b]) await client.expect(`:12182\r\n-MOVED 12182 127.0.0.1:${nodes[2]?.port}\r\n`)
    const ask = (...args: string[]) => runCommand('cache-cli', ['-p', String(nodes[0]?.port), ...args]).stdout
    expect(ask('set', 'user:1', 'Alice', '--ttl=3600')).toBe('OK\n')
    expect(ask('get', 'user:1')).toBe('Alice\n')
    // The transcript shows some other hash: that of "key:1" is 0x9a01 by the specification of clusters.
    expect(ask('set', 'key:1', 'value', '--cluster')).toBe('Stored on node2 (hash: 0x9a01...)\n')
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })

  it('starts replicas, too: one takes over from a master that is shut down, with what it had', async () => {
    const options = ['--nodes=3', '--replicas=1', '--cluster-node-timeout=2000', '--enable-debug-command=local']
    const { child, line } = await start(['--port=0', '--cluster', '--json', ...options])
    const { nodes } = JSON.parse(line) as { nodes: { host: string; port: number }[] }
    expect(nodes.length).toBe(6)
    const [first, second, , replica] = nodes.map((address) => new RawClient(createConnection(address)))
    if (first === undefined || second === undefined || replica === undefined) throw new Error('six nodes were started')
    first.send('SET {06S}k kept\r\nWAIT 1 0\r\nDEBUG SLEEP 0\r\n') // slot 0
    await first.expect('+OK\r\n:1\r\n+OK\r\n')
    first.send('SHUTDOWN NOSAVE\r\n')
    expect(await first.closed()).toBe('')
    const isMaster = async (): Promise<boolean> => {
      replica.received = ''
      replica.send('ROLE\r\nECHO .\r\n')
      while (!replica.received.endsWith('$1\r\n.\r\n')) await new Promise((resolve) => setImmediate(resolve))
      return replica.received.includes('master')
    }
    while (!(await isMaster())) await new Promise((resolve) => setTimeout(resolve, 20))
    const ask = (...args: string[]) => runCommand('cache-cli', ['-p', String(nodes[1]?.port), ...args]).stdout
    while (!ask('cluster', 'info').includes('cluster_state:ok')) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(ask('get', '{06S}k')).toBe('kept\n')
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })

  it('says what the transcript says of a cluster', async () => {
    const { line } = await start(['--port=0', '--cluster'])
    expect(line).toBe('Cache cluster started with 3 nodes')
  })

  it('takes for keys no more than what stays in the heap has room for', () => {
    const module = new URL('../../dist/cli/cache-server/memory.js', import.meta.url)
    const program = `import('${module}').then(({ memoryCeiling }) => console.log(memoryCeiling() / 2 ** 20))`
    const ceilingOf = (megabytes: number): number =>
      Number(
        spawnSync(process.execPath, [`--max-old-space-size=${megabytes}`, '-e', program], { encoding: 'utf8' }).stdout,
      )
    for (const megabytes of [128, 2048]) {
      expect(ceilingOf(megabytes)).toBeGreaterThan(0.5 * megabytes)
      expect(ceilingOf(megabytes)).toBeLessThan(0.9 * megabytes)
    }
  })

  it('says that its port is taken', async () => {
    const { line } = await start(['--port=0', '--json'])
    const { port } = JSON.parse(line)
    const { status, stderr } = runCommand('cache-server', [`--port=${port}`])
    expect(status).toBe(1)
    expect(stderr).toContain(`127.0.0.1:${port} is taken by another program\nhint: `)
  })
})
