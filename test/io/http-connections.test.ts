import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Page } from '../../ts/io/http.ts'
import { HttpConnections, type HttpRequest } from '../../ts/io/http-connections.ts'
import { type Address, type Listener, realNetwork } from '../../ts/io/network.ts'
import { ManualClock } from '../support/manual-clock.ts'

const HOST = '127.0.0.1'
let listener: Listener | undefined
let http: HttpConnections | undefined

afterEach(() => {
  http?.close()
  listener?.close()
})

const echo = async ({ method, path, query, body }: HttpRequest): Promise<Page> => ({
  status: 200,
  type: 'text/plain',
  body: `${method} ${path} ${query.get('a')} ${body.length} ${Buffer.from(body).toString().slice(0, 10)}`,
})

async function start(answer = echo, maxConnections = 10): Promise<{ address: Address; clock: ManualClock }> {
  const clock = new ManualClock()
  const serving = new HttpConnections({ clock, maxBodyBytes: 300_000, maxConnections }, answer)
  http = serving
  listener = await realNetwork.listen({ host: HOST, port: 0 }, (connection) => serving.accept(connection))
  return { address: listener.address, clock }
}

async function open({ port }: Address): Promise<Socket> {
  const socket = connect(port, HOST).on('error', () => {}) // a reset is an end like others
  await once(socket, 'connect')
  return socket
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.resume().once('close', () => resolve())
  })
}

describe('HTTP on connections that are given', () => {
  it('answers several requests on one connection, and bodies in pieces', async () => {
    const { address } = await start()
    const url = `http://${HOST}:${address.port}`
    for (let i = 0; i < 3; i++) {
      const response = await fetch(`${url}/x%20y?a=${i}`, { method: 'POST', body: 'z'.repeat(200_000) })
      expect(await response.text()).toBe(`POST /x%20y ${i} 200000 zzzzzzzzzz`)
    }
    expect(await (await fetch(url)).text()).toBe('GET / null 0 ')
    expect((await fetch(url, { method: 'HEAD' })).headers.get('content-length')).toBe('14')
    expect(http?.connectionCount).toBeGreaterThan(0)
  })

  it('sends an answer that is larger than what the system takes at once', async () => {
    const large = 'x'.repeat(20_000_000)
    const { address } = await start(async () => ({ status: 200, type: 'text/plain', body: large }))
    expect((await (await fetch(`http://${HOST}:${address.port}`)).text()).length).toBe(large.length)
  })

  it('answers 413 to a body that is too long, 400 to what is no HTTP, and closes', async () => {
    const { address } = await start()
    const response = await fetch(`http://${HOST}:${address.port}`, { method: 'POST', body: 'z'.repeat(300_001) })
    expect([response.status, response.headers.get('connection')]).toEqual([413, 'close'])
    expect(await response.text()).toBe('the body of a request has at most 300000 bytes\n')
    const socket = await open(address)
    socket.write('\x16\x03\x01\r\n\r\n')
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 400 /)
    await closed(socket)
  })

  it('refuses escapes that are no UTF-8, which would all be one character', async () => {
    const { address } = await start()
    const url = `http://${HOST}:${address.port}/x`
    for (const query of ['a=%FF', 'a=1&b=x%C3y', 'a=%ED%A0%80']) {
      expect([query, (await fetch(`${url}?${query}`)).status]).toEqual([query, 400])
    }
    for (const [query, read] of [
      ['a=%C3%BC+100%', 'ü 100%'],
      ['a=%EF%BF%BD', '\ufffd'],
      ['a=%zz', '%zz'],
    ] as const) {
      expect(await (await fetch(`${url}?${query}`)).text()).toBe(`GET /x ${read} 0 `)
    }
  })

  it.each([
    ['GET /?a=ü HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 [\s\S]*what is not ASCII is escaped/],
    [`GET /?a=${'x'.repeat(70_000)} HTTP/1.1\r\n\r\n`, /^HTTP\/1\.1 431 [\s\S]*at most 16384 bytes/],
  ])('says in words what its parser does not take: %#', async (request, answer) => {
    const { address } = await start()
    const socket = await open(address)
    socket.write(request)
    expect(String((await once(socket, 'data'))[0])).toMatch(answer)
    await closed(socket)
  })

  it('puts nothing in the place of an answer that is awaited', async () => {
    const { address } = await start(() => new Promise(() => {}))
    const socket = await open(address)
    let got = ''
    socket.on('data', (bytes) => {
      got += bytes
    })
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n\x16\x03\x01\r\n\r\n')
    await closed(socket)
    expect(got).toBe('')
  })

  it('answers 500 where the answer fails, and goes on', async () => {
    const { address } = await start(async ({ path }) => {
      if (path === '/bad') throw new Error('bug')
      return { status: 200, type: 'text/plain', body: 'fine' }
    })
    expect((await fetch(`http://${HOST}:${address.port}/bad`)).status).toBe(500)
    expect((await fetch(`http://${HOST}:${address.port}/`)).status).toBe(200)
  })

  it('lets go of who does not finish a request in time, and of who is idle', async () => {
    const { address, clock } = await start()
    const socket = await open(address)
    socket.write('GET / HTTP/1.1\r\n')
    while (http?.connectionCount !== 1) await clock.turn()
    clock.advance(9_999)
    socket.write('host: x\r\n') // speaking slowly gains nothing
    await clock.turn()
    clock.advance(1)
    await closed(socket)
    const idle = await open(address)
    idle.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(idle, 'data')
    clock.advance(10_000)
    idle.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(idle, 'data')
    clock.advance(60_000)
    await closed(idle)
  })

  it('closes one connection too many at once', async () => {
    const { address } = await start(echo, 1)
    await open(address)
    const second = await open(address)
    await closed(second)
  })

  it('drains: what is under way is answered, and that is the last answer', async () => {
    let release: (() => void) | undefined
    const { address, clock } = await start(async () => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return { status: 200, type: 'text/plain', body: 'late' }
    })
    const answer = fetch(`http://${HOST}:${address.port}`)
    let isDrained = false
    while (release === undefined) await clock.turn()
    const draining = http!.drain().then(() => {
      isDrained = true
    })
    await clock.turn()
    expect(isDrained).toBe(false)
    const drainedAgain = http!.drain()
    release?.()
    await Promise.all([draining, drainedAgain])
    const response = await answer
    expect([await response.text(), response.headers.get('connection')]).toEqual(['late', 'close'])
  })
})
