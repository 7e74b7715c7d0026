import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type Address,
  openRaft,
  RaftError,
  type RaftGroup,
  type RaftHost,
} from '../../../ts/distributed/raft/public.ts'
import { realClock } from '../../../ts/io/clock.ts'
import { freePorts } from '../../support/ports.ts'
import { ListMachine } from '../../support/raft/driver-bed.ts'
import { directoryInMemory } from '../../support/temporary-directory.ts'

const home = directoryInMemory()
const open = new Set<RaftHost>()
let nextHome = 0

afterEach(async () => {
  for (const host of open) await host.close()
  open.clear()
  rmSync(home.path, { recursive: true, force: true })
})

interface Member {
  host: RaftHost
  group: RaftGroup
  machine: ListMachine
}

/** Founders on free ports of this machine. */
class Cluster {
  readonly directory = `${home.path}/${nextHome++}`
  readonly members: Record<number, Address> = {}
  readonly troubles: string[] = []
  readonly running = new Map<number, Member>()

  static async found(count: number): Promise<Cluster> {
    const cluster = new Cluster()
    mkdirSync(cluster.directory, { recursive: true })
    const ports = await freePorts(count)
    for (const [i, port] of ports.entries()) cluster.members[i + 1] = { host: '127.0.0.1', port }
    for (let id = 1; id <= count; id++) await cluster.start(id)
    return cluster
  }

  path(id: number): string {
    return `${this.directory}/${id}`
  }

  async start(id: number, listen?: Address): Promise<Member> {
    const place = listen === undefined ? {} : { listen }
    const onTrouble = (_peer: string, error: Error): void => void this.troubles.push(error.message)
    const host = await openRaft(this.path(id), { id, members: this.members, create: true, onTrouble, ...place })
    open.add(host)
    const machine = new ListMachine()
    const group = await host.openGroup(1, machine, { keptEntries: 0 })
    const member = { host, group, machine }
    this.running.set(id, member)
    return member
  }

  async stop(id: number): Promise<void> {
    await this.member(id).host.close()
    this.running.delete(id)
  }

  member(id: number): Member {
    return this.running.get(id) as Member
  }

  async leader(): Promise<number> {
    for (;;) {
      for (const [id, { group }] of this.running) if (group.status.role === 'leader') return id
      await realClock.turn()
    }
  }

