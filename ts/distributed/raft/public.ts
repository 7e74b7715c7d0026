// Raft: what users import as `bedplate/raft`. The engine and what carries it are for the systems of this package: index.ts.
export { BedplateError, type ErrorCode } from '../../base/errors.ts'
export type { Address, TlsFiles } from '../../io/network.ts'
export type {
  Addresses,
  GroupOptions,
  GroupStatus,
  MembershipChange,
  OpenRaftOptions,
  RaftGroup,
  RaftHost,
  RaftSession,
  ReadOptions,
  RequestOptions,
  SessionPlace,
} from './door.ts'
export { openRaft } from './open-raft.ts'
export { type Applied, RaftError, type RoleChange } from './raft-error.ts'
export type { PiecewiseState, SnapshotPieces, StateMachine } from './state-machine.ts'
export type {
  Coverage,
  LogIndex,
  Membership,
  NodeId,
  NodeStatus,
  Position,
  Refusal,
  Role,
  SettledMembership,
  Term,
  Tick,
} from './types.ts'
