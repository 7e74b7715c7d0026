// Small files that a flag of a server names.
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { BedplateError } from '../../base/errors.ts'
import type { TlsFiles } from '../../io/network.ts'

const MAX_FILE_BYTES = 1024 * 1024

/** Reads the file that `flag` names. @throws NOT_FOUND that names both */
export function readNamedFile(flag: string, path: string): Uint8Array {
  try {
    if (statSync(path).size > MAX_FILE_BYTES) throw new Error('it is longer than 1 MiB')
    return readFileSync(path)
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new BedplateError('NOT_FOUND', `${flag}: cannot read ${resolve(path)}: ${text}`, { cause })
  }
}

/** What --tls-cert, --tls-key and --tls-ca name; undefined if none does. @throws INVALID_INPUT, NOT_FOUND */
export function tlsFilesOf(flags: { 'tls-cert': string; 'tls-key': string; 'tls-ca': string }): TlsFiles | undefined {
  const { 'tls-cert': cert, 'tls-key': key, 'tls-ca': ca } = flags
  if (cert === '' && key === '' && ca === '') return undefined
  if (cert === '' || key === '') {
    throw new BedplateError('INVALID_INPUT', 'TLS needs both --tls-cert and --tls-key')
  }
  return {
    cert: readNamedFile('--tls-cert', cert),
    key: readNamedFile('--tls-key', key),
    ca: ca === '' ? undefined : readNamedFile('--tls-ca', ca),
  }
}
