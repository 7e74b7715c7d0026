import { describe, expect, it } from 'vitest'
import { type Backend, MemoryBackend } from '../../../ts/distributed/locks/mvcc/backend.ts'
import { LocksNode, type NodeOptions } from '../../../ts/distributed/locks/node.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { SILENT } from '../../support/locks.ts'
import { compact, put, remove } from '../../support/locks-state.ts'
import { ManualClock } from '../../support/manual-clock.ts'

function open(options: Partial<NodeOptions> = {}) {
  const clock = new ManualClock()
  const expired: string[] = []
  const node = new LocksNode({
    backend: new MemoryBackend(),
    clock,
    random: seededRandom(1),
    logger: SILENT,
    onExpired: (kvs, lease) => expired.push(`${lease}: ${kvs.map(({ key }) => key).join()}`),
    ...options,
  })
  return { node, clock, expired }
}

/** Lets what was begun go on. */
async function settled(clock: ManualClock): Promise<void> {
  for (let i = 0; i < 3; i++) await clock.turn()
}

describe('leases', () => {
  it('expire by the clock, with their keys at one revision, and not while they are kept alive', async () => {
    const { node, clock, expired } = open()
    await node.grant(7n, 10)
    await node.grant(8n, 10)
    for (const key of ['b', 'a', 'c']) await node.execute(put(key, 'x', { lease: 7n }))
    clock.advance(9000)
    expect(node.keepAlive(8n)).toBe(10)
    const before = node.state.store.revision
    clock.advance(1100)
    await settled(clock)
    expect(expired).toEqual(['7: a,b,c'])
    expect(node.state.store.revision).toBe(before + 1)
    expect(node.lease(7n).leftSeconds).toBe(-1)
    expect(node.lease(8n)).toMatchObject({ ttlSeconds: 10, leftSeconds: 8 })
    expect(node.keepAlive(7n)).toBe(0)
    await node.close()
    expect(clock.pending).toBe(0)
  })

  it('of a key that moved to another lease, or to none, leave it alone', async () => {
    const { node, clock, expired } = open()
    await node.grant(1n, 5)
    await node.grant(2n, 50)
    await node.execute(put('moved', 'x', { lease: 1n }))
    await node.execute(put('freed', 'x', { lease: 1n }))
    await node.execute(put('moved', 'x', { lease: 2n }))
    await node.execute(put('freed', 'x'))
    clock.advance(6000)
    await settled(clock)
    expect(expired).toEqual(['1: '])
    expect(node.lease(2n).keys).toEqual(['moved'])
    await node.close()
  })

  it('are as long as etcd makes them, and refused as it refuses them', async () => {
    const { node } = open()
    expect(await node.grant(5n, 1)).toEqual({ id: 5n, ttlSeconds: 2 })
    await expect(node.grant(5n, 10)).rejects.toThrow('etcdserver: lease already exists')
    await expect(node.grant(6n, 9_000_000_001)).rejects.toThrow('etcdserver: too large lease TTL')
    await expect(node.execute({ revoke: { id: 99n } })).rejects.toThrow('etcdserver: requested lease not found')
    expect((await node.grant(0n, 10)).id).toBeGreaterThan(0n)
    await node.close()
  })

  it('have their whole time again when a node starts anew', async () => {
    const backend = new MemoryBackend()
    const first = open({ backend })
    await first.node.grant(7n, 10)
    await first.node.execute(put('k', 'x', { lease: 7n }))
    first.clock.advance(9000)
    await first.node.close()
    const { node, clock, expired } = open({ backend })
    expect(node.identity).toEqual(first.node.identity)
    clock.advance(9000)
    await settled(clock)
    expect(expired).toEqual([])
    clock.advance(1100)
    await settled(clock)
    expect(expired).toEqual(['7: k'])
    await node.close()
  })
})

