import type { HeavySuite } from '../../support/heavy.ts'

/** The process is gone before there is a result. */
const suite: HeavySuite = {
  name: 'dies',
  async run(context) {
    context.begin('seed=3')
    process.kill(process.pid, 'SIGKILL')
    return new Promise(() => setInterval(() => undefined, 1000))
  },
}

export default suite
