// The multi-version store: every change of a key is kept under its revision until it is compacted away, so that any state
// since then can be read, and watches can be told what happened (https://etcd.io/docs/v3.4/learning/data_model/).
//
// A record of the bucket `revisions`:   key     main u64 BE | sub u32 BE
//                                       value   kind u8 (0 put, 1 deletion) | KeyValue as Protocol Buffers
//
// Invariants: 1. Main revisions begin at 1, which is the empty store, and each request that changes something takes the next.
// 2. Of a key, index and backend have the same changes. 3. Nothing at or above the compacted revision is ever lost.
import { BedplateError } from '../../../base/errors.ts'
import { EVENT_TYPE, KeyValue } from '../../../wire/etcd/messages.ts'
import { refusal } from '../errors.ts'
import type { Event, Key } from '../types.ts'
import type { Backend, Write } from './backend.ts'
import { type Change, contains, KeyIndex, type Revision, type Span } from './key-index.ts'

const RECORD_KEY_BYTES = 12
const PUT = 0
const DELETION = 1
const COMPACTED = Buffer.from('compacted')
const REVISION = Buffer.from('revision')
/** A record costs about this beside its bytes: keys of records, headers, slots of pages. */
const RECORD_OVERHEAD_BYTES = 32
/** A transaction cannot have more changes than its number has room for. */
const MAX_SUB = 2 ** 32 - 1

/** A state that can be read: the store, or a transaction with what it has changed so far. */
export interface Reader {
  /** The main revision that is read unless another is asked for. */
  readonly revision: number
  readonly compactRevision: number
  /** The keys of a span at a main revision, in order, each with what `load` wants. */
  walk(span: Span, at: number): Iterable<readonly [Key, Change]>
  find(key: Key, at: number): Change | undefined
  load(change: Change): KeyValue
}

/** Revisions of keys, over a backend. */
export class MvccStore implements Reader {
  readonly #index = new KeyIndex()
  readonly #backend: Backend
  #revision = 1
  #compactRevision = 0
  #keptBytes = 0

  /** Reads what the backend has. @throws CORRUPTION if that is not what a store has written. */
  constructor(backend: Backend) {
    this.#backend = backend
    this.#compactRevision = readNumber(backend, COMPACTED) ?? 0
    // Compaction may have taken the last changes away, deletions all of them.
    this.#revision = readNumber(backend, REVISION) ?? 1
    for (const [recordKey, record] of backend.scan('revisions', new Uint8Array(0))) {
      const { main, sub } = decodeRecordKey(recordKey)
      const { isDeletion, kv } = decodeRecord(record)
      const change = { main, sub, isDeletion, sizeBytes: sizeOf(record) }
      this.#index.append(kv.key, change)
      this.#keptBytes += change.sizeBytes
      this.#revision = Math.max(this.#revision, main)
    }
  }

  /** The main revision of the last change; 1 if there was none. */
  get revision(): number {
    return this.#revision
  }

  /** Reads below this are refused; 0 if nothing was compacted. */
  get compactRevision(): number {
    return this.#compactRevision
  }

  /** What all kept revisions take, by their own sizes: the same on every replica. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  /** Keys with any history. */
  get keyCount(): number {
    return this.#index.size
  }

  walk(span: Span, at: number): Iterable<readonly [Key, Change]> {
    return this.#index.walk(span, at)
  }

  find(key: Key, at: number): Change | undefined {
    return this.#index.find(key, at)
  }

  load(change: Change): KeyValue {
    const record = this.#backend.get('revisions', encodeRecordKey(change))
    if (record === undefined) {
      throw new BedplateError('CORRUPTION', `the record of revision ${change.main}/${change.sub} is missing`)
    }
    return decodeRecord(record).kv
  }

  /** Begins to change the store. Only one may do so at a time, and must end it without waiting in between. */
  begin(): WriteTransaction {
    return new WriteTransaction({
      store: this,
      index: this.#index,
      write: (writes, keptBytes) => {
        const revision = this.#revision + 1
        const written = this.#backend.write([...writes, numberWrite(REVISION, revision)])
        this.#revision = revision
        this.#keptBytes += keptBytes
        return written
      },
    })
  }

