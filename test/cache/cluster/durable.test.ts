// What a node remembers, and what waits for that.
import { afterEach, describe, expect, it } from 'vitest'
import { Bus, type BusListener } from '../../../ts/cache/cluster/bus.ts'
import { DEFAULT_GOSSIP_OPTIONS } from '../../../ts/cache/cluster/types.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { createLogger } from '../../../ts/service/index.ts'
import { ServersBed } from '../../support/cluster/servers.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { PipeNetwork } from '../../support/pipe-network.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function nodeOn(disk: SimulatedDisk): Promise<ServersBed> {
  const servers = await ServersBed.start(1, () => ({ store: { disk, path: '/nodes.conf' } }))
  closing.push(() => servers.stop())
  return servers
}

/** Lets the disk do what it was asked for, and what follows from that. */
async function syncAll(disk: SimulatedDisk): Promise<void> {
  disk.manualSyncs = false
  while (disk.pendingSyncs.length > 0) {
    disk.completeSync()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('CLUSTER', () => {
  it('answers when what it ordered is durable, and later commands after it', async () => {
    const disk = new SimulatedDisk()
    const [bed] = (await nodeOn(disk)).beds
    if (bed === undefined) throw new Error('one node was started')
    disk.manualSyncs = true
    const client = bed.raw()
    client.send('CLUSTER ADDSLOTS 1 2\r\nCLUSTER BUMPEPOCH\r\nECHO after\r\n')
    const other = bed.raw()
    for (let i = 0; i < 5; i++) {
      other.send('PING\r\n')
      await other.expect('+PONG\r\n')
    }
    expect(client.received).toBe('')
    expect(bed.member.topology.myself.slotCount).toBe(2)
    await syncAll(disk)
    await client.expect('+OK\r\n+BUMPED 1\r\n$5\r\nafter\r\n')
    // What is refused, and what changes nothing, is answered at once.
    client.send('CLUSTER ADDSLOTS 1\r\nMULTI\r\nCLUSTER DELSLOTS 1\r\nEXEC\r\n')
    await client.expect('-ERR Slot 1 is already busy\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n')
  })
})

describe('nodes.conf', () => {
  it('belongs to one node', async () => {
    const disk = new SimulatedDisk()
    const [bed] = (await nodeOn(disk)).beds
    await expect(nodeOn(disk)).rejects.toThrow('/nodes.conf is that of another node, which is running')
    await bed?.stop()
    await nodeOn(disk)
  })
})

describe('a bus whose disk stands still', () => {
  it('keeps no more messages than it may, and goes on with those', async () => {
    const [clock, network, disk] = [
      new ManualClock(1_700_000_000_000),
      new PipeNetwork(seededRandom(1)),
      new SimulatedDisk(),
    ]
    let heard = 0
    const busOf = (seed: number, store: { disk: SimulatedDisk; path: string } | undefined): Bus => {
      const ignore = (): void => {}
      const listener: BusListener = {
        ...{ follow: ignore, promote: ignore, dropKeys: ignore, pause: ignore, resume: ignore, slotsChanged: ignore },
        deliver: () => void heard++,
        failed: (error) => {
          throw error
        },
      }
      const logger = createLogger({ name: 'bus', level: 'error', now: () => 0, write() {} })
      return new Bus({
        ...{ network, clock, logger, store, listener, announcedPort: 0, announcedBusPort: 0 },
        random: seededRandom(seed),
        gossip: DEFAULT_GOSSIP_OPTIONS,
        keys: { countIn: () => 0, size: 0 },
        replication: { offset: 0, masterHeardMs: 0, isWhole: true, isChanging: false },
      })
    }
    const [bus, peer] = [busOf(1, { disk, path: '/nodes.conf' }), busOf(2, undefined)]
    closing.push(
      () => bus.stop(),
      () => peer.stop(),
    )
    await bus.start(1, { host: '127.0.0.1', port: 11 })
    await peer.start(2, { host: '127.0.0.1', port: 12 })
    bus.order({ kind: 'meet', host: '127.0.0.1', port: 2, busPort: 12 })
    const until = async (isSo: () => boolean): Promise<void> => {
      for (let turns = 0; !isSo() && turns < 1000; turns++) {
        await clock.turn()
        clock.advance(20)
      }
      expect(isSo()).toBe(true)
    }
    await until(() => peer.engine.topology.nodes.has(bus.engine.topology.myself.name))
    bus.publish('news', 'before', false)
    await until(() => heard === 1)
    disk.manualSyncs = true
    bus.order({ kind: 'saveConfig' })
    expect(bus.isDurable).toBe(false)
    for (let i = 0; i < 100; i++) bus.publish('news', 'x'.repeat(2 ** 20), false)
    await syncAll(disk)
    await until(() => bus.isDurable)
    await until(() => heard > 50)
    bus.publish('news', 'after', false)
    const all = heard
    await until(() => heard > all)
    expect(heard).toBeLessThan(66)
  })
})
