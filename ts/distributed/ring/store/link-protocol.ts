// The nodes of the store on the links between nodes, and the proof that both ends know the secret of the cluster.
//
// A proof is HMAC-SHA-256 under the secret, of both nonces and both names: it holds for one stream and one direction, so hearing
// one helps nobody. It keeps strangers out, and no more: what goes over the wire behind it is protected by TLS alone.
import { loadCrypto } from '../../../io/random.ts'
import type { Protocol } from '../../link/index.ts'
import {
  checkHello,
  encodeAside,
  encodeHello,
  encodeMessage,
  type Hello,
  newDecoder,
  PREAMBLE,
} from './message-codec.ts'
import type { Message } from './types.ts'

/** @param secret - Equal on all nodes; '' keeps nobody out. */
export function storeProtocol(secret: string): Protocol<string, Hello, Message> {
  return {
    name: 'the partitioned store',
    preamble: PREAMBLE,
    decoder: newDecoder,
    encodeHello,
    encodeMessage,
    encodeAside,
    check: checkHello,
    prove: (prover, verifier) => prove(secret, prover, verifier),
  }
}

function prove(secret: string, prover: Hello, verifier: Hello): Uint8Array {
  const hmac = loadCrypto().createHmac('sha256', secret)
  hmac.update(verifier.nonce).update(prover.nonce)
  hmac.update(JSON.stringify([prover.clusterId, prover.from, verifier.from]))
  return new Uint8Array(hmac.digest())
}
