import { describe, expect, it } from 'vitest'
import { EtcdClient } from '../../../ts/distributed/locks/client/etcd-client.ts'
import { LeaseKeeper } from '../../../ts/distributed/locks/client/lease-keeper.ts'
import { LockTaker } from '../../../ts/distributed/locks/client/lock-taker.ts'
import { openLocks } from '../../../ts/distributed/locks/index.ts'
import { MemoryBackend } from '../../../ts/distributed/locks/mvcc/backend.ts'
import { LocksNode } from '../../../ts/distributed/locks/node.ts'
import { realClock } from '../../../ts/io/clock.ts'
import { connectGrpc } from '../../../ts/io/grpc.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { SILENT, startLocks } from '../../support/locks.ts'
import { put } from '../../support/locks-state.ts'
import { ManualClock } from '../../support/manual-clock.ts'

describe('a lock', () => {
  it('excludes, is handed on in order, and its tokens rise', async () => {
    await using service = await startLocks()
    await using locks = openLocks({ endpoints: service.address })
    const first = await locks.acquire('my-lock', { ttlMs: 30_000 })
    expect(await locks.tryAcquire('my-lock')).toBeUndefined()
    const order: string[] = []
    const queue = []
    for (const name of ['a', 'b', 'c']) {
      const waiting = locks.acquire('my-lock').then(async (lock) => {
        order.push(name)
        await lock.release()
        return lock.token
      })
      queue.push(waiting)
      // Each has its place before the next one asks.
      while (service.node.state.store.keyCount < 2 + queue.length) await realClock.turn()
    }
    expect(order).toEqual([])
    expect(first.isHeld()).toBe(true)
    await first.release()
    await first.release()
    expect(first.isHeld()).toBe(false)
    const tokens = await Promise.all(queue)
    expect(order).toEqual(['a', 'b', 'c'])
    expect([first.token, ...tokens]).toEqual([first.token, ...tokens].toSorted((x, y) => x - y))
    expect([...service.node.state.leases.all()]).toEqual([])
  })

  it('is released at the end of its block', async () => {
    await using service = await startLocks()
    await using locks = openLocks({ endpoints: [`http://${service.address}`] })
    {
      await using lock = await locks.acquire('grün', { ttlMs: 5000 })
      expect(lock.lost.aborted).toBe(false)
      expect(service.node.state.store.keyCount).toBe(1)
    }
    const next = await locks.tryAcquire('grün')
    expect(next?.token).toBeGreaterThan(0)
  })

  it('is given up by a signal, and does not hold up the next', async () => {
    await using service = await startLocks()
    await using locks = openLocks({ endpoints: service.address })
    const held = await locks.acquire('l')
    const controller = new AbortController()
    const waiting = locks.acquire('l', { signal: controller.signal })
    while (service.node.state.store.keyCount < 2) await realClock.turn()
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })
    await held.release()
    expect(await locks.tryAcquire('l')).toBeDefined()
    await expect(locks.acquire('l', { signal: controller.signal })).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('is lost when its lease ends on the server', async () => {
    await using service = await startLocks()
    const clock = new ManualClock()
    const client = new EtcdClient({ members: [connectGrpc(service.address)], timeoutMs: 5000 })
    const locks = new LockTaker(client, clock)
    const lock = await locks.acquire('l', { ttlMs: 30_000 })
    const [lease] = [...service.node.state.leases.all()]
    await service.node.execute({ revoke: { id: lease!.id } })
    const lost = new Promise<void>((resolve) => lock.lost.addEventListener('abort', () => resolve()))
    clock.advance(10_000)
    await lost
    expect(lock.isHeld()).toBe(false)
    await lock.release()
    await locks.close()
  })

  it.each([
    [{ endpoints: 'nowhere' }, 'an endpoint is host:port, got "nowhere"'],
    [{ endpoint: 'x:1' }, 'did you mean "endpoints"'],
    [{ endpoints: [] }, 'must name at least one'],
  ])('refuses %j', (options, message) => {
    expect(() => {
      try {
        openLocks(options as object)
      } catch (error) {
        throw new Error(`${(error as Error).message} ${(error as { hint?: string }).hint}`)
      }
    }).toThrow(message)
  })

  it('says that nobody answers', async () => {
    await using locks = openLocks({ endpoints: '127.0.0.1:1', timeoutMs: 500 })
    await expect(locks.acquire('l')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(locks.acquire('')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(locks.acquire('l', { ttlMs: 0 })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

/** A clock that runs a little faster or slower than another, and stands still with its process. */
class DriftingClock extends ManualClock {
  #rate: number
  #owedMs = 0
  isPaused = false

  constructor(rate: number) {
    super()
    this.#rate = rate
  }

  /** Lets real time pass. While the process is paused its clock runs, but no timer of it fires. */
  pass(ms: number): void {
    const own = ms * this.#rate
    if (!this.isPaused) {
      this.advance(own + this.#owedMs)
      this.#owedMs = 0
      return
    }
    this.#owedMs += own
  }

  override monotonic(): number {
    return (this.now() + this.#owedMs) * 1e6
  }
}

describe('`lost` aborts before another owner can have the lock', () => {
  const TTL_SECONDS = 10
  const STEP_MS = 200

  it('in 1,000 simulated pauses of the network, the server and the process', async () => {
    let losses = 0
    let survived = 0
    for (let seed = 1; seed <= 1000; seed++) {
      const outcome = await simulate(seed)
      if (outcome === 'lost') losses++
      else survived++
    }
    // Both kinds have to happen, or nothing was tried.
    expect(losses).toBeGreaterThan(200)
    expect(survived).toBeGreaterThan(100)
  })

  async function simulate(seed: number): Promise<'lost' | 'survived'> {
    const random = seededRandom(seed)
    const server = new ManualClock()
    // Up to 5% faster or slower than the server's.
    const client = new DriftingClock(0.95 + random.next() * 0.1)
    let expiredAtMs: number | undefined
    let lostAtMs: number | undefined
    let realMs = 0
    const node = new LocksNode({
      backend: new MemoryBackend(),
      clock: server,
      random,
      logger: SILENT,
      onExpired: () => {
        expiredAtMs = realMs
      },
    })
    const askedAtMs = client.monotonic() / 1e6
    const delayMs = random.next() * 2000
    server.advance(delayMs)
    client.pass(delayMs)
    const { id, ttlSeconds } = await node.grant(0n, TTL_SECONDS)
    await node.execute(put('lock/1', '', { lease: id }))

    // What stops working, from when, and for how long.
    const fault = Math.floor(random.next() * 3)
    const fromMs = random.next() * 20_000
    const untilMs = fromMs + random.next() * 25_000
    const isFaulty = (): boolean => realMs >= fromMs && realMs < untilMs
    const inFlight: { atMs: number; run: () => void }[] = []
    const keepAlive = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const there = realMs + random.next() * 300
        inFlight.push({
          atMs: there,
          run: () => {
            if (fault === 0 && isFaulty()) return reject(new Error('the network is down'))
            const ttl = node.keepAlive(id)
            inFlight.push({ atMs: realMs + random.next() * 300, run: () => resolve(ttl) })
          },
        })
      })
    const keeper = new LeaseKeeper({ client: { keepAlive }, clock: client, id, ttlSeconds, askedAtMs })
    let heldWhileExpired = false
    keeper.lost.addEventListener('abort', () => {
      lostAtMs = realMs
    })
    for (; realMs < 50_000; realMs += STEP_MS) {
      client.isPaused = fault === 1 && isFaulty()
      // A server that stands still does not let leases expire either; it finds them over when it goes on.
      if (!(fault === 2 && isFaulty())) server.advance(STEP_MS)
      client.pass(STEP_MS)
      for (const message of inFlight.splice(0)) {
        const isHeldBack = message.atMs > realMs || client.isPaused || (fault === 2 && isFaulty())
        if (isHeldBack) inFlight.push(message)
        else message.run()
      }
      await Promise.resolve()
      await client.turn()
      // A process that is paused does nothing; one that runs and asks, is told by the clock.
      if (expiredAtMs !== undefined && !client.isPaused && keeper.isHeld()) heldWhileExpired = true
      if (lostAtMs !== undefined && expiredAtMs !== undefined) break
    }
    keeper.stop()
    await node.close()
    expect({ seed, heldWhileExpired }).toEqual({ seed, heldWhileExpired: false })
    if (expiredAtMs === undefined) return lostAtMs === undefined ? 'survived' : 'lost'
    expect({ seed, isLost: lostAtMs !== undefined }).toEqual({ seed, isLost: true })
    // While its process stood still nothing in it could happen: then `lost` is the first thing that happens after.
    const latest = fault === 1 ? Math.max(expiredAtMs, untilMs + STEP_MS) : expiredAtMs
    expect({ seed, isBefore: (lostAtMs as number) <= latest }).toEqual({ seed, isBefore: true })
    return 'lost'
  }
})
