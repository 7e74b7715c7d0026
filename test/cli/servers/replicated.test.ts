import { afterEach, expect, it } from 'vitest'
import type { NodeState } from '../../../ts/cli/local-cluster/nodes.ts'
import type { Made } from '../../../ts/cli/servers/kinds.ts'
import { makeReplicated } from '../../../ts/cli/servers/replicated.ts'
import { createLogger } from '../../../ts/service/index.ts'

let made: Made | undefined

afterEach(() => made?.server.stop())

it('a replicated store of three nodes does not start when one of them ends before it serves', async () => {
  const logger = createLogger({ name: 'test', level: 'error', now: Date.now, write: () => {} })
  made = makeReplicated({ host: '127.0.0.1', port: 0, dataDirectory: undefined, isCluster: true, logger })
  made.failed.catch(() => {})
  const start = made.server.start()
  start.catch(() => {})
  let states: readonly NodeState[] = []
  while (states.length === 0) {
    await new Promise<void>((resolve) => void setImmediate(resolve))
    states = (made.server.inspect() ?? []) as NodeState[]
  }
  process.kill(states[1]?.pid as number, 'SIGKILL')
  await expect(start).rejects.toMatchObject({
    ...{ code: 'UNAVAILABLE', message: 'node 2 did not start: it ended by SIGKILL' },
  })
})
