// What DEBUG asks of a server: https://redis.io/commands/debug/.
import { BedplateError } from '../../base/errors.ts'
import { isLoopback, type Logger } from '../../service/index.ts'
import type { DebugAccess, DebugDoor } from '../commands/debug-door.ts'
import type { Engine } from '../commands/engine.ts'
import { functionCodeOf } from '../commands/functions.ts'
import type { Session } from '../commands/session.ts'
import { RdbReader } from '../persistence/rdb-reader.ts'
import { drain, type ReplayOptions, replaySnapshot } from '../persistence/replay.ts'
import { Snapshot } from '../persistence/snapshot.ts'
import type { Persistence } from './persistence.ts'

/** What a client is told that may not send DEBUG. */
export const DEBUG_REFUSED =
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local connection, ' +
  'otherwise you need to set this option in the configuration file, and then restart the server.'

/** Whether a client may send DEBUG. @param remote - Its address, `host:port`. */
export function mayDebug(access: DebugAccess, remote: string): boolean {
  if (access !== 'local') return access === 'yes'
  return isLoopback(remote.slice(0, remote.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1'))
}

/** What the door needs. */
export interface Debugged {
  readonly engine: Engine
  /** Undefined where nothing is kept: then a snapshot is one in memory. */
  readonly persistence: Persistence | undefined
  readonly logger: Logger
  readonly now: () => number
  /** Does something once the command that is running is over, before the next one. */
  readonly afterwards: (act: () => void) => void
  /** Lets something change what the engine holds. */
  readonly intervene: (act: () => void) => void
}

export function debugDoor({ engine, persistence, logger, now, afterwards, intervene }: Debugged): DebugDoor {
  const functions = functionCodeOf(engine)
  const empty = (): void => {
    intervene(() => {
      for (const database of engine.databases) database.clear()
    })
    functions.clear()
  }
  const answer = (session: Session, what: string, load: () => void): void =>
    afterwards(() => {
      try {
        load()
        engine.changes = 0
        if (session.replies === 'on') session.reply.ok()
      } catch (error) {
        if (!(error instanceof BedplateError)) throw error
        logger.error('DEBUG could not load', { what, error: String(error) })
        session.reply.error(`ERR Error trying to load the ${what}, check server logs: ${error.message}`)
      }
    })
  return {
    // A clock of its own, since nothing else may happen meanwhile: that is what it is for.
    sleep: (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
    reload: (session, { saves, empties, merges }) =>
      answer(session, 'RDB dump', () => {
        const prepare = empties ? empty : () => {}
        if (persistence !== undefined) persistence.reloadSnapshot({ saves, merges, prepare })
        else if (saves) reloadFromMemory(engine, { merges, nowMs: now(), prepare })
        else throw new BedplateError('NOT_FOUND', 'this server keeps nothing on disk: start it with --dir')
      }),
    reloadAppendOnly: (session) =>
      answer(session, 'append-only file', () => {
        if (persistence === undefined) {
          throw new BedplateError('NOT_FOUND', 'this server keeps nothing on disk: start it with --dir')
        }
        persistence.reloadAppendOnly(empty)
      }),
  }
}

/** The way to a file and back without the file. */
function reloadFromMemory(
  engine: Engine,
  { merges, nowMs, prepare }: { readonly merges: boolean; readonly nowMs: number; readonly prepare: () => void },
): void {
  const functions = functionCodeOf(engine)
  const snapshot = new Snapshot({
    databases: engine.databases,
    functions: functions.dump(),
    aux: [],
    usageOf: (database, entry) => engine.memory.usageOf(database, entry, nowMs),
  })
  snapshot.step(Number.POSITIVE_INFINITY)
  let bytes: Uint8Array | undefined = snapshot.take()
  prepare()
  const source = (): Uint8Array | undefined => {
    const once = bytes
    bytes = undefined
    return once
  }
  const loadFunction = (code: string): void => functions.load(code, merges)
  const options: ReplayOptions = { engine, nowMs, dropsExpired: true, loadFunction, merges }
  drain(replaySnapshot(new RdbReader(source, 'a snapshot in memory'), options))
}
