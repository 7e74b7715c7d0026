// Writers killed at random moments, on the real disk: what was acknowledged is there, what was under way is there whole
// or not at all, and nothing is there without what came before it.
//
//   btree=17     the life of one store, whose writers are killed one after the other (test/support/store-kill)
//   lsm=17       the same of an LSM store
//   log=17       the same of an append log (test/support/append-log-kill)
//
// What a writer does follows from the seed, and so does after which of its reports it is killed; how far it has come by
// then does not, so a replay may need some attempts.
import { join } from 'node:path'
import { BedplateError } from '../../ts/base/errors.ts'
import { openBTree } from '../../ts/storage/btree/index.ts'
import { liveLogOnce, newLogTally } from '../support/append-log-kill/life.ts'
import type { HeavyContext, HeavyFailure, HeavyResult, HeavySuite } from '../support/heavy.ts'
import { liveOnce, newTally, type Tally } from '../support/store-kill/life.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const ENOUGH_FAILURES = 5
const LIVES_A_REPORT = 25
const KINDS = ['btree', 'lsm', 'log'] as const

const suite: HeavySuite = {
  name: 'kill',

  atLeast: leastOf,

  async run(context) {
    const tallies = { btree: newTally(), lsm: newTally(), log: newLogTally() }
    const engines = { btree: await availableEngines(), lsm: [false] }
    const lives = { btree: 0, lsm: 0, log: 0 }
    const failures: HeavyFailure[] = []
    const attempt = async (caseName: string): Promise<void> => {
      context.begin(caseName, soFar())
      const [, kind, number] = /^(btree|lsm|log)=(\d+)$/.exec(caseName) ?? []
      if (kind === undefined) {
        failures.push({ caseName, message: `no such case: ${caseName}` })
        return
      }
      const seed = Number(number)
      lives[kind as keyof typeof lives]++
      try {
        if (kind === 'log') await liveLogOnce(seed, tallies.log)
        else
          await liveOnce(
            kind as 'btree' | 'lsm',
            seed,
            engines[kind as 'btree' | 'lsm'],
            tallies[kind as 'btree' | 'lsm'],
          )
      } catch (error) {
        failures.push({ caseName, message: error instanceof Error ? error.message : String(error) })
      }
    }
    const counts = (): Record<string, number> => ({
      ...named('btree', tallies.btree),
      ...named('lsm', tallies.lsm),
      ...tallies.log,
      btreeStores: lives.btree,
      lsmStores: lives.lsm,
      logs: lives.log,
      engines: engines.btree.length,
    })
    const soFar = (): HeavyResult => ({ cases: lives.btree + lives.lsm + lives.log, counts: counts(), failures })
    for (const name of context.only === undefined ? context.remembered : [context.only]) await attempt(name)
    const goesOn = (): boolean =>
      context.only === undefined &&
      failures.length < ENOUGH_FAILURES &&
      (context.hasTime() || isShort(context, counts()))
    for (let life = 0; goesOn(); life++) {
      const [kind, number] = [KINDS[life % KINDS.length] as string, Math.floor(life / KINDS.length)]
      await attempt(`${kind}=${context.seed * 1e6 + number}`)
      if (life % LIVES_A_REPORT < LIVES_A_REPORT - 1) continue
      const kills = tallies.btree.kills + tallies.lsm.kills + tallies.log.logKills
      context.report(`${kills} kills in ${life + 1} lives`)
    }
    return soFar()
  },
}

export default suite

/** Four of a kind go through all levels of durability. */
function leastOf(soak: boolean): Record<string, number> {
  const lives = soak ? 100 : 4
  const kills = soak ? 500 : 20
  return {
    btreeKills: kills,
    lsmKills: kills,
    logKills: (kills * 4) / 5,
    btreeStores: lives,
    lsmStores: lives,
    logs: lives,
  }
}

function isShort({ soak }: HeavyContext, counts: Readonly<Record<string, number>>): boolean {
  return Object.entries(leastOf(soak)).some(([name, least]) => (counts[name] ?? 0) < least)
}

/** The figures of a tally under the name of an engine: `lsmKills`. */
function named(engine: string, tally: Tally): Record<string, number> {
  const figures = Object.entries(tally).filter(([name]) => engine === 'btree' || name !== 'crossings')
  return Object.fromEntries(
    figures.map(([name, figure]) => [engine + name.replace(/^./, (c) => c.toUpperCase()), figure]),
  )
}

/** The values of the option `native` that a B-tree can be opened with here. */
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
