// MONITOR: https://redis.io/commands/monitor/
import type { Handlers } from './call.ts'
import { fail } from './errors.ts'

export const MONITOR_COMMANDS: Handlers = {
  monitor({ engine, session, mayBlock, reply }) {
    if (!mayBlock || session.isExecuting) fail("ERR MONITOR isn't allowed for DENY BLOCKING client")
    engine.monitors.add(session)
    reply.ok()
  },
}
