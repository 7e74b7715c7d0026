// The lock service as a cluster: its state behind Raft's `StateMachine`, and a member that serves it.
export { LocksMachine } from './machine.ts'
export { openReplicatedLocks, type ReplicatedLocksOptions } from './open.ts'
