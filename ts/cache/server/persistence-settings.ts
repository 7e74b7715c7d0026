// CONFIG's settings of what is kept on disk.
import { formatSavePoints, parseSavePoints } from '../persistence/save-points.ts'
import { APPEND_DIRECTORY, APPEND_NAME, type Persistence, type PersistenceSettings } from './persistence.ts'
import { fixed, type LiveSetting, steady } from './settings.ts'

const NOTHING_KEPT = 'this server keeps nothing on disk: start it with --dir'
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1e6,
  mb: 2 ** 20,
  g: 1e9,
  gb: 2 ** 30,
}

/** Settings by name. @param persistence - Undefined where nothing is kept. */
export function persistenceSettings(persistence: Persistence | undefined): Readonly<Record<string, LiveSetting>> {
  if (persistence === undefined) {
    return {
      appendonly: steady('no', NOTHING_KEPT),
      appendfsync: steady('everysec'),
      dir: fixed(''),
      save: steady('', NOTHING_KEPT),
    }
  }
  const { settings } = persistence
  return {
    appenddirname: fixed(APPEND_DIRECTORY),
    appendfilename: fixed(APPEND_NAME),
    appendfsync: {
      get: () => settings.appendFsync,
      prepare: (value) =>
        value === 'always' || value === 'everysec' || value === 'no'
          ? () => {
              settings.appendFsync = value
              persistence.policyChanged()
            }
          : 'argument(s) must be one of the following: everysec, always, no',
    },
    appendonly: {
      get: () => yesNo(settings.appendOnly),
      prepare: (value) => {
        const isOn = parseYesNo(value)
        if (isOn === undefined) return "argument must be 'yes' or 'no'"
        return persistence.cannotSwitch(isOn) ?? (() => persistence.switchAppendOnly(isOn))
      },
    },
    'aof-load-truncated': flag(settings, 'forgivesTorn'),
    'aof-timestamp-enabled': steady('no'),
    'aof-use-rdb-preamble': flag(settings, 'beginsWithSnapshot'),
    'auto-aof-rewrite-min-size': {
      get: () => String(settings.rewriteMinBytes),
      prepare: (value) => {
        const bytes = parseBytes(value)
        if (bytes === undefined) return 'argument must be a memory value'
        return () => {
          settings.rewriteMinBytes = bytes
        }
      },
    },
    'auto-aof-rewrite-percentage': {
      get: () => String(settings.rewritePercentage),
      prepare: (value) => {
        if (!/^\d{1,9}$/.test(value)) return "argument couldn't be parsed into an integer"
        return () => {
          settings.rewritePercentage = Number(value)
        }
      },
    },
    dbfilename: fixed(settings.snapshotName),
    dir: fixed(settings.directory),
    rdbchecksum: fixed('yes'),
    rdbcompression: steady('yes'),
    save: {
      get: () => formatSavePoints(settings.savePoints),
      prepare: (value) => {
        const points = parseSavePoints(value)
        if (points === undefined) return 'Invalid save parameters'
        return () => {
          settings.savePoints = points
        }
      },
    },
    'stop-writes-on-bgsave-error': flag(settings, 'stopsOnSaveError'),
  }
}

type Flag = 'beginsWithSnapshot' | 'forgivesTorn' | 'stopsOnSaveError'

function flag(settings: PersistenceSettings, name: Flag): LiveSetting {
  return {
    get: () => yesNo(settings[name]),
    prepare: (value) => {
      const isOn = parseYesNo(value)
      if (isOn === undefined) return "argument must be 'yes' or 'no'"
      return () => {
        settings[name] = isOn
      }
    },
  }
}

export function yesNo(value: boolean): string {
  return value ? 'yes' : 'no'
}

export function parseYesNo(text: string): boolean | undefined {
  const word = text.toLowerCase()
  if (word === 'yes') return true
  return word === 'no' ? false : undefined
}

/** `64mb`; k, m and g are thousands, kb, mb and gb are 1024s. */
function parseBytes(text: string): number | undefined {
  const { digits, unit = '' } = /^(?<digits>\d{1,15})(?<unit>[a-z]{0,2})$/i.exec(text)?.groups ?? {}
  const factor = UNITS[unit.toLowerCase()]
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor
}
