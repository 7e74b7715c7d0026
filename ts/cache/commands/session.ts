import { ReplyWriter } from '../../wire/resp/index.ts'
import type { User } from '../acl/user.ts'
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
  /** Writes what is replied when the time is over; unless given, that is a null. */
  readonly onTimeout?: () => void
  /** What it waits for ends by itself: CLIENT UNBLOCK does not. */
  readonly isFirm?: true
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

/** CLIENT TRACKING: how a session is told that keys changed. */
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
  /** What it may do goes by this. */
  user: User
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
  /** The command that waits as it came, and how long it took until then; the engine's own. */
  waiting: { readonly args: readonly string[]; readonly micros: number } | undefined
  /** When the waiting ends; the engine's own. */
  timeout: Expiry<Session> | undefined
  /** What CLIENT REPLY asked for; `skip` is for the next command. */
  replies: 'on' | 'off' | 'skip' = 'on'
  /** While a command runs whose reply is kept back: where messages to this very session begin and end, which are not. */
  messages: number[] | undefined
  /** The command that waits was to be answered with nothing. */
  isSilentWait = false
  /** ASKING was the last command, or came before the transaction: above 0 a slot that is coming in is served. */
  asking = 0
  /** READONLY: reads of slots of this replica's master are served. */
  readsReplicas = false
  /** EXEC is running the queue: each of its commands was routed when EXEC was. */
  isExecuting = false
  /** CLIENT TRACKING; undefined for off. */
  tracking: TrackingMode | undefined
  /** What CLIENT CACHING said of the next command. */
  caching: 'yes' | 'no' | undefined
  /** Who was to be told in its place is gone. */
  isRedirectionBroken = false
  /** BEDPLATE.EVICTIONS: it is told which keys its commands drive out. */
  hearsEvictions = false
  /** MONITOR: it hears of every command. */
  isMonitor = false
  /** What was asked for last, be it refused or run. */
  lastCommand: CommandSpec | undefined
  /** It replays what was decided elsewhere, from a file or a master: nothing that it says is refused. */
  isTrusted = false
  /** Where the stream to replicas was when this session had written last: what WAIT waits for. */
  writtenOffset = 0
  /** False until a client has said who it is, where it must. */
  isAuthenticated = true

  /** It runs the commands of scripts: what has no order is given one there. */
  isScript = false
  /** Who runs the script, and by which command. */
  caller: { readonly session: Session; readonly command: CommandSpec; readonly args: readonly string[] } | undefined
  /** What it changes is told neither to files nor to replicas: redis.set_repl. */
  isUnpropagated = false

  constructor(id: number, user: User) {
    this.id = id
    this.user = user
  }

  /**
   * Makes this the same connection as another one, but with the reply and, from now on, the database of its own: a script's commands
   * run in the name of who called it. A prototype would do, too, but V8 gives up on objects that are one and change.
   */
  standFor(other: Session, command: CommandSpec, args: readonly string[]): void {
    const caller = { session: other, command, args }
    Object.assign(this, other, { reply: this.reply, isScript: true, caller, isUnpropagated: false })
  }

  /** True if a RESP2 connection may only subscribe and unsubscribe now. */
  get isSubscribed(): boolean {
    return this.channels.size + this.patterns.size + this.shardChannels.size > 0
  }
}
