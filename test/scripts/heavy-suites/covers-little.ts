import type { HeavySuite } from '../../support/heavy.ts'

/** Every case holds, but there were too few. */
const suite: HeavySuite = {
  name: 'covers-little',
  atLeast: (soak) => ({ images: soak ? 1000 : 10 }),
  async run() {
    return { cases: 4, counts: { images: 4 }, failures: [] }
  },
}

export default suite
