// The store as something that a log replicates: what is executed lies on disk, what is only shown in memory above it.
import { PieceReader, type PiecewiseState, type StateMachine } from '../../raft/index.ts'
import { decodeCommand, encodeSnapshot, type MemberRecord, takeSnapshotEntries, takeSnapshotHead } from './command.ts'
import { Overlay } from './overlay.ts'
import type { KeyRange, Records } from './records.ts'
import type { KeyReader } from './types.ts'
import type { WriteList } from './write-list.ts'

const NO_RESULT = new Uint8Array(0)

/** A replica of the store. */
export class KvMachine implements StateMachine, KeyReader<Uint8Array> {
  readonly #records: Records
  readonly #overlay = new Overlay()
  #failure: unknown

  constructor(records: Records) {
    this.#records = records
  }

  /** The last entry that reads show, executed or not. */
  get visibleIndex(): number {
    return Math.max(this.#records.appliedIndex, this.#overlay.lastIndex)
  }

  get appliedIndex(): number {
    return this.#records.appliedIndex
  }

  get members(): ReadonlyMap<number, MemberRecord> {
    return this.#records.members
  }

  get keyCount(): number {
    return this.#records.keyCount
  }

  get sizeBytes(): number {
    return this.#records.sizeBytes
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const shown = this.#overlay.find(key)
    return shown === undefined ? this.#records.get(key) : shown.value
  }

  /** The same without its value, which may be large. */
  has(key: Uint8Array): boolean {
    const shown = this.#overlay.find(key)
    return shown === undefined ? this.#records.has(key) : shown.value !== undefined
  }

  /** Entries in the order of their keys, as of now: take them before anything else happens. */
  range(range: KeyRange): Iterable<readonly [Uint8Array, Uint8Array]> {
    const entries = this.#records.range(range)
    return this.#overlay.count === 0 ? entries : this.#overlay.over(entries, range)
  }

  /** From now on nothing is executed: what was executed could not be written. */
  fail(error: unknown): void {
    this.#failure ??= error
  }

  /**
   * @returns For each delete among its writes, in order, 1 if there was such a key, and 0 if there was none.
   * @throws CORRUPTION for bytes that are no command; what the records throw
   */
  apply(bytes: Uint8Array, index: number): Uint8Array {
    if (this.#failure !== undefined) throw this.#failure
    // The records outlive the process, and may be ahead of what the driver has executed since its start.
    if (index > this.#records.appliedIndex) {
      const command = decodeCommand(bytes)
      if (command.kind === 'member') this.#records.putMember(index, command.member)
      else return this.#execute(index, command.writes)
    }
    this.#overlay.pass(index)
    return NO_RESULT
  }

  #execute(index: number, writes: WriteList): Uint8Array {
    const result = foundBy(writes, (key) => this.#records.has(key))
    this.#records.write(index, writes)
    this.#overlay.pass(index)
    return result
  }

  /** Lets a command be read that is durable here and not committed. */
  show(bytes: Uint8Array, index: number): Uint8Array {
    if (index <= this.visibleIndex) return NO_RESULT
    const command = decodeCommand(bytes)
    if (command.kind !== 'write') return NO_RESULT
    const result = foundBy(command.writes, (key) => this.has(key))
    this.#overlay.push(index, command.writes)
    return result
  }

  /** Shown entries from `index` on were cut back. */
  hide(index: number): void {
    this.#overlay.cut(index)
  }

  /** A snapshot goes from disk to disk: no store is ever in memory as a whole. */
  readonly pieces: PiecewiseState = {
    snapshot: () => {
      const { index, members, entries, close } = this.#records.freeze()
      return { pieces: encodeSnapshot({ index, members }, entries), close }
    },
    take: async (pieces, index) => {
      const reader = new PieceReader(pieces, 'snapshot of a replicated store')
      const head = await takeSnapshotHead(reader)
      const at = Math.max(index, head.index)
      // What is on disk outlives the process, and is ahead of its snapshot more often than not.
      if (at > this.#records.appliedIndex) await this.#records.take(takeSnapshotEntries(reader), { ...head, index: at })
    },
    adopt: () => {
      this.#records.adopt()
      this.#overlay.cut(0)
    },
  }

  close(): Promise<void> {
    return this.#records.close()
  }
}

/** Which of the keys that `writes` delete are there just then. @param isThere - Before the first of the writes. */
function foundBy(writes: WriteList, isThere: (key: Uint8Array) => boolean): Uint8Array {
  if (writes.deleteCount === 0) return NO_RESULT
  const found = new Uint8Array(writes.deleteCount)
  /** What the writes before have made of keys, by their bytes as Latin-1. */
  const changed = new Map<string, boolean>()
  let at = 0
  for (const { key, value } of writes) {
    const name = Buffer.from(key).toString('latin1')
    if (value === undefined) found[at++] = Number(changed.get(name) ?? isThere(key))
    changed.set(name, value !== undefined)
  }
  return found
}
