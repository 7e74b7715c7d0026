import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { type Address, realNetwork } from '../../ts/io/network.ts'
import { createLogger, Door, metric, runServer, type Server } from '../../ts/service/index.ts'
import { codeOf, errorOfAsync } from '../support/errors.ts'
import { ManualClock } from '../support/manual-clock.ts'

const LOCAL = { host: '127.0.0.1', port: 0 }

/** A server that only says what happens to it. */
class ToyServer implements Server {
  readonly calls: string[] = []
  isReady = true
  finish: () => void = () => {}

  start(): Promise<Address> {
    this.calls.push('start')
    return Promise.resolve({ host: '127.0.0.1', port: 1 })
  }

  ready(): boolean {
    return this.isReady
  }

  drain(): Promise<void> {
    this.calls.push('drain')
    return new Promise((resolve) => {
      this.finish = resolve
    })
  }

  stop(): Promise<void> {
    this.calls.push('stop')
    return Promise.resolve()
  }

  metrics() {
    return [
      metric('counter', 'toys_total', 'Toys.', 3),
      { kind: 'gauge' as const, name: 'size', help: 'A\nB', samples: [{ value: 1, labels: { of: 'a"b\\' } }] },
    ]
  }

  inspect() {
    return { toys: 3 }
  }
}

function bed() {
  const server = new ToyServer()
  const signals = new EventEmitter()
  const clock = new ManualClock()
  const exits: number[] = []
  const lines: string[] = []
  let tell: (admin: Address | undefined) => void = () => {}
  const admin = new Promise<Address | undefined>((resolve) => {
    tell = resolve
  })
  const done = runServer({
    server,
    clock,
    signals,
    logger: createLogger({ name: 'toy', level: 'info', now: () => 7, write: (line) => lines.push(line) }),
    exit: (status) => exits.push(status),
    adminPort: 0,
    drainMs: 1000,
    onReady: (_address, address) => tell(address),
  })
  return { server, signals, clock, exits, lines, admin, done }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

describe('a server that runs', () => {
  it('drains at a signal, stops once it is empty, and leaves no listener behind', async () => {
    const { server, signals, done, admin, lines } = bed()
    await admin
    signals.emit('SIGTERM')
    await turn()
    expect(server.calls).toEqual(['start', 'drain'])
    server.finish()
    await done
    expect(server.calls).toEqual(['start', 'drain', 'stop'])
    expect(signals.listenerCount('SIGTERM') + signals.listenerCount('SIGINT')).toBe(0)
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['ready', 'draining', 'stopped'])
  })

  it('cuts clients off when they take longer than they may', async () => {
    const { server, signals, clock, done, admin } = bed()
    await admin
    signals.emit('SIGINT')
    await turn()
    clock.advance(999)
    await turn()
    expect(server.calls).not.toContain('stop')
    clock.advance(1)
    await done
    expect(server.calls.at(-1)).toBe('stop')
  })

  it('exits at once at a second signal', async () => {
    const { server, signals, exits, done, admin } = bed()
    await admin
    signals.emit('SIGTERM')
    expect(exits).toEqual([])
    signals.emit('SIGINT')
    expect(exits).toEqual([130])
    await turn()
    server.finish()
    await done
  })

  it('shows its health, whether it is ready, and its figures', async () => {
    const { server, signals, done, admin } = bed()
    const { port = 0 } = (await admin) ?? {}
    const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`)
    expect((await get('/health')).status).toBe(200)
    expect((await get('/ready')).status).toBe(200)
    server.isReady = false
    expect((await get('/ready')).status).toBe(503)
    expect(await (await get('/metrics')).text()).toBe(
      '# HELP toys_total Toys.\n# TYPE toys_total counter\ntoys_total 3\n# HELP size A\\nB\n# TYPE size gauge\nsize{of="a\\"b\\\\"} 1\n',
    )
    expect(await (await get('/inspect?x')).json()).toEqual({ toys: 3 })
    expect((await get('/other')).status).toBe(404)
    expect((await fetch(`http://127.0.0.1:${port}/health`, { method: 'POST' })).status).toBe(405)
    signals.emit('SIGTERM')
    await turn()
    server.finish()
    await done
  })
})

describe('a door', () => {
  const logger = createLogger({ name: 'door', level: 'error', now: () => 0, write: () => {} })
  const options = {
    network: realNetwork,
    logger,
    maxConnections: 1,
    fullReply: Buffer.from('full'),
    hasAuthentication: false,
  }

  it('is not open to others where anybody may come in', () => {
    for (const host of ['0.0.0.0', '::', '192.168.0.1', 'example.org']) {
      expect([host, codeOf(() => new Door({ ...options, host, port: 0 }))]).toEqual([host, 'INVALID_INPUT'])
    }
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) new Door({ ...options, host, port: 0 })
    new Door({ ...options, host: '0.0.0.0', port: 0, hasAuthentication: true })
  })

  it('says which port is taken', async () => {
    const silent = { data() {}, drained() {}, closed() {} }
    const first = new Door({ ...options, ...LOCAL })
    const { port } = await first.open(() => silent)
    const error = await errorOfAsync(new Door({ ...options, ...LOCAL, port }).open(() => silent))
    expect(error?.code).toBe('UNAVAILABLE')
    expect(error?.message).toBe(`127.0.0.1:${port} is taken by another program`)
    first.close()
  })

  it('lets in as many as there is room for, and tells the others', async () => {
    const door = new Door({ ...options, ...LOCAL })
    const address = await door.open(() => ({ data() {}, drained() {}, closed() {} }))
    const first = await realNetwork.connect(address, () => ({ data() {}, drained() {}, closed() {} }))
    const said = await new Promise<string>((resolve) => {
      let text = ''
      void realNetwork.connect(address, () => ({
        data: (bytes) => {
          text += Buffer.from(bytes).toString()
        },
        drained() {},
        closed: () => resolve(text),
      }))
    })
    expect(said).toBe('full')
    expect([door.connectionCount, door.rejectedCount]).toEqual([1, 1])
    door.close()
    first.destroy()
    await door.empty()
  })
})
