import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import {
  encodeHello,
  encodeMessage,
  type Message,
  type NodeId,
  openTransport,
  PREAMBLE,
  type Transport,
} from '../../../ts/distributed/raft/index.ts'
import type { TransportOptions } from '../../../ts/distributed/raft/transport.ts'
import { realClock } from '../../../ts/io/clock.ts'
import {
  type Address,
  type Connection,
  type ConnectionEvents,
  type Network,
  realNetwork,
} from '../../../ts/io/network.ts'
import { realRandom } from '../../../ts/io/random.ts'
import { realDisk } from '../../../ts/io/real-disk.ts'
import { NODE_CERTIFICATES, STRANGER_CERTIFICATES } from '../../support/certificates.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { type BedNode, openNode } from '../../support/raft/driver-bed.ts'
import { directoryInMemory } from '../../support/temporary-directory.ts'

const HOST = '127.0.0.1'
const open: Transport[] = []
const ignored: ConnectionEvents = { data() {}, drained() {}, closed() {} }

interface Node {
  transport: Transport
  heard: { from: NodeId; group: number; message: Message }[]
  troubles: string[]
}

type StartOptions = Partial<TransportOptions> & { clusterId?: string; incarnation?: string }

async function start(
  id: NodeId,
  port: number,
  peers: [NodeId, Address][],
  { clusterId = 'c', incarnation = 'first', ...more }: StartOptions = {},
): Promise<Node> {
  const heard: Node['heard'] = []
  const troubles: string[] = []
  const transport = await openTransport({
    ...{ clock: realClock, random: realRandom, listen: { host: HOST, port }, secret: '' },
    own: { clusterId, from: id, members: [1, 2], basePort: 0, incarnation },
    peers: new Map(peers),
    received: (from, group, message) => heard.push({ from, group, message }),
    onTrouble: (_peer, error) => troubles.push(error.message),
    ...more,
  })
  open.push(transport)
  return { transport, heard, troubles }
}

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await realClock.turn()
}

afterEach(() => {
  for (const transport of open.splice(0)) transport.close()
})

