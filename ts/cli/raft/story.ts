// A simulated cluster, told step by step: what a seed does, for the page that plays it forwards and backwards.
//
// The engine is that of bedplate/raft, the simulator that of bedplate/testing/simulation. `election` and `figure8` are the stories of
// docs/learn/raft.md, with the same seeds and times; `faults` draws the faults of a seed as the suites do.

import { BedplateError } from '../../base/errors.ts'
import {
  type Effect,
  type Entry,
  type Event,
  type HardState,
  type Message,
  type NodeId,
  RaftNode,
  type RaftOptions,
} from '../../distributed/raft/index.ts'
import type { Cancel } from '../../io/clock.ts'
import { type Random, seededRandom } from '../../io/random.ts'
import {
  describeFaults,
  drawFaults,
  type FaultPlan,
  type Havoc,
  Nemesis,
  NO_FAULTS,
  type Process,
  Simulation,
  untilNext,
} from '../../testing/simulation/index.ts'
import { isHeartbeat, wordsOf } from './words.ts'

export const STORIES = ['election', 'figure8', 'figure8-without-rule', 'faults'] as const
export type StoryName = (typeof STORIES)[number]

/** A node at one moment. */
export interface NodeView {
  readonly id: NodeId
  readonly state: 'running' | 'paused' | 'down'
  readonly role: string
  readonly term: number
  readonly leader: NodeId | null
  readonly commit: number
  /** The index of the first of `terms`, which are those of the log: in memory, on disk if the node is down. */
  readonly first: number
  readonly terms: readonly number[]
}

export interface StoryStep {
  readonly atMs: number
  readonly text: string
  /** Of a message that arrives; heartbeats are steps only if they change something, and then without these. */
  readonly from?: NodeId
  readonly to?: NodeId
  /** The nodes that are not as they were, with the ways that are cut if those have changed. */
  nodes: readonly NodeView[]
}

export interface Story {
  readonly name: StoryName
  readonly seed: number
  readonly about: string
  readonly steps: readonly StoryStep[]
}

const TICK_MS = 10
const MAX_STEPS = 2000
const MAX_EVENTS = 20_000
const TERMS_SHOWN = 32
/** What an election takes, for the faults that are drawn. */
const USUAL_MS = 150
const PROPOSAL_MS = 60
const FAULTY_EVENTS = 6000
const FAULTY_STEPS = 1200
const REST_MS = 1000
/** Faults that no page shows, or that end a node for good. */
const UNTOLD: ReadonlySet<Havoc> = new Set(['rot', 'wipe', 'full', 'clock-jump'])

/**
 * Tells a story. The same name and seed give the same.
 * @param seed - Any whole number from 0 to 2^32 - 1; `figure8` needs none, and takes the one that it was written with.
 * Cost: some tenths of a second at most.
 * @throws INVALID_INPUT for a seed that is none
 */
export function tell(name: StoryName, seed: number): Story {
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new BedplateError('INVALID_INPUT', `a seed is a whole number from 0 to ${2 ** 32 - 1}`)
  }
  switch (name) {
    case 'election':
      return election(seed)
    case 'figure8':
    case 'figure8-without-rule':
      return figure8(name)
    case 'faults':
      return faulty(seed)
  }
}

function election(seed: number): Story {
  const stage = new Stage({ seed, disks: [diskOf(0, []), diskOf(0, []), diskOf(0, [])] })
  const { simulation } = stage
  stage.until(() => stage.leader !== undefined)
  stage.runFor(200)
  const first = stage.leader as NodeId
  stage.note(`node ${first}, the leader, crashes`)
  simulation.crash(first)
  stage.until(() => stage.leader !== undefined)
  stage.runFor(50)
  const about =
    'Three nodes elect a leader; it crashes, and the others elect another one (docs/learn/raft.md, section 1).'
  return { name: 'election', seed, about, steps: stage.steps }
}

