import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import { Etcd3 } from 'etcd3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient } from '../support/cache-server.ts'
import { binary, runCommand } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

let child: ChildProcess
let ready: { event: string; pid: number; console: string; servers: { name: string; host: string; port: number }[] }
let client: RawClient

beforeAll(async () => {
  const args = [binary('bedplate'), 'up', '--json', '--memory', '--port-offset', 'any']
  child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), 'line')
  ready = JSON.parse(line)
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
    expect(paths.filter((path) => !/^(\/|data:)/.test(path))).toEqual([])
    for (const path of ['/console.js', '/console.css']) {
      expect(paths).toContain(path)
      const { status, text } = await get(path)
      expect(status).toBe(200)
      expect(text.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:/)
    }
  })

  it('has a script that a browser can read', async () => {
    const { text } = await get('/console.js')
    expect(() => new Function(text)).not.toThrow()
  })

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
    const page = (await json('/api/cache/keys/0/user*')) as { cursor: string; keys: { id: string; name: string }[] }
    expect(page).toEqual({ cursor: '0', keys: [{ id: Buffer.from('user:ä').toString('latin1'), name: 'user:ä' }] })
    const all = (await json('/api/cache/keys/0/')) as typeof page
    expect(all.keys.length).toBe(6)
    const show = (id: string) => json(`/api/cache/key/${encodeURIComponent(id)}`)
    const text = (await show(page.keys[0]?.id ?? '')) as { ttlMs: number }
    expect(text).toMatchObject({ type: 'string', encoding: 'embstr', rows: [['<b>1</b>']] })
    expect(text.ttlMs).toBeGreaterThan(0)
    expect(await show('list')).toMatchObject({
      type: 'list',
      ttlMs: -1,
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
    expect(Object.keys((await json('/api/cache/slowlog')) as object).length).toBe(1)
  })

  it.each([
    '/api/cache/keys/x/*',
    '/api/cache/key/%E2%82%AC',
    '/api/cache/',
    '/api/none/keys/0/',
    '/none',
    '/api/cache/keys/0',
  ])('stays up whatever is asked: %s', async (path) => {
    expect([200, 404]).toContain((await get(path)).status)
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
    [['--port-offset', '-1'], 2, /--port-offset must be a whole number from 0 to \d+, or "any", got "-1"/],
  ])('refuses %j', (args, status, message) => {
    const ended = runCommand('bedplate', ['up', ...args])
    expect(ended.stderr).toMatch(message)
    expect({ status: ended.status, stdout: ended.stdout }).toEqual({ status, stdout: '' })
  })

  it('says which port is taken, and how to move all of them', () => {
    const { port } = ready.servers[0] as { port: number }
    const { status, stderr } = runCommand('bedplate', ['up', '--port-offset', String(port - 6379)])
    expect(status).toBe(1)
    expect(stderr).toMatch(/127\.0\.0\.1:\d+ is taken by another program\nhint: .*--port-offset/)
  })

  it('keeps what the lock service was told in its data directory, and says of which server it keeps nothing', async () => {
    const directory = temporaryDirectory()
    const start = async (...args: string[]) => {
      const more = ['up', '--only', 'locks', '--data-dir', directory.path, '--port-offset', 'any', ...args]
      const child = spawn(process.execPath, [binary('bedplate'), ...more], { stdio: ['ignore', 'pipe', 'inherit'] })
      const [line] = await once(createInterface({ input: child.stdout }), 'line')
      const stop = (): Promise<unknown> => {
        child.kill('SIGTERM')
        return once(child, 'exit')
      }
      return { line: String(line), stop }
    }
    const first = await start()
    expect(first.line).toMatch(/^locks {4}ETCD_ENDPOINTS=127\.0\.0\.1:\d+$/)
    const writer = new Etcd3({ hosts: first.line.split('=')[1] as string })
    await writer.put('kept').value('yes')
    writer.close()
    await first.stop()
    const second = await start('--json')
    const { servers } = JSON.parse(second.line) as typeof ready
    const reader = new Etcd3({ hosts: `127.0.0.1:${servers[0]?.port}` })
    expect(await reader.get('kept').string()).toBe('yes')
    reader.close()
    await second.stop()
    directory.remove()
  })

  it('ends with 0 at SIGTERM', async () => {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })
})
