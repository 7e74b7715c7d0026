// The engines of the partitioned store, each pure: what a replica knows of a key, and how replicas find where they differ.
export { type Digests, MAX_ASKED_NODES, MerkleTree, TreeComparison, type TreeNode } from './merkle.ts'
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
  type Order,
  type Sibling,
  type Versions,
  type VersionVector,
  type Write,
  write,
} from './versions.ts'
