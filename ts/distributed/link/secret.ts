// How nodes and clients show that they know the secret of their cluster: clients over HTTP by a header, `authorization: Bearer SECRET`,
// nodes on their streams by a proof. '' is a cluster without one.
//
// A proof is HMAC-SHA-256 under the secret, of both nonces and both names: it holds for one stream and one direction, so hearing
// one helps nobody. It keeps strangers out, and no more: what goes over the wire behind it is protected by TLS alone.
import type { ByteReader } from '../../base/binary.ts'
import { BedplateError } from '../../base/errors.ts'
import { loadCrypto } from '../../io/random.ts'
import { isLoopback } from '../../service/index.ts'
import type { Greeting, LinkId } from './frame.ts'

export const NONCE_BYTES = 16
/** What a decoder takes for a proof at most. */
export const MAX_PROOF_BYTES = 64
const MAX_SECRET_BYTES = 1024
/** What a header can carry, without what is lost at its ends. */
const SECRET = /^[!-~](?:[ -~]*[!-~])?$/

/** Refuses what could not be sent as it is; the message does not show it. @param where - Who was told, and how. @throws INVALID_INPUT */
export function checkSecretText(where: string, secret: string): void {
  if (secret.length <= MAX_SECRET_BYTES && SECRET.test(secret)) return
  throw new BedplateError('INVALID_INPUT', `${where}: this is no secret that a header can carry`, {
    hint: `take one line of 1 to ${MAX_SECRET_BYTES} letters, digits and signs of ASCII, such as "openssl rand -hex 32" prints`,
  })
}

/** Refuses an address that others reach, where nothing says who comes. @throws INVALID_INPUT */
export function refuseOpenHost(host: string, isGuarded: boolean): void {
  if (isGuarded || isLoopback(host)) return
  throw new BedplateError('INVALID_INPUT', `refusing to listen on ${host} without a secret or certificates`, {
    hint: 'whoever reaches the port can read and change everything: give --secret-file, --tls-ca or --insecure',
  })
}

/** The headers of a request to a cluster with that secret. */
export function bearer(secret: string): Record<string, string> {
  return secret === '' ? {} : { authorization: `Bearer ${secret}` }
}

/** Takes the same time for whatever is sent. @param authorization - What was sent, if anything. @throws PERMISSION if that is not the secret */
export function checkSecret(authorization: unknown, secret: string): void {
  if (secret === '') return
  const isGiven = typeof authorization === 'string'
  const { timingSafeEqual } = loadCrypto()
  if (isGiven && timingSafeEqual(digestOf(authorization), digestOf(`Bearer ${secret}`))) return
  const message = isGiven ? 'that is not the secret of this cluster' : 'this cluster has a secret'
  throw new BedplateError('PERMISSION', message, {
    hint: 'send it as the header "authorization: Bearer SECRET"; commands and nodes are told it by --secret-file',
  })
}

/** What `prover` sends to show to `verifier` that it knows the secret. */
export function prove<Id extends LinkId>(secret: string, prover: Greeting<Id>, verifier: Greeting<Id>): Uint8Array {
  const hmac = loadCrypto().createHmac('sha256', secret)
  hmac.update(verifier.nonce).update(prover.nonce)
  hmac.update(JSON.stringify([prover.clusterId, prover.from, verifier.from]))
  return new Uint8Array(hmac.digest())
}

/** Refuses what was sent in the place of a proof, if it is none. @throws PERMISSION */
export function checkProof<Id extends LinkId>(
  proof: Uint8Array,
  secret: string,
  { prover, verifier }: { readonly prover: Greeting<Id>; readonly verifier: Greeting<Id> },
): void {
  const expected = prove(secret, prover, verifier)
  if (proof.length === expected.length && loadCrypto().timingSafeEqual(proof, expected)) return
  throw new BedplateError('PERMISSION', `node ${prover.from} does not know the secret of the cluster`, {
    hint: 'give all nodes the same secret: --secret-file, or the option `secret`',
  })
}

/** Reads the nonce of a hello. @throws CORRUPTION for one of another length */
export function takeNonce(reader: ByteReader): Uint8Array {
  const nonce = reader.blob(NONCE_BYTES)
  if (nonce.length !== NONCE_BYTES) throw reader.corrupt(`has a nonce of ${nonce.length} bytes`)
  return nonce
}

function digestOf(text: string): Uint8Array {
  return loadCrypto().createHash('sha256').update(text).digest()
}
