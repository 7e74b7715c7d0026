// Bounds and defaults of the lock service; where etcd has the same bound, its value (https://etcd.io/docs/v3.4/op-guide/configuration/).
export type {
  Compare,
  DeleteRangeRequest,
  Event,
  KeyValue,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from '../../wire/etcd/messages.ts'

/** A key: its bytes as characters from 0 to 255, so that strings compare as bytes do. */
export type Key = string

/** The most bytes a request may have. */
export const DEFAULT_MAX_REQUEST_BYTES = 1.5 * 1024 * 1024
/** The most comparisons, and the most operations of each branch, that one level of a transaction may have. */
export const DEFAULT_MAX_TXN_OPS = 128
/** Transactions may hold transactions so deep. */
export const MAX_TXN_DEPTH = 16
/** The most bytes that all kept revisions may take together. */
export const DEFAULT_QUOTA_BYTES = 2 * 1024 * 1024 * 1024
/** The shortest time a lease lives, in seconds: shorter ones are lengthened, as etcd does with its default election time. */
export const MIN_LEASE_TTL_SECONDS = 2
/** The longest: longer ones are refused. */
export const MAX_LEASE_TTL_SECONDS = 9_000_000_000
/** The most watches that one stream may have. */
export const MAX_WATCHES_A_STREAM = 10_000
/** A watch that asked for it hears of progress after so much silence. */
export const PROGRESS_INTERVAL_MS = 10 * 60_000
/** The most events in one response of a watch that catches up with the past. */
export const MAX_CATCH_UP_EVENTS = 1000
/** How often expired leases are looked for. */
export const EXPIRY_INTERVAL_MS = 100
/** The most leases that are revoked at one look. */
export const MAX_EXPIRIES_AT_ONCE = 1000
