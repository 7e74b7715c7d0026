// Clients of a real lock service that write down what they asked, and what came of it.
import { openLocks } from '../../../ts/distributed/locks/index.ts'
import { connectGrpc, type GrpcClient, GrpcError } from '../../../ts/io/grpc.ts'
import type { Random } from '../../../ts/io/random.ts'
import type { Operation, SequentialModel } from '../../../ts/testing/simulation/index.ts'
import {
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
} from '../../../ts/wire/etcd/messages.ts'
import type { RealCluster } from './cluster.ts'
import { IDS } from './cluster.ts'

export type Input =
  | { readonly kind: 'put'; readonly value: string }
  | { readonly kind: 'get' }
  | { readonly kind: 'swap'; readonly expected: string; readonly value: string }
/** What was read; of a put `ok`; of a swap whether it was done. */
export type Output = string

/** A key that holds a text; nothing is the empty one. */
export const REGISTER: SequentialModel<string, Input, Output> = {
  initial: '',
  step(state, input, output) {
    if (input.kind === 'put') return input.value
    if (input.kind === 'get') return output === undefined || output === state ? state : undefined
    const isDone = state === input.expected
    if (output !== undefined && output !== (isDone ? 'yes' : 'no')) return undefined
    return isDone ? input.value : state
  },
  keyOf: (state) => state,
}

/** Lies of clients that the checkers have to find out: they ask for reads that may be old, or take an error for an answer. */
export const PLANTED = ['reads are linearizable', 'what was acknowledged is kept'] as const
export type Planted = (typeof PLANTED)[number]

const CALL_MS = 4000
const SWAP_VALUE = 3
/** What says that nothing has happened and nothing will; see docs/systems/locks.md. The last never left this machine. */
const REFUSED =
  /^etcdserver: (no leader|leader changed|request timed out|too many requests)$|^No connection established/

/** What all clients of a round have seen. */
export class History {
  readonly operations: Operation<Input, Output>[] = []
  readonly complaints: string[] = []
  writes = 0
  acquisitions = 0
  #answeredRevision = 0
  #highestToken = 0
  #waiting: { at: number; resolve: () => void }[] = []
  /** Answered writes: when they were asked for, and when answered. */
  readonly answered: { callAt: number; returnAt: number }[] = []

  get answeredRevision(): number {
    return this.#answeredRevision
  }

  add(operation: Operation<Input, Output>): void {
    this.operations.push(operation)
    if (operation.output === undefined || operation.input.kind === 'get') return
    this.answered.push({ callAt: operation.callAt, returnAt: operation.returnAt })
    this.writes++
    const ready = this.#waiting.filter(({ at }) => at <= this.writes)
    this.#waiting = this.#waiting.filter(({ at }) => at > this.writes)
    for (const { resolve } of ready) resolve()
  }

