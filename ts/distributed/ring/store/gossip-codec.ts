// Gossip of nodes of the store as bytes: a part of messages. Whole numbers are little-endian; see base/binary.ts.
//
//   gossip   text cluster id | u8 0 digest: list of digests
//                            | u8 1 answer: list of states | list of text, the names that are wanted
//                            | u8 2 states: list of states
//   digest   text name | u53 life | u53 beat
//   state    digest | text address | u53 epoch | u53 filled | u53 swept | u53 era | u53 floor
import type { ByteReader, ByteWriter } from '../../../base/binary.ts'
import { MAX_CLUSTER_ID_BYTES } from '../../link/index.ts'
import { type Digest, type GossipMessage, MAX_MEMBERS, type MemberState } from './types.ts'
import { takeCounted, takeName } from './versions-codec.ts'

const KINDS = ['digest', 'answer', 'states'] as const
/** `host:port`. */
const MAX_ADDRESS_BYTES = 512
const DIGESTS = { most: MAX_MEMBERS, itemBytes: 20 }
const STATES = { most: MAX_MEMBERS, itemBytes: 64 }
const NAMES = { most: MAX_MEMBERS, itemBytes: 4 }

export function putGossip(body: ByteWriter, gossip: GossipMessage): void {
  body.text(gossip.clusterId).u8(KINDS.indexOf(gossip.kind))
  if (gossip.kind === 'digest') body.list(gossip.digests, (digest) => putDigest(body, digest))
  else body.list(gossip.states, (state) => putState(body, state))
  if (gossip.kind === 'answer') body.list(gossip.wanted, (name) => body.text(name))
}

export function takeGossip(reader: ByteReader): GossipMessage {
  const clusterId = reader.text(MAX_CLUSTER_ID_BYTES)
  const kind = KINDS[reader.choice(KINDS.length)] as GossipMessage['kind']
  switch (kind) {
    case 'digest':
      return { clusterId, kind, digests: reader.list(DIGESTS, () => takeDigest(reader)) }
    case 'answer': {
      const states = reader.list(STATES, () => takeState(reader))
      return { clusterId, kind, states, wanted: reader.list(NAMES, () => takeName(reader)) }
    }
    case 'states':
      return { clusterId, kind, states: reader.list(STATES, () => takeState(reader)) }
  }
}

function putDigest(body: ByteWriter, { name, life, beat }: Digest): void {
  body.text(name).u53(life).u53(beat)
}

function putState(body: ByteWriter, state: MemberState): void {
  const { address, epoch, filled, swept, era, floor } = state.facts
  putDigest(body, state)
  body.text(address).u53(epoch).u53(filled).u53(swept).u53(era).u53(floor)
}

function takeDigest(reader: ByteReader): Digest {
  return { name: takeName(reader), life: reader.u53(), beat: reader.u53() }
}

function takeState(reader: ByteReader): MemberState {
  const digest = takeDigest(reader)
  const address = reader.text(MAX_ADDRESS_BYTES)
  const [epoch, filled, swept] = [reader.u53(), reader.u53(), reader.u53()]
  return { ...digest, facts: { address, epoch, filled, swept, era: takeCounted(reader), floor: takeCounted(reader) } }
}
