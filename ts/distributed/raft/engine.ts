// bedplate/raft/engine: the protocol without a disk, a clock or a network, for whoever has a driver of his own.
export { type EngineFactory, RaftNode } from './node.ts'
export { encodeCommand, type SessionCommand, type SessionResult } from './session-codec.ts'
export { SessionMachine, type SessionOptions } from './sessions.ts'
export type { PiecewiseState, SnapshotPieces, StateMachine } from './state-machine.ts'
export type {
  Coverage,
  Effect,
  Entry,
  Event,
  HardState,
  LogIndex,
  Membership,
  Message,
  NodeId,
  NodeStatus,
  Outcome,
  Position,
  Proposal,
  RaftOptions,
  RaftStart,
  Refusal,
  Role,
  SettledMembership,
  SnapshotMeta,
  Term,
  Tick,
} from './types.ts'
