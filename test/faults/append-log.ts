// Power loss under the append log: what was promised is there after any crash, also one of the recovery or in the middle
// of a truncation at either end; readers beside the writer never see what a crash takes away; and every rule is needed.
import type { Rule } from '../../ts/storage/log/mutant.ts'
import { crashOnce, damageStart } from '../support/append-log-crash/check.ts'
import { runWorkload } from '../support/append-log-crash/workload.ts'
import { workloadSuite } from '../support/workload-suite.ts'

const RULES: readonly Rule[] = [
  'void segments',
  'durable truncation',
  'numbers of the truncated',
  'start sync',
  'start name sync',
  'start before discarding',
  'flush before start',
  'start checksum',
  'readable is durable',
  'readable of this segment',
]

const IMAGES_A_CASE = 30
const DAMAGES_A_CASE = 3

export default workloadSuite({
  name: 'append-log',
  rules: RULES,
  mutantCases: 400,
  imagesAtLeast: (soak) => (soak ? 100_000 : 5000),

  async check(random, tally, mutant) {
    const { life, settings } = await runWorkload(random, mutant)
    for (let i = 0; i < IMAGES_A_CASE; i++) await crashOnce(life, random, tally, { settings, mutant })
    await life.close()
    for (let i = 0; i < DAMAGES_A_CASE; i++) damageStart(life, random, tally, mutant)
  },
})
