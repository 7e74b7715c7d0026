// CONFIG's settings of replication.
import type { Replication } from '../replication/replication.ts'
import { MIN_BACKLOG_BYTES, type ReplicationSettings } from '../replication/types.ts'
import { numberSetting, parseBytes } from './memory-settings.ts'
import { type LiveSetting, steady } from './settings.ts'

/** What clients may leave unread before they are closed: those that ask, and those that listen. */
export interface OutputLimits {
  readonly outputBytes: number
  readonly pubsubOutputBytes: number
}

const MAX = 2 ** 31 - 1
const SECOND_MS = 1000
/** Names of fields whose values are of a type. */
type Names<T> = {
  [Name in keyof ReplicationSettings]: ReplicationSettings[Name] extends T ? Name : never
}[keyof ReplicationSettings]

/** Settings by name; `slave` stands for `replica` in those that are older than that word. */
export function replicationSettings(replication: Replication, limits: OutputLimits): [string, LiveSetting][] {
  const { settings } = replication
  const number = (name: Names<number>, unit = 1, low = 0): LiveSetting =>
    numberSetting(
      [low, MAX],
      () => settings[name] / unit,
      (value) => {
        settings[name] = value * unit
      },
    )
  const both = (name: string, setting: LiveSetting): [string, LiveSetting][] => [
    [name, setting],
    [name.replace('replica', 'slave'), setting],
  ]
  const masterOf = (): string => {
    const role = replication.role()
    return role.kind === 'master' ? '' : `${role.master.host} ${role.master.port}`
  }
  return [
    ['client-output-buffer-limit', outputSetting(settings, limits)],
    ['masterauth', text(settings, 'masterPassword')],
    ['masteruser', text(settings, 'masterUser')],
    ...both('min-replicas-max-lag', number('maxLagMs', SECOND_MS)),
    ...both('min-replicas-to-write', number('minReplicas')),
    ['repl-backlog-size', backlogSetting(replication)],
    ['repl-backlog-ttl', steady(0)],
    ['repl-diskless-load', steady('disabled')],
    ['repl-diskless-sync', flag(settings, 'isDiskless')],
    ['repl-diskless-sync-delay', steady(0)],
    ...both('repl-ping-replica-period', number('pingPeriodMs', SECOND_MS, 1)),
    ['repl-timeout', number('timeoutMs', SECOND_MS, 1)],
    ...both('replica-announce-ip', text(settings, 'announcedHost')),
    ...both('replica-announce-port', number('announcedPort')),
    ...both('replica-ignore-maxmemory', steady('yes')),
    ...both('replica-priority', number('priority')),
    ...both('replica-read-only', flag(settings, 'isReadOnly')),
    ...both('replica-serve-stale-data', flag(settings, 'servesStale')),
    ...both('replicaof', { get: masterOf }),
  ]
}

function backlogSetting(replication: Replication): LiveSetting {
  const { settings } = replication
  return {
    get: () => String(settings.backlogBytes),
    prepare: (value) => {
      const bytes = parseBytes(value)
      if (bytes === undefined) return 'argument must be a memory value'
      if (bytes < 1) return 'argument must be greater or equal to 1'
      return () => {
        settings.backlogBytes = Math.max(MIN_BACKLOG_BYTES, bytes)
        replication.settingsChanged()
      }
    },
  }
}

/** Of replicas alone; what others may leave unread is fixed. */
function outputSetting(settings: ReplicationSettings, { outputBytes, pubsubOutputBytes }: OutputLimits): LiveSetting {
  return {
    get: () => {
      const { outputBytes: hard, outputSoftBytes: soft, outputSoftMs } = settings
      const replicas = `slave ${hard} ${soft} ${outputSoftMs / SECOND_MS}`
      return `normal ${outputBytes} 0 0 ${replicas} pubsub ${pubsubOutputBytes} 0 0`
    },
    prepare: (value) => {
      const words = value.trim().split(/\s+/)
      if (words.length % 4 !== 0) return 'Wrong number of arguments in buffer limit configuration.'
      const changes: (() => void)[] = []
      for (let i = 0; i < words.length; i += 4) {
        const [name = '', hard = '', soft = '', seconds = ''] = words.slice(i, i + 4)
        const [bytes, softBytes] = [parseBytes(hard), parseBytes(soft)]
        if (bytes === undefined || softBytes === undefined || !/^\d{1,9}$/.test(seconds)) {
          return 'Error in hard, soft or soft_seconds setting in buffer limit configuration.'
        }
        const given = { normal: outputBytes, pubsub: pubsubOutputBytes }[name.toLowerCase()]
        if (given === bytes && softBytes === 0 && Number(seconds) === 0) continue
        if (!/^(?:slave|replica)$/i.test(name)) return "only what replicas may leave unread can be set: 'replica'"
        changes.push(() => {
          settings.outputBytes = bytes
          settings.outputSoftBytes = softBytes
          settings.outputSoftMs = Number(seconds) * SECOND_MS
        })
      }
      return () => {
        for (const change of changes) change()
      }
    },
  }
}

function text(settings: ReplicationSettings, name: Names<string>): LiveSetting {
  return {
    get: () => settings[name],
    prepare: (value) => () => {
      settings[name] = value
    },
  }
}

function flag(settings: ReplicationSettings, name: Names<boolean>): LiveSetting {
  return {
    get: () => (settings[name] ? 'yes' : 'no'),
    prepare: (value) => {
      const word = value.toLowerCase()
      if (word !== 'yes' && word !== 'no') return "argument must be 'yes' or 'no'"
      return () => {
        settings[name] = word === 'yes'
      }
    },
  }
}
