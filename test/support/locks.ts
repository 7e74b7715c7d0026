// Lock services for tests: in memory or in a directory, on a free port of this machine.
import { type LocksServiceOptions, openLocksService } from '../../ts/distributed/locks/open.ts'
import { createLogger } from '../../ts/service/index.ts'

/** Says nothing. */
export const SILENT = createLogger({ name: 'test', level: 'error', now: () => 0, write: () => {} })

/** A service that listens. */
export async function startLocks(options: Partial<LocksServiceOptions> = {}) {
  const service = await openLocksService({ path: undefined, host: '127.0.0.1', port: 0, logger: SILENT, ...options })
  const { host, port } = await service.server.start()
  return {
    ...service,
    port,
    address: `${host}:${port}`,
    [Symbol.asyncDispose]: () => service.server.stop(),
  }
}
