import { mkdirSync } from 'node:fs'
import { request } from 'node:https'
import { afterEach, describe, expect, it } from 'vitest'
import type { Address, OpenRaftOptions } from '../../../../ts/distributed/raft/public.ts'
import { CommandLog } from '../../../../ts/distributed/raft/server/command-log.ts'
import { realClock } from '../../../../ts/io/clock.ts'
import { NODE_CERTIFICATES } from '../../../support/certificates.ts'
import { freePorts } from '../../../support/ports.ts'
import { type NodeBed, startNode } from '../../../support/raft/node-bed.ts'
import { directoryInMemory } from '../../../support/temporary-directory.ts'

const home = directoryInMemory()
const running = new Set<NodeBed>()

afterEach(async () => {
  for (const { server } of running) await server.stop()
  running.clear()
  home.remove()
})

let nextPath = 0

async function start(raft: OpenRaftOptions, more: Parameters<typeof startNode>[2] = {}): Promise<NodeBed> {
  mkdirSync(home.path, { recursive: true })
  const node = await startNode(`${home.path}/${nextPath++}`, raft, more)
  running.add(node)
  return node
}

async function founders(count: number): Promise<{ members: Record<number, Address>; nodes: NodeBed[] }> {
  const ports = await freePorts(count)
  const members = Object.fromEntries(ports.map((port, i) => [i + 1, { host: '127.0.0.1', port }]))
  const nodes = ports.map((_, i) => start({ id: i + 1, members, create: true }))
  return { members, nodes: await Promise.all(nodes) }
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await realClock.turn()
}

async function ask(node: NodeBed, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const headers = { connection: 'close' } // a connection kept from before a restart would fail once
  const init = body === undefined ? { headers } : { method: 'POST', body: text as string, headers }
  const response = await fetch(node.url + path, init)
  return { status: response.status, body: await response.json() }
}

