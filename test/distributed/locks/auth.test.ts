import { describe, expect, it } from 'vitest'
import { AUTH_ACTION } from '../../../ts/distributed/locks/auth/command.ts'
import { Sessions } from '../../../ts/distributed/locks/auth/sessions.ts'
import { Command } from '../../../ts/distributed/locks/command.ts'
import { MemoryBackend } from '../../../ts/distributed/locks/mvcc/backend.ts'
import { LocksNode } from '../../../ts/distributed/locks/node.ts'
import { LocksMachine } from '../../../ts/distributed/locks/replicated/index.ts'
import { ReplicatedNode } from '../../../ts/distributed/locks/replicated/node.ts'
import { executeFor } from '../../../ts/distributed/locks/server/service.ts'
import type { RaftHost, StateMachine } from '../../../ts/distributed/raft/index.ts'
import { realClock } from '../../../ts/io/clock.ts'
import { connectGrpc } from '../../../ts/io/grpc.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import {
  CampaignRequest,
  CampaignResponse,
  LockRequest,
  LockResponse,
  ProclaimRequest,
  ResignRequest,
  UnlockRequest,
} from '../../../ts/wire/etcd/messages.ts'
import { SILENT, startLocks } from '../../support/locks.ts'
import { openState, put } from '../../support/locks-state.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const { addUser, addRole, grantRole, grantPermission, revokePermission, changePassword, enable } = AUTH_ACTION

function auth(action: number, more: Partial<NonNullable<Command['auth']>> = {}): Command {
  const nothing = { user: '', role: '', permission: undefined, noPassword: false, passwordHash: new Uint8Array(0) }
  return { auth: { action, ...nothing, ...more } }
}

const ANNS = { type: 2, key: 'a', rangeEnd: 'b' }

/** Root, and ann who may do what she likes with keys that begin with an a; logging in is wanted. */
const SETUP: readonly Command[] = [
  auth(addUser, { user: 'root' }),
  auth(addRole, { role: 'root' }),
  auth(grantRole, { user: 'root', role: 'root' }),
  auth(addUser, { user: 'ann' }),
  auth(addRole, { role: 'r' }),
  auth(grantPermission, { role: 'r', permission: ANNS }),
  auth(grantRole, { user: 'ann', role: 'r' }),
  auth(enable),
]

function stateWithAnn() {
  const state = openState()
  for (const command of SETUP) state.apply(command)
  return state
}

function openNode() {
  const clock = new ManualClock()
  return new LocksNode({ backend: new MemoryBackend(), clock, random: seededRandom(1), logger: SILENT })
}

describe('what somebody may do', () => {
  it('is looked at again when it is done: by then a lease may hold keys of others', () => {
    const state = stateWithAnn()
    const from = { user: 'ann' }
    state.apply({ grant: { id: 1n, ttlSeconds: 60 } })
    state.apply({ ...put('a', '1', { lease: 1n }), from })
    state.apply({ ...put('z', '1', { lease: 1n }), from: { user: 'root' } })
    expect(() => state.apply({ revoke: { id: 1n }, from })).toThrow('etcdserver: permission denied')
    expect(() => state.apply({ ...put('a', '2', { lease: 1n }), from })).toThrow('etcdserver: permission denied')
    state.apply({ revoke: { id: 1n, term: 0 }, from: { user: 'root' } })
    expect(state.leases.get(1n)).toBeUndefined()
  })

  it('is nothing without a name', () => {
    const state = stateWithAnn()
    expect(() => state.apply({ ...put('a', '1'), from: { user: '' } })).toThrow('etcdserver: user name is empty')
  })

  it('is what the rules say when a transaction that only reads is executed', () => {
    const state = stateWithAnn()
    const authRevision = state.users.revision
    state.apply(auth(revokePermission, { role: 'r', permission: ANNS }))
    const read = { compare: [], success: [], failure: [] }
    expect(() => state.apply({ txn: read, authRevision })).toThrow('etcdserver: revision of auth store is old')
  })

  it('is asked before a command gets anywhere', async () => {
    const node = openNode()
    for (const command of SETUP) await node.execute(command)
    await expect(executeFor(node, 'ann', put('z', '1'))).rejects.toThrow('etcdserver: permission denied')
    await expect(executeFor(node, undefined, put('a', '1'))).rejects.toThrow('etcdserver: user name is empty')
    expect((await executeFor(node, 'ann', put('a', '1'))).revision).toBe(2)
    await node.close()
  })

  it('is asked again where it is done, also of queues of locks and elections', async () => {
    await using service = await startLocks()
    const { node, address } = service
    for (const command of SETUP) await node.execute(command)
    node.sessions.admit('token of ann', 'ann')
    const commands: Command[] = []
    const execute = node.execute.bind(node)
    node.execute = (command) => {
      commands.push(command)
      return execute(command)
    }
    const client = connectGrpc(address)
    const call = (path: string, request: Uint8Array): Promise<Uint8Array> =>
      client.unary(path, request, { metadata: { token: 'token of ann' } })
    const value = Buffer.from('v')
    const request = CampaignRequest.encode({ name: 'a', lease: 0n, value })
    const { leader } = CampaignResponse.decode(await call('/v3electionpb.Election/Campaign', request))
    await call('/v3electionpb.Election/Proclaim', ProclaimRequest.encode({ leader, value }))
    await call('/v3electionpb.Election/Resign', ResignRequest.encode({ leader }))
    const lock = LockRequest.encode({ name: 'a', lease: 0n })
    const { key } = LockResponse.decode(await call('/v3lockpb.Lock/Lock', lock))
    await call('/v3lockpb.Lock/Unlock', UnlockRequest.encode({ key }))
    client.close()
    const changes = commands.filter(({ grant }) => grant === undefined)
    expect(changes.map(({ from }) => from)).toEqual(Array.from({ length: 5 }, () => ({ user: 'ann' })))
  })

  it('leaves no lease of a lock behind that is refused, or that nobody waits for any more', async () => {
    await using service = await startLocks()
    const { node, address } = service
    for (const command of SETUP) await node.execute(command)
    // She may look at the queue of z, and not stand in it.
    await node.execute(auth(grantPermission, { role: 'r', permission: { type: 0, key: 'z', rangeEnd: 'zz' } }))
    node.sessions.admit('token of ann', 'ann')
    let grants = 0
    const grant = node.grant.bind(node)
    node.grant = (...lease) => {
      grants++
      return grant(...lease)
    }
    const client = connectGrpc(address)
    const metadata = { token: 'token of ann' }
    const value = Buffer.from('v')
    for (const name of ['y', 'z']) {
      const lock = client.unary('/v3lockpb.Lock/Lock', LockRequest.encode({ name, lease: 0n }), { metadata })
      await expect(lock).rejects.toThrow('etcdserver: permission denied')
      const request = CampaignRequest.encode({ name, lease: 0n, value })
      const campaign = client.unary('/v3electionpb.Election/Campaign', request, { metadata })
      await expect(campaign).rejects.toThrow('etcdserver: permission denied')
    }
    expect(grants).toBe(0)
    const lock = LockRequest.encode({ name: 'a', lease: 0n })
    await client.unary('/v3lockpb.Lock/Lock', lock, { metadata })
    const impatient = new AbortController()
    const late = client.unary('/v3lockpb.Lock/Lock', lock, { metadata, signal: impatient.signal })
    while ([...node.state.leases.all()].length < 2) await realClock.turn()
    impatient.abort()
    await expect(late).rejects.toThrow()
    while ([...node.state.leases.all()].length > 1) await realClock.turn()
    client.close()
  })

  it('with users counts from when it was asked for, not from when the password is hashed', async () => {
    const node = openNode()
    for (const command of SETUP) await node.execute(command)
    const late = node.changeUsers({ action: addUser, user: 'eve' }, 'secret')
    await node.execute(auth(revokePermission, { role: 'r', permission: ANNS }))
    await expect(late).rejects.toThrow('etcdserver: revision of auth store is old')
    await node.close()
  })
})

