// A Raft group as a pure engine, sessions for its clients, and a driver that runs the engine on a disk and a clock.
export type { OpenRaftOptions } from './door.ts'
export { Driver } from './driver.ts'
export { type Journal, openJournal } from './journal.ts'
export {
  beginsLikeRaft,
  checkHello,
  encodeHello,
  encodeMessage,
  type Frame,
  FrameDecoder,
  type Hello,
  PREAMBLE,
} from './message-codec.ts'
export { RaftNode } from './node.ts'
export { RaftError } from './raft-error.ts'
export type { NodeStatus } from './replica.ts'
export { type NodeEvent, RaftNodeServer } from './server/server.ts'
export { encodeCommand, type SessionCommand } from './session-codec.ts'
export { SessionMachine, type SessionResult } from './sessions.ts'
export { SnapshotFiles } from './snapshot-files.ts'
export type { StateMachine } from './state-machine.ts'
export { openTransport, type Transport } from './transport.ts'
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
