// Leases: who has promised to be alive, and which keys go when that ends. What replicas have to agree on is here: which
// leases there are, how long they were granted for, and their keys. When one expires is decided by one node alone, by its
// own clock (deadlines.ts), and becomes a command like any other: a replica whose clock is wrong cannot differ from others.
import { BedplateError } from '../../base/errors.ts'
import { EVENT_TYPE } from '../../wire/etcd/messages.ts'
import { refusal } from './errors.ts'
import type { Backend, Write } from './mvcc/backend.ts'
import { type Event, type Key, type KeyValue, MAX_LEASE_TTL_SECONDS, MIN_LEASE_TTL_SECONDS } from './types.ts'

/** A lease. */
export interface Lease {
  readonly id: bigint
  /** What it was granted for. */
  readonly ttlSeconds: number
  /** What is deleted with it. */
  readonly keys: ReadonlySet<Key>
}

interface OwnLease extends Lease {
  readonly keys: Set<Key>
}

const ID_BYTES = 8

/** All leases. */
export class Leases {
  readonly #leases = new Map<bigint, OwnLease>()
  readonly #leaseOf = new Map<Key, bigint>()

  /** Reads what the backend has; keys are attached by whoever reads those. @throws CORRUPTION */
  constructor(backend: Backend) {
    for (const [key, value] of backend.scan('leases', new Uint8Array(0))) {
      if (key.length !== ID_BYTES || value.length !== ID_BYTES) {
        throw new BedplateError('CORRUPTION', 'the record of a lease has a key and a value of 8 bytes')
      }
      const id = new DataView(key.buffer, key.byteOffset).getBigInt64(0)
      const ttlSeconds = Number(new DataView(value.buffer, value.byteOffset).getBigInt64(0))
      this.#leases.set(id, { id, ttlSeconds, keys: new Set() })
    }
  }

  get(id: bigint): Lease | undefined {
    return this.#leases.get(id)
  }

  /** All of them, in no order that means anything. */
  all(): Iterable<Lease> {
    return this.#leases.values()
  }

  /** Refuses a lease that cannot be granted. @returns How long it will live. @throws Refusal */
  checkGrant(id: bigint, ttlSeconds: number): number {
    if (id === 0n) throw refusal('leaseNotFound')
    if (ttlSeconds > MAX_LEASE_TTL_SECONDS) throw refusal('leaseTtlTooLarge')
    if (this.#leases.has(id)) throw refusal('leaseExists')
    return Math.max(ttlSeconds, MIN_LEASE_TTL_SECONDS)
  }

  /** Adds a lease that `checkGrant` has passed. */
  add(id: bigint, ttlSeconds: number): void {
    this.#leases.set(id, { id, ttlSeconds, keys: new Set() })
  }

  /** Removes a lease whose keys are gone. */
  remove(id: bigint): void {
    this.#leases.delete(id)
  }

  /** Follows what happened to keys. */
  follow(events: readonly Event[]): void {
    for (const { type, kv } of events) {
      const { key, lease } = kv as KeyValue
      this.attach(key, type === EVENT_TYPE.put ? lease : 0n)
    }
  }

  /** Says to which lease a key belongs now; 0 is none. */
  attach(key: Key, lease: bigint): void {
    const before = this.#leaseOf.get(key)
    if (before === lease) return
    if (before !== undefined) this.#leases.get(before)?.keys.delete(key)
    if (lease === 0n) this.#leaseOf.delete(key)
    else {
      this.#leaseOf.set(key, lease)
      this.#leases.get(lease)?.keys.add(key)
    }
  }
}

/** The record of a lease; without a time to live, its end. */
export function leaseWrite(id: bigint, ttlSeconds: number | undefined): Write {
  return { bucket: 'leases', key: int64(id), value: ttlSeconds === undefined ? undefined : int64(BigInt(ttlSeconds)) }
}

function int64(value: bigint): Uint8Array {
  const bytes = Buffer.allocUnsafe(ID_BYTES)
  bytes.writeBigInt64BE(value)
  return bytes
}