describe('a node of one', () => {
  it('appends, gets, lists and tells, and finds all of it again', async () => {
    const { members, nodes } = await founders(1)
    const [node] = nodes as [NodeBed]
    expect(await ask(node, '/append', { command: 'SET a 1' })).toEqual({
      status: 200,
      body: { success: true, index: 1 },
    })
    for (const command of ['SET b two words', 'DEL a', 'anything']) await ask(node, '/append', { command })
    expect(await ask(node, '/get?key=b')).toEqual({ status: 200, body: { key: 'b', value: 'two words' } })
    expect(await ask(node, '/get?key=a')).toMatchObject({ status: 404, body: { error: { code: 'NOT_FOUND' } } })
    expect((await ask(node, '/log?from=3&stale')).body).toEqual([
      { index: 3, command: 'DEL a' },
      { index: 4, command: 'anything' },
    ])
    expect((await ask(node, '/log?limit=1')).body).toEqual([{ index: 1, command: 'SET a 1' }])
    const status = (await ask(node, '/status')).body as { applied: number }
    expect(status).toMatchObject({ id: 1, role: 'leader', leader: 1, index: 4, term: expect.any(Number) })
    // On a machine that stands still for long there are more elections, and each has an entry of Raft's own.
    expect(status.applied).toBeGreaterThanOrEqual(5)
    expect(await ask(node, '/snapshot', {})).toMatchObject({ status: 200, body: { success: true } })
    await ask(node, '/append', { command: 'after' })
    expect(node.events).toContainEqual({ event: 'elected', term: expect.any(Number) })
    expect(node.events.filter(({ event }) => event === 'committed')).toEqual(
      [1, 2, 3, 4, 5].map((i) => ({ event: 'committed', from: i, to: i })),
    )
    await node.server.stop()
    running.delete(node)
    nextPath--
    const again = await start({ id: 1, members })
    expect((await ask(again, '/log')).body).toHaveLength(5)
    await until(() => again.events.filter(({ event }) => event === 'recovered').length === 2)
    expect(again.events).toContainEqual({ event: 'recovered', from: 1, to: 4 }) // by the snapshot
    expect(again.events).toContainEqual({ event: 'recovered', from: 5, to: 5 }) // by the log behind it
  })

  it('executes a command of a session once, however often it is asked, also from a snapshot', async () => {
    const { members, nodes } = await founders(1)
    const [node] = nodes as [NodeBed]
    const { session } = (await ask(node, '/session', {})).body as { session: number }
    const append = async (to: NodeBed, sequence: number): Promise<unknown> =>
      (await ask(to, '/append', { command: `SET a ${sequence}`, session, sequence })).body
    expect(await append(node, 1)).toEqual({ success: true, index: 1 })
    expect(await append(node, 2)).toEqual({ success: true, index: 2 })
    expect(await append(node, 2)).toEqual({ success: true, index: 2 })
    await ask(node, '/snapshot', {})
    await node.server.stop()
    running.delete(node)
    nextPath--
    const again = await start({ id: 1, members })
    expect(await append(again, 2)).toEqual({ success: true, index: 2 })
    expect(await append(again, 3)).toEqual({ success: true, index: 3 })
    expect(await append(again, 2)).toMatchObject({
      error: { code: 'CONFLICT', hint: expect.stringContaining('next number'), outcome: 'unknown' },
    })
    expect((await ask(again, '/log')).body).toHaveLength(3)
  })

  it('refuses what cannot be, and says how it should be', async () => {
    const [node] = (await founders(1)).nodes as [NodeBed]
    const refused = async (path: string, body?: unknown): Promise<[number, string]> => {
      const answer = (await ask(node, path, body)) as { status: number; body: { error: { message: string } } }
      return [answer.status, answer.body.error.message]
    }
    expect(await refused('/append', '{')).toEqual([400, expect.stringContaining('/append: the body is no JSON')])
    expect(await refused('/append', [])).toEqual([400, '/append: options must be an object, got an array'])
    expect(await refused('/append', {})).toEqual([400, '/append wants {"command": "..."}'])
    expect(await refused('/append', { command: 1 })).toEqual([400, '/append: command must be a string, got 1'])
    expect(await refused('/append', { command: 'x'.repeat(2 ** 20 + 1) })).toEqual([400, 'refused: too large'])
    expect(await refused('/append', { command: 'a', session: 1 })).toEqual([400, expect.stringContaining('wants both')])
    expect(await refused('/append', { command: 'a', session: 1, sequence: 0.5 })).toEqual([
      400,
      expect.stringContaining('a sequence from 1'),
    ])
    expect(await refused('/append', { command: 'a', session: 77, sequence: 1 })).toEqual([
      409,
      expect.stringContaining('session 77 is not known'),
    ])
    expect(await refused('/append')).toEqual([405, '/append takes POST, not GET'])
    expect(await refused('/status', {})).toEqual([405, '/status takes GET, not POST'])
    expect(await refused('/get')).toEqual([400, '/get wants ?key='])
    expect(await refused('/log?from=0')).toEqual([400, '?from must be a whole number of at least 1, got "0"'])
    expect(await refused('/members', { remove: 7 })).toEqual([400, 'node 7 is no member'])
    expect(await refused('/members', { add: 1, address: 'a:1' })).toEqual([400, 'node 1 is a member already'])
    expect(await refused('/members', { add: 2, address: 'nowhere' })).toEqual([400, '"nowhere" is no address'])
    expect(await refused('/members', { add: 2 })).toEqual([400, expect.stringContaining('/members wants one of')])
    expect(await refused('/members', { remove: 1 })).toEqual([400, 'refused: bad membership'])
    expect(await refused('/transfer', { to: 9 })).toEqual([400, 'refused: not a voter'])
    expect((await fetch(`${node.url}/nothing`)).status).toBe(404)
    expect((await ask(node, '/log')).body).toEqual([])
  })

  it('lets no page of somebody else change anything', async () => {
    const [node] = (await founders(1)).nodes as [NodeBed]
    const post = async (origin: string): Promise<number> => {
      const init = { method: 'POST', body: '{"command":"x"}', headers: { origin } }
      return (await fetch(`${node.url}/append`, init)).status
    }
    expect(await post('https://evil.example')).toBe(400)
    expect(await post(node.url)).toBe(200)
  })

  it('serves the pages for those who watch', async () => {
    const [node] = (await founders(1)).nodes as [NodeBed]
    await ask(node, '/append', { command: 'x' })
    expect(await ask(node, '/ready')).toEqual({ status: 200, body: { ready: true } })
    expect(await ask(node, '/health')).toEqual({ status: 200, body: { status: 'ok' } })
    const metrics = await (await fetch(`${node.url}/metrics`)).text()
    expect(metrics).toContain('\nbedplate_raft_is_leader 1\n')
    expect(metrics).toContain('\nbedplate_raft_commands 1\n')
    expect((await ask(node, '/inspect')).body).toMatchObject({ membership: { voters: [1] } })
  })
})

