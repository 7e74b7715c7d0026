import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../../../ts/distributed/locks/mvcc/backend.ts'
import { LocksNode } from '../../../ts/distributed/locks/node.ts'
import { LeaderMonitor } from '../../../ts/distributed/locks/server/leader-monitor.ts'
import { LocksServer } from '../../../ts/distributed/locks/server/server.ts'
import type { RaftFigures } from '../../../ts/distributed/locks/serving.ts'
import { connectGrpc } from '../../../ts/io/grpc.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { WatchRequest, WatchResponse } from '../../../ts/wire/etcd/messages.ts'
import { SILENT } from '../../support/locks.ts'
import { put } from '../../support/locks-state.ts'
import { ManualClock } from '../../support/manual-clock.ts'

function monitored() {
  const clock = new ManualClock()
  const leader = { isKnown: true }
  const monitor = new LeaderMonitor(clock, () => leader.isKnown)
  const look = (times: number): void => {
    for (let i = 0; i < times; i++) clock.advance(1000)
  }
  return { clock, leader, monitor, look }
}

/** A stream that runs until it is told to end, or `stop` is called. */
function stream(monitor: LeaderMonitor) {
  let stop: () => void = () => {}
  let signal: AbortSignal | undefined
  const ended = monitor.whileLed((lost) => {
    signal = lost
    return new Promise<void>((resolve) => {
      stop = resolve
    })
  })
  ended.catch(() => {})
  return { ended, stop: () => stop(), isAborted: () => signal?.aborted }
}

describe('a stream that wants a leader', () => {
  it('ends with no leader once there has been none for three looks in a row', async () => {
    const { leader, monitor, look } = monitored()
    const [one, other] = [stream(monitor), stream(monitor)]
    leader.isKnown = false
    look(2)
    leader.isKnown = true // an election is over
    look(1)
    leader.isKnown = false
    look(2)
    expect(one.isAborted()).toBe(false)
    look(1)
    expect(one.isAborted()).toBe(true)
    await expect(one.ended).rejects.toThrow('etcdserver: no leader')
    await expect(other.ended).rejects.toThrow('etcdserver: no leader')
  })

  it('is looked after only as long as it runs', async () => {
    const { clock, monitor } = monitored()
    const [one, other] = [stream(monitor), stream(monitor)]
    expect(clock.pending).toBe(1)
    one.stop()
    await one.ended
    expect(clock.pending).toBe(1)
    other.stop()
    await other.ended
    expect(clock.pending).toBe(0)
  })

  it('ends as it ends by itself', async () => {
    const { monitor } = monitored()
    await expect(monitor.whileLed(() => Promise.reject(new Error('the disk')))).rejects.toThrow('the disk')
  })
})

/** A node that may be told that nobody leads. */
class Cut extends LocksNode {
  isCut = false

  override get raft(): RaftFigures {
    return { ...super.raft, ...(this.isCut ? { leader: 0n } : {}) }
  }
}

describe('over the wire', () => {
  it('a watch that wants a leader ends, one that does not goes on, and another is refused at once', async () => {
    const clock = new ManualClock()
    const node = new Cut({ backend: new MemoryBackend(), clock, random: seededRandom(1), logger: SILENT })
    const server = new LocksServer({ node, clock, host: '127.0.0.1', port: 0 })
    const { port } = await server.start()
    const client = connectGrpc(`127.0.0.1:${port}`)
    const watch = (metadata: Record<string, string>) => {
      const stream = client.stream('/etcdserverpb.Watch/Watch', { metadata })
      const responses = stream.responses[Symbol.asyncIterator]()
      stream.send(WatchRequest.encode({ create: { key: 'k' } }))
      return { stream, next: async () => WatchResponse.decode((await responses.next()).value as Uint8Array) }
    }
    const wanting = watch({ hasleader: 'true' })
    const content = watch({})
    expect((await wanting.next()).created).toBe(true)
    expect((await content.next()).created).toBe(true)
    node.isCut = true
    for (let i = 0; i < 3; i++) clock.advance(1000)
    await expect(wanting.next()).rejects.toMatchObject({ status: 14, message: 'etcdserver: no leader' })
    await expect(watch({ hasleader: 'true' }).next()).rejects.toMatchObject({ status: 14 })
    await node.execute(put('k', 'v'))
    expect((await content.next()).events).toHaveLength(1)
    content.stream.cancel()
    client.close()
    await server.stop()
  })
})
