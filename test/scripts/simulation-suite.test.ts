// What the suites of test/simulation share: which cases run, what is counted, and what counts as caught.
import { describe, expect, it } from 'vitest'
import { lacks, type Mutant } from '../../ts/storage/mutant.ts'
import type { HeavyContext, HeavyResult } from '../support/heavy.ts'
import { type SeedRun, type SimulationSuite, simulationSuite } from '../support/simulation-suite.ts'

type Rule = 'doors are shut'

/** A system with one rule, which its third seed needs. */
function runDoors(seed: number, mutant?: Mutant<Rule>): SeedRun {
  const isOpen = seed % 10 === 3 && lacks(mutant, 'doors are shut')
  return { counts: { rooms: 2 }, complaint: isOpen ? 'a door is open' : undefined, digest: `hash of ${seed}` }
}

const DOORS: SimulationSuite<Rule> = {
  name: 'doors',
  leastOf: () => ({ seeds: 6, rooms: 10 }),
  wordsOf: (number) => (number % 2 === 0 ? '' : 'windows'),
  run: (seed, words) => (['', 'windows'].includes(words) ? runDoors(seed) : undefined),
  planted: { rules: ['doors are shut'], run: (seed, mutant) => runDoors(seed, mutant).complaint },
  mutantSeeds: 5,
  repeatedEvery: 3,
}

interface Result extends HeavyResult {
  readonly names: readonly string[]
  readonly lines: readonly string[]
}

async function run(changes: Partial<SimulationSuite<Rule>>, context: Partial<HeavyContext> = {}): Promise<Result> {
  const names: string[] = []
  const lines: string[] = []
  const result = await simulationSuite({ ...DOORS, ...changes }).run({
    ...{ budgetMs: 0, seed: 7, soak: false, remembered: [], only: undefined, hasTime: () => false },
    begin: (name) => names.push(name),
    report: (line) => lines.push(line),
    ...context,
  })
  return { ...result, names, lines }
}

async function messages(changes: Partial<SimulationSuite<Rule>>, context?: Partial<HeavyContext>): Promise<string[]> {
  return (await run(changes, context)).failures.map(({ caseName, message }) => `${caseName}: ${message}`)
}

describe('a suite of the simulator', () => {
  it('runs what failed before, then its rules, then seeds until it has covered enough', async () => {
    const { names, counts, cases, failures } = await run({}, { remembered: ['seed=9 windows'] })
    expect(names).toEqual([
      'seed=9 windows',
      'seed=7000000 without=doors are shut',
      ...['seed=7000000', 'seed=7000001 windows', 'seed=7000002', 'seed=7000003 windows', 'seed=7000004'],
    ])
    expect({ cases, counts, failures }).toEqual({
      ...{ cases: 7, counts: { seeds: 6, rooms: 12, mutantsCaught: 1, repeatedSeeds: 2 }, failures: [] },
    })
    expect(simulationSuite(DOORS).atLeast?.(false)).toEqual({ seeds: 6, rooms: 10, mutantsCaught: 1, repeatedSeeds: 2 })
  })

  it('begins with a seed that is known to notice, unless it has time to look', async () => {
    const planted = { ...DOORS.planted, noticedFrom: { 'doors are shut': 12 } }
    expect((await run({ planted })).names[0]).toBe('seed=12 without=doors are shut')
    expect((await run({ planted }, { soak: true })).names[0]).toBe('seed=7000000 without=doors are shut')
  })

  it('replays one case, and tells of it', async () => {
    const described = { ...runDoors(2), describe: () => ['two rooms'] }
    expect(await run({ run: () => described }, { only: 'seed=2' })).toMatchObject({ cases: 1, lines: ['two rooms'] })
    expect(await run({}, { only: 'seed=1 without=doors are shut' })).toMatchObject({ lines: ['3: a door is open'] })
    const planted = { ...DOORS.planted, explain: (seed: number) => `the whole story of ${seed}` }
    expect(await run({ planted }, { only: 'seed=1 without=doors are shut' })).toMatchObject({
      lines: ['the whole story of 3'],
    })
  })

  it('refuses a case that means nothing', async () => {
    for (const only of ['seed=1 gates', 'seed=1 without=', 'seed=1 without=another rule', 'doors']) {
      expect(await messages({}, { only })).toEqual([`${only}: no such case: ${only}`])
    }
  })

  it('explains a seed that fails, and goes no further than the fifth', async () => {
    const failing = { ...runDoors(1), complaint: 'a draught', explain: () => 'a draught from the north' }
    const found = await messages({ run: () => failing }, { hasTime: () => true })
    expect(found).toHaveLength(5)
    expect(found[0]).toBe('seed=7000000: a draught from the north')
  })

  it('takes what is thrown as a failure of its case', async () => {
    const run = (): SeedRun => {
      throw new Error('the house is gone')
    }
    expect(await messages({ run }, { only: 'seed=1' })).toEqual(['seed=1: the house is gone'])
  })

  it('fails a seed that does something else the second time', async () => {
    let times = 0
    const run = (seed: number): SeedRun => ({ ...runDoors(seed), digest: `${++times}` })
    expect(await messages({ run }, { only: 'seed=3' })).toEqual([
      'seed=3: a second run of seed 3 has the hash 2, not 1',
    ])
  })
})

describe('a rule that is taken away', () => {
  const only = 'seed=1 without=doors are shut'

  it('is caught by a scenario or by a seed', async () => {
    const scenario = (mutant?: Mutant<Rule>): string | undefined =>
      lacks(mutant, 'doors are shut') ? 'a guest is inside' : undefined
    const planted = { ...DOORS.planted, scenarios: { 'doors are shut': scenario } }
    expect(await run({ planted }, { only })).toMatchObject({
      ...{ counts: { mutantsCaught: 1 }, lines: ['scenario: a guest is inside'] },
    })
    expect(await run({}, { only })).toMatchObject({ counts: { mutantsCaught: 1 } })
  })

  it('is not caught if nothing goes wrong', async () => {
    const planted = { ...DOORS.planted, run: () => undefined }
    expect(await run({ planted }, { only })).toMatchObject({
      counts: { mutantsCaught: 0 },
      failures: [{ message: expect.stringContaining('passed its scenario, or 5 seeds; the rule was missing 0 times') }],
    })
  })

  it('is not caught by what goes wrong without having asked for it', async () => {
    const planted = { ...DOORS.planted, run: () => 'the roof is off' }
    expect(await messages({ planted }, { only })).toEqual([
      `${only}: seed 1 fails, and its rule "doors are shut" never mattered: the roof is off`,
    ])
    const scenarios = { 'doors are shut': () => 'rain' }
    expect(await messages({ planted: { ...DOORS.planted, scenarios } }, { only })).toEqual([
      `${only}: the scenario of "doors are shut" goes wrong with all rules: rain`,
    ])
  })
})
