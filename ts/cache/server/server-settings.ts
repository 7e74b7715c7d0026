import { DEFAULT_LIMITS } from '../../wire/resp/index.ts'
import type { ClusterOptions } from '../cluster/member.ts'
import { DEFAULT_GOSSIP_OPTIONS } from '../cluster/types.ts'
import type { Engine } from '../commands/engine.ts'
import type { SlowLog } from '../commands/slow-log.ts'
import type { Replication } from '../replication/replication.ts'
import { encodingSettings } from './encoding-settings.ts'
import { memorySettings } from './memory-settings.ts'
import { otherSettings } from './other-settings.ts'
import type { Password } from './password.ts'
import type { Persistence } from './persistence.ts'
import { persistenceSettings } from './persistence-settings.ts'
import { type OutputLimits, replicationSettings } from './replication-settings.ts'
import { fixed, type LiveSetting, type LiveSettings, parseEventClasses, showEventClasses, steady } from './settings.ts'
import { slowLogSettings } from './slow-settings.ts'
import { userSettings } from './user-settings.ts'

/** What has settings. */
export interface Configured {
  readonly options: {
    readonly host: string
    readonly maxClients: number
    readonly databases: number
    readonly cluster?: ClusterOptions | undefined
    readonly debugCommands?: string | undefined
    readonly users?: { readonly path?: string | undefined } | undefined
  }
  readonly engine: Engine
  readonly persistence: Persistence | undefined
  readonly replication: Replication
  readonly slowLog: SlowLog
  readonly password: Password
  readonly limits: OutputLimits
  readonly port: () => number
}

/** Everything that CONFIG GET tells and CONFIG SET may change. */
export function serverSettings(server: Configured): LiveSettings {
  const { options, engine, persistence, replication, slowLog, password, limits, port } = server
  const { host, maxClients, databases, cluster } = options
  return new Map<string, LiveSetting>([
    ...Object.entries(persistenceSettings(persistence)),
    ...encodingSettings(engine.encodingLimits),
    ['bind', steady(host)],
    ['busy-reply-threshold', busySetting(engine)],
    ['cluster-enabled', fixed(cluster === undefined ? 'no' : 'yes')],
    ['cluster-node-timeout', steady(cluster?.gossip?.nodeTimeoutMs ?? DEFAULT_GOSSIP_OPTIONS.nodeTimeoutMs)],
    ['cluster-require-full-coverage', steady(cluster?.gossip?.requiresFullCoverage === false ? 'no' : 'yes')],
    ['daemonize', fixed('no')],
    ['databases', fixed(databases)],
    ['enable-debug-command', fixed(options.debugCommands ?? 'no')],
    ['lua-time-limit', busySetting(engine)],
    ['maxclients', steady(maxClients)],
    ...memorySettings(engine),
    ...otherSettings(engine),
    ...replicationSettings(replication, limits),
    ...slowLogSettings(slowLog),
    ['notify-keyspace-events', eventSetting(engine)],
    ['port', portSetting(port)],
    ['proto-max-bulk-len', steady(DEFAULT_LIMITS.bulkBytes)],
    ['timeout', steady(0)],
    ...userSettings(engine.users, password, options.users?.path ?? ''),
  ])
}

/** Known once it listens. */
function portSetting(port: () => number): LiveSetting {
  return { get: () => String(port()), prepare: (value) => steady(port()).prepare?.(value) ?? 'immutable' }
}

function eventSetting(engine: Engine): LiveSetting {
  return {
    get: () => showEventClasses(engine.notifiedEvents),
    prepare: (value) => {
      const classes = parseEventClasses(value)
      if (classes === undefined) return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."
      return () => {
        engine.notifiedEvents = classes
      }
    },
  }
}

function busySetting(engine: Engine): LiveSetting {
  return {
    get: () => String(engine.busyReplyThresholdMs),
    prepare: (value) => {
      if (!/^\d{1,9}$/.test(value)) return 'argument must be between 0 and 999999999 inclusive'
      return () => {
        engine.busyReplyThresholdMs = Number(value)
      }
    },
  }
}
