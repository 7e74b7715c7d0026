// Operators of a group in the simulator: they change who is a member and who leads, at random, and replace whoever has lost its disk.
import type { Event, Membership, NodeId } from '../../../ts/distributed/raft/index.ts'
import type { Random } from '../../../ts/io/random.ts'
import { pick, type Simulation, sample, untilNext, wholeBetween } from '../../../ts/testing/simulation/index.ts'

/** A group, as operators see it. */
export interface Organised {
  readonly simulation: Pick<Simulation<unknown>, 'random' | 'later' | 'note' | 'isPaused'>
  readonly nodeIds: readonly NodeId[]
  /** Those that are up and believe that they lead. */
  readonly leaders: () => readonly NodeId[]
  /** As a node knows it. */
  readonly membership: (id: NodeId) => Membership
  /** Whether that is committed there. */
  readonly isSettled: (id: NodeId) => boolean
  /** What a node had on disk is damaged: it is gone for good. */
  readonly isLost: (id: NodeId) => boolean
  /** Gives a node an event, with a number for what it asks. */
  readonly hand: (id: NodeId, make: (request: number) => Event) => void
}

/** Mean times between what operators do; Infinity for never. */
export interface Operations {
  readonly changeMs: number
  /** Until a member whose disk is damaged is replaced. */
  readonly replaceMs: number
  readonly transferMs: number
}

const MAX_VOTERS = 5

export class Reorganiser {
  isStopped = false
  /** Changes of membership that were asked for. */
  changes = 0
  private readonly group: Organised
  private readonly random: Random

  constructor(group: Organised, { changeMs, replaceMs, transferMs }: Operations) {
    this.group = group
    this.random = group.simulation.random
    if (changeMs < Number.POSITIVE_INFINITY) this.repeat(changeMs, (leader) => this.change(leader))
    if (replaceMs < Number.POSITIVE_INFINITY) this.repeat(replaceMs, (leader) => this.replace(leader))
    if (transferMs < Number.POSITIVE_INFINITY) this.repeat(transferMs, (leader) => this.transfer(leader))
  }

  private repeat(meanMs: number, act: (leader: NodeId) => void): void {
    const { simulation } = this.group
    simulation.later(untilNext(this.random, meanMs), () => {
      if (this.isStopped) return
      const leader = pickOr(this.random, this.group.leaders())
      if (leader !== undefined && !simulation.isPaused(leader)) act(leader)
      this.repeat(meanMs, act)
    })
  }

  private change(leader: NodeId): void {
    const { nodeIds } = this.group
    const voters = sample(this.random, nodeIds, wholeBetween(this.random, 1, Math.min(MAX_VOTERS, nodeIds.length)))
    const others = nodeIds.filter((id) => !voters.includes(id))
    const learners = sample(this.random, others, wholeBetween(this.random, 0, others.length))
    // Every other operator has looked at some node, which may be far behind, before it asked.
    const seen = nodeIds[(this.changes + 1) % nodeIds.length] as NodeId
    const replaces = this.changes % 2 === 1 ? this.group.membership(seen) : undefined
    this.ask(leader, `voters ${voters.join(' ')}, learners ${learners.join(' ')}`, { voters, learners, replaces })
  }

  /** Puts a new node, whose disk is empty, in the place of one that is lost. The old one never comes back. */
  private replace(leader: NodeId): void {
    const { nodeIds, isLost } = this.group
    const { voters } = this.group.membership(leader)
    const lost = voters.find(isLost)
    const spare = nodeIds.find((id) => !voters.includes(id) && !isLost(id))
    if (lost === undefined || spare === undefined) return
    const next = [...voters.filter((id) => id !== lost), spare]
    this.ask(leader, `${spare} in the place of ${lost}`, { voters: next, learners: [] })
  }

  private ask(leader: NodeId, what: string, change: Omit<Event & { kind: 'change' }, 'kind' | 'id'>): void {
    this.group.simulation.note(`${leader} is asked for ${what}`)
    this.changes++
    this.group.hand(leader, (id) => ({ kind: 'change', id, ...change }))
  }

  private transfer(leader: NodeId): void {
    const to = pick(this.random, this.group.nodeIds)
    this.group.simulation.note(`${leader} is asked to hand over to ${to}`)
    this.group.hand(leader, (id) => ({ kind: 'transfer', id, to }))
  }
}

/**
 * Says whether one more disk may be damaged: every node that was is out of the membership, for good, and a majority is left.
 * A leader of the past shows a membership with the node that was replaced since.
 */
export function mayLose({ leaders, membership, isSettled, isLost }: Organised, id: NodeId): boolean {
  const [leader] = leaders()
  if (leader === undefined) return false
  const { voters, outgoing } = membership(leader)
  const isAtRest = outgoing.length === 0 && isSettled(leader)
  return isAtRest && voters.length >= 3 && voters.includes(id) && !voters.some(isLost)
}

function pickOr<T>(random: Random, items: readonly T[]): T | undefined {
  return items.length === 0 ? undefined : pick(random, items)
}
