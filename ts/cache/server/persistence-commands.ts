import type { PersistenceDoor } from '../commands/persistence-door.ts'
import type { Persistence } from './persistence.ts'

const KEEPS_NOTHING = 'ERR this server keeps nothing on disk: start it with --dir'

/**
 * What SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE and SHUTDOWN ask of a server.
 *
 * @param persistence - Undefined where nothing is kept.
 * @param server - `shutdown` ends it without another snapshot.
 */
export function persistenceDoor(
  persistence: Persistence | undefined,
  server: { readonly startedMs: () => number; readonly shutdown: () => void },
): PersistenceDoor {
  return {
    save: () => (persistence === undefined ? KEEPS_NOTHING : persistence.save()),
    saveInBackground: (isScheduled) => persistence?.saveInBackground(isScheduled) ?? { refusal: KEEPS_NOTHING },
    rewrite: () => persistence?.rewrite() ?? { refusal: KEEPS_NOTHING },
    get savedAtMs() {
      return persistence?.savedAtMs ?? server.startedMs()
    },
    shutdown: (saves, isForced) => {
      if (saves === true && persistence === undefined && !isForced) return KEEPS_NOTHING
      // A snapshot that cannot be written keeps the server alive: now it still has the data.
      if (persistence !== undefined && persistence.saveBeforeEnd(saves) !== undefined && !isForced) {
        return 'ERR Errors trying to SHUTDOWN. Check logs.'
      }
      server.shutdown()
      return undefined
    },
  }
}
