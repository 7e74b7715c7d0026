// The engines of the partitioned store, each pure: what a replica knows of a key, how replicas find where they differ, how rings change.
export { compareKeys } from './entries.ts'
export { MAX_ASKED_NODES, MerkleTree, TreeComparison } from './merkle.ts'
export { StoreNode, type StoreStatus } from './node.ts'
export { foundingRecord } from './ring-state.ts'
export type {
  Effect,
  Entry,
  Event,
  Hint,
  Message,
  Notes,
  Outcome,
  Put,
  RingChange,
  RingRecord,
  VersionStore,
} from './types.ts'
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
