import type { HeavySuite } from '../../support/heavy.ts'

/** The process is gone in the third case of a suite, the second of which has failed. */
const suite: HeavySuite = {
  name: 'dies',
  atLeast: () => ({ images: 20 }),
  async run(context) {
    const counts = { images: 12 }
    context.report(`remembered: ${context.remembered.join(', ') || 'nothing'}`)
    context.begin('seed=1', { cases: 0, counts: {}, failures: [] })
    context.begin('seed=2', { cases: 1, counts, failures: [] })
    context.begin('seed=3', { cases: 2, counts, failures: [{ caseName: 'seed=2', message: 'lost a write' }] })
    process.kill(process.pid, 'SIGKILL')
    return new Promise(() => setInterval(() => undefined, 1000))
  },
}

export default suite