describe('a session', () => {
  it('is not opened with a password that was changed while it was looked at', async () => {
    const node = openNode()
    for (const command of SETUP) await node.execute(command)
    await node.changeUsers({ action: changePassword, user: 'ann' }, 'old')
    const passwordHash = await node.sessions.hash('new')
    const late = node.sessions.logIn('ann', 'old')
    await node.execute(auth(changePassword, { user: 'ann', passwordHash }))
    await expect(late).rejects.toThrow('etcdserver: authentication failed')
    expect(node.sessions.size).toBe(0)
    await node.close()
  })

  it('is forgotten once it has run out, also if nobody asks for it', () => {
    const clock = new ManualClock()
    const { users } = stateWithAnn()
    const sessions = new Sessions({ clock, random: seededRandom(1), users })
    for (const token of ['one', 'two', 'three']) sessions.admit(token, 'ann')
    clock.advance(200_000)
    expect(sessions.userOf('one')).toBe('ann')
    clock.advance(200_000)
    sessions.admit('four', 'ann')
    expect(sessions.size).toBe(2)
    expect(sessions.userOf('one')).toBe('ann')
    expect(() => sessions.userOf('two')).toThrow('etcdserver: invalid auth token')
  })

  it('that was not used for longest makes room', () => {
    const { users } = stateWithAnn()
    const sessions = new Sessions({ clock: new ManualClock(), random: seededRandom(1), users })
    for (let i = 0; i < 100_000; i++) sessions.admit(`${i}`, 'ann')
    expect(sessions.userOf('0')).toBe('ann')
    sessions.admit('one more', 'ann')
    expect(sessions.size).toBe(100_000)
    expect(sessions.userOf('0')).toBe('ann')
    expect(() => sessions.userOf('1')).toThrow('etcdserver: invalid auth token')
  })

  it('is over on a member whose state is replaced by a snapshot: who knows what of users was skipped', async () => {
    const machines: StateMachine[] = []
    const host = {
      id: 1,
      clusterId: 'c',
      openGroup: async (_group: number, machine: StateMachine) => machines.push(machine),
      close: async () => {},
    } as unknown as RaftHost
    const node = new ReplicatedNode({
      ...{ host, backend: new MemoryBackend(), clock: new ManualClock(), random: seededRandom(1), logger: SILENT },
      hasTls: false,
    })
    await node.start()
    const ahead = new LocksMachine({ maxTxnOps: 128, quotaBytes: 1e9 })
    for (const [i, command] of SETUP.entries()) ahead.apply(Command.encode(command), i + 1, 1)
    node.sessions.admit('token', 'somebody who was removed since')
    machines[0]!.restore!(ahead.snapshot(), SETUP.length)
    expect(node.state.users.isEnabled).toBe(true)
    expect(() => node.sessions.userOf('token')).toThrow('etcdserver: invalid auth token')
    await node.close()
  })
})
