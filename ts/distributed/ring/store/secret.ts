// The secret of a cluster over HTTP: who knows it sends `authorization: Bearer SECRET`. '' is a cluster without one.
import { BedplateError } from '../../../base/errors.ts'

/** The headers of a request to a cluster with that secret. */
export function bearer(secret: string): Record<string, string> {
  return secret === '' ? {} : { authorization: `Bearer ${secret}` }
}

/** @param authorization - What was sent, if anything. @throws PERMISSION if that is not the secret */
export function checkSecret(authorization: unknown, secret: string): void {
  if (secret === '' || authorization === `Bearer ${secret}`) return
  throw new BedplateError('PERMISSION', 'this cluster has a secret', {
    hint: 'send it as the header "authorization: Bearer SECRET"; with partitioned-kv: --secret-file',
  })
}
