// The areas of the `etcd3` client's own suite, through that client, unmodified. Each test is ours.
import { Etcd3, EtcdLeaseInvalidError, EtcdLockFailedError, Range } from 'etcd3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startLocks } from '../../support/locks.ts'

let service: Awaited<ReturnType<typeof startLocks>>
let client: Etcd3

beforeEach(async () => {
  service = await startLocks()
  client = new Etcd3({ hosts: service.address })
})

afterEach(async () => {
  client.close()
  await service.server.stop()
})

async function fill(): Promise<void> {
  await client.put('foo1').value('bar1')
  await client.put('foo2').value('bar2')
  await client.put('foo3').value('{"value":"bar3"}')
  await client.put('baz').value('bar5')
}

describe('crud', () => {
  beforeEach(fill)

  it('gets strings, numbers, JSON, buffers, and null for what is not there', async () => {
    expect(await client.get('foo1')).toBe('bar1')
    expect(await client.get('foo1').buffer()).toEqual(Buffer.from('bar1'))
    expect(await client.get('foo3').json()).toEqual({ value: 'bar3' })
    await client.put('n').value(42)
    expect(await client.get('n').number()).toBe(42)
    expect(await client.get('nope').string()).toBeNull()
    expect(await client.get('foo1').exists()).toBe(true)
  })

  it('gets prefixes, sorted and limited', async () => {
    expect(await client.getAll().prefix('foo').strings()).toEqual({
      foo1: 'bar1',
      foo2: 'bar2',
      foo3: '{"value":"bar3"}',
    })
    expect(await client.getAll().prefix('foo').sort('Key', 'Descend').limit(2).keys()).toEqual(['foo3', 'foo2'])
    expect(await client.getAll().prefix('foo').count()).toBe(3)
    expect(await client.getAll().all().keys()).toEqual(['baz', 'foo1', 'foo2', 'foo3'])
    expect(await client.getAll().inRange({ start: 'foo1', end: 'foo3' }).keys()).toEqual(['foo1', 'foo2'])
  })

  it('reads at a revision, and knows which there were and will be', async () => {
    const { header } = await client.put('foo1').value('new')
    const before = Number(header.revision) - 1
    expect(await client.get('foo1').revision(before).string()).toBe('bar1')
    await expect(
      client
        .get('foo1')
        .revision(before + 10)
        .string(),
    ).rejects.toThrow('etcdserver: mvcc: required revision is a future revision')
    await client.kv.compact({ revision: String(before + 1) })
    await expect(client.get('foo1').revision(before).string()).rejects.toThrow(
      'etcdserver: mvcc: required revision has been compacted',
    )
  })

  it('deletes keys, prefixes and all, and gives back what was there', async () => {
    const { deleted, prev_kvs } = await client
      .delete()
      .key('foo1')
      .getPrevious()
      .then((kvs) => ({ deleted: kvs.length, prev_kvs: kvs }))
    expect({ deleted, value: prev_kvs[0]?.value.toString() }).toEqual({ deleted: 1, value: 'bar1' })
    expect((await client.delete().prefix('foo')).deleted).toBe('2')
    await client.delete().all()
    expect(await client.getAll().all().keys()).toEqual([])
  })

  it('gives back the value that a put replaces, and touches without changing', async () => {
    const before = await client.put('foo1').value('next').getPrevious()
    expect(before?.value.toString()).toBe('bar1')
    await client.put('foo1').touch()
    expect(await client.get('foo1')).toBe('next')
  })
})

describe('namespaces', () => {
  it('keep what is in them apart', async () => {
    await fill()
    const space = client.namespace('user1/')
    await space.put('foo').value('bar')
    expect(await client.get('user1/foo')).toBe('bar')
    expect(await space.getAll().strings()).toEqual({ foo: 'bar' })
    await space.delete().all()
    expect(await client.getAll().all().count()).toBe(4)
  })
})

describe('leases', () => {
  it('take their keys with them, and say how long they have', async () => {
    const lease = client.lease(100)
    await lease.put('leased').value('x')
    const id = await lease.grant()
    const { TTL, grantedTTL, keys } = await client.leaseClient.leaseTimeToLive({ ID: id, keys: true })
    expect({ granted: grantedTTL, keys: keys.map(String) }).toEqual({ granted: '100', keys: ['leased'] })
    expect(Number(TTL)).toBeGreaterThanOrEqual(98)
    await lease.keepaliveOnce()
    await lease.revoke()
    expect(await client.get('leased')).toBeNull()
    await expect(lease.put('again').value('x')).rejects.toThrow()
  })

  it('are refused by name when they are not there', async () => {
    await expect(client.put('k').value('v').lease('123')).rejects.toThrow('etcdserver: requested lease not found')
    await expect(client.leaseClient.leaseRevoke({ ID: '77' })).rejects.toThrow(EtcdLeaseInvalidError)
  })
})

