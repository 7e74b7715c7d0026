import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Gate } from '../../../ts/cli/local-cluster/gate.ts'
import { RAFT } from '../../../ts/cli/raft/cluster.ts'
import { encodeHello, encodeMessage, type Hello, type Message, PREAMBLE } from '../../../ts/distributed/raft/index.ts'
import type { Connection } from '../../../ts/io/network.ts'

const HOST = '127.0.0.1'
const MESSAGE: Message = { kind: 'heartbeat', term: 3, commit: 1, round: 7 }
const FRAME = encodeMessage(1, MESSAGE)
/** More than a gate and the operating system hold between two. */
const MUCH = Buffer.alloc(64 * 1024 * 1024)

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

function greeting(from: number): Uint8Array {
  return Buffer.concat([
    PREAMBLE,
    encodeHello({
      ...{ clusterId: 'c', from, to: 1, members: [1, 2, 3], basePort: 0, incarnation: 'i' },
      nonce: new Uint8Array(16),
    }),
  ])
}

async function listening(server: Server): Promise<number> {
  server.listen(0, HOST)
  await once(server, 'listening')
  closers.push(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A gate to node 1, before a program that listens on `port`. */
async function gateTo(port: number) {
  const cut = new Set<number>()
  const seen: { from: number; to: number; message: unknown; isLost: boolean }[] = []
  const gate = new Gate<number, Hello, Message>({
    ...{ to: 1, listen: { host: HOST, port: 0 }, target: { host: HOST, port }, language: RAFT },
    isCut: (one, other) => cut.has(one) || cut.has(other),
    saw: (from, to, message, isLost) => seen.push({ from, to, message, isLost }),
  })
  await gate.open()
  closers.push(() => gate.shut())
  return { gate, cut, seen }
}

/** A program that sends back all that it gets. */
function echo(): Server {
  return createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, HOST)
  socket.on('error', () => {})
  closers.push(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Waits until one side of a gate's only stream has all that the gate holds for it. */
async function untilFull(gate: Gate<number, Hello, Message>, side: 'near' | 'far'): Promise<void> {
  for (;;) {
    const [stream] = [...gate.streams] as unknown as Record<'near' | 'far', Connection | undefined>[]
    if ((stream?.[side]?.waitingBytes ?? 0) > 1024 * 1024) return
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A client and a program with a gate between them. `accepted` is what the program has of it, once the client has sent something. */
async function between(serve: (socket: Socket) => unknown) {
  const server = createTcpServer(serve)
  const { gate } = await gateTo(await listening(server))
  const accepted = once(server, 'connection').then(([socket]) => socket as Socket)
  return { gate, client: await connected(gate.address.port), accepted }
}

/** Who is stuck since the other side reads nothing is let go when that is gone. */
async function expectLetGo(
  gate: Gate<number, Hello, Message>,
  side: 'near' | 'far',
  stuck: Socket,
  other: Socket,
): Promise<void> {
  await untilFull(gate, side)
  const closed = once(stuck, 'close')
  other.destroy()
  await closed
  expect(gate.streams.size).toBe(0)
}

/** The next bytes, so many of them. */
async function take(socket: Socket, size: number): Promise<Buffer> {
  for (;;) {
    const bytes = socket.read(size) as Buffer | null
    if (bytes !== null) return bytes
    await once(socket, 'readable')
  }
}

describe('a gate', () => {
  it('carries nodes both ways, and hears what they say', async () => {
    const { gate, seen } = await gateTo(await listening(echo()))
    const node = await connected(gate.address.port)
    const sent = Buffer.concat([greeting(2), FRAME])
    for (const byte of sent) node.write(Buffer.of(byte))
    expect(await take(node, sent.length)).toEqual(sent)
    expect(seen).toEqual([
      { from: 2, to: 1, message: MESSAGE, isLost: false },
      { from: 1, to: 2, message: MESSAGE, isLost: false },
    ])
  })

  it('loses what passes between nodes that are cut, and closes that stream once they are not', async () => {
    const { gate, cut, seen } = await gateTo(await listening(echo()))
    const [two, three] = [await connected(gate.address.port), await connected(gate.address.port)]
    for (const [node, id] of [[two, 2] as const, [three, 3] as const]) {
      node.write(greeting(id))
      await take(node, greeting(id).length)
    }
    cut.add(2)
    two.write(FRAME)
    three.write(FRAME)
    expect(await take(three, FRAME.length)).toEqual(Buffer.from(FRAME))
    while (!seen.some(({ isLost }) => isLost)) await new Promise((resolve) => setImmediate(resolve))
    expect(seen.filter(({ isLost }) => isLost)).toEqual([{ from: 2, to: 1, message: MESSAGE, isLost: true }])
    expect(two.read()).toBeNull()
    const closed = once(two, 'close')
    cut.clear()
    gate.mend()
    two.resume()
    await closed
    three.write(FRAME) // it has lost nothing
    expect(await take(three, FRAME.length)).toEqual(Buffer.from(FRAME))
  })

  it('loses a greeting, too', async () => {
    const { gate, cut } = await gateTo(await listening(echo()))
    cut.add(2)
    const node = await connected(gate.address.port)
    node.resume()
    node.write(greeting(2))
    const closed = once(node, 'close')
    while (![...gate.streams].some(({ hasLost }) => hasLost)) await new Promise((resolve) => setImmediate(resolve))
    cut.clear()
    gate.mend()
    await closed
  })

  it('lets strangers through, whoever is cut, with more than it holds itself', async () => {
    const body = Buffer.alloc(8 * 1024 * 1024, 'x')
    const port = await listening(createServer((request, response) => request.pipe(response)))
    const { gate, cut } = await gateTo(port)
    cut.add(1)
    const response = await fetch(`http://${HOST}:${gate.address.port}/`, { method: 'POST', body })
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true)
  })

  it('is not there while it is shut, and the same again when it is opened', async () => {
    const { gate } = await gateTo(await listening(echo()))
    const { port } = gate.address
    const node = await connected(port)
    const closed = once(node.resume(), 'close')
    gate.shut()
    await closed
    const [error] = await once(connect(port, HOST), 'error')
    expect((error as NodeJS.ErrnoException).code).toBe('ECONNREFUSED')
    await gate.open()
    expect(gate.address.port).toBe(port)
    const again = await connected(port)
    again.write('hello')
    expect(String(await take(again, 5))).toBe('hello')
  })

  it('lets a node go when a client is gone that has read nothing of what it sends', async () => {
    const { gate, client, accepted } = await between((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .write(MUCH),
    )
    client.write('hello')
    await expectLetGo(gate, 'near', await accepted, client)
  })

  it('lets a client go when a node is gone that has read nothing of what it sends', async () => {
    const { gate, client, accepted } = await between((socket) => socket.on('error', () => {}).pause())
    client.resume().write(MUCH)
    await expectLetGo(gate, 'far', client, await accepted)
  })

  it('closes who comes while nobody is behind it', async () => {
    const server = echo()
    const port = await listening(server)
    server.close()
    const { gate } = await gateTo(port)
    const node = await connected(gate.address.port)
    await once(node.resume(), 'close')
  })
})
