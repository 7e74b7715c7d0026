// What the commands of servers have in common: settings from flags, environment and file.
import type { Command } from 'commander'
import { type BedplateError, isCode } from '../../base/errors.ts'
import { parseSettingsFile, readSettings, type ValuesOf } from '../../service/index.ts'
import { readNamedFile } from './files.ts'
import { UsageError } from './program.ts'

type Settings = Parameters<typeof readSettings>[0]
/** What commander gives: options by name, in camel case. */
export type GivenOptions = Readonly<Record<string, string | true | undefined>>

/** Adds a flag for each setting, and `--config`. */
export function addSettings(program: Command, settings: Settings): void {
  for (const [name, { summary, placeholder, fallback }] of Object.entries(settings)) {
    const known = fallback === undefined || fallback === '' ? '' : ` (${fallback})`
    program.option(`--${name} ${placeholder}`, summary + known)
  }
  program.option('--config <file>', 'read settings from it')
}

/** What the command line says of a setting; undefined if it does not. */
export function flagOf(options: GivenOptions, name: string): string | true | undefined {
  return options[name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())]
}

/** What the settings came to. @throws UsageError if one is wrong, wherever it comes from */
export function settingsOf<S extends Settings>(settings: S, options: GivenOptions, system: string): ValuesOf<S> {
  const flags: Record<string, string | undefined> = {}
  for (const name of Object.keys(settings)) {
    const value = flagOf(options, name)
    if (typeof value === 'string') flags[name] = value
  }
  const { config } = options
  const text = typeof config === 'string' ? Buffer.from(readNamedFile('--config', config)).toString() : ''
  try {
    return readSettings(settings, { flags, environment: process.env, system, file: parseSettingsFile(text) })
  } catch (error) {
    throw asUsage(error)
  }
}

/** What is wrong with an input, as wrong usage. @throws Every other error as it is */
export function asUsage(error: unknown): UsageError {
  if (!isCode(error, 'INVALID_INPUT')) throw error
  const { message, hint } = error as BedplateError
  return new UsageError(message, hint)
}