function figure8(name: 'figure8' | 'figure8-without-rule'): Story {
  const mutant = name === 'figure8' ? undefined : ({ without: 'commit own terms only', applied: 0 } as const)
  const seed = 8
  const disks = [diskOf(2, [1, 2]), diskOf(2, [1, 2]), diskOf(3, [1], 5), diskOf(3, [1], 5), diskOf(3, [1, 3], 5)]
  const stage = new Stage({ seed, disks, mutant })
  const { simulation } = stage
  stage.note('(b) node 5 has led in term 3, and crashed with an entry that nobody else has')
  for (const id of [2, 3, 4, 5]) stage.patience.set(id, 0.9)
  stage.patience.set(1, 0)
  stage.note('node 1 is the first to campaign; nodes 4 and 5 hear nothing')
  const join = simulation.network.separate([1, 2, 3], [4, 5])
  stage.mayLeave = (from, to, message) => {
    if (message.kind !== 'append' || message.entries.every(({ term }) => term <= 3)) return true
    simulation.send(from, to, { ...message, entries: [] }) // its own new entry is lost again and again
    return false
  }
  stage.until(() => stage.leader === 1 && stage.statusOf(3).durableIndex === 2)
  stage.runFor(50)
  stage.note('(c) node 1 leads in term 4 and has brought its entry of term 2 to a majority')
  simulation.crash(1)
  join()
  stage.note('nodes 4 and 5 hear the others again')
  stage.mayLeave = (from, _, message) => message.kind !== 'requestVote' || from === 5
  stage.until(() => stage.leader === 5)
  stage.mayLeave = () => true
  stage.note('(d) node 1 is down, node 5 has the newer log and leads')
  stage.runFor(100)
  const rule = mutant === undefined ? 'with' : 'without'
  const about = `Figure 8 of the paper, ${rule} the rule that a leader counts entries of its own term alone (docs/learn/raft.md, section 3).`
  return { name, seed, about, steps: stage.steps }
}

function faulty(seed: number): Story {
  const drawn = drawFaults(seededRandom(seed), USUAL_MS)
  const havoc = drawn.nemesis.havoc.filter((each) => !UNTOLD.has(each))
  const faults: FaultPlan = { ...drawn, nemesis: { ...drawn.nemesis, havoc } }
  const stage = new Stage({ seed, disks: [1, 2, 3, 4, 5].map(() => diskOf(0, [])), faults })
  const { simulation, ids } = stage
  const nemesis = new Nemesis({
    simulation,
    plan: faults.nemesis,
    targets: () => ids,
    everybody: () => ids,
    favourite: () => stage.leader,
  })
  let commands = 0
  let isResting = false
  const proposeLater = (): void =>
    simulation.later(untilNext(simulation.random, PROPOSAL_MS), () => {
      if (stage.leader !== undefined && !isResting) stage.propose(stage.leader, `SET x ${++commands}`)
      proposeLater()
    })
  proposeLater()
  for (let events = 0; events < FAULTY_EVENTS && stage.steps.length < FAULTY_STEPS && stage.step(); events++) {
    // Until enough has happened.
  }
  nemesis.stop()
  isResting = true
  simulation.heal()
  stage.runFor(REST_MS)
  return {
    name: 'faults',
    seed,
    about: `Five nodes under what this seed draws: ${describeFaults(faults)}.`,
    steps: stage.steps,
  }
}

/** What survives a crash. */
interface StoryDisk {
  hardState: HardState
  entries: Entry[]
}

function diskOf(term: number, terms: readonly number[], votedFor?: NodeId): StoryDisk {
  const entries = terms.map((each, i): Entry => {
    return { index: i + 1, term: each, kind: 'command', command: Buffer.from(`${each}`) }
  })
  return { hardState: { term, votedFor }, entries }
}

interface StageOptions {
  readonly seed: number
  readonly disks: readonly StoryDisk[]
  readonly mutant?: RaftOptions['mutant']
  readonly faults?: FaultPlan
}

/** Hears what a simulation notes of itself. */
class ToldSimulation extends Simulation<Message> {
  heard: (text: string) => void = () => {}

  override note(text: string): void {
    super.note(text)
    this.heard(text)
  }
}

/** Nodes 1, 2, ... in one thread, each with a disk in memory, and all that happens to them as steps. */
class Stage {
  readonly steps: StoryStep[] = []
  readonly simulation: ToldSimulation
  readonly ids: readonly NodeId[]
  /** How long each node waits before it campaigns, from 0 to 1; drawn where it is not set. */
  readonly patience = new Map<NodeId, number>()
  /** Sees every message before it leaves; false loses it. */
  mayLeave: (from: NodeId, to: NodeId, message: Message) => boolean = () => true
  private readonly disks: readonly StoryDisk[]
  private readonly actors = new Map<NodeId, Actor>()
  private readonly shown = new Map<NodeId, string>()
  private eventsLeft = MAX_EVENTS

