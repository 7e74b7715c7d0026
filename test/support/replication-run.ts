// Three servers, a master and its replicas, under changes and cuts at random: in the end all have the same.
import type { Mutant, Rule } from '../../ts/cache/replication/mutant.ts'
import { type Random, seededRandom } from '../../ts/io/random.ts'
import { contentOf } from './cache-life.ts'
import { anyChange, below } from './cache-workload.ts'
import type { Planted } from './planted.ts'
import { ReplicationBed } from './replication.ts'

/** What a run has seen. */
export interface ReplicationRun {
  readonly complaint: string | undefined
  readonly partialSyncs: number
  readonly fullSyncs: number
}

const ROUNDS = 8

/** All rules; the compiler sees that none is left out. */
const IS_RULE: Readonly<Record<Rule, true>> = { 'whole transactions': true, 'old ids end': true }

/** Seeds are enough for both. */
export const planted: Planted<Rule> = {
  rules: Object.keys(IS_RULE) as Rule[],
  run: (seed, mutant) =>
    runReplication(seed, mutant).then(
      ({ complaint }) => complaint,
      (error: unknown) => String(error),
    ),
}

/** Runs the servers as drawn from a seed. In every second one a replica that is behind takes the master's place. */
export async function runReplication(seed: number, mutant?: Mutant): Promise<ReplicationRun> {
  const bed = new ReplicationBed(seed)
  const random = seededRandom(seed)
  const options = { replication: { isDiskless: random.next() < 0.5, ...(mutant === undefined ? {} : { mutant }) } }
  try {
    await bed.start(options)
    await change(bed, 1, random, 60)
    for (let i = 0; i < 10; i++) bed.network.cuts.push(1 + below(random, 4000))
    await bed.replica(1, options)
    await bed.replica(random.next() < 0.5 ? 1 : 2, options)
    for (let round = 0; round < ROUNDS; round++) {
      await change(bed, 1, random, 30)
      if (random.next() < 0.5) bed.network.cut()
    }
    let master = 1
    if (seed % 2 === 1) {
      // What the old master has written and not sent is lost, in its own place as well.
      bed.network.cut()
      await change(bed, 1, random, 10)
      master = 2
      await bed.client(2).ask('REPLICAOF', 'NO', 'ONE')
      await change(bed, 2, random, 30)
      for (const port of [1, 3]) await bed.client(port).ask('REPLICAOF', '127.0.0.1', '2')
    }
    for (const port of [1, 2, 3]) if (port !== master) await followed(bed, port)
    return {
      complaint: await complaint(bed, master),
      partialSyncs: sum(bed, 'sync_partial_ok'),
      fullSyncs: sum(bed, 'sync_full'),
    }
  } finally {
    await bed.stop()
  }
}

function sum(bed: ReplicationBed, name: string): number {
  return [1, 2, 3].reduce((total, port) => total + Number(bed.info(port, name)), 0)
}

async function change(bed: ReplicationBed, port: number, random: Random, count: number): Promise<void> {
  const client = bed.client(port)
  for (let i = 0; i < count; i++) {
    for (const args of anyChange(random, bed.clock.now())) client.send(...args)
    if (random.next() < 0.1) bed.clock.advance(below(random, 3000))
    if (random.next() < 0.5) await bed.clock.turn()
  }
  await client.drained()
}

/** Waits until a server has what its master has, whoever that is. */
function followed(bed: ReplicationBed, port: number): Promise<void> {
  return bed.synced(port, Number(bed.info(port, 'master_port')))
}

async function complaint(bed: ReplicationBed, master: number): Promise<string | undefined> {
  const failed = bed.log.find(({ msg }) => msg === 'a command of the master failed')
  if (failed !== undefined) return `server ${failed['name']} could not run ${failed['command']}: ${failed['why']}`
  const expected = (await contentOf(bed.client(master))).split('\n')
  for (const port of [1, 2, 3]) {
    const found = (await contentOf(bed.client(port))).split('\n')
    const at = expected.findIndex((line, index) => line !== found[index])
    if (at !== -1 || found.length !== expected.length) {
      return `server ${port} has ${JSON.stringify(found[at])}, its master ${JSON.stringify(expected[at])}`
    }
  }
  return undefined
}
