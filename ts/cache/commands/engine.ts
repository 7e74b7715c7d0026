// The cache as a deterministic machine: commands and time come in, replies and effects go out. No socket, no timer, no disk.
import { assert } from '../../base/errors.ts'
import type { Random } from '../../io/random.ts'
import { Users } from '../acl/users.ts'
import { Database, type DatabaseListener } from '../keyspace/database.ts'
import { DEFAULT_ENCODING_LIMITS, type EncodingLimits } from '../keyspace/encoding.ts'
import { ExpiryHeap } from '../keyspace/expiry-heap.ts'
import type { Stream } from '../keyspace/stream.ts'
import { typeOf } from '../keyspace/values.ts'
import { Call } from './call.ts'
import type { ClusterDoor } from './cluster-door.ts'
import type { Command } from './command.ts'
import type { Effect } from './effects.ts'
import { CommandError, shown } from './errors.ts'
import type { Host } from './host.ts'
import { keyPositions } from './key-specs.ts'
import { MemoryLimit, OUT_OF_MEMORY } from './memory-limit.ts'
import { Monitors } from './monitor-registry.ts'
import { notifyKeyspace } from './notifications.ts'
import type { PausedScript } from './paused-script.ts'
import { PubSub } from './pubsub-registry.ts'
import { refusalByRights } from './rights.ts'
import type { ServerDoor } from './server-door.ts'
import { type Blocked, Session } from './session.ts'
import type { CommandSpec } from './specs.ts'
import { Statistics } from './statistics.ts'
import { COMMANDS } from './table.ts'
import { Tracking } from './tracking-registry.ts'
import { type Transfer, Transfers } from './transfers.ts'

/** What the engine needs from outside. */
export interface EngineOptions {
  /** For RANDOMKEY, SPOP and the like. */
  readonly random: Random
  /** Databases that SELECT can choose, at least 1; 16 unless given. */
  readonly databases?: number
  readonly encodingLimits?: Partial<EncodingLimits>
  /** Milliseconds since any beginning: without it a script is never interrupted. */
  readonly monotonicMs?: () => number
  /** Whether `propagate` effects are made; false unless given. May be changed later: `Engine.propagates`. */
  readonly propagates?: boolean
  /**
   * Asked before a command is run or queued: a text refuses it and is the reply. Behind what users may do. The seam
   * of read-only replicas, of cluster redirections and of full disks.
   */
  readonly refuse?: (session: Session, command: CommandSpec, args: readonly string[]) => string | undefined
}

/** A command that is to be propagated. */
interface Propagated {
  readonly database: number
  readonly args: readonly string[]
  readonly isMessage?: boolean
  /** It deletes a key whose time had come. */
  readonly isExpiry?: boolean
}

const NO_EFFECTS: readonly Effect[] = []
/** How many keys that are due one `tick` deletes unless told otherwise. */
const DEFAULT_EXPIRY_BUDGET = 1000
const SUBSCRIBED_COMMANDS: ReadonlySet<string> = new Set(
  'ping subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe quit reset'.split(' '),
)
const UNQUEUED_COMMANDS: ReadonlySet<string> = new Set('exec discard multi watch quit reset'.split(' '))
const SHOWN_BYTES = 128
/** busy-reply-threshold */
const DEFAULT_BUSY_REPLY_THRESHOLD_MS = 5000
/** What the commands of one transaction may cost, as much as Redis lets a client send at once. */
const MAX_TRANSACTION_BYTES = 2 ** 30
/** What a command and an argument cost beside their bytes, about. */
const COMMAND_BYTES = 64
const ARGUMENT_BYTES = 24
/** These read no more than what they call. */
const READING_SCRIPTS: ReadonlySet<string> = new Set(['eval_ro', 'evalsha_ro', 'fcall_ro'])
/** Those that read and yet tell no `keymiss`. */
const SILENT_COMMANDS = /^(?:object\||scan$|keys$|randomkey$)/

/**
 * A Redis-compatible engine. Single-threaded; every call is complete when it returns.
 *
 * @example
 * const engine = new Engine({ random: seededRandom(1) })
 * const session = engine.connect()
 * engine.execute(session, ['SET', 'k', 'v'], Date.now())
 * Buffer.from(session.reply.take()).toString() // '+OK\r\n'
 */
