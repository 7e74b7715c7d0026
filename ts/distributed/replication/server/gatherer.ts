// Makes one command of the log of what many clients write in one turn of the event loop: an entry costs a leader and its followers
// about as much as a hundred writes in it.
import type { Clock } from '../../../io/clock.ts'
import { type Applied, RaftError } from '../../raft/index.ts'
import { WriteBatch } from './write-batch.ts'

/** Consecutive writes of one client, which go to the log together. It must not throw: others are told after it. */
export interface WriteRun {
  /** They are executed. @param wereThere - For each of its deletes, in order, 1 if there was such a key. */
  written(applied: Applied, wereThere: Uint8Array): void
  /** They are not, or nobody knows. */
  failed(error: unknown): void
}

export interface GathererOptions {
  readonly clock: Clock
  /** Has a command executed. @throws RaftError */
  readonly propose: (command: Uint8Array) => Promise<Applied>
  /** How long a command is tried again for which the cluster has no room. */
  readonly patienceMs: number
}

/** Commands that are not answered yet; above it, whoever has more to write waits. */
const MAX_UNDER_WAY_BYTES = 16 * 1024 * 1024
/** Batches whose memory is used again. */
const MAX_SPARES = 4
const KEPT_BYTES = 512 * 1024
/** The followers are behind by all that a leader bears; then it is asked again after this. */
const BUSY_MS = 5

interface Part {
  readonly run: WriteRun
  readonly firstDelete: number
}

/** Where writes meet. */
export class WriteGatherer {
  readonly #options: GathererOptions
  #batch = new WriteBatch()
  readonly #spares: WriteBatch[] = []
  #parts: Part[] = []
  /** Deletes of the runs that are in `#parts`. */
  #joinedDeletes = 0
  #isSealPlanned = false
  #underWayBytes = 0
  /** Who waits for room, in the order in which they came. */
  #waiting = new Set<() => void>()

  constructor(options: GathererOptions) {
    this.#options = options
  }

  /**
   * The batch that writes go to now, if it takes so much more; `join` must follow in the same turn, before anybody else gets one.
   * @param isBegun - The run has writes in it already: it must not go on in another batch.
   * @returns Undefined if there is no room: a run that is begun joins with what it has, another one calls `whenRoom`.
   */
  room(count: number, bytes: number, isBegun: boolean): WriteBatch | undefined {
    if (this.#batch.fits(count, bytes)) {
      return this.#underWayBytes < MAX_UNDER_WAY_BYTES ? this.#batch : undefined
    }
    if (isBegun) return undefined
    this.#seal()
    return this.#underWayBytes < MAX_UNDER_WAY_BYTES ? this.#batch : undefined
  }

  /** Calls once, when something that was under way has ended. */
  whenRoom(call: () => void): void {
    this.#waiting.add(call)
  }

  /** Somebody does not wait any more. */
  forget(call: () => void): void {
    this.#waiting.delete(call)
  }

  /** What was written to the batch since the last one joined is this run's. It is answered in a later turn. */
  join(run: WriteRun): void {
    this.#parts.push({ run, firstDelete: this.#joinedDeletes })
    this.#joinedDeletes = this.#batch.deleteCount
    if (this.#isSealPlanned) return
    this.#isSealPlanned = true
    void this.#options.clock.turn().then(() => {
      this.#isSealPlanned = false
      this.#seal()
    })
  }

  #seal(): void {
    const parts = this.#parts
    if (parts.length === 0) return
    const batch = this.#batch
    const command = batch.finish()
    this.#batch = this.#spares.pop() ?? new WriteBatch()
    this.#parts = []
    this.#joinedDeletes = 0
    this.#underWayBytes += command.length
    const ended = (tell: (part: Part, i: number) => void): void => {
      this.#underWayBytes -= command.length
      // What becomes of the command has memory of its own.
      if (this.#spares.length < MAX_SPARES && batch.restart(KEPT_BYTES)) this.#spares.push(batch)
      for (const [i, part] of parts.entries()) tell(part, i)
      const waiting = this.#waiting
      this.#waiting = new Set()
      for (const call of waiting) call()
    }
    this.#propose(command).then(
      (applied) => {
        ended(({ run, firstDelete }, i) => {
          run.written(applied, applied.result.subarray(firstDelete, parts[i + 1]?.firstDelete))
        })
      },
      (error: unknown) => ended(({ run }) => run.failed(error)),
    )
  }

  async #propose(command: Uint8Array): Promise<Applied> {
    const { clock, propose, patienceMs } = this.#options
    const deadlineMs = clock.monotonic() / 1e6 + patienceMs
    for (;;) {
      try {
        return await propose(command)
      } catch (error) {
        const isFull = error instanceof RaftError && error.reason === 'busy'
        if (!isFull || clock.monotonic() / 1e6 >= deadlineMs) throw error
        await new Promise<void>((resolve) => {
          clock.timer(BUSY_MS, resolve)
        })
      }
    }
  }
}