describe('a write', () => {
  it('is told to nobody before it is durable', async () => {
    const backend = new MemoryBackend()
    let sync: () => void = () => {}
    const held: Backend = backend
    const { node, clock } = open({ backend: held })
    const write = backend.write.bind(backend)
    held.write = async (writes) => {
      await write(writes)
      await new Promise<void>((resolve) => {
        sync = resolve
      })
    }
    const heard: string[] = []
    const watch = node.watches.add({
      span: { key: 'k', end: 'one' },
      startRevision: 0,
      filters: [],
      prevKv: false,
      wake: () => heard.push('watch'),
    })
    const writing = node.execute(put('k', 'v')).then(() => heard.push('put'))
    const reading = node.read((state) => state.store.revision).then((revision) => heard.push(`read ${revision}`))
    const refused = node.execute(put('', 'v')).catch(() => heard.push('refused'))
    await settled(clock)
    expect(heard).toEqual([])
    sync()
    await Promise.all([writing, reading, refused])
    expect(heard[0]).toBe('watch')
    expect(heard.sort()).toEqual(['put', 'read 2', 'refused', 'watch'])
    watch.close()
    await node.close()
  })

  it('that the disk loses ends the node, and nothing is answered from then on', async () => {
    const backend = new MemoryBackend()
    const { node } = open({ backend })
    backend.write = () => Promise.reject(new Error('the disk is gone'))
    await expect(node.execute(put('k', 'v'))).rejects.toThrow('the disk is gone')
    await expect(node.failed).rejects.toThrow('the disk is gone')
    await expect(node.execute(put('k', 'v'))).rejects.toMatchObject({ code: 'IO' })
    await expect(node.read(() => 1)).rejects.toMatchObject({ code: 'IO' })
  })
})

describe('watches', () => {
  const watchAll = { span: { key: '\0', end: 'all' as const }, filters: [], prevKv: false, wake: () => {} }

  it('hear of every change once and in order, however far they fell behind', async () => {
    const { node } = open()
    for (let i = 0; i < 1500; i++) await node.execute(put(`k${i % 3}`, `${i}`))
    const late = node.watches.add({ ...watchAll, startRevision: 2 })
    const slow = node.watches.add({ ...watchAll, startRevision: 0 })
    for (let i = 1500; i < 3000; i++) await node.execute(put(`k${i % 3}`, `${i}`))
    for (const [watch, first] of [
      [late, 0],
      [slow, 1500],
    ] as const) {
      const values: number[] = []
      let batches = 0
      for (; watch.hasMore; batches++) {
        const batch = watch.take()
        if (batch.kind === 'events') values.push(...batch.events.map(({ kv }) => Number(Buffer.from(kv!.value))))
      }
      expect(values).toEqual(Array.from({ length: 3000 - first }, (_, i) => first + i))
      expect(batches).toBeGreaterThan(1)
    }
    await node.execute(put('k', 'now'))
    expect(slow.take()).toMatchObject({ kind: 'events', revision: 3002, events: [{ kv: { key: 'k' } }] })
    slow.close()
    late.close()
    expect(node.watches.size).toBe(0)
    await node.close()
  })

  it('filter, tell what was before, and keep a revision together', async () => {
    const { node } = open()
    await node.execute(put('a', '1'))
    const deletions = node.watches.add({ ...watchAll, startRevision: 0, filters: [0], prevKv: true })
    await node.execute(put('b', '2'))
    await node.execute(remove('a', 'c'))
    const batch = deletions.take()
    if (batch.kind !== 'events') throw new Error('no events')
    expect(batch.events.map(({ kv, prevKv }) => `${kv?.key} ${kv?.modRevision} ${prevKv?.value}`)).toEqual([
      `a 4 ${Buffer.from('1')}`,
      `b 4 ${Buffer.from('2')}`,
    ])
    await node.close()
  })

  it('end when what they want to hear of is compacted away', async () => {
    const { node } = open()
    for (let i = 0; i < 5; i++) await node.execute(put('a', `${i}`))
    await node.execute(compact(4))
    expect(node.watches.add({ ...watchAll, startRevision: 3 }).take()).toEqual({
      kind: 'compacted',
      compactRevision: 4,
    })
    expect(node.watches.add({ ...watchAll, startRevision: 4 }).take()).toMatchObject({ kind: 'events', revision: 6 })
    await node.close()
  })
})

describe('auto-compaction', () => {
  it('keeps so many revisions', async () => {
    const { node, clock } = open({ autoCompaction: { mode: 'revision', retention: 10 } })
    for (let i = 0; i < 50; i++) await node.execute(put('a', `${i}`))
    clock.advance(5 * 60_000)
    await settled(clock)
    expect(node.state.store.compactRevision).toBe(41)
    await node.close()
  })

  it('keeps the history of so long', async () => {
    const { node, clock } = open({ autoCompaction: { mode: 'periodic', retentionMs: 100_000 } })
    for (let i = 0; i < 30; i++) {
      await node.execute(put('a', `${i}`))
      clock.advance(10_000)
      await settled(clock)
    }
    // The state of 100 seconds ago, ten puts before the last.
    expect(node.state.store.compactRevision).toBe(21)
    await node.close()
  })
})
