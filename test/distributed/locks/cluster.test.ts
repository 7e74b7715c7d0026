import { Etcd3 } from 'etcd3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AUTH_ACTION } from '../../../ts/distributed/locks/auth/command.ts'
import { openLocks } from '../../../ts/distributed/locks/index.ts'
import { rangeRequest } from '../../../ts/distributed/locks/server/turn.ts'
import { LocksCluster, type Member, pause } from '../../support/locks-cluster.ts'
import { put } from '../../support/locks-state.ts'

let cluster: LocksCluster

beforeAll(async () => {
  cluster = await LocksCluster.start(3)
})

afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await pause()
}

/** Asks again when leadership has changed: a busy machine has elections that nobody asked for. */
async function settled<T>(act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act()
    } catch (error) {
      if (!/timed out|no leader|leader changed/.test(String(error))) throw error
    }
  }
}

async function followers(): Promise<Member[]> {
  const leader = await cluster.leader()
  return [...cluster.members.values()].filter(({ id }) => id !== leader.id)
}

async function valueAt({ node }: Member, key: string, isSerializable = false): Promise<string | undefined> {
  const { kvs } = await node.read((state) => state.range(rangeRequest({ key })), { isSerializable })
  return kvs[0] && Buffer.from(kvs[0].value).toString()
}

describe('a cluster of three', () => {
  it('takes writes on any member, and shows them on all others at once', async () => {
    for (const [i, { node }] of [...cluster.members.values()].entries()) {
      await settled(() => node.execute(put(`k${i}`, `v${i}`)))
      for (const other of cluster.members.values()) expect(await valueAt(other, `k${i}`)).toBe(`v${i}`)
    }
  })

  it('refuses on every member what the state refuses', async () => {
    for (const { node } of cluster.members.values()) {
      await expect(node.execute({ revoke: { id: 4711n } })).rejects.toThrow('etcdserver: requested lease not found')
    }
  })

  it('tells watches of any member what happened on another', async () => {
    const [one, other] = await followers()
    const from = await one!.node.read((state) => state.store.revision + 1)
    const seen: string[] = []
    const watch = one!.node.watches.add({
      span: { key: 'w', end: 'one' },
      startRevision: from,
      filters: [],
      prevKv: false,
      wake() {
        const batch = watch.take()
        if (batch.kind === 'events') seen.push(...batch.events.map(({ kv }) => Buffer.from(kv!.value).toString()))
      },
    })
    for (const value of ['1', '2', '3']) await settled(() => other!.node.execute(put('w', value)))
    // One that was asked again is heard of again.
    await until(() => seen.includes('3'))
    expect([...new Set(seen)]).toEqual(['1', '2', '3'])
    watch.close()
  })

  it('keeps leases alive through followers, and says there what is left', async () => {
    const [one] = await followers()
    const { id, ttlSeconds } = await settled(() => one!.node.grant(0n, 60))
    await settled(() => one!.node.execute(put('leased', 'x', { lease: id })))
    expect(await one!.node.keepAlive(id)).toBe(ttlSeconds)
    const view = await one!.node.leaseView(id)
    expect(view).toMatchObject({ id, ttlSeconds: 60, keys: ['leased'] })
    expect(view.leftSeconds).toBeGreaterThan(50)
    await one!.node.execute({ revoke: { id } })
    expect(await one!.node.keepAlive(id)).toBe(0)
    expect(await one!.node.leaseView(id)).toMatchObject({ leftSeconds: -1, keys: [] })
    expect(await valueAt(one!, 'leased')).toBeUndefined()
  })

  it('gives leases their whole time once more when somebody else leads, and ends them then', async () => {
    const leader = await cluster.leader()
    const { id } = await leader.node.grant(0n, 2)
    await leader.node.execute(put('short', 'x', { lease: id }))
    const [heir] = await followers()
    await leader.node.members.moveLeader(BigInt(heir!.id))
    await until(() => heir!.node.raft.leader === BigInt(heir!.id))
    expect(await valueAt(heir!, 'short')).toBe('x')
    await until(() => heir!.node.state.leases.get(id) === undefined)
    expect(await valueAt(leader, 'short')).toBeUndefined()
  })

  it('hands a lock on from a client of one member to a client of another, with rising tokens', async () => {
    const [one, other] = await followers()
    await using first = openLocks({ endpoints: one!.address })
    await using second = openLocks({ endpoints: other!.address })
    const held = await first.acquire('my-lock', { ttlMs: 30_000 })
    expect(await second.tryAcquire('my-lock')).toBeUndefined()
    const waiting = second.acquire('my-lock')
    await held.release()
    expect((await waiting).token).toBeGreaterThan(held.token)
  })

  it('lets whoever has logged in on one member in on all, and takes no permission that is gone', async () => {
    const { node } = await cluster.leader()
    const change = node.changeUsers.bind(node)
    const { addUser, addRole, grantRole, grantPermission, enable, disable, revokePermission } = AUTH_ACTION
    await change({ action: addUser, user: 'root' }, 'secret')
    await change({ action: addUser, user: 'ann' }, 'pw')
    await change({ action: addRole, role: 'root' })
    await change({ action: addRole, role: 'r' })
    await change({ action: grantRole, user: 'root', role: 'root' })
    await change({ action: grantRole, user: 'ann', role: 'r' })
    await change({ action: grantPermission, role: 'r', permission: { type: 2, key: 'a', rangeEnd: 'b' } })
    await change({ action: enable })
    const [one, other] = await followers()
    const token = await one!.node.logIn('ann', 'pw')
    await until(() => other!.node.raft.appliedIndex >= one!.node.raft.appliedIndex)
    expect(other!.node.sessions.userOf(token)).toBe('ann')
    // Let through by rules that are two changes old by the time the command is applied.
    const changes = [
      node.execute({
        auth: {
          ...{ action: revokePermission, role: 'r', user: '', noPassword: false, passwordHash: new Uint8Array(0) },
          permission: { type: 0, key: 'a', rangeEnd: 'b' },
        },
      }),
      node.execute(put('a', 'too late')),
    ]
    const [, late] = await Promise.allSettled(changes)
    expect(String((late as PromiseRejectedResult).reason)).toContain('etcdserver: revision of auth store is old')
    await change({ action: disable })
  })

  it('loses nothing and goes on when its leader ends, through the etcd3 client', async () => {
    const client = new Etcd3({ hosts: cluster.addresses })
    const acknowledged: string[] = []
    const leader = await cluster.leader()
    let isStopped: Promise<void> | undefined
    for (let i = 0; i < 60; i++) {
      if (i === 20) isStopped = cluster.stop(leader.id)
      const key = `load/${String(i).padStart(3, '0')}`
      await client
        .put(key)
        .value(i)
        .then(
          () => acknowledged.push(key),
          () => {},
        )
    }
    await isStopped
    expect(acknowledged.length).toBeGreaterThan(40)
    const keys = await client.getAll().prefix('load/').keys()
    for (const key of acknowledged) expect(keys).toContain(key)
    client.close()
    // From its own disk: what it had executed it does not execute again.
    const again = await cluster.open(leader.id)
    await until(() => again.node.raft.leader !== 0n)
    const records = await Promise.all(
      [...cluster.members.values()].map(({ node }) =>
        settled(() => node.read(({ store }) => [...store.recordsUpTo(store.revision)])),
      ),
    )
    for (const each of records) expect(each).toEqual(records[0])
  })
})

