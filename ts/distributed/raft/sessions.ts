// Commands that are executed exactly once (dissertation, §6.3; paper, §8).
//
// A client that hears nothing asks again, and the log then holds its command twice. So the state machine remembers, for every
// session, the results that the client has not acknowledged: a command that comes again is not executed but answered from
// there. The memory is replicated like everything else, so every replica decides alike, and it is part of the snapshot.
import { BedplateError } from '../../base/errors.ts'
import { lacks } from '../../storage/mutant.ts'
import type { Mutant } from './mutant.ts'
import {
  decodeCommand,
  decodeSnapshot,
  encodeSnapshot,
  MAX_RESULT_BYTES,
  MAX_RESULTS,
  type SessionRecord,
  type SessionResult,
} from './session-codec.ts'
import type { WholeStateMachine } from './state-machine.ts'
import type { LogIndex, Term } from './types.ts'

export interface SessionOptions {
  /** When one more is opened, the one that was used longest ago expires. Equal on all replicas. Default 10,000. */
  readonly maxSessions?: number
  /**
   * Bytes of results that are kept, of all sessions together. When there are more, the sessions that were used longest ago
   * expire, all but the one that is used. Equal on all replicas. Default 256 MiB.
   */
  readonly maxResultBytes?: number
  readonly mutant?: Mutant | undefined
}

interface Session extends SessionRecord {
  acknowledged: number
  readonly results: Map<number, Uint8Array>
  /** Of the results. */
  bytes: number
}

const DEFAULT_MAX_SESSIONS = 10_000
const DEFAULT_MAX_RESULT_BYTES = 256 * 1024 * 1024

/** What is remembered of sessions, on one replica. */
export class SessionTable {
  private readonly maxSessions: number
  private readonly maxResultBytes: number
  private readonly mutant: Mutant | undefined
  /** In order of use, the longest ago first. */
  private sessions = new Map<number, Session>()
  /** Of all results. */
  private bytes = 0

  constructor(options: SessionOptions = {}) {
    this.maxSessions = wholeFrom1('maxSessions', options.maxSessions ?? DEFAULT_MAX_SESSIONS)
    this.maxResultBytes = wholeFrom1('maxResultBytes', options.maxResultBytes ?? DEFAULT_MAX_RESULT_BYTES)
    this.mutant = options.mutant
  }

  get sessionCount(): number {
    return this.sessions.size
  }

  /** Bytes of the results that are kept. */
  get resultBytes(): number {
    return this.bytes
  }

  /**
   * Has a command executed, unless it was executed before. O(1) beside the command itself.
   * @param bytes - What `encodeCommand` made.
   * @param index - Its place in the log, which becomes the number of a session that it opens.
   */
  apply(bytes: Uint8Array, index: LogIndex, execute: (command: Uint8Array) => Uint8Array): SessionResult {
    const command = decodeCommand(bytes)
    if (command === undefined) return { kind: 'malformed' }
    if (command.kind === 'open') return this.open(index)
    const session = this.sessions.get(command.session)
    if (session === undefined) return { kind: 'expired' }
    this.sessions.delete(command.session)
    this.sessions.set(command.session, session)
    if (command.acknowledged > session.acknowledged) this.acknowledge(session, command.acknowledged)
    if (command.sequence <= session.acknowledged) return { kind: 'forgotten' }
    const known = session.results.get(command.sequence)
    if (known !== undefined) return { kind: 'done', result: known }
    if (session.results.size >= MAX_RESULTS || session.bytes >= MAX_RESULT_BYTES) return { kind: 'too many results' }
    const result = execute(command.command)
    session.results.set(command.sequence, result)
    session.bytes += result.length
    this.bytes += result.length
    this.expireWhile(() => this.bytes > this.maxResultBytes && this.sessions.size > 1)
    return { kind: 'done', result }
  }

  /** All that is remembered, with the state of the machine behind it: what `decodeSnapshot` takes apart. */
  snapshot(state: Uint8Array): Uint8Array {
    const isLost = this.sessions.size > 0 && lacks(this.mutant, 'sessions in snapshots')
    const kept = [...this.sessions.values()].map((session) =>
      isLost ? { ...session, results: new Map<number, Uint8Array>() } : session,
    )
    return encodeSnapshot(kept, state)
  }

  /**
   * Remembers what a snapshot has of sessions, and nothing else.
   * @returns The state of the machine, a view of the snapshot. @throws CORRUPTION; then nothing has changed.
   */
  restore(snapshot: Uint8Array): Uint8Array {
    const { sessions, state } = decodeSnapshot(snapshot, this.maxSessions)
    this.forgetAll()
    for (const [id, { session, acknowledged, results: views }] of sessions) {
      const results = new Map([...views].map(([sequence, result]) => [sequence, result.slice()]))
      const bytes = [...results.values()].reduce((sum, { length }) => sum + length, 0)
      this.sessions.set(id, { session, acknowledged, results, bytes })
      this.bytes += bytes
    }
    return state
  }

  forgetAll(): void {
    this.sessions = new Map()
    this.bytes = 0
  }

  private open(session: LogIndex): SessionResult {
    this.expireWhile(() => this.sessions.size >= this.maxSessions)
    this.sessions.set(session, { session, acknowledged: 0, results: new Map(), bytes: 0 })
    return { kind: 'opened', session }
  }

  /** Forgets sessions, those that were used longest ago first. The one in use is the last. */
  private expireWhile(isFull: () => boolean): void {
    for (const [oldest, { bytes }] of this.sessions) {
      if (!isFull()) return
      this.sessions.delete(oldest)
      this.bytes -= bytes
    }
  }

  /** The client has all results up to `sequence`. */
  private acknowledge(session: Session, sequence: number): void {
    session.acknowledged = sequence
    for (const [each, { length }] of session.results) {
      if (each > sequence) continue
      session.results.delete(each)
      session.bytes -= length
      this.bytes -= length
    }
  }
}

/**
 * Puts sessions in front of a state machine: all of its commands are those of sessions.
 *
 * @example
 * const machine = new SessionMachine(counter)
 * const { session } = machine.apply(encodeCommand({ kind: 'open' }), 1) as { session: number }
 * const add = encodeCommand({ kind: 'run', session, sequence: 1, acknowledged: 0, command: ADD_ONE })
 * machine.apply(add, 2)
 * machine.apply(add, 3) // gives the same result; the counter stays at 1
 */
export class SessionMachine {
  private readonly inner: WholeStateMachine
  private readonly table: SessionTable

  constructor(inner: WholeStateMachine, options: SessionOptions = {}) {
    this.inner = inner
    this.table = new SessionTable(options)
  }

  get sessionCount(): number {
    return this.table.sessionCount
  }

  get resultBytes(): number {
    return this.table.resultBytes
  }

  apply(bytes: Uint8Array, index: LogIndex, term: Term = 0): SessionResult {
    return this.table.apply(bytes, index, (command) => this.inner.apply(command, index, term))
  }

  snapshot(): Uint8Array {
    return this.table.snapshot(this.inner.snapshot())
  }

  /** @throws CORRUPTION; then nothing has changed, unless the inner state machine has. */
  restore(snapshot: Uint8Array, index: LogIndex = 0): void {
    this.inner.restore(this.table.restore(snapshot), index)
  }
}

function wholeFrom1(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new BedplateError('INVALID_INPUT', `sessions: ${name} must be a whole number >= 1, got ${value}`)
  }
  return value
}
