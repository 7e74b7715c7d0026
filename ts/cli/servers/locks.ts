// The lock service of `bedplate up` and `bedplate run`.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BedplateError } from '../../base/errors.ts'
import type { Made, MakeOptions } from './kinds.ts'
import { lateServer } from './late.ts'

/** Where `lock-service` has its data, too, unless it is told otherwise. */
const DIRECTORY = 'lock-service'

/** Makes a lock service; its data directory is opened when it starts. */
export function makeLocks({ host, port, logger, dataDirectory }: Omit<MakeOptions, 'isCluster'>): Made {
  return lateServer(async ({ opened, fail }) => {
    const path = dataDirectory === undefined ? undefined : join(dataDirectory, DIRECTORY)
    if (dataDirectory !== undefined) mkdirSync(dataDirectory, { recursive: true })
    const { openLocksService } = await import('../../distributed/locks/open.ts')
    const { node, server } = await openLocksService({ path, host, port, logger })
    node.failed.catch((error: unknown) => fail(new BedplateError('IO', 'locks cannot go on', { cause: error })))
    opened(server)
    return server.start()
  })
}
