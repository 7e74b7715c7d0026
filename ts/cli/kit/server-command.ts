// What the commands of servers have in common: settings from flags, environment and file, and TLS files.
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { BedplateError, isCode } from '../../base/errors.ts'
import type { TlsFiles } from '../../io/network.ts'
import { parseSettingsFile, readSettings, type SERVER_SETTINGS, type ValuesOf } from '../../service/index.ts'
import { UsageError } from './program.ts'

type Settings = Parameters<typeof readSettings>[0]
/** What commander gives: options by name, in camel case. */
export type GivenOptions = Readonly<Record<string, string | true | undefined>>

const MAX_FILE_BYTES = 1024 * 1024

/** Adds a flag for each setting, and `--config`. */
export function addSettings(program: Command, settings: Settings): void {
  for (const [name, { summary, placeholder, fallback }] of Object.entries(settings)) {
    const known = fallback === undefined || fallback === '' ? '' : ` (${fallback})`
    program.option(`--${name} ${placeholder}`, summary + known)
  }
  program.option('--config <file>', 'read settings from it')
}

/** What the settings came to. @throws UsageError if one is wrong, wherever it comes from */
export function settingsOf<S extends Settings>(settings: S, options: GivenOptions, system: string): ValuesOf<S> {
  const flags: Record<string, string | undefined> = {}
  for (const name of Object.keys(settings)) {
    const value = options[name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())]
    if (typeof value === 'string') flags[name] = value
  }
  const { config } = options
  const text = typeof config === 'string' ? Buffer.from(readSmallFile('--config', config)).toString() : ''
  try {
    return readSettings(settings, { flags, environment: process.env, system, file: parseSettingsFile(text) })
  } catch (error) {
    if (!isCode(error, 'INVALID_INPUT')) throw error
    const { message, hint } = error as BedplateError
    throw new UsageError(message, hint)
  }
}

/** The files of `--tls-cert`, `--tls-key` and `--tls-ca`. @throws INVALID_INPUT, NOT_FOUND */
export function tlsOf(
  values: Pick<ValuesOf<typeof SERVER_SETTINGS>, 'tls-cert' | 'tls-key' | 'tls-ca'>,
): TlsFiles | undefined {
  const { 'tls-cert': cert, 'tls-key': key, 'tls-ca': ca } = values
  if (cert === '' && key === '' && ca === '') return undefined
  if (cert === '' || key === '') throw new BedplateError('INVALID_INPUT', 'TLS needs both --tls-cert and --tls-key')
  return {
    cert: readSmallFile('--tls-cert', cert),
    key: readSmallFile('--tls-key', key),
    ca: ca === '' ? undefined : readSmallFile('--tls-ca', ca),
  }
}

/** The bytes of a file that a flag names. @throws NOT_FOUND */
export function readSmallFile(flag: string, path: string): Uint8Array {
  try {
    if (statSync(path).size > MAX_FILE_BYTES) throw new Error('it is longer than 1 MiB')
    return readFileSync(path)
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new BedplateError('NOT_FOUND', `${flag}: cannot read ${resolve(path)}: ${text}`, { cause })
  }
}
