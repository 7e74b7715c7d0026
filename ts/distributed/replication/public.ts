// Leader-follower replication: what users import as `bedplate/replication`.
export { BedplateError, type ErrorCode } from '../../base/errors.ts'
export type { Address, TlsFiles } from '../../io/network.ts'
export { type GroupStatus, RaftError } from '../raft/index.ts'
export { type Bytes, type KeyRange, openReplica, type ReplicatedStore } from './server/open.ts'
export type { ReplicaEvent } from './server/role-story.ts'
export type { MemberView, ReadOptions, ReplicaOptions, ReplicationMode, Seen } from './server/types.ts'
