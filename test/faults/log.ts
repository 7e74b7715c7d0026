// Power loss under the log: what was promised is there after any crash, also one of the recovery; and every rule of
// the log is needed, for with any of them taken away the same checks fail.
import type { Rule } from '../../ts/storage/log/mutant.ts'
import { crashOnce } from '../support/log-crash/check.ts'
import { cutOnce, damageOnce, misdirectOnce } from '../support/log-crash/damage.ts'
import { runRandomly, runRenumbering } from '../support/log-crash/workload.ts'
import { workloadSuite } from '../support/workload-suite.ts'

const RULES: readonly Rule[] = [
  'group sync',
  'old segment sync',
  'new segment sync',
  'names before recycling',
  'names after publishing',
  'page alignment',
  'header checksum',
  'payload checksum',
  'generation',
  'offset',
  'durable proof',
  'rewritten tail',
  'frame before name',
  'segment length',
  'closing frame sync',
]

const IMAGES_A_CASE = 40
const IMAGES_AFTER_CLOSE = 8
const DAMAGES_A_CASE = 15
const CUTS_A_CASE = 3

export default workloadSuite({
  name: 'log',
  rules: RULES,
  mutantCases: 600,
  noticedFrom: { 'page alignment': 6, generation: 1, 'rewritten tail': 1 },
  imagesAtLeast: (soak) => (soak ? 50_000 : 2_000),

  async check(random, tally, mutant) {
    const run = random.next() < 0.9 ? runRandomly : runRenumbering
    const { life, settings } = await run(random, mutant)
    for (let i = 0; i < IMAGES_A_CASE; i++) await crashOnce(life, random, tally, { settings, mutant })
    await life.flush()
    await misdirectOnce(life, tally, { settings, mutant })
    for (let i = 0; i < CUTS_A_CASE; i++) await cutOnce(life, random, tally, { settings, mutant })
    await life.close()
    for (let i = 0; i < DAMAGES_A_CASE; i++) await damageOnce(life, random, tally, { settings, mutant })
    for (let i = 0; i < CUTS_A_CASE; i++) await cutOnce(life, random, tally, { settings, mutant })
    for (let i = 0; i < IMAGES_AFTER_CLOSE; i++)
      await crashOnce(life, random, tally, { settings, mutant, near: 'the end' })
  },
})
