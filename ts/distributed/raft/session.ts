// A client's side of a session: gives commands their numbers, and tells which results have arrived (dissertation, §6.3).
import { BedplateError } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import type { RaftGroup, RaftSession, RequestOptions, SessionPlace } from './door.ts'
import { type Applied, RaftError } from './raft-error.ts'
import { MAX_RESULTS, type SessionResult } from './session-codec.ts'

/** Commands of one session that are under way; the state machine keeps the results of twice as many. */
const MAX_UNDER_WAY = MAX_RESULTS / 2
const DEFAULT_TIMEOUT_MS = 5000
/** Results that are too large together are acknowledged meanwhile. */
const RETRY_MS = 10

/** A session whose owner is this process. */
export class Session implements RaftSession {
  readonly id: number
  private readonly group: Pick<RaftGroup, 'proposeIn'>
  private readonly clock: Clock
  /** Numbers of commands whose results the owner still waits for, rising. */
  private readonly waiting = new Set<number>()
  private last = 0

  constructor(id: number, group: Pick<RaftGroup, 'proposeIn'>, clock: Clock) {
    this.id = id
    this.group = group
    this.clock = clock
  }

  async propose(command: Uint8Array, { timeoutMs = DEFAULT_TIMEOUT_MS }: RequestOptions = {}): Promise<Applied> {
    if (this.waiting.size >= MAX_UNDER_WAY) throw new RaftError({ kind: 'refused', reason: 'busy', leader: undefined })
    const deadline = this.nowMs + timeoutMs
    const own = new Uint8Array(command)
    const sequence = ++this.last
    this.waiting.add(sequence)
    try {
      for (;;) {
        const place = { session: this.id, sequence, acknowledged: this.acknowledged }
        const left = Math.max(0, deadline - this.nowMs)
        try {
          return await this.group.proposeIn(place, own, { timeoutMs: left })
        } catch (error) {
          if (!(error instanceof TooManyResults) || this.nowMs >= deadline) throw error
        }
        await new Promise<void>((resolve) => this.clock.timer(RETRY_MS, resolve))
      }
    } finally {
      this.waiting.delete(sequence)
    }
  }

  /** Nobody waits for commands up to this one any more. */
  private get acknowledged(): number {
    const [oldest = this.last + 1] = this.waiting
    return oldest - 1
  }

  private get nowMs(): number {
    return this.clock.monotonic() / 1e6
  }
}

/** The state machine keeps no more results of the session: some must be acknowledged. */
class TooManyResults extends RaftError {}

/** What the client of a command is told that has no result. */
export function failureOf({ kind }: SessionResult, { session, sequence }: SessionPlace): BedplateError {
  const unknown = { kind: 'unknown', leader: undefined } as const
  switch (kind) {
    case 'expired':
      return new RaftError(unknown, {
        code: 'CONFLICT',
        message: `session ${session} is not known, or was not used for so long that it was forgotten`,
        hint: 'open another one; if the command was asked before, look first whether it was executed',
      })
    case 'forgotten':
      return new RaftError(unknown, {
        code: 'CONFLICT',
        message: `command ${sequence} of session ${session} is one of those whose results were acknowledged`,
        hint: 'it was executed before that, or never will be: give each command the next number',
      })
    case 'too many results':
      return new TooManyResults(unknown, {
        code: 'CONFLICT',
        message: `session ${session} has too many results that were not acknowledged`,
        hint: 'acknowledge those that have arrived, and ask again',
      })
    default:
      return new BedplateError('INTERNAL', `a command of session ${session} gave "${kind}"`)
  }
}
