// Writers killed at random moments, on the real disk: what was acknowledged is there, what was under way is there whole
// or not at all, and nothing is there without what came before it.
//
//   store=17     the life of one store, whose writers are killed one after the other (test/support/btree-kill)
//
// What a writer does follows from the seed, and so does after which of its reports it is killed; how far it has come by
// then does not, so a replay may need some attempts.
import { join } from 'node:path'
import { BedplateError } from '../../ts/base/errors.ts'
import { openBTree } from '../../ts/storage/btree/index.ts'
import { liveOnce, newTally } from '../support/btree-kill/life.ts'
import type { HeavyContext, HeavyFailure, HeavySuite } from '../support/heavy.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const ENOUGH_FAILURES = 5
const STORES_A_REPORT = 25

const suite: HeavySuite = {
  name: 'kill',

  atLeast: leastOf,

  async run(context) {
    const engines = await availableEngines()
    const tally = newTally()
    const failures: HeavyFailure[] = []
    let cases = 0
    const attempt = async (caseName: string): Promise<void> => {
      context.begin(caseName)
      cases++
      const [, seed] = /^store=(\d+)$/.exec(caseName) ?? []
      if (seed === undefined) throw new Error(`no such case: ${caseName}`)
      try {
        await liveOnce(Number(seed), engines, tally)
      } catch (error) {
        failures.push({ caseName, message: error instanceof Error ? error.message : String(error) })
      }
    }
    const counts = (): Record<string, number> => ({ ...tally, stores: cases, engines: engines.length })
    for (const name of context.only === undefined ? context.remembered : [context.only]) await attempt(name)
    const goesOn = (): boolean =>
      context.only === undefined &&
      failures.length < ENOUGH_FAILURES &&
      (context.hasTime() || isShort(context, counts()))
    for (let store = 0; goesOn(); store++) {
      await attempt(`store=${context.seed * 1e6 + store}`)
      if (store % STORES_A_REPORT === STORES_A_REPORT - 1) context.report(`${tally.kills} kills of ${store + 1} stores`)
    }
    return { cases, counts: counts(), failures }
  },
}

export default suite

/** Four stores go through all levels of durability. */
function leastOf(soak: boolean): Record<string, number> {
  return soak ? { kills: 500, stores: 100 } : { kills: 20, stores: 4 }
}

function isShort({ soak }: HeavyContext, counts: Readonly<Record<string, number>>): boolean {
  return Object.entries(leastOf(soak)).some(([name, least]) => (counts[name] ?? 0) < least)
}

/** The values of the option `native` that a store can be opened with here. */
async function availableEngines(): Promise<boolean[]> {
  const directory = temporaryDirectory()
  try {
    const store = await openBTree(join(directory.path, 'store'), { create: true, native: true })
    await store.close()
    return [false, true]
  } catch (error) {
    const code = error instanceof BedplateError ? error.code : undefined
    if (code === 'NOT_SUPPORTED' || code === 'UNAVAILABLE') return [false]
    throw error
  } finally {
    directory.remove()
  }
}
