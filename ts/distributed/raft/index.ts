// A Raft group as a pure engine, and sessions for its clients. Drivers give it time, disk and network.
export { RaftNode } from './node.ts'
export type { NodeStatus } from './replica.ts'
export { encodeCommand, type SessionCommand } from './session-codec.ts'
export { SessionMachine, type SessionResult } from './sessions.ts'
export type { StateMachine } from './state-machine.ts'
export type {
  Effect,
  Entry,
  Event,
  HardState,
  LogIndex,
  Membership,
  Message,
  NodeId,
  Outcome,
  RaftOptions,
  RaftStart,
  Role,
  SnapshotMeta,
  Term,
} from './types.ts'
