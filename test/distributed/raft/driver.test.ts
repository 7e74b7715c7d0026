import { describe, expect, it, vi } from 'vitest'
import { BedplateError } from '../../../ts/base/errors.ts'
import { type Message, type NodeId, openJournal, RaftError } from '../../../ts/distributed/raft/index.ts'
import { decodeRecord, encodeRecord, type JournalRule } from '../../../ts/distributed/raft/journal.ts'
import { SnapshotFiles } from '../../../ts/distributed/raft/snapshot-files.ts'
import { realClock } from '../../../ts/io/clock.ts'
import { CRASH_VARIANTS } from '../../../ts/io/crash-image.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { realDisk } from '../../../ts/io/real-disk.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Mutant } from '../../../ts/storage/mutant.ts'
import { DriverBed, openNode } from '../../support/raft/driver-bed.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const MEMBERS = [1, 2, 3]

describe('a cluster of drivers', () => {
  it('elects, executes, reads and hands over', async () => {
    const bed = await DriverBed.open({ members: MEMBERS })
    await bed.propose('a')
    const leader = bed.leader!
    const { result } = await bed.ended(leader.driver.propose(Buffer.from('b')))
    expect(Buffer.from(result).toString()).toBe('2')
    await bed.ended(leader.driver.read())
    expect(leader.machine.commands).toEqual(['a', 'b'])
    const heir = MEMBERS.find((id) => id !== leader.driver.status.id)!
    await bed.ended(leader.driver.transfer(heir))
    await bed.run(() => bed.leader?.driver.status.id === heir)
    await bed.propose('c')
    await bed.run(() => [...bed.nodes.values()].every(({ machine }) => machine.commands.join() === 'a,b,c'))
    await bed.close()
  })

  it('says which errors mean that nothing has happened', async () => {
    const bed = await DriverBed.open({ members: MEMBERS })
    await bed.propose('a')
    const leader = bed.leader!.driver.status.id
    await bed.run(() => [...bed.nodes.values()].every(({ driver }) => driver.status.leader === leader))
    const follower = bed.nodes.get(MEMBERS.find((id) => id !== leader)!)!
    const error = await bed.ended(follower.driver.propose(Buffer.from('b')).catch((thrown: unknown) => thrown))
    expect(error).toBeInstanceOf(RaftError)
    expect(error).toMatchObject({ code: 'UNAVAILABLE', outcome: 'refused', leader })
    await bed.close()
    await expect(follower.driver.propose(Buffer.from('c'))).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('begins writes and messages in the same turn: a leader sends before its own disk is done', async () => {
    const appends: number[] = []
    const bed = await DriverBed.open({
      members: MEMBERS,
      mayLeave: (from, _to, message) => {
        if (message.kind === 'append' && message.entries.some(({ kind }) => kind === 'command')) appends.push(from)
        return true
      },
    })
    await bed.propose('a')
    const leader = bed.leader!
    const disk = bed.disks.get(leader.driver.status.id)!
    disk.manualSyncs = true
    appends.length = 0
    const done = leader.driver.propose(Buffer.from('b'))
    await bed.clock.turn()
    await Promise.resolve()
    expect(leader.driver.status.durableIndex).toBeLessThan(leader.driver.status.lastIndex)
    expect(appends).toHaveLength(2)
    disk.manualSyncs = false
    await bed.clock.turn()
    while (disk.pendingSyncs.length > 0) disk.completeSync()
    await bed.ended(done)
    await bed.close()
  })

  it('makes one message to each follower of what clients ask in one turn, wherever they come from', async () => {
    const counts: number[] = []
    const bed = await DriverBed.open({
      members: MEMBERS,
      mayLeave: (_from, _to, message) => {
        if (message.kind === 'append' && message.entries.length > 0) counts.push(message.entries.length)
        return true
      },
    })
    await bed.propose('a')
    const leader = bed.leader!
    counts.length = 0
    // As the sockets of three clients call back: one after the other, with microtasks between them.
    const asked = ['b', 'c', 'd'].map(async (text) => {
      await new Promise((resolve) => setImmediate(resolve))
      await leader.driver.propose(Buffer.from(text))
    })
    await bed.ended(Promise.all(asked))
    expect(counts).toEqual([3, 3])
    // What is large has no use for company.
    const { lastIndex } = leader.driver.status
    const large = leader.driver.propose(Buffer.alloc(16 * 1024))
    await Promise.resolve()
    expect(leader.driver.status.lastIndex).toBe(lastIndex + 1)
    await bed.ended(large)
    await bed.close()
  })

  it('brings a member that missed more than the log holds up by a snapshot', async () => {
    let isCut = true
    const bed = await DriverBed.open({
      members: MEMBERS,
      raft: { keptEntries: 0, chunkBytes: 16 },
      mayLeave: (from, to) => !isCut || (from !== 3 && to !== 3),
    })
    for (let i = 0; i < 30; i++) await bed.propose(`command ${i}`)
    const index = await bed.ended(bed.leader!.driver.snapshot())
    expect(index).toBeGreaterThanOrEqual(30)
    await bed.propose('one more')
    isCut = false
    await bed.run(() => bed.nodes.get(3)!.machine.commands.length === 31)
    expect(bed.nodes.get(3)!.machine.commands).toEqual(bed.leader!.machine.commands)
    bed.kill(3)
    await bed.propose('without it')
    await bed.start(3)
    expect(bed.nodes.get(3)!.machine.commands).toHaveLength(30) // as in the snapshot that it was sent
    await bed.run(() => bed.nodes.get(3)!.machine.commands.length === 32)
    await bed.close()
  })
})

describe('after a power cut', () => {
  it('every acknowledged command is there, whatever the three disks kept', async () => {
    const bed = await DriverBed.open({ members: MEMBERS, raft: { keptEntries: 2 } })
    const moments: { points: Map<NodeId, number>; acknowledged: number }[] = []
    for (let i = 0; i < 40; i++) {
      await bed.propose(`command ${i} ${'x'.repeat(100)}`)
      const points = new Map([...bed.disks].map(([id, disk]) => [id, disk.history.length]))
      moments.push({ points, acknowledged: i + 1 })
      if (i % 9 === 8) await bed.ended(bed.leader!.driver.snapshot())
      if (i === 20)
        await bed.ended(bed.leader!.driver.transfer(MEMBERS.find((id) => id !== bed.leader!.driver.status.id)!))
    }
    await bed.close()
    const random = seededRandom(7)
    for (const { points, acknowledged } of moments) {
      for (const variant of CRASH_VARIANTS) {
        const disks = new Map(
          [...bed.disks].map(([id, disk]) => {
            const image = disk.crashImage(points.get(id)!, variant, random)
            return [id, new SimulatedDisk({ image })]
          }),
        )
        const after = await DriverBed.open({ members: MEMBERS, disks })
        await after.run(() => after.leader !== undefined)
        await after.ended(after.leader!.driver.read())
        const found = after.leader!.machine.commands.map((command) => Number(command.split(' ')[1]))
        expect(found.slice(0, acknowledged)).toEqual(Array.from({ length: acknowledged }, (_, i) => i))
        await after.close()
      }
    }
  })

  it('no vote is forgotten', async () => {
    expect(await forgottenVotes(undefined)).toEqual([])
  })

  it('votes are forgotten if they leave before their fsync', async () => {
    const mutant: Mutant<JournalRule> = { without: 'hard state is synced', applied: 0 }
    expect(await forgottenVotes(mutant)).not.toEqual([])
    expect(mutant.applied).toBeGreaterThan(0)
  })
})

/** Holds a few elections, then looks after power cuts whether anybody has forgotten whom it voted for. */
async function forgottenVotes(mutant: Mutant<JournalRule> | undefined): Promise<string[]> {
  const promises: { id: NodeId; point: number; term: number; votedFor: NodeId }[] = []
  const disks = new Map(MEMBERS.map((id) => [id, new SimulatedDisk()]))
  const mayLeave = (id: NodeId, to: NodeId, message: Message): boolean => {
    const point = disks.get(id)!.history.length
    const { term } = message
    if (message.kind === 'vote' && message.granted && !message.isPre) promises.push({ id, point, term, votedFor: to })
    if (message.kind === 'requestVote' && !message.isPre) promises.push({ id, point, term, votedFor: id })
    return true
  }
  const bed = await DriverBed.open({ members: MEMBERS, disks, mayLeave, mutant })
  for (let i = 0; i < 5; i++) {
    await bed.propose(`command ${i}`)
    const from = bed.leader!.driver.status.id
    const heir = MEMBERS.find((id) => id !== from)!
    await bed.ended(bed.leader!.driver.transfer(heir))
    await bed.run(() => bed.leader?.driver.status.id === heir)
  }
  await bed.close()
  expect(promises.length).toBeGreaterThan(10)
  const forgotten: string[] = []
  for (const { id, point, term, votedFor } of promises) {
    for (const variant of CRASH_VARIANTS) {
      const disk = new SimulatedDisk({ image: disks.get(id)!.crashImage(point, variant, seededRandom(point)) })
      const journal = await openJournal({ disk, clock: bed.clock, random: seededRandom(1), path: '/journal' })
      const { hardState } = journal.state(1)
      await journal.close()
      const isKept = hardState.term > term || (hardState.term === term && hardState.votedFor === votedFor)
      if (!isKept) forgotten.push(`${id} voted for ${votedFor} in term ${term}, ${variant}`)
    }
  }
  return forgotten
}

describe('on the real disk', () => {
  it('a node finds everything again, and its journal does not grow for ever', async () => {
    const home = temporaryDirectory()
    const options = {
      ...{ id: 1, members: [1], disk: realDisk, clock: realClock, directory: home.path },
      ...{ send: () => {}, raft: { keptEntries: 0 } },
    }
    const expected: string[] = []
    for (let life = 0; life < 3; life++) {
      const { driver, journal, machine } = await openNode(options)
      while (driver.status.role !== 'leader') await realClock.turn()
      await driver.read()
      expect(machine.commands).toEqual(expected)
      for (let round = 0; round < 4; round++) {
        const commands = Array.from({ length: 50 }, (_, i) => `${life} ${round} ${i} ${'y'.repeat(60)}`)
        await Promise.all(commands.map((command) => driver.propose(Buffer.from(command))))
        expected.push(...commands)
        await driver.snapshot()
        await journal.settled()
      }
      expect(journal.sizeBytes).toBeLessThan(3 * 4096 + 50 * 120)
      await driver.close()
      await journal.close()
    }
    home.remove()
  })

  it('a snapshot that was damaged is told, with its file', async () => {
    const disk = new SimulatedDisk()
    const bed = await DriverBed.open({ members: [1], disks: new Map([[1, disk]]) })
    await bed.propose('a')
    await bed.ended(bed.leader!.driver.snapshot())
    await bed.close()
    const [name] = disk.list('/snapshots')
    const file = disk.open(`/snapshots/${name}`, 'write')
    file.write(Uint8Array.of(0x7f), 17)
    file.close()
    const send = (): void => {}
    await expect(openNode({ id: 1, members: [1], disk, clock: bed.clock, send })).rejects.toMatchObject({
      code: 'CORRUPTION',
      message: expect.stringContaining(`/snapshots/${name}`),
    })
  })
})

it('a snapshot that was damaged is not sent to others: the node ends', async () => {
  let isCut = true
  const bed = await DriverBed.open({
    members: MEMBERS,
    raft: { keptEntries: 0, chunkBytes: 16 },
    mayLeave: (from, to) => !isCut || (from !== 3 && to !== 3),
  })
  for (let i = 0; i < 30; i++) await bed.propose(`command ${i}`)
  const { driver } = bed.leader!
  const disk = bed.disks.get(driver.status.id)!
  await bed.ended(driver.snapshot())
  await bed.propose('one more')
  const [name] = disk.list('/snapshots')
  const file = disk.open(`/snapshots/${name}`, 'write')
  file.write(Uint8Array.of(0x7f), 40)
  file.close()
  isCut = false
  await bed.run(() => driver.failure !== undefined)
  expect(driver.failure).toMatchObject({ code: 'CORRUPTION', message: expect.stringContaining(`/snapshots/${name}`) })
  expect(bed.nodes.get(3)!.machine.commands).toEqual([])
  await bed.close()
})

describe('options', () => {
  it('that would write what cannot be read again are refused', async () => {
    const opening = openNode({
      ...{ id: 1, members: [1], disk: new SimulatedDisk(), clock: realClock, send: () => {} },
      raft: { maxCommandBytes: 2 ** 30 },
    })
    await expect(opening).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

describe('a failed sync', () => {
  it('ends the node, and says so to all who wait', async () => {
    const disk = new SimulatedDisk({ manualSyncs: false })
    const bed = await DriverBed.open({ members: [1], disks: new Map([[1, disk]]) })
    await bed.propose('a')
    const { driver, journal } = bed.leader!
    disk.manualSyncs = true
    const waiting = driver.propose(Buffer.from('b'))
    await bed.clock.turn()
    journal.abandon()
    await expect(bed.ended(waiting)).rejects.toBeInstanceOf(BedplateError)
    expect(driver.failure).toBeInstanceOf(Error)
  })
})

it('a snapshot that cannot be written ends the node, whoever asked for it', async () => {
  const bed = await DriverBed.open({ members: [1] })
  await bed.propose('a')
  const { driver } = bed.leader!
  const full = new BedplateError('DISK_FULL', 'no room')
  const write = vi.spyOn(SnapshotFiles.prototype, 'write').mockRejectedValueOnce(full)
  await expect(bed.ended(driver.snapshot())).rejects.toBe(full)
  expect(driver.failure).toBe(full)
  await expect(driver.snapshot()).rejects.toBe(full)
  write.mockRestore()
})

it('a node that was removed ends once others have had their answers', async () => {
  const bed = await DriverBed.open({ members: MEMBERS })
  await bed.propose('a')
  const leader = bed.leader!.driver
  const [left = 0] = MEMBERS.filter((id) => id !== leader.status.id)
  const voters = MEMBERS.filter((id) => id !== left)
  await bed.ended(leader.changeMembership({ voters, learners: [] }))
  const { driver } = bed.nodes.get(left)!
  await bed.run(() => driver.failure !== undefined)
  expect(driver.failure).toMatchObject({ code: 'CLOSED', message: `node ${left} was removed from the cluster` })
  expect(leader.failure).toBeUndefined()
  await bed.close()
})

describe('a record of the journal', () => {
  const membership = { voters: [1, 2], outgoing: [1], learners: [4] }
  const record = {
    group: 9,
    hardState: { term: 2 ** 40, votedFor: 3 },
    snapshot: { index: 5, term: 4, membership, sizeBytes: 100 },
    resets: true,
    truncateFrom: 6,
    entries: [
      { kind: 'command' as const, index: 6, term: 7, command: Uint8Array.of(1, 2, 3) },
      { kind: 'empty' as const, index: 7, term: 7 },
      { kind: 'membership' as const, index: 8, term: 8, membership },
    ],
  }

  it('comes back as it was', () => {
    expect(decodeRecord(encodeRecord(record))).toEqual(record)
    const empty = {
      ...record,
      hardState: undefined,
      snapshot: undefined,
      resets: false,
      truncateFrom: undefined,
      entries: [],
    }
    expect(decodeRecord(encodeRecord(empty))).toEqual(empty)
  })

  it('is refused with a typed error if it is anything else, and costs no more memory than it has bytes', () => {
    const random = seededRandom(42)
    const whole = encodeRecord(record)
    let refused = 0
    for (let i = 0; i < 20_000; i++) {
      const bytes = whole.slice(0, random.next() < 0.5 ? whole.length : Math.floor(random.next() * whole.length))
      for (let flips = Math.floor(random.next() * 4); flips >= 0 && bytes.length > 0; flips--) {
        bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256)
      }
      try {
        decodeRecord(bytes)
      } catch (error) {
        refused++
        if (!(error instanceof BedplateError)) throw error
      }
    }
    expect(refused).toBeGreaterThan(5000)
  })
})
