// A Raft group as a pure engine, sessions for its clients, and a driver that runs the engine on a disk and a clock.
export type {
  Addresses,
  GroupOptions,
  GroupStatus,
  MembershipChange,
  OpenRaftOptions,
  RaftGroup,
  RaftHost,
} from './door.ts'
export { bringUp, Driver } from './driver.ts'
export * from './engine.ts'
export type { HostSeams } from './host.ts'
export { type Journal, openJournal } from './journal.ts'
export { sizeOf } from './log.ts'
export { logTail } from './log-tail.ts'
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
export { openRaft } from './open-raft.ts'
export { openRaftWith } from './open-raft-with.ts'
export { PieceReader } from './piece-reader.ts'
export { type Applied, RaftError, type RoleChange } from './raft-error.ts'
export { type NodeEvent, RaftNodeServer } from './server/server.ts'
export { SnapshotFiles } from './snapshot-files.ts'
export { openTransport, type Transport } from './transport.ts'