describe('a transport', () => {
  it('carries messages of several groups both ways on one stream', async () => {
    const one = await start(1, 0, [])
    const two = await start(2, 0, [[1, one.transport.address]])
    await until(() => one.transport.connected.length + two.transport.connected.length === 2)
    one.transport.send(2, 7, { kind: 'stale', term: 3 })
    two.transport.send(1, 8, { kind: 'appended', term: 4, match: 5 })
    await until(() => one.heard.length + two.heard.length === 2)
    expect(two.heard).toEqual([{ from: 1, group: 7, message: { kind: 'stale', term: 3 } }])
    expect(one.heard).toEqual([{ from: 2, group: 8, message: { kind: 'appended', term: 4, match: 5 } }])
  })

  it('connects again when the other one is back', async () => {
    const one = await start(1, 0, [])
    const { address } = one.transport
    const two = await start(2, 0, [[1, address]])
    await until(() => two.transport.connected.length === 1)
    one.transport.close()
    await until(() => two.transport.connected.length === 0)
    two.transport.send(1, 1, { kind: 'stale', term: 1 }) // it is lost, and nothing happens
    const again = await start(1, address.port, [])
    await until(() => two.transport.connected.length === 1)
    two.transport.send(1, 1, { kind: 'stale', term: 2 })
    await until(() => again.heard.length === 1)
    expect(again.heard[0]!.message).toEqual({ kind: 'stale', term: 2 })
  })

  it('refuses a node of another cluster and names both', async () => {
    const one = await start(1, 0, [])
    const two = await start(2, 0, [[1, one.transport.address]], { clusterId: 'other' })
    await until(() => one.troubles.length > 0 && two.troubles.length > 0)
    expect(one.troubles[0]).toContain('disagree on the cluster id: c here, other there')
    expect(two.troubles[0]).toContain('disagree on the cluster id: other here, c there') // also who was refused knows why
    expect(one.transport.connected).toEqual([])
    expect(two.transport.connected).toEqual([])
  })

  it('refuses a node that does not know the secret, and both ends say so', async () => {
    const one = await start(1, 0, [], { secret: 'swordfish' })
    for (const secret of ['', 'swordfisH']) {
      const two = await start(2, 0, [[1, one.transport.address]], { secret })
      await until(() => one.troubles.length > 0 && two.troubles.length > 0)
      expect(one.troubles[0]).toBe('node 2 does not know the secret of the cluster')
      expect(two.troubles[0]).toBe('node 1 does not know the secret of the cluster')
      expect([...one.transport.connected, ...two.transport.connected]).toEqual([])
      two.transport.close()
      one.troubles.length = 0
    }
    const two = await start(2, 0, [[1, one.transport.address]], { secret: 'swordfish' })
    await until(() => one.transport.connected.length + two.transport.connected.length === 2)
  })

  it('hears nothing of a node before its proof', async () => {
    const one = await start(1, 0, [], { secret: 'swordfish' })
    const socket = connect(one.transport.address.port, HOST)
    socket.resume()
    const closed = once(socket, 'close')
    const own = { clusterId: 'c', from: 2, to: 1, members: [1, 2], basePort: 0, incarnation: 'first' }
    socket.write(PREAMBLE)
    socket.write(encodeHello({ ...own, nonce: new Uint8Array(16) }))
    socket.write(encodeMessage(1, { kind: 'stale', term: 9 }))
    await closed
    expect(one.troubles).toEqual(['node 2 does not know the secret of the cluster'])
    expect(one.heard).toEqual([])
  })

  it('refuses a node that comes back without the directory that it had', async () => {
    const one = await start(1, 0, [])
    const { address } = one.transport
    const two = await start(2, 0, [[1, address]])
    await until(() => one.transport.connected.length === 1)
    two.transport.close()
    await until(() => one.transport.connected.length === 0)
    await start(2, 0, [[1, address]], { incarnation: 'second' })
    await until(() => one.troubles.length > 0)
    expect(one.troubles[0]).toContain('node 2 comes with another data directory than before (second, not first)')
    expect(one.transport.connected).toEqual([])
    await start(2, 0, [[1, address]]) // the directory was found again
    await until(() => one.transport.connected.length === 1)
  })

  it('hangs up on strangers, whatever they say', async () => {
    const one = await start(1, 0, [])
    for (const text of [
      'GET / HTTP/1.1\r\n\r\n',
      'BPRF\u0003\u0000\u0000\u0000xxxxxxxxxxxx',
      'BPRF\u0009\u0000\u0000\u0000',
    ]) {
      const socket = connect(one.transport.address.port, HOST)
      socket.on('error', () => {})
      const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
      socket.write(text)
      socket.resume()
      await ended
    }
    expect(one.troubles).toHaveLength(3)
  })

  it('hands connections of others on, with all that they have said', async () => {
    const lines: string[] = []
    const onStranger = (connection: Connection): ConnectionEvents => ({
      data(bytes) {
        lines.push(Buffer.from(bytes).toString())
        connection.write(Buffer.from('hello, stranger'))
        connection.end()
      },
      drained() {},
      closed: () => lines.push('closed'),
    })
    const one = await start(1, 0, [], { onStranger })
    const two = await start(2, 0, [[1, one.transport.address]])
    const socket = connect(one.transport.address.port, HOST)
    socket.write('B') // as nodes begin, too
    await until(() => one.transport.connected.length === 1)
    socket.write('REW coffee')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toBe('hello, stranger')
    await until(() => lines.length === 2)
    expect(lines).toEqual(['BREW coffee', 'closed'])
    expect([one.troubles, two.troubles]).toEqual([[], []])
  })

  it('lets go of who says nothing, and of a node that has fallen silent', async () => {
    const clock = new ManualClock()
    const one = await start(1, 0, [], { clock, helloMs: 3000 })
    const socket = connect(one.transport.address.port, HOST)
    socket.resume()
    const closed = once(socket, 'close')
    const two = await start(2, 0, [[1, one.transport.address]])
    await until(() => one.transport.connected.length + two.transport.connected.length === 2)
    for (let i = 0; i < 3; i++) clock.advance(1000)
    await closed
    expect(one.troubles).toEqual(['somebody who connected has said nothing for 3000 ms'])
    expect(one.transport.connected).toEqual([2])
    for (let i = 0; i < 10; i++) clock.advance(1000) // for the other one, whose clock is the real one, no time passes
    await until(() => one.troubles.length > 1)
    expect(one.troubles[1]).toMatch(/node 2 has said nothing for \d+ ms/)
    await until(() => two.transport.connected.length === 0)
  })

  it('tries all addresses that it has heard of', async () => {
    const one = await start(1, 0, [])
    const two = await start(2, 0, [[1, { host: HOST, port: 1 }]])
    two.transport.addAddress(1, one.transport.address)
    two.transport.addAddress(1, { host: HOST, port: 2 })
    await until(() => two.transport.connected.length === 1)
  })

  it('asks and answers, and says when there will be no answer', async () => {
    const called = async (_from: NodeId, group: number, request: Uint8Array): Promise<Uint8Array> =>
      request.length === 0 ? new Promise<never>(() => {}) : Uint8Array.of(group, ...request)
    const one = await start(1, 0, [], { called })
    const two = await start(2, 0, [[1, one.transport.address]])
    expect(await two.transport.call(1, 7, Uint8Array.of(1))).toBe('unsent')
    await until(() => two.transport.connected.length === 1)
    expect(await two.transport.call(1, 7, Uint8Array.of(1, 2))).toEqual(Uint8Array.of(7, 1, 2))
    const lost = two.transport.call(1, 7, new Uint8Array(0))
    one.transport.close()
    expect(await lost).toBe('lost')
  })

  it('ends a stream whose answer is larger than a frame, and refuses such a request at once', async () => {
    const tooLarge = new Uint8Array(66 * 1024 * 1024)
    const one = await start(1, 0, [], { called: async () => tooLarge })
    const two = await start(2, 0, [[1, one.transport.address]])
    await until(() => two.transport.connected.length === 1)
    expect(await two.transport.call(1, 7, Uint8Array.of(1))).toBe('lost')
    await until(() => two.transport.connected.length === 1)
    expect(() => two.transport.call(1, 7, tooLarge)).toThrow(/frame|bytes/)
  })

  it('speaks TLS both ways, with those alone whose certificates fit', async () => {
    const one = await start(1, 0, [], { tls: NODE_CERTIFICATES })
    const two = await start(2, 0, [[1, one.transport.address]], { tls: NODE_CERTIFICATES })
    await until(() => one.transport.connected.length + two.transport.connected.length === 2)
    one.transport.send(2, 7, { kind: 'stale', term: 3 })
    await until(() => two.heard.length === 1)
    for (const tls of [{}, STRANGER_CERTIFICATES]) {
      const connecting = realNetwork.connect({ ...one.transport.address, tls }, () => ignored)
      await expect(connecting).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    }
    let isClosed = false
    const unproven: ConnectionEvents = {
      ...ignored,
      closed() {
        isClosed = true
      },
    }
    await realNetwork.connect({ ...one.transport.address, tls: { ca: NODE_CERTIFICATES.ca } }, () => unproven)
    await until(() => isClosed)
  })

  it('gives up on a peer that does not answer', async () => {
    const silent = createServer() // takes connections, and never agrees upon TLS
    await once(silent.listen(0, HOST), 'listening')
    const { port } = silent.address() as AddressInfo
    const connecting = realNetwork.connect({ host: HOST, port, tls: {}, timeoutMs: 10 }, () => ignored)
    await expect(connecting).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    silent.close()
  })

  it('says that a port is taken', async () => {
    const one = await start(1, 0, [])
    await expect(start(1, one.transport.address.port, [])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('loses messages instead of keeping more than it may', async () => {
    const one = await start(1, 0, [])
    let waitingBytes = 0
    let writes = 0
    const slow: Network = {
      listen: (options, accept) => realNetwork.listen(options, accept),
      connect: (address, accept) =>
        realNetwork.connect(address, (connection) =>
          accept({
            ...connection,
            get waitingBytes() {
              return waitingBytes
            },
            write(bytes) {
              writes++
              connection.write(bytes)
            },
          }),
        ),
    }
    const two = await openTransport({
      ...{ network: slow, clock: realClock, random: realRandom, listen: { host: HOST, port: 0 } },
      ...{ maxUnsentBytes: 100, secret: '' },
      own: { clusterId: 'c', from: 2, members: [1, 2], basePort: 0, incarnation: 'first' },
      peers: new Map([[1, one.transport.address]]),
      received: () => {},
    })
    open.push(two)
    await until(() => two.connected.length === 1)
    const before = writes
    waitingBytes = 101
    two.send(1, 1, { kind: 'stale', term: 1 })
    expect(writes).toBe(before)
    waitingBytes = 100
    two.send(1, 1, { kind: 'stale', term: 2 })
    await until(() => one.heard.length === 1)
    expect(one.heard[0]!.message.term).toBe(2)
  })

  it('and drivers on the real disk make a cluster, which goes on without its leader', async () => {
    const home = directoryInMemory()
    const members = [1, 2, 3]
    const nodes = new Map<NodeId, BedNode>()
    const transports = new Map<NodeId, Transport>()
    for (const id of members) {
      const directory = `${home.path}/${id}`
      realDisk.mkdir(directory)
      const transport = await openTransport({
        ...{ clock: realClock, random: realRandom, listen: { host: HOST, port: 0 }, secret: '' },
        own: { clusterId: 'c', from: id, members, basePort: 0, incarnation: 'first' },
        peers: new Map([...transports].map(([peer, { address }]) => [peer, address])),
        received: (from, _group, message) => nodes.get(id)?.driver.receive(from, message),
      })
      open.push(transport)
      transports.set(id, transport)
      const send = (to: NodeId, message: Message): void => transport.send(to, 1, message)
      nodes.set(id, await openNode({ id, members, disk: realDisk, clock: realClock, directory, send }))
    }
    const expected: string[] = []
    const write = async (command: string): Promise<void> => {
      for (;;) {
        const leader = [...nodes.values()].find(({ driver }) => driver.status.role === 'leader')
        const done = await leader?.driver.propose(Buffer.from(command)).catch(() => undefined)
        if (done !== undefined) break
        await realClock.turn()
      }
      expected.push(command)
    }
    for (let i = 0; i < 20; i++) await write(`before ${i}`)
    const [gone, { driver, journal }] = [...nodes].find(([, node]) => node.driver.status.role === 'leader')!
    nodes.delete(gone)
    transports.get(gone)!.close()
    await driver.close()
    await journal.close()
    for (let i = 0; i < 20; i++) await write(`after ${i}`)
    await until(() => [...nodes.values()].every(({ machine }) => machine.commands.length >= expected.length))
    // A command whose outcome was not known may be there twice; none is missing, and both nodes agree.
    const [one, two] = [...nodes.values()].map(({ machine }) => machine.commands)
    expect([...new Set(one)]).toEqual(expected)
    expect(two).toEqual(one)
    for (const node of nodes.values()) {
      await node.driver.close()
      await node.journal.close()
    }
    home.remove()
  })
})
