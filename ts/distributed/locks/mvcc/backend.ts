// Where revisions, leases and users are kept: named sets of records that change together.
import { SortedKeys } from './sorted-keys.ts'

/** What records are about. */
export type Bucket = 'revisions' | 'leases' | 'auth' | 'meta' | 'members' | 'local'
/** What replicas have in common, in the order of their numbers in snapshots. */
export const SHARED_BUCKETS: readonly Bucket[] = ['revisions', 'leases', 'auth', 'meta', 'members']
/** All of them; `local` has what one replica notes for itself. */
export const BUCKETS: readonly Bucket[] = [...SHARED_BUCKETS, 'local']

/** A change of one record; without a value it is removed. */
export interface Write {
  readonly bucket: Bucket
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
}

/** Keeps records. Reads show every write at once; they are durable when the promise of `write` resolves. */
export interface Backend {
  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined
  /** Records from `from` on, in the order of their keys. */
  scan(bucket: Bucket, from: Uint8Array): Iterable<readonly [Uint8Array, Uint8Array]>
  /** All or nothing. @throws If it cannot be done, and then nothing has changed. */
  write(writes: readonly Write[]): Promise<void>
  /** Resolves when everything written so far is durable. */
  flushed(): Promise<void>
  /** Bytes on disk, or in memory. */
  sizeBytes(): number
  /** Gives space that is not used back. */
  defragment(): Promise<void>
  close(): Promise<void>
}

/** Keeps records in memory alone. */
export class MemoryBackend implements Backend {
  readonly #buckets = new Map(BUCKETS.map((bucket) => [bucket, new MemoryBucket()]))

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return this.#of(bucket).records.get(nameOf(key))
  }

  *scan(bucket: Bucket, from: Uint8Array): Generator<readonly [Uint8Array, Uint8Array]> {
    const { names, records } = this.#of(bucket)
    for (const name of names.range(nameOf(from), undefined)) {
      yield [Buffer.from(name, 'latin1'), records.get(name) as Uint8Array]
    }
  }

  write(writes: readonly Write[]): Promise<void> {
    for (const { bucket, key, value } of writes) this.#of(bucket).write(nameOf(key), value)
    return Promise.resolve()
  }

  flushed(): Promise<void> {
    return Promise.resolve()
  }

  sizeBytes(): number {
    let sum = 0
    for (const { sizeBytes } of this.#buckets.values()) sum += sizeBytes
    return sum
  }

  defragment(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #of(bucket: Bucket): MemoryBucket {
    return this.#buckets.get(bucket) as MemoryBucket
  }
}

class MemoryBucket {
  readonly records = new Map<string, Uint8Array>()
  readonly names = new SortedKeys()
  sizeBytes = 0

  write(name: string, value: Uint8Array | undefined): void {
    const before = this.records.get(name)
    this.sizeBytes += (value?.length ?? 0) - (before?.length ?? 0)
    if (value === undefined) {
      this.records.delete(name)
      this.names.delete(name)
      return
    }
    if (before === undefined) this.names.add(name)
    this.records.set(name, value)
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