describe('members', () => {
  it('are listed with where clients find them, added, let vote, and removed', async () => {
    const [one] = await followers()
    const found = (id: number): string | undefined => one!.node.state.members.get(BigInt(id))?.clientUrls[0]
    await until(() => [...cluster.members.values()].every(({ id, address }) => found(id) === `http://${address}`))
    const { members } = one!.node
    expect(await members.list()).toMatchObject(
      [1, 2, 3].map((id) => ({
        id: BigInt(id),
        name: `node-${id}`,
        peerUrls: [`http://127.0.0.1:${cluster.peer(id).port}`],
        clientUrls: [`http://${cluster.members.get(id)!.address}`],
        isLearner: false,
      })),
    )
    const { host, port } = cluster.peer(4)
    const added = await settled(() => members.add([`http://${host}:${port}`], true))
    expect(added).toMatchObject({ id: 4n, isLearner: true, clientUrls: [] })
    await expect(members.add([`http://${host}:${port}`], true)).rejects.toThrow('etcdserver: Peer URLs already exists')
    await expect(members.add(['nowhere'], true)).rejects.toThrow('etcdserver: given member URLs are invalid')
    await expect(members.promote(1n)).rejects.toThrow('etcdserver: can only promote a learner member')
    await expect(members.remove(99n)).rejects.toThrow('etcdserver: member not found')
    const late = await cluster.open(4)
    await settled(() => late.node.execute(put('from-learner', 'yes')))
    await until(() => late.node.raft.isLearner)
    await settled(() => members.promote(4n))
    await until(() => !late.node.raft.isLearner)
    expect(await valueAt(late, 'from-learner')).toBe('yes')
    await settled(() => members.remove(4n))
    while ((await members.list()).length !== 3) await pause()
    expect((await members.list()).map(({ id }) => id)).toEqual([1n, 2n, 3n])
    await expect(late.node.failed).rejects.toMatchObject({
      code: 'CLOSED',
      message: 'node 4 was removed from the cluster',
    })
    await cluster.stop(4)
  })

  it('that are to vote do so once they have the log', async () => {
    const [one] = await followers()
    const { host, port } = cluster.peer(5)
    const added = await settled(() => one!.node.members.add([`http://${host}:${port}`], false))
    expect(added).toMatchObject({ id: 5n, isLearner: true })
    const late = await cluster.open(5)
    await until(() => late.node.raft.leader !== 0n && !late.node.raft.isLearner)
    await settled(() => one!.node.members.remove(5n))
    await cluster.stop(5)
  })

  it('vote also if they told where clients find them before they had the log', async () => {
    const [one] = await followers()
    const seat = cluster.peer(6)
    const url = `http://${seat.host}:${seat.port}`
    // Whoever asks again on a busy machine may find that it was done the first time.
    const isAdded = (error: unknown): boolean => String(error).includes('Peer URLs already exists')
    await settled(() => one!.node.members.add([url], false)).catch((error: unknown) => {
      if (!isAdded(error)) throw error
    })
    const { id } = (await one!.node.members.list()).find(({ peerUrls }) => peerUrls[0] === url)!
    // What it proposes when it starts, as it knows nothing of itself yet.
    const early = { id, name: 'node-6', clientUrls: ['http://127.0.0.1:1'], wantsVote: false }
    await settled(() => one!.node.execute({ member: early }))
    const late = await cluster.open(Number(id), { seat })
    await until(() => late.node.raft.leader !== 0n && !late.node.raft.isLearner)
    await settled(() => one!.node.members.remove(id))
    await cluster.stop(Number(id))
  })

  it('that are added and removed at once through several members all are, under ids of their own', async () => {
    const nodes = [...cluster.members.values()].map(({ node }) => node)
    const urls = [0, 1, 2, 3].map((i) => `http://127.0.0.1:${20_000 + i}`)
    // Whoever asks again after an election may find that it was done.
    const isDone = (error: unknown): boolean => /Peer URLs already exists|member not found/.test(String(error))
    const all = (acts: (() => Promise<unknown>)[]): Promise<unknown> =>
      Promise.all(
        acts.map((act) =>
          settled(act).catch((error: unknown) => {
            if (!isDone(error)) throw error
          }),
        ),
      )
    await all(urls.map((url, i) => () => nodes[i % 3]!.members.add([url], true)))
    const added = await settled(() => nodes[0]!.members.list())
    const newcomers = added.filter(({ peerUrls }) => urls.includes(peerUrls[0] ?? ''))
    expect(newcomers.map(({ peerUrls }) => peerUrls[0]).sort()).toEqual(urls)
    const removal = (id: bigint, i: number) => () => nodes[i % 3]!.members.remove(id)
    await all(newcomers.map(({ id }, i) => removal(id, i)))
    while ((await nodes[0]!.members.list()).length !== 3) await pause()
  })

  it('may not lead by request of one that does not lead, or for nobody', async () => {
    const leader = await cluster.leader()
    const [one] = await followers()
    await expect(one!.node.members.moveLeader(1n)).rejects.toThrow('etcdserver: not leader')
    await expect(leader.node.members.moveLeader(9n)).rejects.toThrow('etcdserver: bad leader transferee')
  })

  it('that have no majority say so, and answer what may be old', async () => {
    await using lonely = await LocksCluster.of(3)
    const one = await lonely.open(1, { requestMs: 200 })
    expect(await valueAt(one, 'k0', true)).toBeUndefined()
    await expect(valueAt(one, 'k0')).rejects.toThrow('etcdserver: no leader')
    await expect(one.node.execute(put('k0', 'x'))).rejects.toThrow('etcdserver: no leader')
    await expect(one.node.keepAlive(1n)).rejects.toThrow('etcdserver: no leader')
    expect((await one.node.members.list()).map(({ id }) => id)).toEqual([1n, 2n, 3n])
    expect(one.server.ready()).toBe(false)
  })
})