  async follower(): Promise<number> {
    const leader = await this.leader()
    return [...this.running.keys()].find((id) => id !== leader) as number
  }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await realClock.turn()
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

describe('a cluster of hosts', () => {
  it('takes requests on any member, and goes on from its disks', async () => {
    const cluster = await Cluster.found(3)
    const follower = cluster.member(await cluster.follower())
    const { result } = await follower.group.propose(Buffer.from('a'))
    expect(text(result)).toBe('1')
    expect(await follower.group.read(() => follower.machine.commands)).toEqual(['a'])
    await cluster.stop(await cluster.leader())
    await cluster.leader() // before that, a request may go to the one that was, and its outcome is not known
    const left = [...cluster.running.values()]
    await left[0]!.group.propose(Buffer.from('b'))
    expect(await left[1]!.group.read(() => left[1]!.machine.commands)).toEqual(['a', 'b'])
    for (const id of [...cluster.running.keys()]) await cluster.stop(id)
    for (const id of [1, 2, 3]) await cluster.start(id)
    const { group, machine } = cluster.member(await cluster.follower())
    expect(await group.read(() => machine.commands)).toEqual(['a', 'b'])
  })

  it('executes commands of sessions once, while leaders go and come back', async () => {
    const cluster = await Cluster.found(3)
    const { group } = cluster.member(await cluster.follower())
    const own = [...cluster.running.keys()].find((id) => cluster.member(id).group === group) as number
    let isOver = false
    const client = async (): Promise<number> => {
      const session = await group.openSession()
      let count = 0
      for (; !isOver; count++) await session.propose(Buffer.from(`${session.id}.${count}`), { timeoutMs: 60_000 })
      return count
    }
    const clients = [client(), client(), client()]
    for (let kills = 0; kills < 3; ) {
      const leader = await cluster.leader()
      if (leader === own) {
        const heir = [...cluster.running.keys()].find((id) => id !== own) as number
        await group.transfer(heir).catch(() => {}) // one that is behind refuses, and another one may be elected
        continue
      }
      const before = cluster.member(own).machine.commands.length
      await until(() => cluster.member(own).machine.commands.length > before + 20)
      await cluster.stop(leader)
      await cluster.start(leader)
      kills++
    }
    isOver = true
    const count = (await Promise.all(clients)).reduce((sum, each) => sum + each)
    const commands = await group.read(() => cluster.member(own).machine.commands)
    expect(new Set(commands).size).toBe(count)
    expect(commands).toHaveLength(count)
  })

  it('asks what was asked, whatever becomes of the bytes meanwhile', async () => {
    const cluster = await Cluster.found(1)
    const { host } = cluster.member(await cluster.leader())
    const group = await host.openGroup(2, new ListMachine(), { onQuery: (query) => new Uint8Array(query) })
    const query = Buffer.from('who')
    const answer = group.ask(query)
    query.fill('x')
    expect(text(await answer)).toBe('who')
  })

  it('runs several groups over one port and one journal', async () => {
    const cluster = await Cluster.found(3)
    const groups = [...cluster.running.values()].map(async ({ host }) => host.openGroup(2, new ListMachine()))
    const [one, two] = await Promise.all(groups)
    const { result } = await one!.propose(Buffer.from('only here'))
    expect(text(result)).toBe('1')
    await two!.propose(Buffer.from('again'))
    const { group, machine } = cluster.member(1)
    expect(await group.read(() => machine.commands)).toEqual([])
    expect(readdirSync(`${cluster.path(1)}/snapshots`)).toEqual(['1', '2'])
    await expect(cluster.member(1).host.openGroup(2, new ListMachine())).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  it('hands over, and reads what is known here without asking anybody', async () => {
    const cluster = await Cluster.found(3)
    const heir = await cluster.follower()
    await cluster.member(heir).group.propose(Buffer.from('a'))
    await cluster.member(heir).group.transfer(heir) // asked of a member that does not lead
    await until(() => cluster.member(heir).group.status.role === 'leader')
    const { group, machine } = cluster.member(heir)
    await until(() => machine.commands.length === 1)
    for (const id of [...cluster.running.keys()]) if (id !== heir) await cluster.stop(id)
    expect(await group.read(() => machine.commands.length, { consistency: 'stale' })).toBe(1)
    await expect(group.read(() => 0, { timeoutMs: 10 })).rejects.toBeInstanceOf(RaftError)
    const error = await group.propose(Buffer.from('b'), { timeoutMs: 10 }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('takes in a member whose address is known from the change alone, by a snapshot, and keeps the address', async () => {
    const cluster = await Cluster.found(2)
    const asked = cluster.member(await cluster.follower())
    for (const command of ['a', 'b', 'c']) await asked.group.propose(Buffer.from(command))
    for (const { group } of cluster.running.values()) await group.snapshot()
    const [port = 0] = await freePorts(1)
    const address = { host: '127.0.0.1', port }
    const newcomer = await cluster.start(3, address)
    await asked.group.changeMembership({ voters: [1, 2], learners: [3], addresses: new Map([[3, address]]) })
    await until(() => newcomer.machine.commands.length === 3)
    await asked.group.changeMembership({ voters: [1, 2, 3] })
    await until(() => newcomer.group.status.membership.voters.length === 3)
    for (const { group } of cluster.running.values()) await group.snapshot()
    for (const id of [1, 2, 3]) await cluster.stop(id)
    const again = await cluster.start(1) // from a snapshot that has the address, and no entry
    expect(again.host.addresses.get(3)).toEqual(address)
    expect(again.group.status.membership.voters).toEqual([1, 2, 3])
  })

  it('loses no change of membership that is made while another one is', async () => {
    const cluster = await Cluster.found(3)
    const groups = [...cluster.running.values()].map(({ group }) => group)
    const asks = groups.map((group, i) =>
      group.reviseMembership(({ voters, learners }) => ({ voters, learners: [...learners, 10 + i] })),
    )
    await Promise.all(asks)
    const [group] = groups as [RaftGroup]
    const learners = await group.read(() => group.status.membership.learners)
    expect([...learners].sort()).toEqual([10, 11, 12])
    // What was made for the membership before is refused, and what the caller does to its arrays later is its own affair.
    const replaces = { voters: [1, 2, 3], learners: [] as number[] }
    await expect(group.changeMembership({ ...replaces, replaces })).rejects.toMatchObject({
      code: 'CONFLICT',
      outcome: 'refused',
      reason: 'other membership',
    })
    const voters = [1, 2, 3]
    const addresses = new Map([[10, { host: '127.0.0.1', port: 1 }]])
    const change = group.changeMembership({ voters, learners: [10], addresses })
    voters.length = 0
    await change
    expect(await group.read(() => group.status.membership)).toMatchObject({ voters: [1, 2, 3], learners: [10] })
    await expect(group.changeMembership({ voters: 3 as never })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const no = new Error('not now')
    await expect(
      group.reviseMembership(() => {
        throw no
      }),
    ).rejects.toBe(no)
  })

  it('does not take a node back that has lost its directory: it may have voted', async () => {
    const cluster = await Cluster.found(3)
    const { group } = cluster.member(await cluster.follower())
    await group.propose(Buffer.from('a'))
    await until(() => cluster.member(2).host.connected.length === 2)
    await cluster.stop(1)
    rmSync(cluster.path(1), { recursive: true })
    await cluster.start(1)
    await until(() => cluster.troubles.length > 0)
    expect(cluster.troubles[0]).toMatch(/node 1 comes with another data directory than before/)
    for (const id of [2, 3]) expect(cluster.member(id).host.connected).not.toContain(1)
  })

  it('refuses a change that cannot be, with nothing done', async () => {
    const cluster = await Cluster.found(1)
    const { group } = cluster.member(1)
    await cluster.leader()
    await group.propose(Buffer.from('a'))
    await expect(group.changeMembership({ voters: [] })).rejects.toMatchObject({ reason: 'bad membership' })
    const addresses = new Map([[2, { host: '', port: 1 }]])
    await expect(group.changeMembership({ voters: [1], addresses })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(group.propose(new Uint8Array(2 ** 21))).rejects.toMatchObject({ reason: 'too large' })
    expect((await group.propose(new Uint8Array(2 ** 20))).index).toBeGreaterThan(1)
  })
})

describe('a directory', () => {
  it('belongs to one node of one cluster, and the error names both', async () => {
    const cluster = await Cluster.found(1)
    await cluster.stop(1)
    const { members } = cluster
    const [port = 0] = await freePorts(1)
    const listen = { host: '127.0.0.1', port }
    const others = { ...members, 2: listen }
    const opening = (options: object): Promise<unknown> => openRaft(cluster.path(1), { id: 1, members, ...options })
    const refused = (message: string): object => ({ code: 'INVALID_INPUT', message: expect.stringContaining(message) })
    await expect(opening({ id: 2, listen })).rejects.toMatchObject(refused('belongs to node 1, not to node 2'))
    await expect(opening({ clusterId: 'b' })).rejects.toMatchObject(
      refused('belongs to node 1 of cluster "default", not to node 1 of cluster "b"'),
    )
    await expect(opening({ members: others })).rejects.toMatchObject(refused('a cluster of 1, not to one of 1,2'))
    await (await openRaft(cluster.path(1), { id: 1, members })).close()
  })

  it('is made when that is asked for, and one process has it', async () => {
    const cluster = await Cluster.found(1)
    const [port = 0] = await freePorts(1)
    const options = { id: 1, members: cluster.members, listen: { host: '127.0.0.1', port } }
    await expect(openRaft(cluster.path(1), options)).rejects.toMatchObject({ code: 'LOCKED' })
    await expect(openRaft(cluster.path(2), options)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(readdirSync(cluster.directory)).toEqual(['1'])
  })

  it.each(['journal', 'snapshots', 'identity'])(
    'without its %s is refused: it would forget what was promised',
    async (part) => {
      const cluster = await Cluster.found(1)
      await cluster.stop(1)
      rmSync(`${cluster.path(1)}/${part}`, { recursive: true })
      await expect(cluster.start(1)).rejects.toMatchObject({
        code: 'CORRUPTION',
        message: expect.stringContaining(part),
      })
      expect(readdirSync(cluster.path(1))).not.toContain(part)
    },
  )

  it.each(['', '{', '[]', '{"version":1}', '{"version":1,"cluster":"c","node":0,"members":[1]}'])(
    'with the identity %j is refused',
    async (identity) => {
      const cluster = await Cluster.found(1)
      await cluster.stop(1)
      writeFileSync(`${cluster.path(1)}/identity`, identity)
      await expect(cluster.start(1)).rejects.toMatchObject({ code: 'CORRUPTION' })
    },
  )

  it('says whose it is as the documents show it', async () => {
    const cluster = await Cluster.found(1)
    expect(readFileSync(`${cluster.path(1)}/identity`, 'utf8')).toMatch(
      /^\{"version":1,"cluster":"default","node":1,"members":\[1\],"incarnation":"[0-9a-f]{16}"\}\n$/,
    )
    expect(readFileSync(`${cluster.path(1)}/FORMAT`, 'utf8')).toBe('bedplate raft 1\n')
  })
})

describe('options', () => {
  const members = { 1: { host: '127.0.0.1', port: 1 } }
  it.each([
    ['', { id: 1, members }, 'path must be the name of a directory'],
    ['x', { id: 0, members }, 'id must be a whole number >= 1'],
    ['x', { id: 2, members }, 'node 2 is none of the founding members'],
    ['x', { id: 1, members: {} }, 'members must have 1 to 32 node ids'],
    ['x', { id: 1, members: { a: members[1] } }, 'members must have 1 to 32 node ids'],
    ['x', { id: 1, members: { 1: 'localhost:1' } }, 'members[1] must be an address { host, port }'],
    ['x', { id: 1, members, clusterId: '' }, 'clusterId must have 1 to 255 bytes'],
    ['x', { id: 1, members, creat: true }, 'there is no option "creat"'],
  ])('%j %j are refused', async (path, options, message) => {
    await expect(openRaft(path, options as never)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(message),
    })
  })
})
