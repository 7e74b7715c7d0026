import { afterEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { contentOf, type LifeClient } from '../../support/cache-life.ts'
import { anyChange, below } from '../../support/cache-workload.ts'
import { ReplicationBed } from '../../support/replication.ts'

const beds: ReplicationBed[] = []

afterEach(async () => {
  for (const bed of beds.splice(0)) await bed.stop()
})

function newBed(seed = 1): ReplicationBed {
  const bed = new ReplicationBed(seed)
  beds.push(bed)
  return bed
}

async function run(client: LifeClient, commands: readonly string[][]): Promise<string[]> {
  const replies: string[] = []
  for (const args of commands) replies.push(await client.ask(...args))
  return replies
}

describe('a replica', () => {
  it('gets what there is, and then what changes', async () => {
    const bed = newBed()
    const master = await bed.start()
    const client = bed.client(master)
    await run(client, [
      ['SET', 'a', '1'],
      ['SELECT', '2'],
      ['RPUSH', 'l', 'x', 'y'],
    ])
    const replica = await bed.replica(master)
    await bed.synced(replica, master)
    const reader = bed.client(replica)
    expect(await contentOf(reader)).toBe('0 a -1 1\n2 l -1 ["x","y"]')
    await run(client, [['LPOP', 'l'], ['MULTI'], ['SET', 'b', '2'], ['SET', 'c', '3'], ['EXEC'], ['FLUSHDB']])
    await bed.synced(replica, master)
    expect(await contentOf(reader)).toBe('0 a -1 1')
    expect(await reader.ask('SET', 'a', '2')).toBe("-READONLY You can't write against a read only replica.")
    expect(await reader.ask('ROLE')).toBe(
      `["slave","127.0.0.1","1","connected","${bed.info(1, 'master_repl_offset')}"]`,
    )
    expect(await client.ask('ROLE')).toContain('127.0.0.1')
    expect([bed.info(master, 'sync_full'), bed.info(master, 'connected_slaves')]).toEqual(['1', '1'])
  })

  it.each([1, 2, 4])('has what its master has, however connections are cut (seed %i)', async (seed) => {
    const bed = newBed(seed)
    const random = seededRandom(seed)
    const master = await bed.start()
    const client = bed.client(master)
    const change = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        for (const args of anyChange(random, bed.clock.now())) client.send(...args)
        if (random.next() < 0.1) bed.clock.advance(below(random, 3000))
        if (random.next() < 0.5) await bed.clock.turn()
      }
      await client.drained()
    }
    await change(100)
    for (let i = 0; i < 12; i++) bed.network.cuts.push(1 + below(random, 4000))
    const isDiskless = seed % 2 === 0
    await run(client, [['CONFIG', 'SET', 'repl-diskless-sync', isDiskless ? 'yes' : 'no']])
    const replica = await bed.replica(master)
    const chained = await bed.replica(replica)
    for (let round = 0; round < 10; round++) {
      await change(40)
      if (random.next() < 0.5) bed.network.cut()
    }
    await client.ask('SELECT', '0')
    await bed.synced(replica, master)
    await bed.synced(chained, replica)
    const content = await contentOf(client)
    expect(content).not.toBe('')
    expect(await contentOf(bed.client(replica))).toBe(content)
    expect(await contentOf(bed.client(chained))).toBe(content)
    expect(Number(bed.info(master, 'sync_partial_ok'))).toBeGreaterThan(0)
    expect(bed.log.filter(({ msg }) => msg === 'a command of the master failed')).toEqual([])
  })
})
