import { BedplateError } from '../../../ts/base/errors.ts'
import type { HeavySuite } from '../../support/heavy.ts'

/** Passes, and shows that suites reach the product. */
const suite: HeavySuite = {
  name: 'holds',
  atLeast: () => ({ images: 2 }),
  async run({ report, seed }) {
    report(`seed ${seed}, ${new BedplateError('IO', 'seen').code}`)
    return { cases: 3, counts: { images: 2 }, failures: [] }
  },
}

export default suite