describe('a cluster', () => {
  it('takes members in and lets them go, asked on any node', async () => {
    const { members, nodes } = await founders(2)
    const [one, two] = nodes as [NodeBed, NodeBed]
    await ask(one, '/append', { command: 'SET a 1' })
    const [port = 0] = await freePorts(1)
    const listen = { host: '127.0.0.1', port }
    const three = await start({ id: 3, members, listen, create: true })
    for (const change of [{ add: 3, address: `127.0.0.1:${port}` }, { promote: 3 }]) {
      expect(await ask(two, '/members', change)).toMatchObject({ status: 200, body: { success: true } })
    }
    expect(await ask(three, '/append', { command: 'SET b 2' })).toEqual({
      status: 200,
      body: { success: true, index: 2 },
    })
    expect((await ask(three, '/log')).body).toHaveLength(2)
    expect((await ask(one, '/members')).body).toMatchObject({
      voters: [1, 2, 3],
      learners: [],
      addresses: { 3: `127.0.0.1:${port}` },
    })
    expect(await ask(three, '/members', { remove: 1 })).toMatchObject({ status: 200 })
    await until(async () => ((await ask(two, '/status')).body as { leader: number }).leader > 1)
    expect(await ask(two, '/append', { command: 'without it' })).toMatchObject({ status: 200 })
    expect((await ask(two, '/members')).body).toMatchObject({ voters: [2, 3] })
  })

  it('hands leadership over by request, and when the leader stops in order', async () => {
    const { nodes } = await founders(3)
    await ask(nodes[0]!, '/append', { command: 'x' })
    const leaderOf = async (node: NodeBed): Promise<number> => {
      const { leader } = (await ask(node, '/status')).body as { leader: number | null }
      return leader ?? 0
    }
    const heir = ((await leaderOf(nodes[0]!)) % 3) + 1
    await until(async () => {
      const { status, body } = await ask(nodes[0]!, '/transfer', { to: heir })
      if (status === 200) expect(body).toEqual({ success: true, to: heir })
      return (await leaderOf(nodes[heir - 1]!)) === heir
    })
    const leader = await leaderOf(nodes[0]!)
    await nodes.find((_, i) => i + 1 === leader)?.server.drain()
    const other = nodes[leader % 3]!
    await until(async () => ![0, leader].includes(await leaderOf(other)))
  })

  it('names both sides where two nodes disagree, once', async () => {
    const ports = await freePorts(2)
    const members = Object.fromEntries(ports.map((port, i) => [i + 1, { host: '127.0.0.1', port }]))
    const one = await start({ id: 1, members, create: true })
    const two = await start({ id: 2, members: { ...members, 3: { host: '127.0.0.1', port: 1 } }, create: true })
    await until(() => one.log.length > 0 && two.log.length > 0)
    expect(one.log[0]).toMatchObject({
      msg: 'node 1 and node 2 disagree on the cluster list: 1,2 here, 1,2,3 there',
      hint: 'start all nodes of a cluster with the same cluster list, ports and cluster id',
    })
    expect(two.log[0]!.msg).toBe('node 2 and node 1 disagree on the cluster list: 1,2,3 here, 1,2 there')
    expect((await fetch(`${one.url}/ready`)).status).toBe(503)
  })

  it('tells the others where a node is reached, if that is elsewhere', async () => {
    const ports = await freePorts(2)
    const members = Object.fromEntries(ports.map((port, i) => [i + 1, { host: '127.0.0.1', port }]))
    const advertise = { host: 'localhost', port: ports[1] as number }
    const one = await start({ id: 1, members, create: true })
    await start({ id: 2, members, create: true }, { advertise })
    const told = async (): Promise<unknown> =>
      ((await ask(one, '/members')).body as { addresses: Record<string, string> }).addresses[2]
    await until(async () => (await told()) === `localhost:${advertise.port}`)
  })

  it('speaks TLS on its one port, and asks clients for certificates', async () => {
    const [port = 0] = await freePorts(1)
    const members = { 1: { host: '127.0.0.1', port } }
    await start({ id: 1, members, create: true, tls: NODE_CERTIFICATES })
    const get = (files: object): Promise<number | string> =>
      new Promise((resolve) => {
        const options = { host: '127.0.0.1', port, path: '/health', ...files }
        request(options, (response) => resolve(response.resume().statusCode ?? 0))
          .on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
          .end()
      })
    const { ca, cert, key } = NODE_CERTIFICATES
    expect(await get({ ca: Buffer.from(ca), cert: Buffer.from(cert), key: Buffer.from(key) })).toBe(200)
    expect(await get({ ca: Buffer.from(ca) })).not.toBe(200)
    expect(await get({})).not.toBe(200)
  })
})

describe('the log of commands', () => {
  it('comes back from its snapshot, and refuses one that is damaged', () => {
    const log = new CommandLog(() => {})
    for (const command of ['SET a 1', 'set b two  words', 'SET a 2', 'DELETE b', 'SET c', 'ü']) {
      log.apply(Buffer.from(command), 1)
    }
    const copy = new CommandLog(() => {})
    copy.restore(log.snapshot())
    expect(copy.read(1, { limit: 9, maxBytes: 99 })).toEqual(log.read(1, { limit: 9, maxBytes: 99 }))
    expect([copy.count, copy.get('a'), copy.get('b'), copy.get('c')]).toEqual([6, '2', undefined, undefined])
    expect(copy.read(2, { limit: 9, maxBytes: 10 }).map(({ index }) => index)).toEqual([2])
    const whole = log.snapshot()
    for (let length = 0; length < whole.length; length++) {
      expect(() => copy.restore(whole.slice(0, length))).toThrow(/snapshot of commands/)
    }
    expect(() => copy.restore(Uint8Array.of(9, ...whole.slice(1)))).toThrow(/version 9/)
    expect(copy.count).toBe(6)
  })
})