  constructor({ seed, disks, mutant, faults = NO_FAULTS }: StageOptions) {
    const { network, storage, clock } = faults
    this.disks = disks
    this.ids = disks.map((_, i) => i + 1)
    this.simulation = new ToldSimulation({ seed, network, storage, clock })
    this.simulation.heard = (text) => this.add({ text: `-- ${text}` })
    for (const [i, disk] of disks.entries()) {
      const id = i + 1
      this.simulation.add(id, () => {
        const actor = new Actor(this, { id, disk, mutant })
        this.actors.set(id, actor)
        actor.step({ kind: 'tick' })
        return actor
      })
    }
    this.steps.length = 0 // one step shows all nodes, and takes the place of what each said of itself
    this.add({ text: `-- ${disks.length} nodes start` })
    this.look()
  }

  statusOf(id: NodeId): RaftNode['status'] {
    return (this.actors.get(id) as Actor).node.status
  }

  /** The one of the highest term that is up and leads. */
  get leader(): NodeId | undefined {
    const leaders = this.ids.filter((id) => this.simulation.isUp(id) && this.statusOf(id).role === 'leader')
    return leaders.sort((a, b) => this.statusOf(b).term - this.statusOf(a).term)[0]
  }

  propose(id: NodeId, command: string): void {
    if (!this.simulation.isUp(id) || this.simulation.isPaused(id)) return
    this.add({ text: `a client asks node ${id} for ${command}` })
    this.actors
      .get(id)
      ?.step({ kind: 'propose', proposals: [{ id: this.steps.length, command: Buffer.from(command) }] })
  }

  note(text: string): void {
    this.add({ text: `-- ${text}` })
    this.look()
  }

  add(step: { text: string; from?: NodeId; to?: NodeId }): void {
    if (this.steps.length < MAX_STEPS) this.steps.push({ atMs: this.simulation.nowMs, ...step, nodes: [] })
  }

  /** Lets the next event happen. @returns False at the end of what is told. */
  step(): boolean {
    if (this.eventsLeft-- <= 0 || this.steps.length >= MAX_STEPS) return false
    const before = this.steps.length
    const hasHappened = this.simulation.step()
    this.look(before)
    return hasHappened
  }

  until(isDone: () => boolean): void {
    while (!isDone() && this.step()) {
      // Every event is looked at.
    }
  }

  runFor(durationMs: number): void {
    const end = this.simulation.nowMs + durationMs
    let isOver = false
    this.simulation.later(durationMs, () => {
      isOver = true
    })
    this.until(() => isOver || this.simulation.nowMs > end)
  }

  /** Adds what has changed to the last step since `before`, or as a step of its own. */
  private look(before = 0): void {
    const changed = this.ids.filter((id) => this.isNews(id)).map((id) => this.view(id))
    if (changed.length === 0) return
    if (this.steps.length === before) this.add({ text: changed.map(describe).join('; ') })
    const last = this.steps.at(-1)
    if (last === undefined) return
    const still = last.nodes.filter(({ id }) => changed.every((each) => each.id !== id))
    last.nodes = [...still, ...changed]
  }

  /** Asked after every event, so that it looks at little: two logs of one node with the same last entry are the same (paper, §5.3). */
  private isNews(id: NodeId): boolean {
    const { simulation } = this
    const { node } = this.actors.get(id) as Actor
    const { role, term, leader, commitIndex, lastIndex } = node.status
    const mode = simulation.isUp(id) ? (simulation.isPaused(id) ? 'paused' : 'running') : 'down'
    const text = [mode, role, term, leader, commitIndex, lastIndex, node.termAt(lastIndex)].join(' ')
    if (this.shown.get(id) === text) return false
    this.shown.set(id, text)
    return true
  }