  /**
   * The changes of a span from main revision `from` up to and with `to`, in the order they happened.
   * @param limit - Ends after the request in which so many were reached.
   * @returns The events, and the main revision up to which they are all.
   */
  eventsBetween(
    span: Span,
    { from, to, limit }: { from: number; to: number; limit: number },
  ): {
    events: Event[]
    upTo: number
  } {
    const events: Event[] = []
    for (const [recordKey, record] of this.#backend.scan('revisions', encodeRecordKey({ main: from, sub: 0 }))) {
      const { main } = decodeRecordKey(recordKey)
      if (main > to) break
      const last = events.at(-1)?.kv?.modRevision
      if (events.length >= limit && last !== undefined && main > last) return { events, upTo: main - 1 }
      const { isDeletion, kv } = decodeRecord(record)
      if (contains(span, kv.key)) events.push(eventOf(kv, isDeletion))
    }
    return { events, upTo: to }
  }

  /** What the key was right before an event; undefined if it was not there, or that is compacted away. */
  before(event: Event): KeyValue | undefined {
    const { key, modRevision } = event.kv as KeyValue
    // A read below the compacted revision would find gaps; etcd, too, answers without the previous value then.
    if (modRevision - 1 < this.#compactRevision) return undefined
    const change = this.#index.find(key, modRevision - 1)
    return change === undefined ? undefined : this.load(change)
  }

  /**
   * Forgets what is not needed to read any state from main revision `at` on.
   * @returns When that is durable. @throws Refusal for a revision that was compacted before, or is to come.
   */
  compact(at: number): Promise<void> {
    if (at <= this.#compactRevision) throw refusal('compacted')
    if (at > this.#revision) throw refusal('futureRevision')
    const obsolete = this.#index.obsolete(at)
    const writes: Write[] = [numberWrite(COMPACTED, at)]
    let bytes = 0
    for (const { changes } of obsolete) {
      for (const change of changes) {
        writes.push({ bucket: 'revisions', key: encodeRecordKey(change), value: undefined })
        bytes += change.sizeBytes
      }
    }
    const written = this.#backend.write(writes)
    for (const { key, changes } of obsolete) this.#index.forget(key, changes.length)
    this.#keptBytes -= bytes
    this.#compactRevision = at
    return written
  }

  /** Records up to main revision `at` that belong to a state from the compacted revision on: what replicas compare. */
  *recordsUpTo(at: number): Generator<readonly [Uint8Array, Uint8Array]> {
    for (const record of this.#backend.scan('revisions', new Uint8Array(0))) {
      if (decodeRecordKey(record[0]).main > at) return
      yield record
    }
  }
}

interface WriteOptions {
  readonly store: MvccStore
  readonly index: KeyIndex
  readonly write: (writes: readonly Write[], keptBytes: number) => Promise<void>
}

/** Changes that happen at one main revision, or not at all. It reads what it has written. */
export class WriteTransaction implements Reader {
  readonly #options: WriteOptions
  readonly #main: number
  readonly #events: Event[] = []
  readonly #records = new Map<number, KeyValue>()
  readonly #writes: Write[] = []
  #keptBytes = 0

  constructor(options: WriteOptions) {
    this.#options = options
    this.#main = options.store.revision + 1
  }

  get revision(): number {
    return this.#events.length === 0 ? this.#main - 1 : this.#main
  }

  get compactRevision(): number {
    return this.#options.store.compactRevision
  }

  /** What has been changed so far, in order. */
  get events(): readonly Event[] {
    return this.#events
  }

  walk(span: Span, at: number): Iterable<readonly [Key, Change]> {
    return this.#options.index.walk(span, at)
  }

  find(key: Key, at: number): Change | undefined {
    return this.#options.index.find(key, at)
  }

  load(change: Change): KeyValue {
    return change.main === this.#main ? (this.#records.get(change.sub) as KeyValue) : this.#options.store.load(change)
  }

  /** The value of a key now. */
  get(key: Key): KeyValue | undefined {
    const change = this.find(key, this.#main)
    return change === undefined ? undefined : this.load(change)
  }

  /** Gives a key a value. @returns What it was before. */
  put(key: Key, value: Uint8Array, lease: bigint): KeyValue | undefined {
    const before = this.get(key)
    const kv = {
      key,
      createRevision: before?.createRevision ?? this.#main,
      modRevision: this.#main,
      version: (before?.version ?? 0) + 1,
      value,
      lease,
    }
    this.#change(kv, false)
    return before
  }

  /** Removes the keys of a span. @returns What they were. */
  delete(span: Span): KeyValue[] {
    const found = [...this.walk(span, this.#main)].map(([, change]) => this.load(change))
    for (const { key } of found) {
      this.#change({ key, createRevision: 0, modRevision: this.#main, version: 0, value: NOTHING, lease: 0n }, true)
    }
    return found
  }

  /**
   * Makes the changes part of the store.
   * @param more - Writes of other buckets that belong to them.
   * @returns When they are durable. @throws If the backend cannot take them: then nothing has changed.
   */
  commit(more: readonly Write[] = []): Promise<void> {
    try {
      return this.#options.write([...this.#writes, ...more], this.#keptBytes)
    } catch (error) {
      this.rollBack()
      throw error
    }
  }

  /** Takes the changes back. */
  rollBack(): void {
    for (const { kv } of this.#events.toReversed()) this.#options.index.takeBack((kv as KeyValue).key)
    this.#events.length = 0
  }

  #change(kv: KeyValue, isDeletion: boolean): void {
    const sub = this.#events.length
    if (sub > MAX_SUB) throw refusal('tooManyOperations')
    const record = encodeRecord(kv, isDeletion)
    const change = { main: this.#main, sub, isDeletion, sizeBytes: sizeOf(record) }
    this.#options.index.append(kv.key, change)
    this.#records.set(sub, kv)
    this.#writes.push({ bucket: 'revisions', key: encodeRecordKey(change), value: record })
    this.#keptBytes += change.sizeBytes
    this.#events.push(eventOf(kv, isDeletion))
  }
}

const NOTHING = new Uint8Array(0)

function eventOf(kv: KeyValue, isDeletion: boolean): Event {
  return { type: isDeletion ? EVENT_TYPE.delete : EVENT_TYPE.put, kv, prevKv: undefined }
}

function sizeOf(record: Uint8Array): number {
  return record.length + RECORD_OVERHEAD_BYTES
}

function encodeRecordKey({ main, sub }: Revision): Uint8Array {
  const bytes = Buffer.allocUnsafe(RECORD_KEY_BYTES)
  bytes.writeBigUInt64BE(BigInt(main), 0)
  bytes.writeUInt32BE(sub, 8)
  return bytes
}

function decodeRecordKey(recordKey: Uint8Array): Revision {
  if (recordKey.length !== RECORD_KEY_BYTES) {
    throw new BedplateError(
      'CORRUPTION',
      `the key of a revision has ${RECORD_KEY_BYTES} bytes, not ${recordKey.length}`,
    )
  }
  const view = new DataView(recordKey.buffer, recordKey.byteOffset, recordKey.byteLength)
  return { main: Number(view.getBigUint64(0)), sub: view.getUint32(8) }
}

function encodeRecord(kv: KeyValue, isDeletion: boolean): Uint8Array {
  const body = KeyValue.encode(kv)
  const record = Buffer.allocUnsafe(1 + body.length)
  record[0] = isDeletion ? DELETION : PUT
  record.set(body, 1)
  return record
}

function decodeRecord(record: Uint8Array): { isDeletion: boolean; kv: KeyValue } {
  const [kind] = record
  if (kind !== PUT && kind !== DELETION) {
    throw new BedplateError('CORRUPTION', `the record of a revision has the unknown kind ${kind}`)
  }
  return { isDeletion: kind === DELETION, kv: KeyValue.decode(record.subarray(1)) }
}

function numberWrite(key: Uint8Array, value: number): Write {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return { bucket: 'meta', key, value: bytes }
}

function readNumber(backend: Backend, key: Uint8Array): number | undefined {
  const bytes = backend.get('meta', key)
  if (bytes === undefined) return undefined
  if (bytes.length !== 8) throw new BedplateError('CORRUPTION', 'a number of the bucket `meta` has 8 bytes')
  return Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0))
}
