// Leader-follower replication: what users import as `bedplate/replication`.
export { BedplateError, type ErrorCode } from '../../base/errors.ts'
export type { Address, TlsFiles } from '../../io/network.ts'
export { type GroupStatus, RaftError } from '../raft/public.ts'
export type { FailoverEvent } from './failover.ts'
export type { ReplicaEvent } from './server/events.ts'
export { type Bytes, type KeyRange, openReplica, type ReplicatedStore } from './server/open.ts'
export type { DefaultReads, MemberView, ReadOptions, ReplicaOptions, Seen } from './server/types.ts'
export type { Lag, Mode, ReplicationStatus } from './types.ts'
