// SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE and SHUTDOWN: the server does what they say.
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import type { DoorAnswer, PersistenceDoor } from './persistence-door.ts'

export const PERSISTENCE_COMMANDS: Handlers = {
  save(call) {
    const refusal = doorOf(call).save()
    if (refusal !== undefined) fail(refusal)
    call.reply.ok()
  },

  /** BGSAVE [SCHEDULE] */
  bgsave(call, args) {
    const isScheduled = args.length === 2 && isWord(args[1], 'SCHEDULE')
    if (args.length > 1 && !isScheduled) fail(SYNTAX_ERROR)
    answer(call, doorOf(call).saveInBackground(isScheduled))
  },

  bgrewriteaof: (call) => answer(call, doorOf(call).rewrite()),
  lastsave: (call) => call.reply.integer(Math.floor(doorOf(call).savedAtMs / 1000)),

  /** SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT] */
  shutdown(call, args) {
    let saves: boolean | undefined
    let isForced = false
    let isAborted = false
    for (const arg of args.slice(1)) {
      if (isWord(arg, 'NOSAVE') && saves === undefined) saves = false
      else if (isWord(arg, 'SAVE') && saves === undefined) saves = true
      else if (isWord(arg, 'FORCE')) isForced = true
      else if (isWord(arg, 'ABORT')) isAborted = true
      else if (!isWord(arg, 'NOW')) fail(SYNTAX_ERROR)
    }
    if (isAborted && args.length > 2) fail(SYNTAX_ERROR)
    // It never waits for replicas, so that there is nothing to give up.
    if (isAborted) fail('ERR No shutdown in progress.')
    const refusal = doorOf(call).shutdown(saves, isForced)
    if (refusal !== undefined) fail(refusal)
    // The client is told by the end of its connection.
  },
}

function answer(call: Call, given: DoorAnswer): void {
  if ('refusal' in given) fail(given.refusal)
  call.reply.simple(given.text)
}

/** Who serves the engine. @throws CommandError where nobody does. */
function doorOf(call: Call): PersistenceDoor {
  return call.engine.server?.persistence ?? fail('ERR this engine has no server')
}