  private view(id: NodeId): NodeView {
    const { simulation } = this
    const isUp = simulation.isUp(id)
    const { node } = this.actors.get(id) as Actor
    const disk = this.disks[id - 1] as StoryDisk
    const { role, term, leader, commitIndex, lastIndex } = node.status
    const last = isUp ? lastIndex : (disk.entries.at(-1)?.index ?? 0)
    const first = Math.max(1, last - TERMS_SHOWN + 1)
    const termAt = (index: number): number =>
      (isUp ? node.termAt(index) : disk.entries.find((entry) => entry.index === index)?.term) ?? 0
    return {
      id,
      state: isUp ? (simulation.isPaused(id) ? 'paused' : 'running') : 'down',
      role: isUp ? role : 'follower',
      term: isUp ? term : disk.hardState.term,
      leader: isUp ? (leader ?? null) : null,
      commit: Math.min(commitIndex, last),
      first,
      terms: Array.from({ length: last - first + 1 }, (_, i) => termAt(first + i)),
    }
  }
}

function describe({ id, role, term, commit, first, terms }: NodeView): string {
  return `${id}: ${role} in term ${term}, its log ends at ${first + terms.length - 1}, committed up to ${commit}`
}

/** One life of a node: does what the engine says, with a disk that loses what was not synced. */
class Actor implements Process<Message> {
  readonly node: RaftNode
  private readonly stage: Stage
  private readonly id: NodeId
  private readonly disk: StoryDisk
  private durable = 0
  private held: (Effect & { kind: 'send' })[] = []
  private cancelTimer: Cancel = () => {}

  constructor(stage: Stage, { id, disk, mutant }: { id: NodeId; disk: StoryDisk; mutant: RaftOptions['mutant'] }) {
    this.stage = stage
    this.id = id
    this.disk = disk
    const { simulation, patience } = stage
    const random: Random = {
      next: () => patience.get(id) ?? simulation.random.next(),
      bytes: (count) => simulation.random.bytes(count),
    }
    const membership = { voters: stage.ids, outgoing: [], learners: [] }
    this.node = new RaftNode(
      { id, random, mutant, maxBatchBytes: 1 }, // one entry a message, so that there is something to see
      { ...disk, entries: [...disk.entries], snapshot: undefined, membership, nowTick: this.nowTick },
    )
  }

  receive(from: NodeId, message: Message): void {
    if (!isHeartbeat(message)) this.stage.add({ text: wordsOf(message), from, to: this.id })
    this.step({ kind: 'message', from, message })
  }

  step(event: Event): void {
    for (const effect of this.node.step(event, this.nowTick)) this.perform(effect)
  }

  private get localMs(): number {
    return this.stage.simulation.monotonic(this.id) / 1e6
  }

  private get nowTick(): number {
    return Math.floor(this.localMs / TICK_MS)
  }

  /** Snapshots are not made, so what is about them does not come. */
  private perform(effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        this.persist(effect)
        return
      case 'send':
        if (effect.after <= this.durable) this.send(effect)
        else this.held.push(effect)
        return
      case 'timer': {
        const { simulation } = this.stage
        const afterMs = Math.max(0, effect.atTick * TICK_MS - this.localMs) + 0.001
        this.cancelTimer()
        this.cancelTimer = simulation.after(this.id, afterMs, () => this.step({ kind: 'tick' }))
        return
      }
      case 'role':
        this.stage.add({ text: `${this.id} is ${effect.role} in term ${effect.term}` })
        return
      default:
    }
  }

  private persist({
    write,
    hardState,
    truncateFrom = Number.POSITIVE_INFINITY,
    entries,
  }: Effect & { kind: 'persist' }): void {
    const { disk } = this
    this.stage.simulation.write(
      this.id,
      () => {
        disk.hardState = hardState ?? disk.hardState
        disk.entries = [...disk.entries.filter(({ index }) => index < truncateFrom), ...entries]
      },
      () => {
        this.durable = write
        const due = this.held.filter(({ after }) => after <= write)
        this.held = this.held.filter(({ after }) => after > write)
        for (const effect of due) this.send(effect)
        this.step({ kind: 'persisted', write })
      },
    )
  }

  private send({ to, message }: Effect & { kind: 'send' }): void {
    if (this.stage.mayLeave(this.id, to, message)) this.stage.simulation.send(this.id, to, message)
  }
}