export class Engine implements Host, DatabaseListener {
  readonly random: Random
  readonly encodingLimits: EncodingLimits
  readonly databases: Database[]
  readonly commands = COMMANDS
  readonly pubsub = new PubSub()
  readonly users = new Users()
  readonly memory: MemoryLimit
  readonly monitors = new Monitors()
  readonly tracking = new Tracking((id) => this.#sessions.get(id))
  readonly statistics = new Statistics()
  readonly transfers = new Transfers()
  /** Whose command is run; undefined in ticks. */
  #running: Session | undefined
  /** The classes of `notify-keyspace-events`, '' for none. */
  notifiedEvents = ''
  expiresActively = true
  scriptsMayAll = false
  /** Set by a server before its first connection. */
  server: ServerDoor | undefined
  /** Set by a node of a cluster before its first connection. */
  cluster: ClusterDoor | undefined
  readonly monotonicMs: (() => number) | undefined
  busyReplyThresholdMs = DEFAULT_BUSY_REPLY_THRESHOLD_MS
  paused: PausedScript | undefined
  /** Whether `propagate` effects are made. */
  propagates: boolean
  /** How many changes commands have made, as they count them themselves. */
  changes = 0
  readonly #options: EngineOptions
  /** One for each depth of commands within commands. */
  readonly #calls: Call[] = []
  #depth = 0
  #now = 0
  /** A call has begun. If it is still true when the next one begins, the state is what a bug left of it. */
  #isRunning = false
  readonly #sessions = new Map<number, Session>()
  #nextSession = 1
  /** Sessions that watch a key, by `database key`. */
  readonly #watchers = new Map<string, Set<Session>>()
  /** Sessions that wait for a key, the longest waiting first, by `database key`. */
  readonly #waiting = new Map<string, Set<Session>>()
  /** Sessions whose waiting ends, by when. */
  readonly #timeouts = new ExpiryHeap<Session>()
  /** Keys that were changed while somebody waits for them, by `database key`, in the order of their first change. */
  #ready = new Map<string, { readonly database: number; readonly key: string }>()
  #effects: Effect[] = []
  /** What is to be propagated at the end of the present command or transaction. */
  #pending: Propagated[] = []

  constructor(options: EngineOptions) {
    this.#options = options
    this.random = options.random
    this.monotonicMs = options.monotonicMs
    this.propagates = options.propagates ?? false
    this.encodingLimits = { ...DEFAULT_ENCODING_LIMITS, ...options.encodingLimits }
    this.memory = new MemoryLimit(options.random)
    const { rules, meter } = this.memory
    const count = options.databases ?? 16
    this.databases = Array.from({ length: count }, (_, index) => new Database(index, this, rules, meter))
  }

  /** A new connection. */
  connect(): Session {
    const session = new Session(this.#nextSession++, this.users.default)
    this.#sessions.set(session.id, session)
    return session
  }

  /** Forgets a connection, whatever it was doing. */
  disconnect(session: Session): void {
    this.unwatch(session)
    this.pubsub.leave(session)
    this.tracking.disable(session)
    this.monitors.delete(session)
    this.#unblock(session)
    session.transaction = undefined
    this.#sessions.delete(session.id)
  }

  sessions(): Iterable<Session> {
    return this.#sessions.values()
  }

  /** The session of an id that CLIENT ID gave; undefined if it is gone. */
  session(id: number): Session | undefined {
    return this.#sessions.get(id)
  }

  /**
   * Runs a command and writes its reply to `session.reply`, nothing if the command blocks.
   * @param args - The name and its arguments, one character of 0 to 255 a byte; not empty.
   * @param now - Milliseconds since 1970; should not go back.
   * @returns What the driver has to do, in order; it may be read until the next call.
   * @throws INTERNAL if the session waits, and in every call after one that failed.
   */
  execute(session: Session, args: readonly string[], now: number): readonly Effect[] {
    assert(session.blocked === undefined, 'a session that waits runs no command')
    this.#begin(now)
    const mark = session.reply.length
    const silence = session.replies
    const { caching } = session
    this.#running = session
    if (silence !== 'on') session.messages = []
    this.#dispatch(session, args)
    if (session.asking > 0 && session.transaction === undefined) session.asking--
    session.isSilentWait = silence === 'skip' && session.blocked !== undefined
    this.#settle()
    this.#limitMemory(session, mark)
    if (silence !== 'on' && session.replies !== 'on') keepMessages(session, mark)
    session.messages = undefined
    if (silence === 'skip' && session.replies === 'skip') session.replies = 'on'
    // CLIENT CACHING is for the next command or transaction.
    if (caching !== undefined && session.transaction === undefined) session.caching = undefined
    this.tracking.tell(session, (effect) => this.#effects.push(effect))
    this.#running = undefined
    return this.#finish()
  }

  /**
   * Lets time pass: answers blocked commands whose time is over and deletes keys that are due.
   * @param budget - At most so many keys.
   */
  tick(now: number, budget = DEFAULT_EXPIRY_BUDGET): readonly Effect[] {
    if (this.paused !== undefined) {
      this.#begin(this.paused.nowMs)
      this.paused.resume()
      this.#settle()
      this.#limitMemory()
      return this.#finish()
    }
    this.#begin(now)
    for (let first = this.#timeouts.first(); first !== undefined && first.at <= now; first = this.#timeouts.first()) {
      const { owner } = first
      if (!this.release(owner, owner.blocked?.onTimeout ?? (() => owner.reply.nilArray()))) this.#timeouts.remove(first)
    }
    let left = budget
    if (this.expiresActively) for (const database of this.databases) left -= database.expireDue(left)
    this.#propagatePending()
    this.#serveReady()
    this.#limitMemory()
    this.tracking.tell(undefined, (effect) => this.#effects.push(effect))
    return this.#finish()
  }

  /** Does something that no client has asked for, such as what another node says. @returns As `execute`. */
  intervene(now: number, act: () => void): readonly Effect[] {
    this.#begin(now)
    act()
    this.#settle()
    this.#limitMemory()
    return this.#finish()
  }

  /** True if a command may not be run before a transfer has ended: ask again then. O(keys) while there is one. */
  isHeld(session: Session, args: readonly string[]): boolean {
    if (this.transfers.size === 0) return false
    const command = findCommand(args)
    return typeof command !== 'string' && this.transfers.holds(session, command, args)
  }

  /**
   * The end of a transfer, within `intervene`: what has arrived is deleted here, as DEL would, and whoever asked is answered.
   * @param failure - What went wrong, as the reply; undefined if all is well.
   * @param deletes - False if nothing may be deleted here any more.
   */
  endTransfer(transfer: Transfer, failure: string | undefined, deletes: boolean): void {
    this.transfers.delete(transfer)
    const { session, database } = transfer
    const settled = deletes ? transfer.settle() : { moved: [], failure: undefined }
    if (settled.moved.length > 0) {
      const nobody = this.connect()
      nobody.database = database.index
      this.run(nobody, COMMANDS.get('del') as Command, ['DEL', ...settled.moved], false)
      this.disconnect(nobody)
    }
    const error = failure ?? settled.failure
    this.release(session, () => (error === undefined ? session.reply.ok() : session.reply.error(error)))
  }

  /** When `tick` will next have something to do; undefined if never. O(databases). */
  nextTickMs(): number | undefined {
    if (this.paused !== undefined) return 0
    if (this.memory.isUnderWay) return this.#now
    let first = this.#timeouts.first()?.at
    if (!this.expiresActively) return first
    for (const database of this.databases) {
      const at = database.nextExpiry()
      if (at !== undefined && (first === undefined || at < first)) first = at
    }
    return first
  }

  // For handlers.

  find(args: readonly string[]): Command | string {
    return findCommand(args)
  }

  /** Exchanges two databases under their numbers. */
  swap(a: number, b: number): void {
    const [first, second] = [this.databases[a] as Database, this.databases[b] as Database]
    this.databases[a] = second
    this.databases[b] = first
    first.index = b
    second.index = a
    // Both now show other keys to whoever watches or waits.
    for (const database of [first, second]) {
      for (const id of [...this.#watchers.keys(), ...this.#waiting.keys()]) {
        const key = keyOf(id, database.index)
        if (key === undefined) continue
        if (first.has(key) || second.has(key)) this.changed(database, key)
        // One whose time had come is found and deleted where somebody waits for it.
        else if (this.#waiting.has(id) && database.peek(key) !== undefined) {
          this.#ready.set(id, { database: database.index, key })
        }
      }
    }
  }

  effect(effect: Effect): void {
    this.#effects.push(effect)
  }

  run(session: Session, command: CommandSpec, args: readonly string[], mayBlock: boolean): void {
    this.#calls[this.#depth] ??= new Call(this)
    const call = this.#calls[this.#depth++] as Call
    const { database, reply } = session
    call.session = session
    call.command = command
    call.reply = reply
    call.db = this.databases[database] as Database
    call.now = this.#now
    call.mayBlock = mayBlock
    call.dirty = 0
    call.isMessage = false
    call.instead = undefined
    const mark = reply.length
    const startMs = this.monotonicMs?.() ?? 0
    // What a script does comes after it, what a transaction does before its EXEC.
    const isTold = this.monitors.size > 0 && session.waiting === undefined
    if (isTold && command.flags.has('skip_monitor')) this.#tellMonitors(session, command, args)
    try {
      const { handler } = command as Command // every spec that comes here was found in the table
      handler(call, args)
    } catch (error) {
      reply.truncate(mark)
      reply.error(textOfError(error))
    } finally {
      this.#depth--
    }
    if (isTold && !command.flags.has('skip_monitor')) this.#tellMonitors(session, command, args)
    const micros = this.monotonicMs === undefined ? 0 : 1000 * (this.monotonicMs() - startMs)
    if (session.blocked !== undefined && mayBlock) session.waiting ??= { args, micros }
    else this.#ran(session, command, { args: session.waiting?.args ?? args, micros, mark })
    if (session.tracking !== undefined && command.flags.has('readonly') && !READING_SCRIPTS.has(command.name)) {
      // Of a script that reads, all keys are remembered that it was given.
      const reader = session.caller ?? { session, command, args }
      const positions = keyPositions(reader.command, reader.args) ?? []
      this.tracking.read(
        reader.session,
        positions.map((position) => reader.args[position] as string),
      )
    }
    this.changes += call.dirty
    if (!this.propagates || session.isUnpropagated) return
    if (call.dirty === 0) {
      if (call.isMessage) this.#pending.push({ database, args, isMessage: true })
      return
    }
    for (const each of call.instead ?? [args]) this.#pending.push({ database, args: each })
  }

  refusal(session: Session, command: CommandSpec, args: readonly string[]): string | undefined {
    if (!session.user.isAllPowerful) {
      const refusal = refusalByRights(this, session, command, args, this.#now)
      if (refusal !== undefined) return refusal
    }
    return this.#options.refuse?.(session, command, args)
  }

  watch(session: Session, key: string): void {
    const { database } = session
    const id = idOf(database, key)
    if (session.watched.has(id)) return
    // A key that has expired is deleted now: that is no change later.
    const wasThere = this.databases[database]?.find(key) !== undefined
    session.watched.set(id, { database, key, wasThere })
    const watchers = this.#watchers.get(id)
    if (watchers === undefined) this.#watchers.set(id, new Set([session]))
    else watchers.add(session)
  }

  unwatch(session: Session): void {
    for (const id of session.watched.keys()) {
      const watchers = this.#watchers.get(id)
      watchers?.delete(session)
      if (watchers?.size === 0) this.#watchers.delete(id)
    }
    session.watched.clear()
    session.isTouched = false
  }

  block(session: Session, blocked: Blocked): void {
    session.blocked = blocked
    if (blocked.untilMs !== undefined) session.timeout ??= this.#timeouts.add(blocked.untilMs, session)
    for (const key of blocked.keys) {
      const id = idOf(blocked.database, key)
      const waiting = this.#waiting.get(id)
      if (waiting === undefined) this.#waiting.set(id, new Set([session]))
      else waiting.add(session)
    }
    this.#effects.push({ kind: 'block', session, untilMs: blocked.untilMs })
  }

  /** Ends the waiting of a session with the reply that `write` writes. @returns False if it does not wait. */
  release(session: Session, write: () => void): boolean {
    const { blocked, waiting } = session
    if (blocked === undefined) return false
    this.#unblock(session)
    const mark = session.reply.length
    write()
    const { args, micros } = waiting ?? { args: [blocked.command.name], micros: 0 }
    this.#ran(session, blocked.command, { args, micros, mark })
    this.#told(session, mark)
    return true
  }

  /** Sends a message to all who listen. @returns How many did. */
  publish(channel: string, message: string, isSharded = false): number {
    return this.pubsub.publish({ channel, message, isSharded }, (session) =>
      this.#effects.push({ kind: 'reply', session }),
    )
  }

  /** Publishes a keyspace event if it is one of `notifiedEvents`. */
  notify(kind: string, event: string, key: string, database: number): void {
    if (this.notifiedEvents !== '') notifyKeyspace(this, { kind, event, key, database })
  }

  // For databases.

  changed(database: Database, key: string): void {
    if (this.tracking.clientCount > 0) this.tracking.changed(key, this.#running)
    if (this.transfers.size > 0) this.transfers.changed(database, key)
    if (this.#watchers.size === 0 && this.#waiting.size === 0) return
    const id = idOf(database.index, key)
    for (const session of this.#watchers.get(id) ?? []) session.isTouched = true
    if (this.#waiting.has(id)) this.#ready.set(id, { database: database.index, key })
  }

  added(database: Database, key: string): void {
    this.notify('n', 'new', key, database.index)
  }

  missed(database: Database, key: string): void {
    if (!this.notifiedEvents.includes('m')) return
    // Commands that write look for what is not there as a matter of course, and some look without asking.
    const command = this.#calls[this.#depth - 1]?.command
    if (command?.flags.has('readonly') === true && !SILENT_COMMANDS.test(command.name)) {
      this.notify('m', 'keymiss', key, database.index)
    }
  }

  expired(database: Database, key: string): void {
    this.statistics.expiredKeys++
    this.notify('x', 'expired', key, database.index)
    if (this.propagates) this.#pending.push({ database: database.index, args: ['DEL', key], isExpiry: true })
  }

  #begin(now: number): void {
    assert(!this.#isRunning, 'the engine failed before: its state cannot be trusted')
    this.#isRunning = true
    if (this.#effects.length > 0) this.#effects = []
    if (now === this.#now) return
    this.#now = now
    for (const database of this.databases) database.now = now
  }

  #finish(): readonly Effect[] {
    this.#isRunning = false
    return this.#effects.length === 0 ? NO_EFFECTS : this.#effects
  }

  #tellMonitors(session: Session, command: CommandSpec, args: readonly string[]): void {
    const { caller = { session } } = session
    const address = this.server === undefined ? '' : this.server.addressOf(caller.session)
    if (address === undefined) return
    this.monitors.tell({ session, command, args, nowMs: this.#now, address }, (monitor) => {
      if (monitor !== session) this.#effects.push({ kind: 'reply', session: monitor })
    })
  }

  /** Counts a command whose reply begins at `mark`. */
  #ran(
    session: Session,
    command: CommandSpec,
    { args, micros, mark }: { readonly args: readonly string[]; readonly micros: number; readonly mark: number },
  ): void {
    session.waiting = undefined
    this.statistics.ran(command.name, micros, session.reply.errorAt(mark))
    this.server?.ran(session, command, args, micros)
  }

  #dispatch(session: Session, args: readonly string[]): void {
    const command = findCommand(args)
    session.lastCommand = typeof command === 'string' ? undefined : command
    const refusal = typeof command === 'string' ? command : this.#refusalOf(session, command, args)
    if (refusal !== undefined) {
      const isExec = typeof command !== 'string' && command.name === 'exec'
      if (isExec) {
        // What cannot be executed is given up.
        session.transaction = undefined
        this.unwatch(session)
      } else if (session.transaction !== undefined) session.transaction.isBroken = true
      // A client follows a redirection, and runs the transaction there.
      const isAborted = isExec && this.cluster?.isRedirection(refusal) !== true
      const text = isAborted ? `EXECABORT Transaction discarded because of: ${refusal.replace(/^ERR /, '')}` : refusal
      if (typeof command === 'string') this.statistics.replied(text)
      else this.statistics.refused(command.name, text)
      session.reply.error(text)
      return
    }
    const known = command as Command
    if (session.transaction !== undefined && !UNQUEUED_COMMANDS.has(known.name)) {
      const { queue, isBroken } = session.transaction
      if (!isBroken && !session.isTouched) {
        session.transaction.bytes += costOf(args)
        if (session.transaction.bytes > MAX_TRANSACTION_BYTES) {
          session.transaction = { queue: [], bytes: 0, isBroken: true }
          session.reply.error('ERR the transaction is too large')
          return
        }
        queue.push({ command: known, args })
      }
      session.reply.simple('QUEUED')
      return
    }
    this.run(session, known, args, true)
  }

  #refusalOf(session: Session, command: Command, args: readonly string[]): string | undefined {
    const { arity, name } = command
    if (arity > 0 ? args.length !== arity : args.length < -arity) {
      return `ERR wrong number of arguments for '${name}' command`
    }
    if (session.transaction !== undefined && command.flags.has('no_multi')) {
      return 'ERR Command not allowed inside a transaction'
    }
    const refused = this.refusal(session, command, args)
    if (refused !== undefined) return refused
    if (this.paused !== undefined && !command.flags.has('allow_busy')) return this.paused.refusal
    if (!session.isTrusted && this.memory.refuses(session, command)) return OUT_OF_MEMORY
    if (session.isSubscribed && session.reply.protocol === 2 && !SUBSCRIBED_COMMANDS.has(name)) {
      return `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`
    }
    return undefined
  }

  /** After a command, unless a script of its own is still at work. */
  #settle(): void {
    if (this.paused !== undefined) return
    this.#propagatePending()
    this.#serveReady()
  }

  /** Evicts what is too much, and tells it to `session` if it asked for that: before the reply, which begins at `mark`. */
  #limitMemory(session?: Session, mark = 0): void {
    const { memory } = this
    if (this.paused !== undefined) return // Not under a script that is at work.
    memory.notePeak()
    if (!memory.isOver && !memory.isUnderWay) return
    const evicted: string[] = []
    memory.evict(this.databases, (database, entry) => {
      const { key } = entry
      database.evict(entry)
      evicted.push(key)
      this.notify('e', 'evicted', key, database.index)
      // Each for itself: that a command was the reason does not make them one change.
      if (this.propagates) {
        this.#effects.push({ kind: 'propagate', database: database.index, args: ['DEL', key] })
      }
    })
    if (evicted.length === 0) return
    if (session?.hearsEvictions === true) tellEvicted(session, mark, evicted)
    this.#serveReady()
  }

  /** Several changes of one command or transaction are one to who replays them. */
  #propagatePending(): void {
    const pending = this.#pending
    if (pending.length === 0) return
    this.#pending = []
    // Keys that were due have nothing to do with one another: no transaction.
    const isTransaction = pending.length > 1 && !pending.every((each) => each.isExpiry === true)
    const database = pending[0]?.database ?? 0
    const isMessage = pending.every((each) => each.isMessage === true)
    if (isTransaction) this.#effects.push({ kind: 'propagate', database, args: ['MULTI'], isMessage })
    for (const each of pending) this.#effects.push({ kind: 'propagate', ...each })
    if (isTransaction)
      this.#effects.push({ kind: 'propagate', database: pending.at(-1)?.database ?? 0, args: ['EXEC'], isMessage })
  }

  /** Runs the commands of those who wait for keys that are there now; that may make further keys. */
  #serveReady(): void {
    while (this.#ready.size > 0) {
      const ready = this.#ready
      this.#ready = new Map()
      for (const [id, { key }] of ready) {
        for (const session of [...(this.#waiting.get(id) ?? [])]) this.#serve(session, key)
      }
    }
  }

  #serve(session: Session, key: string): void {
    const { blocked } = session
    if (blocked === undefined) return
    const entry = this.databases[blocked.database]?.find(key)
    if (entry === undefined || typeOf(entry.value) !== blocked.type) {
      // A group is gone with its stream: nothing will ever come of waiting for it.
      if (blocked.command.name === 'xreadgroup') {
        this.release(session, () => session.reply.error('UNBLOCKED the stream key no longer exists'))
      }
      this.#propagatePending() // the key may just have expired
      return
    }
    const args = blocked.argsFor(key)
    if (blocked.command.name === 'xreadgroup' && !(entry.value as Stream).groups.has(args[2] as string)) {
      const text = 'NOGROUP the consumer group this client was blocked on no longer exists'
      this.release(session, () => session.reply.error(text))
      return
    }
    const selected = session.database
    const mark = session.reply.length
    session.database = blocked.database
    // A command that is still not served blocks again and keeps its place: it was never taken out of the queues.
    session.blocked = undefined
    this.run(session, blocked.command, args, true)
    session.database = selected
    const isAgain = session.blocked !== undefined
    if (isAgain) {
      session.blocked = blocked
      if (this.#effects.at(-1)?.kind === 'block') this.#effects.pop()
    } else {
      session.blocked = blocked
      this.#unblock(session)
      this.#told(session, mark)
      this.#propagatePending()
    }
  }

  /** Tells the driver of what was written since `mark` to a session that waited, unless it asked for silence. */
  #told(session: Session, mark: number): void {
    if (session.replies === 'off' || session.isSilentWait) session.reply.truncate(mark)
    session.isSilentWait = false
    // Told even if nothing was written: the session reads on.
    this.#effects.push({ kind: 'reply', session })
  }

  #unblock(session: Session): void {
    const { blocked } = session
    if (blocked === undefined) return
    for (const key of blocked.keys) {
      const id = idOf(blocked.database, key)
      const waiting = this.#waiting.get(id)
      waiting?.delete(session)
      if (waiting?.size === 0) this.#waiting.delete(id)
    }
    if (session.timeout !== undefined) this.#timeouts.remove(session.timeout)
    session.timeout = undefined
    session.blocked = undefined
  }
}

/** Commands by their names in small and in capital letters: nearly all clients write one or the other. */
const BY_SPELLING: ReadonlyMap<string, Command> = new Map(
  [...COMMANDS].flatMap(([name, command]) => [
    [name, command],
    [name.toUpperCase(), command],
  ]),
)

/** The command that `args` names, or the text of the error if there is none. */
function findCommand(args: readonly string[]): Command | string {
  const [name = '', subcommand] = args
  const command = BY_SPELLING.get(name) ?? COMMANDS.get(name.toLowerCase())
  if (command === undefined) {
    let list = ''
    for (let i = 1; i < args.length && list.length < SHOWN_BYTES; i++) {
      list += `'${shown(args[i] as string, SHOWN_BYTES - list.length)}' `
    }
    return `ERR unknown command '${shown(name, SHOWN_BYTES)}', with args beginning with: ${list}`
  }
  if (command.subcommands.size === 0 || subcommand === undefined) return command
  const found = command.subcommands.get(subcommand.toLowerCase())
  if (found !== undefined) return found
  return `ERR unknown subcommand '${shown(subcommand, SHOWN_BYTES)}'. Try ${name.toUpperCase()} HELP.`
}

function textOfError(error: unknown): string {
  if (error instanceof CommandError) return error.message
  // V8 refuses what is beyond its limits with a RangeError; nothing else of ours may fail.
  if (!(error instanceof RangeError)) throw error
  return error.message.startsWith('Map') || error.message.startsWith('Set')
    ? 'OOM a database or a value holds at most 16777216 keys or elements'
    : 'ERR string exceeds maximum allowed size (proto-max-bulk-len)'
}

/** Takes back what was written since `mark`, but for the messages in it. */
function keepMessages({ reply, messages = [] }: Session, mark: number): void {
  const written = messages.length === 0 ? undefined : Uint8Array.prototype.slice.call(reply.bytes())
  reply.truncate(mark)
  for (let i = 0; i < messages.length; i += 2)
    reply.encoded(written?.subarray(messages[i], messages[i + 1]) as Uint8Array)
}

/** Puts a push with the evicted keys before the reply that begins at `mark`. */
function tellEvicted({ reply }: Session, mark: number, keys: readonly string[]): void {
  if (reply.protocol !== 3) return
  const written = Uint8Array.prototype.slice.call(reply.bytes(), mark)
  reply.truncate(mark)
  reply.push(2)
  reply.bulk('evicted')
  reply.bulks(keys)
  reply.encoded(written)
}

/** What a queued command costs in memory, about. */
function costOf(args: readonly string[]): number {
  let bytes = COMMAND_BYTES
  for (const arg of args) bytes += arg.length + ARGUMENT_BYTES
  return bytes
}

function idOf(database: number, key: string): string {
  return `${database} ${key}`
}

/** The key of an id if it belongs to that database. */
function keyOf(id: string, database: number): string | undefined {
  const prefix = `${database} `
  return id.startsWith(prefix) ? id.slice(prefix.length) : undefined
}
