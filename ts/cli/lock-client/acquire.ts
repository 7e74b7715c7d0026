// lock-client acquire: takes a lock by one transaction, or waits for it, and leaves it to live for its time.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { BedplateError } from '../../base/errors.ts'
import type { EtcdClient } from '../../distributed/locks/client/etcd-client.ts'
import { LeaseKeeper } from '../../distributed/locks/client/lease-keeper.ts'
import { leavePlace, type Place, takePlace, waitForTurn } from '../../distributed/locks/client/queue.ts'
import { realClock } from '../../io/clock.ts'
import { parseDuration } from '../kit/duration.ts'
import type { Output } from '../kit/output.ts'
import { Interrupted } from '../kit/program.ts'
import { type ConnectionArguments, idOf, withClient } from './connection.ts'

export interface AcquireArguments extends ConnectionArguments {
  readonly ttl: string
  readonly exec?: string
  readonly wait: boolean
}

const STATUS = { SIGTERM: 143, SIGINT: 130 } as const
const NO_VALUE = new Uint8Array(0)

/** @returns The exit status. */
export function acquire(out: Output, name: string, options: AcquireArguments): Promise<number> {
  const ttlSeconds = Math.ceil(parseDuration(options.ttl, '--ttl') / 1000)
  return withClient(options, async (client) => {
    const taken = await take(out, client, { name, ttlSeconds, options, value: NO_VALUE })
    if (options.exec === undefined) {
      taken.keeper.stop()
      return 0
    }
    try {
      return await runUnder(options.exec, name, taken)
    } finally {
      await taken.giveBack()
    }
  })
}

/** A lock that is held here. Without `keeper` it lives for its time. */
export interface Taken {
  readonly place: Place
  readonly keeper: LeaseKeeper
  giveBack(): Promise<void>
}

/** Takes a lock and says so. @throws Interrupted when a signal comes while it waits, and UNAVAILABLE; it has no place then */
export async function take(
  out: Output,
  client: EtcdClient,
  want: {
    name: string
    ttlSeconds: number
    value: Uint8Array
    options: ConnectionArguments & { wait?: boolean }
    /** Says nothing about a lock then. */
    isElection?: boolean
  },
): Promise<Taken> {
  const { name, options, value } = want
  const askedAtMs = realClock.monotonic() / 1e6
  const { id, ttlSeconds } = await client.grant(want.ttlSeconds)
  const keeper = new LeaseKeeper({ client, clock: realClock, id, ttlSeconds, askedAtMs })
  const interrupt = new AbortController()
  let signalled: keyof typeof STATUS | undefined
  const listeners = (['SIGTERM', 'SIGINT'] as const).map((signal) => {
    const listener = (): void => {
      signalled = signal
      interrupt.abort()
    }
    process.on(signal, listener)
    return () => process.removeListener(signal, listener)
  })
  try {
    const place = await takePlace(client, { name: Buffer.from(name).toString('latin1'), lease: id, value })
    const tell = want.isElection === true ? async () => {} : sayAcquired(out, options.json === true, name)
    if (place.isFirst) await tell(place.token, ttlSeconds)
    else {
      if (options.wait === false) throw new BedplateError('UNAVAILABLE', `somebody else has ${JSON.stringify(name)}`)
      if (options.json !== true && want.isElection !== true) await out.line('Lock unavailable, waiting...')
      await out.flush()
      const outcome = await waitForTurn(client, place, AbortSignal.any([keeper.lost, interrupt.signal]))
      if (signalled !== undefined) throw new Interrupted(STATUS[signalled])
      if (outcome !== 'held') throw new BedplateError('UNAVAILABLE', 'the lease ended while waiting')
      // Its time begins now, as of a lock that was free.
      await client.keepAlive(id)
      await tell(place.token, undefined)
    }
    await out.flush()
    return {
      place,
      keeper,
      async giveBack() {
        keeper.stop()
        await leavePlace(client, place)
        await client.revoke(id).catch(() => {})
      },
    }
  } catch (error) {
    keeper.stop()
    await client.revoke(id).catch(() => {})
    throw error
  } finally {
    for (const forget of listeners) forget()
  }
}

/** The transcript tells the time of a lock that was free, and of one that was waited for its id alone. */
function sayAcquired(out: Output, isJson: boolean, name: string) {
  return async (token: number, ttlSeconds: number | undefined): Promise<void> => {
    if (isJson) await out.line(JSON.stringify({ id: idOf(token), name, token, waited: ttlSeconds === undefined }))
    else {
      await out.line(`Lock acquired: ${idOf(token)}`)
      if (ttlSeconds !== undefined) await out.line(`TTL: ${ttlSeconds}s`)
    }
  }
}

/** Runs a command of the shell; ends it when the lock is lost. @returns Its exit status. */
async function runUnder(command: string, name: string, { place, keeper }: Taken): Promise<number> {
  const env = { ...process.env, LOCK_NAME: name, LOCK_ID: idOf(place.token), LOCK_TOKEN: String(place.token) }
  const child = spawn(command, { shell: true, stdio: 'inherit', env })
  keeper.lost.addEventListener('abort', () => child.kill('SIGTERM'))
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal)
  }
  process.on('SIGTERM', forward).on('SIGINT', forward)
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  process.removeListener('SIGTERM', forward).removeListener('SIGINT', forward)
  if (keeper.lost.aborted)
    throw new BedplateError('UNAVAILABLE', `the lock was lost while ${JSON.stringify(command)} ran`)
  return code ?? (signal === 'SIGINT' || signal === 'SIGTERM' ? STATUS[signal] : 1)
}
