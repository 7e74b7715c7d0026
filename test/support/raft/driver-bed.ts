// Nodes as they run for real, drivers and all, in one thread: on simulated disks, a clock that is moved by hand and a network
// that is an array.
import {
  bringUp,
  Driver,
  type EngineFactory,
  type Journal,
  type Message,
  type NodeId,
  openJournal,
  type RaftOptions,
  SnapshotFiles,
  type StateMachine,
} from '../../../ts/distributed/raft/index.ts'
import type { JournalRule } from '../../../ts/distributed/raft/journal.ts'
import type { Clock } from '../../../ts/io/clock.ts'
import type { Disk } from '../../../ts/io/disk.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Mutant } from '../../../ts/storage/mutant.ts'
import { ManualClock } from '../manual-clock.ts'

const TICK_MS = 30

/** Keeps all commands. */
export class ListMachine implements StateMachine {
  commands: string[] = []

  apply(command: Uint8Array): Uint8Array {
    this.commands.push(Buffer.from(command).toString())
    return Buffer.from(String(this.commands.length))
  }

  snapshot(): Uint8Array {
    return Buffer.from(JSON.stringify(this.commands))
  }

  restore(snapshot: Uint8Array): void {
    this.commands = JSON.parse(Buffer.from(snapshot).toString())
  }
}

export interface BedNode {
  readonly journal: Journal
  readonly driver: Driver
  readonly machine: ListMachine
}

export interface NodeOptions {
  readonly id: NodeId
  readonly members: readonly NodeId[]
  readonly disk: Disk
  readonly clock: Clock
  readonly directory?: string
  readonly send: (to: NodeId, message: Message) => void
  readonly compactBytes?: number
  readonly raft?: Partial<RaftOptions>
  readonly engine?: EngineFactory | undefined
  /** Default: a list. */
  readonly machine?: (() => ListMachine) | undefined
  readonly mutant?: Mutant<JournalRule> | undefined
}

/** Starts a node from what its disk holds. */
export async function openNode(options: NodeOptions): Promise<BedNode> {
  const { id, members, disk, clock, directory = '', send, compactBytes = 4096, raft, engine, mutant } = options
  const random = seededRandom(id)
  const journal = await openJournal({ disk, clock, random, path: `${directory}/journal`, compactBytes, mutant })
  const snapshots = new SnapshotFiles(disk, `${directory}/snapshots`)
  await disk.syncDirectory(directory === '' ? '/' : directory)
  const machine = options.machine?.() ?? new ListMachine()
  const founding = { voters: members, outgoing: [], learners: [] }
  await bringUp({ group: 1, journal, snapshots, clock, machine })
  const driver = new Driver({
    ...{ group: 1, founding, machine, journal, snapshots, clock, send, engine },
    tickMs: TICK_MS,
    raft: { ...raft, id, random },
  })
  return { journal, driver, machine }
}

export interface BedOptions {
  readonly members: readonly NodeId[]
  /** Default: empty ones. */
  readonly disks?: ReadonlyMap<NodeId, SimulatedDisk>
  readonly raft?: Partial<RaftOptions>
  readonly engine?: EngineFactory
  readonly machine?: () => ListMachine
  readonly mutant?: Mutant<JournalRule> | undefined
  /** Sees every message as it leaves; false if it shall be lost. */
  readonly mayLeave?: (from: NodeId, to: NodeId, message: Message) => boolean
}

/** A cluster of nodes. */
export class DriverBed {
  readonly clock = new ManualClock()
  readonly nodes = new Map<NodeId, BedNode>()
  readonly disks: ReadonlyMap<NodeId, SimulatedDisk>
  private readonly options: BedOptions
  private underWay: { from: NodeId; to: NodeId; message: Message }[] = []

  private constructor(options: BedOptions) {
    this.options = options
    this.disks = options.disks ?? new Map(options.members.map((id) => [id, new SimulatedDisk()]))
  }

  static async open(options: BedOptions): Promise<DriverBed> {
    const bed = new DriverBed(options)
    for (const id of options.members) await bed.start(id)
    return bed
  }

  get leader(): BedNode | undefined {
    const leaders = [...this.nodes.values()].filter(({ driver }) => driver.status.role === 'leader')
    return leaders.sort((a, b) => b.driver.status.term - a.driver.status.term)[0]
  }

  /** Lets messages arrive and time pass until `isDone`. */
  async run(isDone: () => boolean): Promise<void> {
    for (let turn = 0; !isDone(); turn++) {
      if (turn > 5000) throw new Error('the cluster does not get there')
      const arriving = this.underWay
      this.underWay = []
      for (const { from, to, message } of arriving) this.nodes.get(to)?.driver.receive(from, message)
      await this.clock.turn()
      await this.clock.turn()
      if (this.underWay.length === 0) this.clock.advance(TICK_MS)
    }
  }

  /** Runs until a request has ended. */
  async ended<T>(request: Promise<T>): Promise<T> {
    let isOver = false
    const over = (): void => {
      isOver = true
    }
    request.then(over, over)
    await this.run(() => isOver)
    return request
  }

  /** Proposes to whoever leads, and waits. */
  async propose(command: string): Promise<void> {
    await this.run(() => this.leader !== undefined)
    await this.ended(this.leader!.driver.propose(Buffer.from(command)))
  }

  async start(id: NodeId): Promise<void> {
    const { members, mayLeave, raft = {}, engine, machine, mutant } = this.options
    const disk = this.disks.get(id)!
    const send = (to: NodeId, message: Message): void => {
      if (mayLeave?.(id, to, message) !== false) this.underWay.push({ from: id, to, message })
    }
    this.nodes.set(id, await openNode({ id, members, disk, clock: this.clock, send, raft, engine, machine, mutant }))
  }

  /** Ends a node as a killed process does. */
  kill(id: NodeId): void {
    const node = this.nodes.get(id)!
    this.nodes.delete(id)
    void node.driver.close()
    node.journal.abandon()
  }

  async close(): Promise<void> {
    for (const { driver, journal } of this.nodes.values()) {
      await driver.close()
      await journal.close()
    }
  }
}
