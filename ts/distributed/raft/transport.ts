// Raft on the links between nodes: see link/links.ts for these.
import { type Links, type LinksOptions, NONCE_BYTES, openLinks, type Protocol } from '../link/index.ts'
import {
  checkHello,
  encodeAside,
  encodeHello,
  encodeMessage,
  FrameDecoder,
  type Hello,
  PREAMBLE,
} from './message-codec.ts'
import type { Message, NodeId } from './types.ts'

export interface TransportOptions extends Omit<LinksOptions<NodeId, Hello, Message>, 'protocol' | 'id' | 'greet'> {
  /** Who this node is, and what all nodes of the cluster must agree on. */
  readonly own: Omit<Hello, 'to' | 'nonce'>
}

/** Streams to the other nodes. */
export type Transport = Links<NodeId, Hello, Message>

const PROTOCOL: Protocol<NodeId, Hello, Message> = {
  name: 'Raft',
  preamble: PREAMBLE,
  decoder: () => new FrameDecoder(),
  encodeHello,
  encodeMessage,
  encodeAside,
  check: checkHello,
}

/** Begins to listen and to connect. @throws UNAVAILABLE if the port is taken, PERMISSION, INVALID_INPUT */
export function openTransport({ own, ...options }: TransportOptions): Promise<Transport> {
  const greet = (to: NodeId): Hello => ({ ...own, to, nonce: options.random.bytes(NONCE_BYTES) })
  return openLinks({ ...options, protocol: PROTOCOL, id: own.from, greet })
}
