// What nodes have against each other, for people.
import type { BedplateError } from '../../base/errors.ts'
import type { Logger } from '../../service/index.ts'

const MAX_TOLD = 100

/** Logs the troubles of members with each other: the same with the same one once. */
export function troubleTo(logger: Logger): (peer: string, error: Error) => void {
  const told = new Map<string, string>()
  return (peer, error) => {
    const host = peer.replace(/:\d+$/, '')
    if (told.get(host) === error.message) return
    if (told.size > MAX_TOLD) told.clear()
    told.set(host, error.message)
    logger.warn(error.message, { peer, hint: (error as BedplateError).hint })
  }
}
