import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parse } from '@swc/core'
import { Etcd3 } from 'etcd3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient } from '../support/cache-server.ts'
import { binary, runCommand } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Ready {
  readonly event: string
  readonly pid: number
  readonly console: string
  readonly servers: { name: string; host: string; port: number }[]
}

let child: ChildProcess
let ready: Ready
let client: RawClient

async function start(...args: string[]): Promise<{ child: ChildProcess; ready: Ready }> {
  const line = [binary('bedplate'), 'up', '--json', '--port-offset', 'any', ...args]
  const started = spawn(process.execPath, line, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [first] = await once(createInterface({ input: started.stdout as NodeJS.ReadableStream }), 'line')
  return { child: started, ready: JSON.parse(first) as Ready }
}

async function end(started: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<unknown[]> {
  const ended = once(started, 'exit')
  started.kill(signal)
  return ended
}

beforeAll(async () => {
  ;({ child, ready } = await start('--memory'))
  const { host, port } = ready.servers[0] as { host: string; port: number }
  client = new RawClient(createConnection({ host, port }))
})
afterAll(() => {
  child.kill('SIGKILL')
  client.socket.destroy()
})

async function get(
  path: string,
): Promise<{ status: number; text: string; type: string | null; policy: string | null }> {
  const response = await fetch(ready.console + path)
  const { status, headers } = response
  const policy = headers.get('content-security-policy')
  return { status, text: await response.text(), type: headers.get('content-type'), policy }
}

async function json(path: string): Promise<unknown> {
  return JSON.parse((await get(path)).text)
}

describe('bedplate up', () => {
  it('says as JSON where everything is', () => {
    expect(ready).toMatchObject({
      event: 'ready',
      pid: child.pid,
      servers: [
        { name: 'cache', host: '127.0.0.1' },
        { name: 'locks', host: '127.0.0.1' },
      ],
    })
  })

  it('lists servers with connection strings to be copied and live figures', async () => {
    const { port } = ready.servers[0] as { port: number }
    client.send('PING\r\n')
    await client.expect('+PONG\r\n')
    const [cache] = (await json('/api/servers')) as { metrics: { name: string; value: number }[] }[]
    expect(cache).toMatchObject({
      name: 'cache',
      address: `127.0.0.1:${port}`,
      isReady: true,
      connections: [`REDIS_URL=redis://127.0.0.1:${port}`, `redis-cli -h 127.0.0.1 -p ${port}`],
    })
    const commands = cache?.metrics.find(({ name }) => name === 'bedplate_cache_commands_total')
    expect(commands?.value).toBeGreaterThan(0)
    expect((await get('/metrics')).text).toContain('\nbedplate_cache_clients 1\n')
  })

  it('has a lock service for the clients of etcd, with a connection string to be copied', async () => {
    const { port } = ready.servers[1] as { port: number }
    const client = new Etcd3({ hosts: `127.0.0.1:${port}` })
    await client.put('greeting').value('hello')
    expect(await client.get('greeting').string()).toBe('hello')
    client.close()
    const [, locks] = (await json('/api/servers')) as { metrics: { name: string; value: number }[] }[]
    expect(locks).toMatchObject({
      name: 'locks',
      summary: 'etcd-compatible lock service',
      address: `127.0.0.1:${port}`,
      isReady: true,
      connections: [`ETCD_ENDPOINTS=127.0.0.1:${port}`, `etcdctl --endpoints=127.0.0.1:${port} get --prefix ''`],
    })
    expect(locks?.metrics).toContainEqual(expect.objectContaining({ name: 'bedplate_locks_keys', value: 1 }))
  })

  it('serves a page that loads nothing from elsewhere and may not', async () => {
    const page = await get('/')
    expect(page).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' })
    expect(page.policy).toContain("default-src 'none'")
    const paths = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path as string)
    expect(paths.filter((path) => !/^(\/|data:|#)/.test(path))).toEqual([])
    expect(page.text).not.toMatch(/ on[a-z]+=/)
    for (const path of ['/console.js', '/console.css', '/base.js', '/servers.js', '/cache.js']) {
      const { status, text } = await get(path)
      expect(status).toBe(200)
      expect(text.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:/)
    }
  })

  it.each(['/console.js', '/base.js', '/servers.js', '/cache.js'])(
    'has a module that a browser can read: %s',
    async (path) => {
      const { text } = await get(path)
      await expect(parse(text, { syntax: 'ecmascript', target: 'es2022' })).resolves.toMatchObject({ type: 'Module' })
    },
  )

  it('shows keys, values of every type and their expiry', async () => {
    const commands = [
      'SET "user:ä" "<b>1</b>" PX 60000',
      'RPUSH list a b',
      'SADD set m',
      'HSET hash f v',
      'ZADD zset 1.5 m',
      'XADD stream 1-1 f v',
    ]
    client.send(Buffer.from(`${commands.join('\r\n')}\r\n`).toString('latin1'))
    await client.expect('+OK\r\n:2\r\n:1\r\n:1\r\n:1\r\n$3\r\n1-1\r\n')
    const ofUsers = (await json('/api/cache/0/keys/0/0//user*')) as { keys: { id: string; ttlMs: number }[] }
    const id = Buffer.from('user:ä').toString('latin1')
    expect(ofUsers).toMatchObject({ cursor: '0', databases: [{ index: 0, keys: 6 }] })
    expect(ofUsers.keys).toMatchObject([{ id, name: 'user:ä', type: 'string', bytes: expect.any(Number) }])
    expect(ofUsers.keys[0]?.ttlMs).toBeGreaterThan(0)
    const names = async (path: string) =>
      ((await json(path)) as { keys: { name: string }[] }).keys.map(({ name }) => name)
    expect((await names('/api/cache/0/keys/0/0//')).length).toBe(6)
    expect(await names('/api/cache/0/keys/0/0/hash/*')).toEqual(['hash'])
    expect(await names('/api/cache/0/keys/3/0//')).toEqual([])
    const show = (key: string) => json(`/api/cache/0/key/0/${encodeURIComponent(key)}`)
    const text = (await show(id)) as { ttlMs: number }
    expect(text).toMatchObject({ type: 'string', encoding: 'embstr', size: 8, rows: [['<b>1</b>']] })
    expect(text.ttlMs).toBeGreaterThan(0)
    expect(await show('list')).toMatchObject({
      ...{ type: 'list', ttlMs: -1, size: 2 },
      rows: [
        ['0', 'a'],
        ['1', 'b'],
      ],
    })
    expect(await show('set')).toMatchObject({ rows: [['m']] })
    expect(await show('hash')).toMatchObject({ rows: [['f', 'v']] })
    expect(await show('zset')).toMatchObject({ rows: [['m', '1.5']] })
    expect(await show('stream')).toMatchObject({ rows: [['1-1', 'f', 'v']] })
    expect(await show('none')).toEqual({ type: 'none' })
  })

  it('shows memory with the largest keys of a sample, what was slow, and that it is no cluster', async () => {
    client.send(
      `SELECT 2\r\nSET large ${'x'.repeat(5000)}\r\nSET small 1\r\nCONFIG SET slowlog-log-slower-than 0\r\nPING\r\n`,
    )
    await client.expect('+OK\r\n+OK\r\n+OK\r\n+OK\r\n+PONG\r\n')
    const memory = (await json('/api/cache/0/memory/2')) as { facts: string[][]; largest: { name: string }[] }
    expect(memory).toMatchObject({ keyCount: 2, sampledCount: 2 })
    expect(memory.largest.map(({ name }) => name)).toEqual(['large', 'small'])
    expect(Object.fromEntries(memory.facts)).toMatchObject({ maxmemory_policy: 'noeviction' })
    const { entries } = (await json('/api/cache/0/slowlog')) as { entries: { command: string }[] }
    expect(entries.map(({ command }) => command)).toContain('PING')
    expect(await json('/api/cache/cluster')).toEqual({ isCluster: false })
    expect(await json('/api/cache/nodes')).toEqual({
      ...{ nodes: [{ name: 'cache', address: '', state: 'running' }], hasFaults: false },
    })
  })

  it('deletes a key when its own page asks for it, and for nobody else', async () => {
    const post = (headers: Record<string, string>, body = '{"db":2,"id":"small"}', path = '/api/cache/0/delete') =>
      fetch(ready.console + path, { method: 'POST', body, headers })
    const has = async (): Promise<boolean> => {
      const { keys } = (await json('/api/cache/0/keys/2/0//small')) as { keys: unknown[] }
      return keys.length === 1
    }
    expect((await post({ origin: 'http://evil.example' })).status).toBe(403)
    expect((await post({ origin: 'null' })).status).toBe(403)
    expect((await post({ 'sec-fetch-site': 'same-site' })).status).toBe(403)
    for (const wrong of ['', '[]', '{"db":2}', '{"db":-1,"id":"small"}', '{"db":2,"id":"€"}', '{"db":2,"id":7}']) {
      expect((await post({}, wrong)).status).toBe(400)
    }
    expect((await post({}, 'x'.repeat(20_000))).status).toBe(413)
    expect((await post({}, '{"fault":"pause","node":0}', '/api/cache/fault')).status).toBe(400)
    expect((await post({}, '{}', '/api/cache/7/delete')).status).toBe(405)
    expect(await has()).toBe(true)
    const answer = await post({ origin: ready.console })
    expect([answer.status, await answer.json()]).toEqual([200, { deleted: 1 }])
    expect(await has()).toBe(false)
  })

  it('has a cache that knows what its heap can hold', async () => {
    client.send('CONFIG SET maxmemory 100000gb\r\nPING end\r\n')
    expect(await client.until('$3\r\nend\r\n')).toMatch(/^-ERR .* more than the heap of this process can hold/)
  })

  it('says why a replica deletes nothing', async () => {
    client.send('SELECT 0\r\nREPLICAOF 127.0.0.1 1\r\n')
    await client.expect('+OK\r\n+OK\r\n')
    const answer = await fetch(`${ready.console}/api/cache/0/delete`, { method: 'POST', body: '{"db":0,"id":"list"}' })
    expect([answer.status, await answer.json()]).toEqual([
      ...[400, { error: { code: 'INVALID_INPUT', message: expect.stringMatching(/^READONLY /) } }],
    ])
    client.send('REPLICAOF NO ONE\r\n')
    await client.expect('+OK\r\n')
  })

  it.each([
    '/api/cache/0/keys/0/x//*',
    '/api/cache/0/keys/9999/0//*',
    '/api/cache/0/key/0/%E2%82%AC',
    '/api/cache/0/key/0/%',
    '/api/cache/1/slowlog',
    '/api/cache/0/memory/-1',
    '/api/cache/0/memory/9999',
    '/api/cache/',
    '/api/none/0/keys/0/0//',
    '/none',
    '/api/cache/0/keys/0',
  ])('stays up whatever is asked: %s', async (path) => {
    expect([200, 400, 404]).toContain((await get(path)).status)
    expect((await get('/health')).status).toBe(200)
  })

  it('answers to the names of this machine alone, and to reading alone', async () => {
    const { port } = new URL(ready.console)
    const ask = async (host: string, method = 'GET'): Promise<number | undefined> => {
      const asked = request({ host: '127.0.0.1', port, path: '/api/servers', method, headers: { host } }).end()
      const [response] = await once(asked, 'response')
      response.resume()
      return response.statusCode
    }
    expect(await ask('evil.example')).toBe(421)
    expect(await ask(`localhost:${port}`)).toBe(200)
    expect(await ask('127.0.0.1', 'POST')).toBe(405)
  })

  it.each([
    [['--only', 'cash'], 2, /there is no server "cash"/],
    [['--port-offset', '-1'], 2, /--port-offset must be a whole number from 0 to 50000, or "any", got "-1"/],
    [['--port-offset', '57533'], 2, /--port-offset must be a whole number from 0 to 50000, or "any", got "57533"/],
  ])('refuses %j', (args, status, message) => {
    const ended = runCommand('bedplate', ['up', ...args])
    expect(ended.stderr).toMatch(message)
    expect({ status: ended.status, stdout: ended.stdout }).toEqual({ status, stdout: '' })
  })

  it('says which port is taken, and how to move all of them', () => {
    const { port } = ready.servers[0] as { port: number }
    const { status, stderr } = runCommand('bedplate', ['up', '--memory', '--port-offset', String(port - 6379)])
    expect(status).toBe(1)
    expect(stderr).toMatch(/127\.0\.0\.1:\d+ is taken by another program\nhint: .*--port-offset/)
  })

  it('keeps what the lock service was told in its data directory', async () => {
    const directory = temporaryDirectory()
    const clientOf = (up: Ready): Etcd3 => new Etcd3({ hosts: `127.0.0.1:${up.servers[0]?.port}` })
    const options = ['--only', 'locks', '--data-dir', join(directory.path, 'not', 'there yet')]
    const first = await start(...options)
    const writer = clientOf(first.ready)
    await writer.put('kept').value('yes')
    writer.close()
    await end(first.child)
    const second = await start(...options)
    const reader = clientOf(second.ready)
    expect(await reader.get('kept').string()).toBe('yes')
    reader.close()
    await end(second.child)
    directory.remove()
  })

  it('ends with 0 at SIGTERM', async () => {
    expect(await end(child)).toEqual([0, null])
  })
})

describe('bedplate up --data-dir', () => {
  it('brings back what was there, after a stop and after a crash, and says who has the directory', async () => {
    const home = temporaryDirectory()
    const running: ChildProcess[] = []
    const open = async (): Promise<RawClient> => {
      const up = await start('--data-dir', home.path)
      running.push(up.child)
      return new RawClient(createConnection(up.ready.servers[0] as { host: string; port: number }))
    }
    try {
      const first = await open()
      first.send('SET a 1\r\nRPUSH l x y\r\n')
      await first.expect('+OK\r\n:2\r\n')
      const taken = runCommand('bedplate', ['up', '--port-offset', 'any', '--data-dir', home.path])
      expect([taken.status, taken.stderr]).toEqual([1, expect.stringMatching(/cache-server.*(?:in use|open|locked)/i)])
      expect(await end(running[0] as ChildProcess)).toEqual([0, null])
      const second = await open()
      second.send('GET a\r\nLRANGE l 0 -1\r\nCONFIG SET appendfsync always\r\nINCR a\r\n')
      await second.expect('$1\r\n1\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n+OK\r\n:2\r\n')
      await end(running[1] as ChildProcess, 'SIGKILL')
      const third = await open()
      third.send('GET a\r\n')
      await third.expect('$1\r\n2\r\n')
    } finally {
      for (const each of running) each.kill('SIGKILL')
      home.remove()
    }
  })
})

describe('bedplate up --cluster', () => {
  it('shows who has which slots; a replica takes over from a master that is killed, which comes back as its replica', async () => {
    const up = await start('--cluster', '--memory')
    interface NodeView {
      readonly name: string
      readonly address: string
      readonly state: string
      readonly role: string
      readonly master: string | null
      readonly ranges: number[][]
    }
    type View = { state: string; nodes: NodeView[] }
    /** Who has slot 0. */
    const ofFirst = ({ nodes }: View) => nodes.find(({ ranges }) => ranges[0]?.[0] === 0)?.name
    const view = async () => (await (await fetch(`${up.ready.console}/api/cache/cluster`)).json()) as View
    const hurt = async (fault: string, node: number): Promise<void> => {
      const body = JSON.stringify({ fault, node })
      const { status } = await fetch(`${up.ready.console}/api/cache/fault`, { method: 'POST', body })
      expect(status).toBe(200)
    }
    const until = async (isSo: (now: View) => boolean | Promise<boolean>): Promise<View> => {
      for (;;) {
        const now = await view()
        if (await isSo(now)) return now
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    try {
      const { state, nodes } = await view()
      expect([state, nodes.map(({ name }) => name).join(' ')]).toEqual(['ok', 'node1 node2 node3 node4 node5 node6'])
      expect(nodes.flatMap(({ ranges }) => ranges)).toEqual([
        [0, 5460],
        [5461, 10_921],
        [10_922, 16_383],
      ])
      const nodeOf = (path: string) => fetch(`${up.ready.console}/api/cache/${path}`).then((page) => page.json())
      const member = new RawClient(createConnection(up.ready.servers[0] as { host: string; port: number }))
      member.send('SET b 1\r\n') // of the first slots
      await member.expect('+OK\r\n')
      member.socket.destroy()
      await until(async () => ((await nodeOf('3/keys/0/0//')) as { keys: unknown[] }).keys.length === 1)
      expect(await nodeOf('3/keys/0/0//')).toMatchObject({ keys: [{ name: 'b', type: 'string', ttlMs: -1 }] })
      expect(await nodeOf('3/key/0/b')).toMatchObject({ type: 'string', rows: [['1']] })
      await hurt('pause', 1)
      await until(({ nodes: all }) => all[1]?.state === 'paused')
      expect((await fetch(`${up.ready.console}/api/cache/1/slowlog`)).status).toBe(503)
      await hurt('resume', 1)
      await hurt('kill', 0)
      const taken = await until(
        (now) => now.state === 'ok' && now.nodes[0]?.state === 'down' && ofFirst(now) !== 'node1',
      )
      expect(ofFirst(taken)).toBe('node4')
      await hurt('start', 0)
      const back = await until(({ nodes: all }) => all[0]?.role === 'replica' && all[0].state === 'running')
      expect(back.nodes.length).toBe(6)
      expect(back.nodes[0]?.master).toBe(back.nodes[3]?.address)
    } finally {
      expect(await end(up.child)).toEqual([0, null])
    }
  })
})
