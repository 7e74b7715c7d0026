import { afterEach, describe, expect, it } from 'vitest'
import { contentOf, type LifeClient } from '../../support/cache-life.ts'
import { ReplicationBed } from '../../support/replication.ts'
import { runReplication } from '../../support/replication-run.ts'

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

  it.each([1, 2, 3])(
    'has what its master has, however connections are cut and roles change (seed %i)',
    async (seed) => {
      const { complaint, partialSyncs } = await runReplication(seed)
      expect(complaint).toBeUndefined()
      expect(partialSyncs).toBeGreaterThan(0)
    },
  )
})
