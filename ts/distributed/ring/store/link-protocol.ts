// The nodes of the store on the links between nodes: see link/links.ts for these.
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

export const STORE_PROTOCOL: Protocol<string, Hello, Message> = {
  name: 'the partitioned store',
  preamble: PREAMBLE,
  decoder: newDecoder,
  encodeHello,
  encodeMessage,
  encodeAside,
  check: checkHello,
}