describe('transactions', () => {
  it('compare and choose', async () => {
    await fill()
    const taken = await client
      .if('foo1', 'Value', '==', 'bar1')
      .and('foo2', 'Mod', '>', 0)
      .then(client.put('foo1').value('then'), client.get('foo2'))
      .else(client.put('foo1').value('else'))
      .commit()
    expect(taken.succeeded).toBe(true)
    expect(await client.get('foo1')).toBe('then')
    const other = await client
      .if('foo1', 'Version', '<', 2)
      .then(client.delete().all())
      .else(client.get('baz'))
      .commit()
    expect(other.succeeded).toBe(false)
    expect(other.responses[0]?.response_range?.kvs[0]?.value.toString()).toBe('bar5')
  })

  it('may not put a key twice', async () => {
    await expect(
      client.if('x', 'Create', '==', 0).then(client.put('a').value(1), client.put('a').value(2)).commit(),
    ).rejects.toThrow('etcdserver: duplicate key given in txn request')
  })
})

describe('software transactional memory', () => {
  it('loses no increment', async () => {
    await client.put('counter').value(0)
    const increment = () =>
      client.stm({ retries: 100 }).transact(async (tx) => {
        const value = Number(await tx.get('counter'))
        await tx.put('counter').value(value + 1)
      })
    await Promise.all(Array.from({ length: 8 }, increment))
    expect(await client.get('counter').number()).toBe(8)
  })
})

describe('locks', () => {
  it('exclude, and are free again after their release', async () => {
    const lock = client.lock('resource')
    await lock.acquire()
    await expect(client.lock('resource').acquire()).rejects.toThrow(EtcdLockFailedError)
    await lock.release()
    expect(await client.lock('resource').do(() => 'done')).toBe('done')
  })
})

describe('watches', () => {
  it('tell of puts and deletions, from now and from the past', async () => {
    const watcher = await client.watch().prefix('foo').create()
    const seen: string[] = []
    const both = new Promise<void>((resolve) => {
      watcher.on('put', (kv) => seen.push(`put ${kv.key} ${kv.value}`))
      watcher.on('delete', (kv) => {
        seen.push(`delete ${kv.key}`)
        resolve()
      })
    })
    const { header } = await client.put('foo').value('bar')
    await client.delete().key('foo')
    await both
    expect(seen).toEqual(['put foo bar', 'delete foo'])
    await watcher.cancel()
    const past = await client.watch().key('foo').startRevision(header.revision).create()
    const [first] = await new Promise<unknown[]>((resolve) => past.once('put', (...args) => resolve(args)))
    expect(String((first as { value: Buffer }).value)).toBe('bar')
    await past.cancel()
  })
})

describe('elections', () => {
  it('have one leader at a time, and tell who it is', async () => {
    const election = client.election('e', 5)
    const campaign = election.campaign('first')
    await new Promise<void>((resolve) => campaign.on('elected', () => resolve()))
    expect(await election.leader()).toBe('first')
    await campaign.proclaim('second name')
    expect(await election.leader()).toBe('second name')
    await campaign.resign()
    expect(await election.leader()).toBeUndefined()
  })
})

describe('users and roles', () => {
  it('restrict who may do what', async () => {
    await client.role('root').create()
    const root = client.user('root')
    await root.create('secret')
    await root.addRole('root')
    const role = client.role('reader')
    await role.create()
    await role.grant({ permission: 'Read', range: new Range('a', 'c') })
    expect((await role.permissions()).map(({ permission }) => permission)).toEqual(['Read'])
    const user = client.user('ada')
    await user.create('pass')
    await user.addRole(role)
    await client.put('b').value('visible')
    await client.auth.authEnable()

    await expect(client.get('b').string()).rejects.toThrow('etcdserver: user name is empty')
    const ada = new Etcd3({ hosts: service.address, auth: { username: 'ada', password: 'pass' } })
    expect(await ada.get('b').string()).toBe('visible')
    await expect(ada.get('d').string()).rejects.toThrow('etcdserver: permission denied')
    await expect(ada.put('b').value('x')).rejects.toThrow('etcdserver: permission denied')
    await expect(ada.auth.userList()).rejects.toThrow('etcdserver: permission denied')
    const wrong = new Etcd3({ hosts: service.address, auth: { username: 'ada', password: 'no' } })
    await expect(wrong.get('b').string()).rejects.toThrow('authentication failed, invalid user ID or password')
    const admin = new Etcd3({ hosts: service.address, auth: { username: 'root', password: 'secret' } })
    await admin.put('d').value('by root')
    await admin.auth.authDisable()
    expect(await client.get('d').string()).toBe('by root')
    for (const one of [ada, wrong, admin]) one.close()
  })
})
