import type { Session } from './session.ts'

/** A server that another one knows. */
export interface Peer {
  readonly host: string
  readonly port: number
}

/** FAILOVER: to whom, anyone without; for how long it may try, and what happens then. */
export interface FailoverOrder {
  readonly target: Peer | undefined
  readonly timeoutMs: number | undefined
  /** When the time is over, the target takes over with what it has. */
  readonly isForced: boolean
}

/** What a replica that asks for the stream has: a history, and the first offset that it lacks. */
export interface KnownHistory {
  readonly id: string
  readonly from: number
  /** It was the master until now: this server is to take its place. */
  readonly handsOver: boolean
}

/** What ROLE tells. */
export type Role =
  | { readonly kind: 'master'; readonly offset: number; readonly replicas: readonly (Peer & { offset: number })[] }
  | { readonly kind: 'replica'; readonly master: Peer; readonly state: string; readonly offset: number }

/** What a server lends to commands of replication. Texts are replies. */
export interface ReplicationDoor {
  readonly isReplica: boolean
  /** FAILOVER is under way. */
  readonly isFailingOver: boolean
  /** REPLICAOF. @param master - Undefined: be a master. @returns What is replied. */
  follow(master: Peer | undefined): string
  /** REPLCONF: what a client says of itself before it becomes a replica. @returns What is wrong. */
  introduce(session: Session, name: string, value: string): string | undefined
  /** REPLCONF ACK. @returns Those whose WAIT is over by it, with how many replicas have acknowledged. */
  acknowledge(session: Session, offset: number): readonly { readonly session: Session; readonly count: number }[]
  /**
   * PSYNC and SYNC: makes a replica of a connection, which from then on is sent the stream.
   * @param known - Undefined for SYNC, which is answered with a snapshot alone.
   * @returns What is in the way.
   */
  attach(session: Session, known: KnownHistory | undefined): string | undefined
  /** FAILOVER, or with undefined FAILOVER ABORT. @returns What is in the way. */
  failOver(order: FailoverOrder | undefined): string | undefined
  /** How many replicas have acknowledged what a session has written. */
  reached(session: Session): number
  /** Asks replicas how far they are, for a session that waits for `count` of them. */
  wait(session: Session, count: number): void
  role(): Role
}
