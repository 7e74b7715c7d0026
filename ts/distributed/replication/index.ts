// Leader-follower replication as a pure engine on Raft's, and what clients need for guarantees on followers.
export { FailoverWatch, failoverLine } from './failover.ts'
export { Freshness } from './freshness.ts'
export { ReplicationNode, replicationEngine } from './node.ts'
export { decodeSession, encodeSession, laterOf } from './token.ts'
export type { Mode, ReplicationOptions, ReplicationStatus } from './types.ts'
