// The moment in which a meta comes into force, down to the microtask: too short for a random workload to meet.
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Mutant } from '../../../ts/storage/btree/mutant.ts'
import { checkCrash, type Tally } from './check-image.ts'
import { DATA } from './metas.ts'
import { Recorder } from './recorder.ts'
import { SMALL } from './store.ts'

/** Microtasks after the last sync of a checkpoint in which a write may come. */
const MOMENTS = 8
/** Of about a hundred leaves. */
const KEYS = 400

/** Writes to every page of a store right when a checkpoint of it becomes durable, and crashes it afterwards. */
export async function checkAdoption(seed: number, tally: Tally, mutant: Mutant | undefined): Promise<void> {
  for (let moment = 0; moment < MOMENTS; moment++) await writeAt(moment, seededRandom(seed + moment), tally, mutant)
}

async function writeAt(moment: number, random: Random, tally: Tally, mutant: Mutant | undefined): Promise<void> {
  const disk = new SimulatedDisk()
  const settings = { ...SMALL, durability: 'os' as const, mutant }
  const recorder = await Recorder.open(disk, settings, { random })
  await writeAll(recorder, 'a')
  await recorder.checkpoint()
  await recorder.put('between', 'two metas that share their pages')
  await recorder.checkpoint()
  await writeAll(recorder, 'b') // replaces about a hundred pages, all of which wait
  await recorder.flushed()

  disk.manualSyncs = true
  const checkpointed = recorder.checkpoint()
  await endDataSync(disk) // its pages
  await endDataSync(disk) // its meta
  disk.manualSyncs = false
  for (let i = 0; i < moment; i++) await undefined
  const written = writeAll(recorder, 'c') // replaces as many: on the way, those that wait are looked at
  await Promise.all([checkpointed, written])
  await recorder.settled()

  const point = disk.history.length
  const image = disk.crashImage(point, 'all', random)
  const expected = recorder.expectationAt(point, true)
  await checkCrash({ image, variant: 'all', expected, settings, isFirst: true }, random, tally)
  await recorder.close()
}

function writeAll(recorder: Recorder, value: string): Promise<void> {
  const operations = Array.from({ length: KEYS }, (_, i) => ({
    type: 'put' as const,
    key: `k${String(i).padStart(3, '0')}`,
    value: value.repeat(80),
  }))
  return recorder.write({ kind: 'batch', operations })
}

/** Waits for a sync of the data file, and ends it. */
async function endDataSync(disk: SimulatedDisk): Promise<void> {
  for (;;) {
    const index = disk.pendingSyncs.findIndex(({ path }) => path === DATA)
    if (index >= 0) return disk.completeSync(index)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
