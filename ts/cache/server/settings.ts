// CONFIG: the settings of Redis that mean something here, and those that clients ask for before they do anything.
import { shown } from '../commands/errors.ts'

/** One setting of CONFIG. */
export interface LiveSetting {
  readonly get: () => string
  /** Checks a value. @returns What puts it into force, or what is wrong with it. Undefined if it can be set at the start alone. */
  readonly prepare?: (value: string) => (() => void) | string
}

/** A setting that nobody may change. */
export function fixed(value: string | number): LiveSetting {
  return { get: () => String(value) }
}

/** A setting that is what the server was started with: clients may set it to that, to be sure of it. */
export function steady(value: string | number, reason = 'this server takes it at its start alone'): LiveSetting {
  const given = String(value)
  return { get: () => given, prepare: (wanted) => (wanted.toLowerCase() === given.toLowerCase() ? () => {} : reason) }
}

/** Settings by name. */
export type LiveSettings = ReadonlyMap<string, LiveSetting>

/**
 * CONFIG SET: changes all or none.
 * @returns What is wrong, in Redis's words.
 */
export function changeSettings(settings: LiveSettings, wanted: ReadonlyMap<string, string>): string | undefined {
  const changes: (() => void)[] = []
  for (const [name, value] of wanted) {
    const setting = settings.get(name)
    if (setting === undefined) {
      return `ERR Unknown option or number of arguments for CONFIG SET - '${shown(name, 128)}'`
    }
    const change = setting.prepare?.(value) ?? "can't set immutable config"
    if (typeof change === 'string') {
      return `ERR CONFIG SET failed (possibly related to argument '${shown(name, 128)}') - ${change}`
    }
    changes.push(change)
  }
  for (const change of changes) change()
  return undefined
}

const ALL_EVENTS = 'g$lshzxetd'
const EVENT_CLASSES = /^[KEg$lshzxetdmnA]*$/

/** The classes of `notify-keyspace-events` one by one, `A` spelt out; undefined if one of them does not exist. */
export function parseEventClasses(text: string): string | undefined {
  if (!EVENT_CLASSES.test(text)) return undefined
  return [...new Set(text.replaceAll('A', ALL_EVENTS))].join('')
}

/** The same as Redis shows it: all classes of values as `A`. */
export function showEventClasses(classes: string): string {
  const all = [...ALL_EVENTS]
  const isAll = all.every((each) => classes.includes(each))
  const values = isAll ? 'A' : all.filter((each) => classes.includes(each)).join('')
  return values + [...'KEmn'].filter((each) => classes.includes(each)).join('')
}
