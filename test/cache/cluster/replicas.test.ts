// Replicas of a cluster with their data, over TCP.
import { afterEach, describe, expect, it } from 'vitest'
import { slotOf } from '../../../ts/cache/cluster/slots.ts'
import { DEFAULT_PERSISTENCE } from '../../../ts/cache/index.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { ServerBed } from '../../support/cache-server.ts'
import { ServersBed } from '../../support/cluster/servers.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

function ask(bed: ServerBed, ...args: string[]): string {
  return Buffer.from(bed.server.execute(args)).toString('latin1')
}

/** What keeps a node on a disk: its data, and what it knows of the others. */
function keptOn(disk: SimulatedDisk | undefined): Tail<Parameters<typeof ServersBed.start>> {
  if (disk === undefined) return []
  const settings = { ...DEFAULT_PERSISTENCE, directory: '/data' }
  return [() => ({ store: { disk, path: '/nodes.conf' } }), { persistence: { disk, settings } }]
}

type Tail<T> = T extends [unknown, ...infer Rest] ? Rest : never

/** Three masters, and a replica of the one that has the slot of `b`. */
async function withReplica(
  disk?: SimulatedDisk,
): Promise<{ servers: ServersBed; master: ServerBed; replica: ServerBed }> {
  const servers = await ServersBed.joined(3)
  closing.push(() => servers.stop())
  const [replica] = (await ServersBed.start(1, ...keptOn(disk))).beds
  if (replica === undefined) throw new Error('one node was started')
  servers.beds.push(replica)
  servers.meet(replica)
  const master = servers.ownerOf(slotOf('b'))
  const { name } = master.member.topology.myself
  await servers.until(() => servers.beds.every(({ member }) => member.topology.nodes.size === 4))
  await servers.until(() =>
    [...replica.member.topology.nodes.values()].every(({ linkedMs, name: of }) => {
      return linkedMs !== undefined || of === replica.member.topology.myself.name
    }),
  )
  master.raw().send('SET b before\r\n')
  await servers.until(() => ask(master, 'GET', 'b').includes('before'))
  expect(replica.member.order({ kind: 'replicate', node: name })).toBeUndefined()
  await servers.until(() => replica.member.offsetOf(replica.member.topology.myself) > 0)
  await servers.until(() => master.member.topology.nodes.get(replica.member.topology.myself.name)?.master !== undefined)
  return { servers, master, replica }
}

describe('a replica in a cluster', () => {
  it('has the data of its master, answers reads, and replaces it when it is gone: nothing that was waited for is lost', async () => {
    const { servers, master, replica } = await withReplica()
    const client = master.raw()
    client.send('SET {b}1 waited\r\nWAIT 1 0\r\n')
    await client.expect('+OK\r\n:1\r\n')
    const reader = replica.raw()
    reader.send('GET b\r\nREADONLY\r\nGET b\r\nGET {b}1\r\nREPLICAOF NO ONE\r\n')
    await reader.expect(
      `-MOVED ${slotOf('b')} 127.0.0.1:${master.port}\r\n+OK\r\n$6\r\nbefore\r\n$6\r\nwaited\r\n` +
        '-ERR REPLICAOF not allowed in cluster mode.\r\n',
    )
    await servers.until(() => ask(servers.beds[0] as ServerBed, 'CLUSTER', 'SLOTS').includes(`:${replica.port}\r\n`))
    await master.stop()
    await servers.until(() => replica.member.topology.isUp && replica.member.topology.myself.slotCount > 0)
    reader.send('GET {b}1\r\nSET b after\r\nROLE\r\n')
    await reader.expect('$6\r\nwaited\r\n+OK\r\n*3\r\n$6\r\nmaster\r\n')
  })

  it('goes on where it was when it starts again from its files', async () => {
    const disk = new SimulatedDisk()
    const { servers, master, replica } = await withReplica(disk)
    const control = replica.raw()
    control.send('SAVE\r\n')
    await control.expect('+OK\r\n')
    await replica.stop()
    const writer = master.raw()
    writer.send('SET {b}1 meanwhile\r\n')
    await writer.expect('+OK\r\n')
    const [again] = (await ServersBed.start(1, ...keptOn(disk))).beds
    if (again === undefined) throw new Error('one node was started')
    servers.beds.push(again)
    const reader = again.raw()
    await servers.until(() => ask(again, 'INFO', 'replication').includes('master_link_status:up'))
    reader.send('READONLY\r\nGET {b}1\r\n')
    await reader.expect('+OK\r\n$9\r\nmeanwhile\r\n')
    expect(ask(master, 'INFO', 'stats')).toMatch(/sync_full:1\r\nsync_partial_ok:1\r\n/)
  })

  it('takes over when it is told to, and loses nothing of what was written meanwhile', async () => {
    const { servers, master, replica } = await withReplica()
    const writer = master.raw()
    const slot = slotOf('b')
    // Without a pause, until it is told to go elsewhere.
    let count = 0
    const write = (): void => writer.send('RPUSH {b}list x\r\n')
    writer.socket.on('data', () => {
      for (let end = writer.received.indexOf('\r\n'); end !== -1; end = writer.received.indexOf('\r\n')) {
        const line = writer.received.slice(0, end)
        writer.received = writer.received.slice(end + 2)
        if (!line.startsWith(':')) return
        count = Number(line.slice(1))
        write()
      }
    })
    write()
    await servers.until(() => count > 20)
    const control = replica.raw()
    control.send('CLUSTER FAILOVER\r\n')
    await control.expect('+OK\r\n')
    await servers.until(() => replica.member.topology.myself.slotCount > 0)
    await servers.until(() => master.member.topology.myself.master?.port === replica.port)
    await servers.until(() => ask(master, 'INFO', 'replication').includes('master_link_status:up'))
    expect(ask(replica, 'LLEN', '{b}list')).toBe(`:${count}\r\n`)
    control.send('SET {b}2 x\r\nWAIT 1 0\r\n')
    await control.expect('+OK\r\n:1\r\n')
    const reader = master.raw()
    reader.send('READONLY\r\nGET {b}2\r\nSET b y\r\n')
    await reader.expect(`+OK\r\n$1\r\nx\r\n-MOVED ${slot} 127.0.0.1:${replica.port}\r\n`)
    expect(ask(replica, 'INFO', 'stats')).toContain('sync_partial_ok:1\r\n')
  })
})
