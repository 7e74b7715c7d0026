// Settings of servers: each may come as a flag, from the environment, from a file, or be left at its default, in this order.
//
//   --max-clients=100      BEDPLATE_CACHE_MAX_CLIENTS=100      max-clients 100      (in the file: a line; # begins a comment)
import { BedplateError } from '../base/errors.ts'
import { checkOptions } from '../base/options.ts'

/** One setting. */
export interface Setting<T> {
  /** One line for the help. */
  readonly summary: string
  /** What stands for its value there, such as `<port>`. */
  readonly placeholder: string
  readonly fallback: T
  /** @throws Error that says what the value must be: `must be ...`. */
  readonly parse: (text: string) => T
}

/** Settings by the name of their flag, without the dashes. */
export type Settings = Readonly<Record<string, Setting<unknown>>>

/** What the settings came to. */
export type ValuesOf<S extends Settings> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never }

/** Where values come from, the strongest first. */
export interface SettingSources {
  readonly flags: Readonly<Record<string, string | undefined>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Names and values of a file, from `parseSettingsFile`. */
  readonly file?: ReadonlyMap<string, string>
  /** The system's part in the names of variables: `CACHE`. */
  readonly system: string
}

/** A settings file longer than this is none. */
const MAX_SETTINGS_FILE_BYTES = 1024 * 1024

/**
 * Finds and checks the value of every setting.
 * @throws INVALID_INPUT that names the flag, variable or line that is wrong and says what it must be.
 */
export function readSettings<S extends Settings>(settings: S, sources: SettingSources): ValuesOf<S> {
  const names = Object.fromEntries(Object.keys(settings).map((name) => [name, 'any' as const]))
  checkOptions(sources.flags, names, 'the command line')
  if (sources.file !== undefined) checkOptions(Object.fromEntries(sources.file), names, 'the settings file')
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(settings)) {
    const variable = variableOf(sources.system, name)
    const candidates: [string, string | undefined][] = [
      [`--${name}`, sources.flags[name]],
      [variable, sources.environment[variable]],
      [`${name} in the settings file`, sources.file?.get(name)],
    ]
    const [origin = '', text] = candidates.find(([, given]) => given !== undefined) ?? []
    values[name] = text === undefined ? setting.fallback : parse(setting, origin, text)
  }
  return values as ValuesOf<S>
}

/** The variable of the environment that is the twin of a flag. */
export function variableOf(system: string, name: string): string {
  return `BEDPLATE_${system}_${name.toUpperCase().replaceAll('-', '_')}`
}

/** An environment without the settings of a system: that of a process which is told by flags alone. */
export function environmentWithout(
  environment: Readonly<Record<string, string | undefined>>,
  system: string,
): Record<string, string | undefined> {
  const prefix = variableOf(system, '')
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith(prefix)))
}

/**
 * Lines of `name value`; blank ones and comments are passed over, quotes around a value are taken off.
 * @throws INVALID_INPUT for a name without a value, or one that comes twice.
 */
export function parseSettingsFile(text: string): Map<string, string> {
  if (text.length > MAX_SETTINGS_FILE_BYTES) throw new BedplateError('INVALID_INPUT', 'the settings file is too long')
  const values = new Map<string, string>()
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.trim()
    if (content === '' || content.startsWith('#')) continue
    const { name, value } = /^(?<name>\S+)\s+(?<value>.+)$/.exec(content)?.groups ?? {}
    const where = `line ${index + 1} of the settings file`
    if (name === undefined || value === undefined) {
      throw new BedplateError('INVALID_INPUT', `${where} has no value`, { hint: 'a line is `name value`' })
    }
    if (values.has(name)) throw new BedplateError('INVALID_INPUT', `${where}: ${name} is there twice`)
    values.set(name, /^(["']).*\1$/.test(value) ? value.slice(1, -1) : value)
  }
  return values
}

/** A setting that is a whole number. */
export function numberSetting(
  summary: string,
  fallback: number,
  { low = 0, high = Number.MAX_SAFE_INTEGER, placeholder = '<n>' } = {},
): Setting<number> {
  const parseNumber = (text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (value >= low && value <= high) return value
    throw new Error(`must be a whole number from ${low} to ${high}`)
  }
  return { summary, placeholder, fallback, parse: parseNumber }
}

/** A setting that is any text; an empty one is the default. */
export function textSetting(summary: string, placeholder: string, fallback = ''): Setting<string> {
  return { summary, placeholder, fallback, parse: (text) => text }
}

/** A setting that is one of several words. */
export function choiceSetting<T extends string>(summary: string, choices: readonly T[], fallback: T): Setting<T> {
  const parseChoice = (text: string): T => {
    const found = choices.find((choice) => choice === text)
    if (found !== undefined) return found
    throw new Error(`must be one of ${choices.join(', ')}`)
  }
  return { summary, placeholder: `<${choices.join('|')}>`, fallback, parse: parseChoice }
}

/** What every server can be told. */
export const SERVER_SETTINGS = {
  host: textSetting('the address to listen on; others than this machine need a password', '<address>', '127.0.0.1'),
  'admin-port': {
    ...numberSetting('serve /health, /ready and /metrics there, on this machine; 0: any port', 0, { high: 65_535 }),
    placeholder: '<port>',
    fallback: undefined,
  } as Setting<number | undefined>,
  'max-clients': numberSetting('connections at a time', 10_000, { low: 1 }),
  'tls-cert': textSetting('serve TLS with this certificate, a PEM file', '<file>'),
  'tls-key': textSetting('the key that belongs to it', '<file>'),
  'tls-ca': textSetting('let only clients in whose certificate this authority has signed', '<file>'),
  'log-level': choiceSetting('what is logged', ['debug', 'info', 'warn', 'error'] as const, 'info'),
  'drain-ms': numberSetting('how long clients may finish what they began when the server is to stop', 5000, {
    placeholder: '<ms>',
  }),
}

function parse(setting: Setting<unknown>, origin: string, text: string): unknown {
  try {
    return setting.parse(text)
  } catch (cause) {
    const wanted = cause instanceof Error ? cause.message : String(cause)
    throw new BedplateError('INVALID_INPUT', `${origin} ${wanted}, got ${JSON.stringify(text.slice(0, 80))}`, { cause })
  }
}
