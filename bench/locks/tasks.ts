// What is measured: puts, gets and turns of a lock, by one or many at a time, on anything that can do them.
import { join } from 'node:path'
import { Etcd3 } from 'etcd3'
import { openBTreeBackend } from '../../ts/distributed/locks/mvcc/btree-backend.ts'
import { LocksNode } from '../../ts/distributed/locks/node.ts'
import { realClock } from '../../ts/io/clock.ts'
import { connectGrpc, type GrpcClient, GrpcError } from '../../ts/io/grpc.ts'
import { realRandom } from '../../ts/io/random.ts'
import { createLogger } from '../../ts/service/index.ts'
import { PutRequest } from '../../ts/wire/etcd/messages.ts'
import type { Servers } from './servers.ts'

const VALUE = 'v'.repeat(100)
const KEYS = 10_000
const WARMUP_CALLS = 300
const LOCK_TTL_SECONDS = 30
/** A put that a member does not answer, since it waits for one that is gone, is made again. */
const PUT_MS = 250
const RETRY_MS = 2

/** Where operations go. `i` counts them. */
export interface Target {
  put(i: number): Promise<unknown>
  get(i: number): Promise<unknown>
  /** Takes a lock that nobody holds, and gives it back. */
  lock(i: number): Promise<unknown>
  close(): Promise<void>
}

/** What can be measured. */
export const TASKS = ['put', 'get', 'lock'] as const
export type Task = (typeof TASKS)[number]

/** A server, or a cluster, by the client etcd3. */
export function throughEtcd3(addresses: readonly string[]): Target {
  const client = new Etcd3({ hosts: [...addresses] })
  return {
    put: (i) => client.put(keyOf(i)).value(VALUE).exec(),
    get: (i) => client.get(keyOf(i)).string(),
    async lock(i) {
      const lock = client.lock(`lock-${i % 64}`).ttl(LOCK_TTL_SECONDS)
      await lock.acquire()
      await lock.release()
    },
    async close() {
      client.close()
    },
  }
}

/** A node in this process, as durable as the server: no gRPC, and nothing between caller and store. */
export async function inProcess(directory: string): Promise<Target> {
  const backend = await openBTreeBackend(join(directory, 'in-process'))
  const logger = createLogger({ name: 'bench', level: 'error', now: realClock.now, write: () => {} })
  const node = new LocksNode({ backend, clock: realClock, random: realRandom, logger })
  const value = Buffer.from(VALUE)
  const none = { prevKv: false, ignoreValue: false, ignoreLease: false }
  return {
    put: (i) => node.execute({ put: { key: keyOf(i), value, lease: 0n, ...none } }),
    get: (i) => node.read((state) => state.range({ ...EVERYTHING, key: keyOf(i) })),
    async lock(i) {
      const { id } = await node.grant(0n, LOCK_TTL_SECONDS)
      await node.execute({ put: { key: `lock-${i % 64}/${id.toString(16)}`, value, lease: id, ...none } })
      await node.execute({ revoke: { id } })
    },
    close: () => node.close(),
  }
}

const EVERYTHING = {
  rangeEnd: '',
  limit: 0,
  revision: 0,
  sortOrder: 0,
  sortTarget: 0,
  serializable: false,
  keysOnly: false,
  countOnly: false,
  minModRevision: 0,
  maxModRevision: 0,
  minCreateRevision: 0,
  maxCreateRevision: 0,
}

function keyOf(i: number): string {
  return `key-${String(i % KEYS).padStart(6, '0')}`
}

/** How long each of some calls took, and all together, in milliseconds. */
export interface Sample {
  readonly latencies: readonly number[]
  readonly elapsedMs: number
}

/** Lets `inFlight` callers do a task for so long, each again when the last one is answered. */
export async function measure(target: Target, task: Task, inFlight: number, seconds: number): Promise<Sample> {
  const latencies: number[] = []
  let i = 0
  const started = performance.now()
  const end = started + seconds * 1000
  const caller = async (): Promise<void> => {
    for (let now = performance.now(); now < end; ) {
      await target[task](i++)
      const done = performance.now()
      latencies.push(done - now)
      now = done
    }
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  return { latencies, elapsedMs: performance.now() - started }
}

/** Makes the keys that gets ask for, and lets compilers see everything once. */
export async function warmUp(target: Target, tasks: readonly Task[]): Promise<void> {
  for (let i = 0; i < KEYS; i += 64) {
    await Promise.all(Array.from({ length: 64 }, (_, j) => target.put(i + j)))
  }
  for (let i = 0; i < WARMUP_CALLS; i++) {
    await target.put(i)
    await target.get(i)
  }
  if (!tasks.includes('lock')) return
  for (let i = 0; i < WARMUP_CALLS / 10; i++) await target.lock(i)
}

/**
 * Kills the leader again and again, as `kill -9` does.
 * @returns For each kill, how long until another member has answered a put, in milliseconds.
 */
export async function measureFailover(servers: Servers, kills: number): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < kills; i++) {
    const leader = await servers.leader()
    const other = servers.addresses.find((_, at) => at !== leader - 1) as string
    const client = connectGrpc(other)
    await put(client, i) // connects
    const killed = performance.now()
    await servers.kill(leader)
    while (!(await put(client, i))) await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    times.push(performance.now() - killed)
    client.close()
    await servers.run(leader)
  }
  await servers.leader()
  return times
}

/** @returns False if it was not answered. */
async function put(client: GrpcClient, i: number): Promise<boolean> {
  const request = PutRequest.encode({ key: keyOf(i), value: Buffer.from(VALUE) })
  try {
    await client.unary('/etcdserverpb.KV/Put', request, { timeoutMs: PUT_MS })
    return true
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error
    return false
  }
}
