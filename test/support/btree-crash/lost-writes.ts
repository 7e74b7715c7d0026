// A disk that says that it wrote a page, and did not, leaves what was there before: whole, and at its place.
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Mutant } from '../../../ts/storage/btree/mutant.ts'
import { lostWrites, showsNothingWrong } from './damage.ts'
import { DATA } from './metas.ts'
import { Recorder } from './recorder.ts'
import { SMALL } from './store.ts'

/**
 * Many more pages than the cache holds, so that each round writes them back and changes what the one before has written.
 * @returns How many losses were noticed.
 */
export async function loseRewrites(seed: number, mutant?: Mutant): Promise<number> {
  const recorder = await begin(seed, mutant)
  for (let round = 0; round < 3; round++) {
    for (let key = 0; key < 120; key++) void recorder.put(`k${key % 2}${key}`, `${round}`.repeat(40 + (key % 50)))
  }
  return await loseEach(recorder)
}

/** The same with long values and a bulk load, which go to the file at once, to places that were in use before. */
export async function loseLongValues(seed: number, mutant?: Mutant): Promise<number> {
  const recorder = await begin(seed, mutant)
  for (let round = 0; round < 6; round++) {
    void recorder.put('long', `${round}`.repeat(3000))
    void recorder.put(`longer-${round}`, `${round}`.repeat(5000))
    if (round % 2 === 1) void recorder.delete(`longer-${round - 1}`)
  }
  const entries = Array.from({ length: 40 }, (_, i): [string, string] => [String(1000 + i), `${i}`.repeat(30)])
  await recorder.bulkLoad(entries, 'loaded', async () => {
    void recorder.put('long', 'x'.repeat(2000))
    void recorder.put('longer', 'y'.repeat(1000))
    void recorder.delete('longer')
  })
  return await loseEach(recorder)
}

function begin(seed: number, mutant: Mutant | undefined): Promise<Recorder> {
  const settings = { ...SMALL, durability: 'memory' as const, mutant }
  return Recorder.open(new SimulatedDisk(), settings, { random: seededRandom(seed) })
}

/**
 * Closes the store and loses the last write of each page that was written more than once, one at a time.
 * @throws Violation if that shows anything wrong.
 */
async function loseEach(recorder: Recorder): Promise<number> {
  await recorder.close()
  const image = recorder.disk.currentImage()
  let noticed = 0
  for (const { position, versions } of lostWrites(image, recorder)) {
    const damaged = image.clone()
    damaged.write(DATA, versions.at(-1) as Uint8Array, position)
    if (!(await showsNothingWrong(damaged, recorder))) noticed++
  }
  return noticed
}
