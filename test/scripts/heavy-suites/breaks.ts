import type { HeavySuite } from '../../support/heavy.ts'

/** One case fails, unless it is the only one asked for, and so does one that there is not. */
const suite: HeavySuite = {
  name: 'breaks',
  async run({ only, remembered, report }) {
    report(`remembered: ${remembered.join(', ') || 'nothing'}`)
    if (only === 'seed=x') {
      return { cases: 1, counts: {}, failures: [{ caseName: only, message: `no such case: ${only}` }] }
    }
    if (only !== undefined) return { cases: 1, counts: {}, failures: [] }
    return { cases: 2, counts: {}, failures: [{ caseName: "seed=7 it's", message: 'lost a write' }] }
  },
}

export default suite
