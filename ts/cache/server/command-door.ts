// What commands ask of a server: who is connected, settings, figures, files, replication.

import type { Engine } from '../commands/engine.ts'
import type { ClientView, ServerDoor } from '../commands/server-door.ts'
import type { Session } from '../commands/session.ts'
import type { SlowLog } from '../commands/slow-log.ts'
import type { Replication } from '../replication/replication.ts'
import type { Client } from './client.ts'
import { debugDoor } from './debugging.ts'
import { noTotals } from './info.ts'
import { masterViews } from './master-view.ts'
import type { CacheServerOptions } from './options.ts'
import { type Password, WRONG_PASSWORD } from './password.ts'
import type { Pause } from './pause.ts'
import type { Persistence } from './persistence.ts'
import { persistenceDoor } from './persistence-commands.ts'
import type { Reactor } from './reactor.ts'
import { changeSettings, type LiveSettings } from './settings.ts'
import type { UserFile } from './user-file.ts'

/** Of what a script writes to the log with one call. */
const MAX_LOG_TEXT = 1024
/** Redis's levels: debug, verbose, notice, warning. */
const LOG_LEVELS = ['debug', 'debug', 'info', 'warn'] as const

/** The server behind the door. */
export interface Served {
  readonly options: CacheServerOptions
  readonly engine: Engine
  readonly reactor: Reactor
  readonly persistence: Persistence | undefined
  readonly replication: Replication
  readonly pause: Pause
  readonly password: Password
  readonly users: UserFile | undefined
  readonly slowLog: SlowLog
  readonly settings: LiveSettings
  readonly startedMs: () => number
  /** Whether a session is that of this process, which has no connection. */
  readonly isLocal: (session: Session) => boolean
  readonly info: (sections: readonly string[]) => string
  /** Ends the server, without another snapshot. */
  readonly shutdown: () => void
}

export function serverDoor(server: Served): ServerDoor {
  const { options, engine, reactor, persistence, replication, pause, slowLog, settings, isLocal } = server
  const { clock, logger } = options
  const viewOf = (client: Client): ClientView => client.view(clock.now())
  const addressOf = (session: Session): string => reactor.clients.get(session)?.connection.remote ?? ''
  return {
    persistence: persistenceDoor(persistence, { startedMs: server.startedMs, shutdown: server.shutdown }),
    users: server.users,
    debug: debugDoor({
      engine,
      persistence,
      logger,
      now: () => clock.now(),
      afterwards: (act) => reactor.afterwards(act),
      intervene: (act) => reactor.intervene(act),
    }),
    replication,
    slowLog,
    ran: (session, command, args, micros) => {
      if (isLocal(session)) return // who looks on would drive out what clients have done
      slowLog.ran(session, { command, args, micros, nowMs: clock.now() }, addressOf)
    },
    authenticate: (session, user, password) => authenticate(server, session, user, password),
    reset: (session) => {
      server.password.forget(session)
      const client = reactor.clientOf(session)
      client.isProtected = false
      client.applyLimits()
    },
    clients: () => [
      ...[...reactor.clients.values()].filter(({ isClosing }) => !isClosing).map(viewOf),
      ...masterViews(replication),
    ],
    client: (session) => viewOf(reactor.clientOf(session)),
    addressOf: (session) => (isLocal(session) ? undefined : addressOf(session)),
    kill: (session) => {
      if (session === replication.voice) {
        replication.link?.cut()
        return
      }
      const client = reactor.clientOf(session)
      if (reactor.isRunning(session)) reactor.close(client)
      else reactor.drop(client)
    },
    pause: (untilMs, all) => pause.begin('clients', untilMs, all),
    unpause: () => pause.end('clients'),
    protect: (session, isProtected) => {
      reactor.clientOf(session).isProtected = isProtected
    },
    info: server.info,
    settings: (matches) =>
      [...settings].filter(([name]) => matches(name)).map(([name, { get }]) => [name, get()] as const),
    change: (wanted) => changeSettings(settings, wanted),
    resetFigures: () => {
      reactor.totals = noTotals()
      engine.memory.resetFigures()
      engine.statistics.reset()
    },
    log: (level, text) => logger[LOG_LEVELS[level] ?? 'warn']('script', { text: text.slice(0, MAX_LOG_TEXT) }),
  }
}

function authenticate(
  { password: passwords, options, reactor }: Served,
  session: Session,
  user: string | undefined,
  password: string,
): string | undefined {
  const found = passwords.check(user, password)
  const client = reactor.clientOf(session)
  if (found === WRONG_PASSWORD) options.logger.warn('wrong password', { remote: client.connection.remote })
  if (typeof found === 'string') return found
  session.user = found
  session.isAuthenticated = true
  client.applyLimits()
  return undefined
}
