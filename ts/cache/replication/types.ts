// What replication can be told, and the bounds of what comes from the other side.

/** The settings of replication, in the units of this code; CONFIG has them in Redis's names and units. */
export interface ReplicationSettings {
  /** What is kept of the stream for replicas that come back, in bytes; repl-backlog-size, at least 16 KiB. */
  backlogBytes: number
  /** How often replicas are sent a PING; repl-ping-replica-period. */
  pingPeriodMs: number
  /** Who says nothing for so long is let go; repl-timeout. */
  timeoutMs: number
  /** A snapshot is sent while it is made, to replicas that can tell its end; repl-diskless-sync. */
  isDiskless: boolean
  /** What a replica gives with AUTH, '' for nothing; masteruser and masterauth. */
  masterUser: string
  masterPassword: string
  /** A replica without its master answers; replica-serve-stale-data. */
  servesStale: boolean
  /** A replica takes no writes of clients; replica-read-only. */
  isReadOnly: boolean
  /** For whoever chooses a new master; replica-priority. */
  priority: number
  /** Writes are refused with fewer replicas than this that were heard of within `maxLagMs`; 0 for either asks for none. */
  minReplicas: number
  maxLagMs: number
  /** What a replica tells its master of itself, '' and 0 for what is so. */
  announcedHost: string
  announcedPort: number
  /** What may wait for a replica: at once, and for `outputSoftMs`; client-output-buffer-limit replica. 0 for any amount. */
  outputBytes: number
  outputSoftBytes: number
  outputSoftMs: number
}

export const DEFAULT_REPLICATION: ReplicationSettings = {
  backlogBytes: 2 ** 20,
  pingPeriodMs: 10_000,
  timeoutMs: 60_000,
  isDiskless: true,
  masterUser: '',
  masterPassword: '',
  servesStale: true,
  isReadOnly: true,
  priority: 100,
  minReplicas: 0,
  maxLagMs: 10_000,
  announcedHost: '',
  announcedPort: 0,
  outputBytes: 256 * 2 ** 20,
  outputSoftBytes: 64 * 2 ** 20,
  outputSoftMs: 60_000,
}

/** The smallest backlog that Redis allows. */
export const MIN_BACKLOG_BYTES = 16 * 1024
/** Of a master's answer in the handshake, and of the line that announces a snapshot. */
export const MAX_LINE_BYTES = 1024
/** The largest snapshot that a master may announce; what is kept of it is what has come. */
export const MAX_SNAPSHOT_BYTES = 2 ** 40
/** Replication ids, and the marks that end snapshots of unknown length, are so many characters. */
export const ID_LENGTH = 40
export const NO_ID = '0'.repeat(ID_LENGTH)
/** How often both sides look at the time: acknowledgements, pings, time-outs, new attempts. */
export const TICK_MS = 1000
