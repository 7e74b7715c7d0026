// MULTI, EXEC, DISCARD, WATCH. The engine queues; here the queue is run or thrown away.
import type { Call, Handlers } from './call.ts'
import { fail } from './errors.ts'

export const TRANSACTION_COMMANDS: Handlers = {
  multi(call) {
    if (call.session.transaction !== undefined) fail('ERR MULTI calls can not be nested')
    call.session.transaction = { queue: [], bytes: 0, isBroken: false }
    call.reply.ok()
  },

  exec(call) {
    const { engine, session, reply } = call
    const { transaction } = session
    if (transaction === undefined) fail('ERR EXEC without MULTI')
    // A key whose time has come since it was watched counts as changed, whether it is deleted already or not.
    let isGone = false
    for (const { database, key, wasThere } of session.watched.values()) {
      if (engine.databases[database]?.has(key) !== true && wasThere) isGone = true
    }
    const isTouched = session.isTouched || isGone
    session.transaction = undefined
    engine.unwatch(session)
    if (transaction.isBroken) fail('EXECABORT Transaction discarded because of previous errors.')
    if (isTouched) return reply.nilArray()
    reply.array(transaction.queue.length)
    session.isExecuting = true
    for (const { command, args } of transaction.queue) {
      const refusal = engine.refusal(session, command, args)
      if (refusal === undefined) engine.run(session, command, args, false)
      else {
        engine.statistics.refused(command.name, refusal)
        reply.error(refusal)
      }
    }
    session.isExecuting = false
  },

  discard(call) {
    if (call.session.transaction === undefined) fail('ERR DISCARD without MULTI')
    discard(call)
    call.reply.ok()
  },

  watch(call, args) {
    if (call.session.transaction !== undefined) fail('ERR WATCH inside MULTI is not allowed')
    for (const key of args.slice(1)) call.engine.watch(call.session, key)
    call.reply.ok()
  },

  unwatch(call) {
    call.engine.unwatch(call.session)
    call.reply.ok()
  },
}

function discard({ engine, session }: Call): void {
  session.transaction = undefined
  engine.unwatch(session)
}
