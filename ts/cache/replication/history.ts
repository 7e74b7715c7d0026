// What a data set has been through: an id that was drawn at random, and how many bytes of changes came since. Two servers with the
// same id and offset have the same data. A replica has the id and the offset of its master.
//
// A replica that becomes a master goes on under a new id, as what follows is its own; it remembers the id that it had and up to where
// that was followed, so that others that were replicas of the same master can go on with it.
//
// replication.c of Redis 7.0, "shiftReplicationId" and "masterTryPartialResync".
import { lacks } from '../../storage/mutant.ts'
import { Backlog } from './backlog.ts'
import type { Mutant } from './mutant.ts'
import { NO_ID } from './types.ts'

/** See the top of this file. Offsets count bytes; a history that is sent from its beginning begins behind 1. */
export class History {
  id: string
  previousId = NO_ID
  /** The first offset that the history of `previousId` does not share; -1 if there is none. */
  previousEnd = -1
  /** Of the last byte. */
  offset = 0
  /** Undefined as long as nobody has asked for the history. */
  backlog: Backlog | undefined

  readonly #mutant: Mutant | undefined

  constructor(id: string, mutant?: Mutant) {
    this.id = id
    this.#mutant = mutant
  }

  /** Where what is kept begins. */
  get firstOffset(): number {
    return this.offset + 1 - (this.backlog?.length ?? 0)
  }

  /** Keeps from now on what comes. */
  keep(bytes: number): void {
    this.backlog ??= new Backlog(bytes)
  }

  /** Begins at 1, unless it has begun: a server that has no data says 0. */
  begin(): void {
    if (this.backlog === undefined && this.offset === 0) this.offset = 1
  }

  append(bytes: Uint8Array): void {
    this.offset += bytes.length
    this.backlog?.append(bytes)
  }

  /**
   * What followed on the byte before `from` in a history.
   * @returns Undefined if that history is another one, or too much of it is forgotten.
   */
  since(id: string, from: number): Uint8Array | undefined {
    const isShared = from <= this.previousEnd || lacks(this.#mutant, 'old ids end')
    const isOurs = id === this.id || (id === this.previousId && isShared)
    const count = this.offset + 1 - from
    if (!isOurs || this.backlog === undefined || count < 0 || count > this.backlog.length) return undefined
    return this.backlog.last(count)
  }

  /** Goes on under another id, which nobody else has. */
  branch(id: string): void {
    this.previousId = this.id
    this.previousEnd = this.offset + 1
    this.id = id
  }

  /** Becomes another history, of which nothing is kept. */
  replace(id: string, offset: number): void {
    this.id = id
    this.offset = offset
    this.previousId = NO_ID
    this.previousEnd = -1
    if (this.backlog !== undefined) this.backlog = new Backlog(this.backlog.limitBytes)
  }
}