  /** Resolves when so many more writes have been answered. @throws if that takes too long */
  async more(writes: number, withinMs: number): Promise<void> {
    const at = this.writes + writes
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${writes} writes in ${withinMs} ms`)), withinMs)
      this.#waiting.push({
        at,
        resolve: () => {
          clearTimeout(timer)
          resolve()
        },
      })
    })
  }

  /** An answer of this revision to what was asked when `before` had been answered. */
  sawRevision(revision: number, before: number, isWrite: boolean): void {
    if (revision < before || (isWrite && revision === before)) {
      this.complaints.push(`an answer of revision ${revision}, asked for after one of ${before}`)
    }
    this.#answeredRevision = Math.max(this.#answeredRevision, revision)
  }

  acquired(token: number): void {
    this.acquisitions++
    if (token <= this.#highestToken) this.complaints.push(`token ${token} after ${this.#highestToken}`)
    this.#highestToken = Math.max(token, this.#highestToken)
  }
}

export interface ClientOptions {
  readonly cluster: RealCluster
  readonly history: History
  readonly random: Random
  readonly keys: readonly string[]
  readonly name: string
  readonly planted: Planted | undefined
  /** Aborts when the round ends. */
  readonly signal: AbortSignal
}

/** Reads, writes and swaps, one after the other, on whatever member answers. */
export async function runClient(options: ClientOptions): Promise<void> {
  const { cluster, random, keys, name, signal } = options
  const members = IDS.map((id) => connectGrpc(cluster.address(id)))
  let member = Math.floor(random.next() * members.length)
  const last = new Map<string, string>()
  for (let i = 0; !signal.aborted; i++) {
    const key = keys[Math.floor(random.next() * keys.length)] as string
    const value = `${name}.${i}`
    const draw = random.next()
    const input: Input =
      draw < 0.4
        ? { kind: 'get' }
        : draw < 0.8
          ? { kind: 'put', value }
          : { kind: 'swap', expected: last.get(key) ?? '', value }
    const output = await ask(members[member] as GrpcClient, key, input, options)
    if (output === undefined) {
      member = (member + 1) % members.length
      await pause(20)
    } else {
      last.set(key, input.kind === 'get' ? output : value)
      if (random.next() < 0.05) member = Math.floor(random.next() * members.length)
      await pause(random.next() * 6)
    }
  }
  for (const each of members) each.close()
}

/** Reads every key on every member, as of now. */
export async function readAll(options: Omit<ClientOptions, 'random' | 'name' | 'signal'>): Promise<void> {
  for (const id of IDS) {
    const member = connectGrpc(options.cluster.address(id))
    for (const key of options.keys) {
      for (let tries = 0; (await ask(member, key, { kind: 'get' }, options)) === undefined; tries++) {
        if (tries === 20) throw new Error(`member ${id} does not answer`)
        await pause(200)
      }
    }
    member.close()
  }
}

/** @returns Undefined if there was no answer. */
async function ask(
  member: GrpcClient,
  key: string,
  input: Input,
  { history, planted }: Pick<ClientOptions, 'history' | 'planted'>,
): Promise<Output | undefined> {
  const callAt = performance.now()
  const before = history.answeredRevision
  try {
    const { output, revision } = await call(member, key, input, planted === 'reads are linearizable')
    history.add({ key, input, output, callAt, returnAt: performance.now() })
    if (planted === undefined) history.sawRevision(revision, before, input.kind === 'put')
    return output
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error
    const isLie = planted === 'what was acknowledged is kept' && input.kind === 'put'
    if (isLie) history.add({ key, input, output: 'ok', callAt, returnAt: performance.now() })
    else if (input.kind !== 'get' && !REFUSED.test(error.message)) {
      history.add({ key, input, callAt, returnAt: performance.now() })
    }
    return undefined
  }
}

async function call(
  member: GrpcClient,
  key: string,
  input: Input,
  isStale: boolean,
): Promise<{ output: Output; revision: number }> {
  const options = { timeoutMs: CALL_MS }
  if (input.kind === 'get') {
    const request = RangeRequest.encode({ key, serializable: isStale })
    const { kvs, header } = RangeResponse.decode(await member.unary('/etcdserverpb.KV/Range', request, options))
    return { output: Buffer.from(kvs[0]?.value ?? []).toString(), revision: header?.revision ?? 0 }
  }
  const put = { key, value: Buffer.from(input.value) }
  if (input.kind === 'put') {
    const bytes = await member.unary('/etcdserverpb.KV/Put', PutRequest.encode(put), options)
    return { output: 'ok', revision: PutResponse.decode(bytes).header?.revision ?? 0 }
  }
  // What is not there has no value that could be compared: its version is 0.
  const compare =
    input.expected === ''
      ? { target: 0, key, version: 0 }
      : { target: SWAP_VALUE, key, value: Buffer.from(input.expected) }
  const request = TxnRequest.encode({ compare: [compare], success: [{ put }] })
  const { succeeded, header } = TxnResponse.decode(await member.unary('/etcdserverpb.KV/Txn', request, options))
  return { output: succeeded ? 'yes' : 'no', revision: header?.revision ?? 0 }
}

/** Takes one lock again and again, beside others who do; whoever has it must be the only one who believes so. */
export async function runLocker(
  { cluster, history, random, signal }: Omit<ClientOptions, 'keys' | 'name' | 'planted'>,
  owners: Set<{ isHeld(): boolean; readonly token: number }>,
): Promise<void> {
  const locks = openLocks({ endpoints: IDS.map((id) => cluster.address(id)), timeoutMs: 2000 })
  while (!signal.aborted) {
    try {
      const lock = await locks.acquire('lock', { ttlMs: 3000, signal })
      if (lock.isHeld()) {
        history.acquired(lock.token)
        for (const other of owners) {
          if (other.isHeld()) history.complaints.push(`tokens ${other.token} and ${lock.token} are held at once`)
        }
        owners.add(lock)
        await pause(random.next() * 40)
        owners.delete(lock)
      }
      await lock.release()
    } catch {
      await pause(50) // no member answers just now
    }
  }
  await locks.close().catch(() => {})
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
