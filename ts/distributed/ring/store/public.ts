// The partitioned store: what users import as `bedplate/partitioned`. A node in this process, and a client of a cluster.
export { BedplateError, type ErrorCode } from '../../../base/errors.ts'
export type { Address, TlsFiles, TlsTrust } from '../../../io/network.ts'
export {
  type ClientFound,
  type ClusterRing,
  connectPartitioned,
  type PartitionedClient,
  type PartitionedClientOptions,
  type Placed,
} from './client.ts'
export type {
  Found,
  NodeStatus,
  PartitionedNode,
  PartitionedNodeOptions,
  ReadOptions,
  WriteOptions,
  Written,
} from './host.ts'
export { openPartitionedNode } from './open.ts'
