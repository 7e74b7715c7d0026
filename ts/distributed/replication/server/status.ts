// How a replica is, for /status and for those who watch.
import type { Lag } from '../types.ts'
import type { Replica } from './replica.ts'

/** How far a node is behind; seconds are null as long as that is not known. */
export interface LagView {
  readonly entries: number
  readonly bytes: number
  readonly seconds: number | null
}

/** What this node knows, without asking others. */
export function describeStatus(replica: Replica): Readonly<Record<string, unknown>> {
  const { status } = replica
  const { role, term, leader, commitIndex, appliedIndex, lastIndex, durableIndex, readableIndex } = status
  const followers = [...status.followers].map(([id, lag]) => ({ id, lag: viewOf(lag, replica.tickMs) }))
  return {
    ...{ id: replica.id, cluster: replica.cluster.cluster, mode: status.mode, reads: replica.reads },
    ...{ role: role === 'leader' ? 'leader' : 'follower', term, leader: leader ?? null },
    ...{
      offset: lastIndex,
      durable: durableIndex,
      committed: commitIndex,
      applied: appliedIndex,
      visible: readableIndex,
    },
    ...{ lag: viewOf(status.lag, replica.tickMs), followers },
    ...{ keys: replica.keyCount, bytes: replica.sizeBytes },
    ...{ connected: replica.host.connected, members: replica.members.list() },
    failure: replica.failure?.message ?? null,
  }
}

/** @param tickMs - The length of a tick. */
export function viewOf({ entries, bytes, ticks }: Lag, tickMs: number): LagView {
  return { entries, bytes, seconds: ticks === undefined ? null : (ticks * tickMs) / 1000 }
}
