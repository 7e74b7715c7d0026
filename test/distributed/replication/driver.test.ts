// The engine of replication in Raft's driver: what a command gave reaches whoever asked, whenever that is.
import { describe, expect, it } from 'vitest'
import type { LogIndex, Message, NodeId, NodeStatus } from '../../../ts/distributed/raft/index.ts'
import {
  type Mode,
  ReplicationNode,
  type ReplicationStatus,
  replicationEngine,
} from '../../../ts/distributed/replication/index.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { DriverBed, ListMachine } from '../../support/raft/driver-bed.ts'

const MEMBERS = [1, 2, 3]

/** A list that can be longer than what is committed. */
class ShownList extends ListMachine {
  shown: { index: LogIndex; command: string }[] = []

  override apply(command: Uint8Array, index?: LogIndex): Uint8Array {
    this.shown = this.shown.filter((each) => each.index > (index as number))
    return super.apply(command)
  }

  show(command: Uint8Array, index: LogIndex): Uint8Array {
    this.shown.push({ index, command: Buffer.from(command).toString() })
    return Buffer.from(String(this.commands.length + this.shown.length))
  }

  hide(from: LogIndex): void {
    this.shown = this.shown.filter(({ index }) => index < from)
  }

  get all(): string[] {
    return [...this.commands, ...this.shown.map(({ command }) => command)]
  }
}

function open(mode: Mode, mayLeave?: (from: NodeId, to: NodeId, message: Message) => boolean): Promise<DriverBed> {
  return DriverBed.open({
    members: MEMBERS,
    engine: replicationEngine({ mode }),
    machine: () => new ShownList(),
    ...(mayLeave === undefined ? {} : { mayLeave }),
  })
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

describe('a driver of replication', () => {
  it('answers in mode sync with what a command gave, though it was applied long before', async () => {
    let isSlow = false
    const held = (from: NodeId, _: NodeId, message: Message): boolean =>
      !isSlow || from !== 3 || message.kind !== 'appended'
    const bed = await open('sync', held)
    await bed.run(() => bed.leader !== undefined && bed.leader.driver.status.commitIndex > 0)
    const leader = bed.leader!
    isSlow = leader.driver.status.id !== 3
    const before = leader.driver.status.appliedIndex
    const proposed = ['a', 'b'].map((command) => leader.driver.propose(Buffer.from(command)))
    await bed.run(() => leader.driver.status.appliedIndex === before + 2)
    isSlow = false
    const answers = await bed.ended(Promise.all(proposed))
    expect(answers.map(({ result }) => text(result))).toEqual(['1', '2'])
    expect(answers.map(({ index, term }) => ({ index, term }))).toEqual([
      { index: before + 1, term: leader.driver.status.term },
      { index: before + 2, term: leader.driver.status.term },
    ])
    await bed.close()
  })

  it('says in mode sync who is missing', async () => {
    const bed = await open('sync')
    await bed.propose('a')
    const leader = bed.leader!
    const missing = MEMBERS.find((id) => id !== leader.driver.status.id)!
    bed.kill(missing)
    const error = await bed.ended(leader.driver.propose(Buffer.from('b')).catch((thrown: unknown) => thrown))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', outcome: 'unknown', missing: [missing] })
    expect((error as { hint: string }).hint).toContain(`node ${missing}`)
    await bed.close()
  })

  it('answers in mode async before anybody else has it, and takes it back when nobody ever will', async () => {
    let alone: NodeId | undefined
    const bed = await open('async', (from, to) => from !== alone && to !== alone)
    await bed.propose('a')
    const leader = bed.leader!
    const { id } = leader.driver.status
    await bed.run(() => [...bed.nodes.values()].every(({ machine }) => machine.commands.join() === 'a'))
    alone = id
    const { result } = await bed.ended(leader.driver.propose(Buffer.from('lost')))
    expect(text(result)).toBe('2')
    const machine = leader.machine as ShownList
    expect(machine.all).toEqual(['a', 'lost'])
    expect(machine.commands).toEqual(['a'])
    await bed.run(() => bed.leader !== undefined && bed.leader.driver.status.id !== id)
    await bed.ended(bed.leader!.driver.propose(Buffer.from('kept')))
    alone = undefined
    await bed.run(() => machine.all.join() === 'a,kept' && machine.shown.length === 0)
    await bed.close()
  })

  it('shows what was on its disk when it starts again', async () => {
    const bed = await open('async')
    await bed.propose('a')
    await bed.run(() => [...bed.nodes.values()].every(({ machine }) => (machine as ShownList).all.join() === 'a'))
    const { id } = bed.leader!.driver.status
    for (const member of MEMBERS) bed.kill(member)
    await bed.start(id)
    const { machine } = bed.nodes.get(id)!
    expect((machine as ShownList).all).toEqual(['a'])
    expect(machine.commands).toEqual([])
    await bed.close()
  })

  it('ends with a hint if its state machine cannot show', async () => {
    const bed = await DriverBed.open({ members: MEMBERS, engine: replicationEngine({ mode: 'async' }) })
    const failures = () => [...bed.nodes.values()].flatMap(({ driver }) => driver.failure ?? [])
    await bed.run(() => failures().length > 0)
    expect(failures()[0]).toMatchObject({ code: 'NOT_SUPPORTED', hint: expect.stringContaining('show and hide') })
    await bed.close()
  })

  it('has the status of replication', async () => {
    const bed = await open('async')
    await bed.propose('a')
    const status: NodeStatus = bed.leader!.driver.status
    expect((status as ReplicationStatus).mode).toBe('async')
    expect([...(status as ReplicationStatus).followers.keys()]).toHaveLength(2)
    await bed.close()
  })
})

describe('options of replication', () => {
  const start = {
    ...{ hardState: { term: 0, votedFor: undefined }, snapshot: undefined, entries: [], nowTick: 0 },
    membership: { voters: [1], outgoing: [], learners: [] },
  }

  it.each([
    [{ mode: 'fast' }, /mode must be one of sync, semi-sync, async/],
    [{ confirmTicks: 0 }, /confirmTicks must be a whole number/],
    [{ maxElectionTicks: 9 }, /maxElectionTicks must be at least electionTicks, which is 10/],
    [{ speed: 1 }, /speed/],
  ])('are refused by name if they cannot work: %o', (options, message) => {
    const make = () => new ReplicationNode({ id: 1, random: seededRandom(1) }, options as object, start)
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringMatching(message) }))
  })
})
