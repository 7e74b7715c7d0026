// The replicated store of `bedplate up --only replicated-kv`: one node, which others may join.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ReplicaServer } from '../../distributed/replication/server/server.ts'
import { realClock } from '../../io/clock.ts'
import { realNetwork } from '../../io/network.ts'
import { realRandom } from '../../io/random.ts'
import { realDisk } from '../../io/real-disk.ts'
import { troubleTo } from '../kit/trouble.ts'
import type { Made, MakeOptions } from './kinds.ts'
import { lateServer } from './late.ts'

/** Where `replicated-kv --node-id=1` has its data, too, unless it is told otherwise. */
const DIRECTORY = 'replicated-kv-1'

/** Makes a node that begins a cluster, or goes on with its own. It has started when it leads. */
export function makeReplicated({ host, port, logger, dataDirectory }: Omit<MakeOptions, 'isCluster'>): Made {
  let temporary: string | undefined
  return lateServer(
    async ({ opened, fail }) => {
      if (dataDirectory === undefined) temporary = mkdtempSync(join(tmpdir(), 'replicated-kv-'))
      else mkdirSync(dataDirectory, { recursive: true })
      const seams = { disk: realDisk, clock: realClock, random: realRandom, network: realNetwork }
      let leads: () => void = () => {}
      const serves = new Promise<void>((resolve) => {
        leads = resolve
      })
      const server = new ReplicaServer(seams, join(dataDirectory ?? (temporary as string), DIRECTORY), {
        ...{ id: 1, listen: { host, port }, lead: true },
        onEvent: () => leads(),
        onTrouble: troubleTo(logger),
      })
      server.failed.catch(fail)
      opened(server)
      const address = await server.start()
      await Promise.race([serves, server.failed])
      return address
    },
    () => {
      if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true })
    },
  )
}
