// Nodes as servers, over TCP, and client libraries as they are on npm.
import { Cluster, type Redis } from 'ioredis'
import { createCluster } from 'redis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ReplicaLink } from '../../../ts/cache/cluster/member.ts'
import { slotOf } from '../../../ts/cache/cluster/slots.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { ServersBed } from '../../support/cluster/servers.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** Stops nodes after the test. */
function own(servers: ServersBed): ServersBed {
  closing.push(() => servers.stop())
  return servers
}

function connectIoredis(bed: ServersBed): Cluster {
  const nodes = bed.beds.map(({ port }) => ({ host: '127.0.0.1', port }))
  const client = new Cluster(nodes.slice(0, 1), { clusterRetryStrategy: () => 20, slotsRefreshTimeout: 5000 })
  client.on('error', () => {})
  closing.push(() => client.disconnect())
  return client
}

/** A replica that has all of nothing. */
const NO_DATA: ReplicaLink = {
  offset: 1,
  masterHeardMs: 0,
  isWhole: true,
  isChanging: false,
  follow() {},
  promote() {},
}

describe('three nodes', () => {
  let servers: ServersBed

  beforeAll(async () => {
    servers = await ServersBed.joined(3)
  })

  afterAll(() => servers.stop())

  it('serve ioredis, which finds all of them by one', async () => {
    const client = connectIoredis(servers)
    const keys = Array.from({ length: 60 }, (_, index) => `key:${index}`)
    await Promise.all(keys.map((key) => client.set(key, `value of ${key}`)))
    expect(await Promise.all(keys.map((key) => client.get(key)))).toEqual(keys.map((key) => `value of ${key}`))
    const sizes = await Promise.all(client.nodes('master').map((node: Redis) => node.dbsize()))
    expect(sizes.length).toBe(3)
    expect(Math.min(...sizes)).toBeGreaterThan(0)
    expect(sizes.reduce((sum, size) => sum + size)).toBe(60)
    expect(await client.mget('{t}1', '{t}2')).toEqual([null, null])
    await expect(client.mget('a', 'b')).rejects.toThrow(/same slot|CROSSSLOT/)
    expect(await client.multi().set('{t}1', '1').incr('{t}1').exec()).toEqual([
      [null, 'OK'],
      [null, 2],
    ])
  })

  it('serve node-redis', async () => {
    const [first] = servers.beds
    const client = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${first?.port}` }], RESP: 3 })
    client.on('error', () => {})
    await client.connect()
    closing.push(() => client.destroy())
    for (const key of ['a', 'b', 'c', 'd']) await client.set(key, `of ${key}`)
    expect(await Promise.all(['a', 'b', 'c', 'd'].map((key) => client.get(key)))).toEqual([
      'of a',
      'of b',
      'of c',
      'of d',
    ])
    expect(await client.multi().incr('n').incr('n').exec()).toEqual([1, 2])
    let hear: (message: unknown) => void = () => {}
    const heard = new Promise((resolve) => {
      hear = resolve
    })
    await client.sSubscribe('news', hear)
    expect(await client.sPublish('news', 'hello')).toBe(1)
    expect(await heard).toBe('hello')
  })

  it('tell each other of messages on channels', async () => {
    const [a, b] = servers.beds.map((bed) => bed.raw())
    a?.send('SUBSCRIBE news\r\n')
    await a?.expect('*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n')
    b?.send('PUBLISH news hello\r\n')
    await b?.expect(':0\r\n')
    await a?.expect('*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n')
  })

  it('tells what it knows in the shapes of Redis', async () => {
    const [bed] = servers.beds
    const client = bed?.raw()
    const { myself } = bed?.member.topology ?? {}
    client?.send('CLUSTER MYID\r\nCLUSTER SET-CONFIG-EPOCH 9\r\nCLUSTER ADDSLOTS 1 x\r\nCLUSTER ADDSLOTSRANGE 5 1\r\n')
    await client?.expect(
      `$40\r\n${myself?.name}\r\n-ERR The user can assign a config epoch only when the node does not know any other node.\r\n` +
        '-ERR Invalid or out of range slot\r\n-ERR start slot number 5 is greater than end slot number 1\r\n',
    )
    client?.send(
      'CLUSTER MEET a b\r\nCLUSTER MEET foo 5\r\nCLUSTER SETSLOT 1 foo\r\nCLUSTER FAILOVER foo\r\nCLUSTER BUMPEPOCH\r\n',
    )
    await client?.expect(
      '-ERR Invalid TCP base port specified: b\r\n-ERR Invalid node address specified: foo:5\r\n' +
        '-ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP\r\n-ERR syntax error\r\n+BUMPED 4\r\n',
    )
    client?.send('CLUSTER REPLICAS abc\r\nCLUSTER COUNT-FAILURE-REPORTS abc\r\nHELLO 3\r\nCLUSTER LINKS\r\n')
    await client?.expect('-ERR Unknown node abc\r\n-ERR Unknown node abc\r\n%7\r\n')
  })

  it('closes a bus connection that speaks another language, and goes on', async () => {
    const [bed] = servers.beds
    const stranger = bed?.raw(bed.member.topology.myself.busPort)
    stranger?.send('GET / HTTP/1.1\r\n\r\n')
    expect(await stranger?.closed()).toBe('')
    expect(bed?.log.some(({ msg }) => String(msg).includes('another language'))).toBe(true)
    const client = bed?.raw()
    client?.send('PING\r\n')
    await client?.expect('+PONG\r\n')
  })
})

describe('nodes', () => {
  it('move a slot by hand, while clients use it', async () => {
    const servers = own(await ServersBed.joined(2))
    const slot = slotOf('b')
    const from = servers.ownerOf(slot)
    const to = servers.beds.find((bed) => bed !== from)
    if (to === undefined) throw new Error('two nodes were started')
    const [source, target] = [from.raw(), to.raw()]
    const names = [from, to].map(({ member }) => member.topology.myself.name)
    target.send(`CLUSTER SETSLOT ${slot} IMPORTING ${names[0]}\r\n`)
    await target.expect('+OK\r\n')
    source.send(`SSUBSCRIBE {b}news\r\n`)
    await source.expect('*3\r\n$10\r\nssubscribe\r\n$7\r\n{b}news\r\n:1\r\n')
    const waiting = from.raw()
    waiting.send('BLPOP {b}list 0\r\n')
    const control = from.raw()
    control.send(`CLUSTER SETSLOT ${slot} MIGRATING ${names[1]}\r\nGET b\r\n`)
    await control.expect(`+OK\r\n-ASK ${slot} 127.0.0.1:${to.port}\r\n`)
    target.send('ASKING\r\nSET b 1\r\n')
    await target.expect('+OK\r\n+OK\r\n')
    for (const client of [target, control]) {
      client.send(`CLUSTER SETSLOT ${slot} NODE ${names[1]}\r\n`)
      await client.expect('+OK\r\n')
    }
    // Whoever waited or listened at the old node is told to go.
    await waiting.expect(`-MOVED ${slot} 127.0.0.1:${to.port}\r\n`)
    await source.expect('*3\r\n$12\r\nsunsubscribe\r\n$7\r\n{b}news\r\n:0\r\n')
    control.send('GET b\r\n')
    await control.expect(`-MOVED ${slot} 127.0.0.1:${to.port}\r\n`)
    target.send('GET b\r\n')
    await target.expect('$1\r\n1\r\n')
  })

  it('lose one, say so, and serve again when its replica has taken over', async () => {
    const servers = own(await ServersBed.joined(3))
    const [replica] = (await ServersBed.start(1, () => ({ replication: NO_DATA }))).beds
    if (replica === undefined) throw new Error('one node was started')
    servers.beds.push(replica)
    servers.meet(replica)
    const bed = servers
    await bed.until(() =>
      bed.beds.every(
        ({ member }) => [...member.topology.nodes.values()].filter(({ link }) => link !== undefined).length === 3,
      ),
    )
    const master = bed.ownerOf(slotOf('b'))
    const name = master.member.topology.myself.name
    await bed.until(() => replica.member.topology.nodes.has(name))
    expect(replica.member.order({ kind: 'replicate', node: name })).toBeUndefined()
    await bed.until(
      () => bed.beds[0]?.member.topology.nodes.get(replica.member.topology.myself.name)?.master !== undefined,
    )
    await master.stop()
    const living = bed.beds.filter((each) => each !== master)
    await bed.until(() => replica.member.topology.myself.slotCount > 0)
    await bed.until(() =>
      living.every(({ member }) => member.topology.isUp && member.topology.ownerOf(slotOf('b'))?.port === replica.port),
    )
    const client = living[0]?.raw()
    client?.send('GET b\r\n')
    await client?.expect(living[0] === replica ? '$-1\r\n' : `-MOVED ${slotOf('b')} 127.0.0.1:${replica.port}\r\n`)
  })

  it('comes back as who it was, from nodes.conf', async () => {
    const store = { disk: new SimulatedDisk(), path: '/nodes.conf' }
    const servers = own(await ServersBed.joined(2, (index) => (index === 0 ? { store } : {})))
    const before = servers.beds[0]?.member.topology.myself.name
    await servers.beds[0]?.stop()
    const again = own(await ServersBed.start(1, () => ({ store })))
    const { topology } = (again.beds[0] as (typeof again.beds)[number]).member
    expect(topology.myself.name).toBe(before)
    expect([topology.myself.slotCount, topology.nodes.size, topology.isUp]).toEqual([8192, 2, false])
  })
})
