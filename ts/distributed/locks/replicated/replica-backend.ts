// The records of a replica, and beside them how far in the log it is: with every command the index of its entry is written in the
// same batch as what it changed. So whatever a crash takes back, the two agree, and what was executed is not executed again.
//
//   bucket `local`   applied     u64 BE: the last entry that has changed something
//                    replacing   while another replica's records take the place of all others: they are worth nothing yet
import { BedplateError } from '../../../base/errors.ts'
import { lacks } from '../../../storage/mutant.ts'
import type { Mutant } from '../mutant.ts'
import { type Backend, type Bucket, SHARED_BUCKETS, type Write } from '../mvcc/backend.ts'

const APPLIED = Buffer.from('applied')
const REPLACING = Buffer.from('replacing')
const INDEX_BYTES = 8
const NO_BYTES = new Uint8Array(0)
/** Records are removed and taken over in batches of about so much. */
const BATCH_RECORDS = 4096
const BATCH_BYTES = 1024 * 1024

/** A backend whose writes belong to entries of a log. */
export class ReplicaBackend implements Backend {
  readonly #inner: Backend
  readonly #mutant: Mutant | undefined
  readonly #failed: (error: unknown) => void
  #appliedIndex: number

  /**
   * Records that were being replaced when the process ended are removed: the log's snapshot has them still.
   * @param failed - Is told of writes that could not be made durable.
   * @throws CORRUPTION
   */
  constructor(inner: Backend, failed: (error: unknown) => void, mutant?: Mutant) {
    this.#inner = inner
    this.#mutant = mutant
    this.#failed = failed
    this.#appliedIndex = this.#readIndex()
    if (inner.get('local', REPLACING) !== undefined) {
      this.#clear()
      this.#send([local(REPLACING, undefined)])
    }
  }

  /** The last entry that was executed here; 0 if there was none. */
  get appliedIndex(): number {
    return this.#appliedIndex
  }

  /** What is written from now on belongs to this entry. */
  enter(index: number): void {
    this.#appliedIndex = index
  }

  /** Takes over all records of another replica, which is at `index`. */
  replace(records: readonly Write[], index: number): void {
    this.#send([local(REPLACING, Uint8Array.of(1)), local(APPLIED, undefined)])
    this.#clear()
    let batch: Write[] = []
    let bytes = 0
    for (const { bucket, key, value = NO_BYTES } of records) {
      // They are views of something large.
      batch.push({ bucket, key: new Uint8Array(key), value: new Uint8Array(value) })
      bytes += key.length + value.length
      if (bytes < BATCH_BYTES && batch.length < BATCH_RECORDS) continue
      this.#send(batch)
      batch = []
      bytes = 0
    }
    this.#appliedIndex = index
    this.#send([...batch, local(REPLACING, undefined), local(APPLIED, indexBytes(index))])
  }

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return this.#inner.get(bucket, key)
  }

  scan(bucket: Bucket, from: Uint8Array): Iterable<readonly [Uint8Array, Uint8Array]> {
    return this.#inner.scan(bucket, from)
  }

  write(writes: readonly Write[]): Promise<void> {
    const applied = local(APPLIED, indexBytes(this.#appliedIndex))
    if (!lacks(this.#mutant, 'applied with the state')) return this.#inner.write([...writes, applied])
    const written = this.#inner.write(writes)
    return Promise.all([written, this.#inner.write([applied])]).then(() => {})
  }

  flushed(): Promise<void> {
    return this.#inner.flushed()
  }

  sizeBytes(): number {
    return this.#inner.sizeBytes()
  }

  defragment(): Promise<void> {
    return this.#inner.defragment()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #clear(): void {
    for (const bucket of SHARED_BUCKETS) {
      for (let keys = this.#firstKeys(bucket); keys.length > 0; keys = this.#firstKeys(bucket)) {
        this.#send(keys.map((key) => ({ bucket, key, value: undefined })))
      }
    }
  }

  #firstKeys(bucket: Bucket): Uint8Array[] {
    const keys: Uint8Array[] = []
    for (const [key] of this.#inner.scan(bucket, NO_BYTES)) {
      keys.push(new Uint8Array(key))
      if (keys.length === BATCH_RECORDS) break
    }
    return keys
  }

  #send(writes: readonly Write[]): void {
    this.#inner.write(writes).catch(this.#failed)
  }

  #readIndex(): number {
    const bytes = this.#inner.get('local', APPLIED)
    if (bytes === undefined) return 0
    if (bytes.length !== INDEX_BYTES) {
      throw new BedplateError('CORRUPTION', `how far a replica is has ${INDEX_BYTES} bytes, not ${bytes.length}`)
    }
    return Number(new DataView(bytes.buffer, bytes.byteOffset, INDEX_BYTES).getBigUint64(0))
  }
}

function local(key: Uint8Array, value: Uint8Array | undefined): Write {
  return { bucket: 'local', key, value }
}

function indexBytes(index: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(INDEX_BYTES)
  bytes.writeBigUInt64BE(BigInt(index))
  return bytes
}
