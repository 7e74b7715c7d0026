// The secret of a cluster, as commands are told it.
import { BedplateError } from '../../base/errors.ts'
import { checkSecretText } from '../../distributed/link/index.ts'
import { textSetting } from '../../service/index.ts'
import { readNamedFile } from './files.ts'

export const SECRET_SETTING = textSetting('only nodes and clients that know what is in it are let in', '<file>')

/** Of --host, where a secret may keep strangers out. */
export const HOST_SUMMARY = 'the address to listen on; others than this machine need a secret or --tls-ca'

/** What the file says, without the line end behind it; '' if no file is named. @throws NOT_FOUND, INVALID_INPUT for what is no secret */
export function secretOf(path: string): string {
  if (path === '') return ''
  const secret = Buffer.from(readNamedFile('--secret-file', path)).toString().trim()
  if (secret === '') throw new BedplateError('INVALID_INPUT', `--secret-file: ${path} is empty`)
  checkSecretText(`--secret-file ${path}`, secret)
  return secret
}
