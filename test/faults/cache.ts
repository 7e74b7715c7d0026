// Power loss under the cache: what a policy promises is there after any crash, also one of the start that follows; and every rule
// of persistence is needed.
import type { Mutant, Rule } from '../../ts/cache/persistence/mutant.ts'
import { CrashWorkload, crashSettings } from '../support/cache-crash.ts'
import { workloadSuite } from '../support/workload-suite.ts'

const RULES: readonly Rule[] = [
  'reply after sync',
  'group sync',
  'snapshot sync',
  'snapshot name sync',
  'base sync',
  'names before manifest',
  'manifest sync',
  'manifest name sync',
  'manifest before increment',
  'increment closed',
]

const IMAGES_A_CASE = 20

export default workloadSuite<Rule>({
  name: 'cache',
  rules: RULES,
  mutantCases: 240,
  imagesAtLeast: (soak) => (soak ? 10_000 : 300),

  async check(random, tally, mutant?: Mutant) {
    const workload = new CrashWorkload(random, crashSettings(random, mutant))
    await workload.run()
    for (let i = 0; i < IMAGES_A_CASE; i++) await workload.crash(tally)
  },
})
