import { ReplyWriter } from '../../wire/resp/index.ts'
import type { Expiry } from '../keyspace/expiry-heap.ts'
import type { TypeName } from '../keyspace/values.ts'
import type { CommandSpec } from './specs.ts'

/** A command that waits for keys. */
export interface Blocked {
  readonly command: CommandSpec
  /** The arguments to run it with once a key is there: that key is then the only one it asks for. */
  readonly argsFor: (key: string) => readonly string[]
  readonly database: number
  readonly keys: readonly string[]
  /** Only a key of this type can serve it. */
  readonly type: TypeName
  /** Milliseconds since 1970; undefined waits for ever. */
  readonly untilMs: number | undefined
}

export interface WatchedKey {
  readonly database: number
  readonly key: string
  /** Whether it was there when WATCH was called. */
  readonly wasThere: boolean
}

export interface Transaction {
  readonly queue: { readonly command: CommandSpec; readonly args: readonly string[] }[]
  /** What the queue costs, about. */
  bytes: number
  /** A command could not be queued: EXEC will refuse. */
  isBroken: boolean
}

/** How a session is told. */
export interface TrackingMode {
  /** Prefixes of the keys that it wants to be told of, whether it has read them or not; undefined for those that it has read. */
  readonly prefixes: readonly string[] | undefined
  /** In `in` only what is read after CLIENT CACHING YES is remembered, in `out` all but what is read after CLIENT CACHING NO. */
  readonly opt: 'in' | 'out' | undefined
  /** Not of its own changes. */
  readonly noLoop: boolean
  /** The id of the session that is told in its place. */
  readonly redirect: number | undefined
}

/** One connection, as far as the engine knows it. A driver reads `reply` and the fields; commands change them. */
export class Session {
  readonly id: number
  /** Where replies and messages to this session are written. */
  readonly reply = new ReplyWriter()
  /** The number of the selected database. */
  database = 0
  name = ''
  transaction: Transaction | undefined
  /** By `database key`. */
  readonly watched = new Map<string, WatchedKey>()
  /** A watched key was changed: EXEC will do nothing. */
  isTouched = false
  readonly channels = new Set<string>()
  readonly patterns = new Set<string>()
  readonly shardChannels = new Set<string>()
  blocked: Blocked | undefined
  /** When the waiting ends; the engine's own. */
  timeout: Expiry<Session> | undefined
  /** What CLIENT REPLY asked for; `skip` is for the next command. */
  replies: 'on' | 'off' | 'skip' = 'on'
  /** The command that waits was to be answered with nothing. */
  isSilentWait = false
  /** CLIENT TRACKING; undefined for off. */
  tracking: TrackingMode | undefined
  /** What CLIENT CACHING said of the next command. */
  caching: 'yes' | 'no' | undefined
  /** Who was to be told in its place is gone. */
  isRedirectionBroken = false
  /** BEDPLATE.EVICTIONS: it is told which keys its commands drive out. */
  hearsEvictions = false
  /** False until a client has said who it is, where it must. */
  isAuthenticated = true

  constructor(id: number) {
    this.id = id
  }

  /** True if a RESP2 connection may only subscribe and unsubscribe now. */
  get isSubscribed(): boolean {
    return this.channels.size + this.patterns.size + this.shardChannels.size > 0
  }
}
