// The way in for programs, with the machine's own disk, clock and network.
import { realClock } from '../../../io/clock.ts'
import { type Address, realNetwork } from '../../../io/network.ts'
import { realRandom } from '../../../io/random.ts'
import { realDisk } from '../../../io/real-disk.ts'
import type { ReplicationStatus } from '../types.ts'
import { ReplicaServer } from './server.ts'
import type { MemberView, ReadOptions, ReplicaOptions, Seen } from './types.ts'

/** Text is UTF-8. */
export type Bytes = string | Uint8Array

/** A range of keys: at most one lower bound and one upper one, or a prefix. */
export interface KeyRange {
  readonly gt?: Bytes
  readonly gte?: Bytes
  readonly lt?: Bytes
  readonly lte?: Bytes
  readonly prefix?: Bytes
}

/**
 * An open member of a replicated store. Made by `openReplica`. Requests may be made on any member: writes go to the leader,
 * reads are answered here, as fresh as they are asked for.
 */
export interface ReplicatedStore extends AsyncDisposable {
  readonly id: number
  /** Where it listens, to other members and to HTTP. */
  readonly address: Address
  readonly status: ReplicationStatus
  /** Who is in the cluster, as far as this member knows. */
  readonly members: readonly MemberView[]
  /**
   * @param key - 1 to 1,024 bytes. @param value - Up to 1 MiB.
   * @returns Once as many have it as the mode wants. @throws RaftError: its `outcome` says whether it may
   *   have happened; INVALID_INPUT, CLOSED, IO: it has not.
   */
  set(key: Bytes, value: Bytes): Promise<Seen>
  /** Removing an absent key is fine. @throws as `set` */
  delete(key: Bytes): Promise<Seen>
  /** All or nothing: at most 10,000 writes and 4 MiB. @throws as `set` */
  batch(writes: readonly { readonly key: Bytes; readonly value?: Bytes | undefined }[]): Promise<Seen>
  /** @returns The value, undefined if there is none. @throws RaftError, UNAVAILABLE; CONFLICT if what the session saw was lost */
  get(key: Bytes, options?: ReadOptions): Promise<Seen & { readonly value: Uint8Array | undefined }>
  /** At most `limit` entries (a whole number of at least 1), 10,000 and about 4 MiB; `isCut`: there are more. @throws as `get` */
  range(
    range?: KeyRange,
    options?: ReadOptions & { readonly limit?: number },
  ): Promise<Seen & { readonly entries: readonly (readonly [Uint8Array, Uint8Array])[]; readonly isCut: boolean }>
  /** Makes this member the leader, or another one. @throws RaftError */
  promote(id?: number): Promise<void>
  /** Lets a member go, for good. @throws NOT_FOUND, INVALID_INPUT, UNAVAILABLE */
  remove(id: number): Promise<void>
  /** Hands leadership over, if this member has it, and ends. */
  close(): Promise<void>
}

/**
 * Opens a member of a replicated key-value store, with the data directory `path`; it serves HTTP on its port as `replicated-kv` does.
 *
 * @returns The open store, once it is a member and knows its leader. Close it: `await store.close()` or `await using`.
 * @throws NOT_FOUND if the directory is empty and neither `lead` nor `leader` says what to do; CONFLICT if the id is another
 *   node's; INVALID_INPUT for a directory of another node or cluster; UNAVAILABLE if the port is taken, or no cluster answers in
 *   `joinMs`; LOCKED, CORRUPTION, INCOMPATIBLE, PERMISSION, DISK_FULL, IO
 *
 * @example
 * const store = await openReplica('./node-1', { id: 1, listen: { host: '127.0.0.1', port: 8001 }, lead: true })
 * const { session } = await store.set('user:1', 'Alice')
 * const { value } = await store.get('user:1', { consistency: 'session', session })
 * await store.close()
 */
export async function openReplica(path: string, options: ReplicaOptions): Promise<ReplicatedStore> {
  const seams = { disk: realDisk, clock: realClock, random: realRandom, network: realNetwork }
  let serves: () => void = () => {}
  const served = new Promise<void>((resolve) => {
    serves = resolve
  })
  const server = new ReplicaServer(seams, path, {
    ...options,
    onEvent: (event) => {
      if (event.event === 'started' || event.event === 'connected') serves()
      options.onEvent?.(event)
    },
  })
  try {
    await server.start()
    await Promise.race([served, server.failed])
  } catch (error) {
    await server.stop()
    throw error
  }
  return new Handle(server)
}

class Handle implements ReplicatedStore {
  readonly #server: ReplicaServer

  constructor(server: ReplicaServer) {
    this.#server = server
  }

  get id(): number {
    return this.#server.replica.id
  }

  get address(): Address {
    return this.#server.replica.address
  }

  get status(): ReplicationStatus {
    return this.#server.replica.status
  }

  get members(): readonly MemberView[] {
    return this.#server.replica.members.list()
  }

  set(key: Bytes, value: Bytes): Promise<Seen> {
    return this.batch([{ key, value }])
  }

  delete(key: Bytes): Promise<Seen> {
    return this.batch([{ key }])
  }

  async batch(writes: readonly { readonly key: Bytes; readonly value?: Bytes | undefined }[]): Promise<Seen> {
    return this.#server.replica.write(
      writes.map(({ key, value }) => ({ key: bytesOf(key), value: value === undefined ? undefined : bytesOf(value) })),
    )
  }

  async get(key: Bytes, options?: ReadOptions): Promise<Seen & { readonly value: Uint8Array | undefined }> {
    return this.#server.replica.get(bytesOf(key), options)
  }

  async range(range: KeyRange = {}, options?: ReadOptions & { readonly limit?: number }) {
    const bounds = Object.entries(range).map(([name, bound]) => [name, bytesOf(bound as Bytes)])
    return this.#server.replica.range(Object.fromEntries(bounds), options)
  }

  async promote(id?: number): Promise<void> {
    await this.#server.replica.promote(id)
  }

  async remove(id: number): Promise<void> {
    await this.#server.replica.members.remove(id)
  }

  async close(): Promise<void> {
    await this.#server.drain()
    await this.#server.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function bytesOf(value: Bytes): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value
}
