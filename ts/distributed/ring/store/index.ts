// The engines of the partitioned store, each pure: what a replica knows of a key, and how replicas find where they differ.
export { MAX_ASKED_NODES, MerkleTree, TreeComparison } from './merkle.ts'
export { StoreNode } from './node.ts'
export type { Effect, Event, Message, Outcome, Put } from './types.ts'
export {
  compare,
  covers,
  type Dot,
  decodeContext,
  encodeContext,
  isSame,
  lastWrite,
  MAX_SIBLINGS,
  merge,
  NO_CONTEXT,
  NO_VERSIONS,
  type Versions,
  type VersionVector,
  write,
} from './versions.ts'
