// One node, in this process or in a thread of it.
import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { REAL_SEAMS } from '../../distributed/ring/store/open.ts'
import { PartitionedServer } from '../../distributed/ring/store/server/server.ts'
import { realClock } from '../../io/clock.ts'
import { createLogger, type Logger, runServer } from '../../service/index.ts'
import { complain } from '../kit/output.ts'
import { endWithParent } from '../kit/parent.ts'
import { type GivenOptions, settingsOf } from '../kit/server-command.ts'
import type { NodeData } from './node-messages.ts'
import { NODE_SETTINGS, nodeDataOf, SYSTEM } from './settings.ts'

/** Makes the server of a node; it begins when it is started. @throws INVALID_INPUT for an address that is open to others */
export function makeNode(data: NodeData): { server: PartitionedServer; logger: Logger } {
  const { path, maxClients, logLevel, isInsecure, tls, ...node } = data
  const logger = createLogger({ name: data.name, level: logLevel, now: realClock.now, write: complain })
  mkdirSync(dirname(resolve(path)), { recursive: true })
  const options = { ...node, create: true, ...(tls === undefined ? {} : { tls }) }
  return {
    server: new PartitionedServer({ seams: REAL_SEAMS, logger, path, node: options, maxClients, isInsecure }),
    logger,
  }
}

/** `partitioned-kv node`: a node until a signal comes. */
export async function serveNode(options: GivenOptions): Promise<void> {
  const values = settingsOf(NODE_SETTINGS, options, SYSTEM)
  const data = nodeDataOf(values, { isInsecure: options['insecure'] === true, joins: options['joins'] === true })
  const { server, logger } = makeNode(data)
  endWithParent()
  await runServer({
    ...{ server, logger, clock: realClock, signals: process, failed: server.failed },
    exit: (status) => process.exit(status),
    adminPort: undefined, // its pages are on the port itself
    drainMs: values['drain-ms'],
    onReady: ({ host, port }) => {
      const ready = { event: 'ready', node: data.name, host, port, pid: process.pid }
      process.stdout.write(`${options['json'] === true ? JSON.stringify(ready) : `${data.name} started`}\n`)
    },
  })
}
