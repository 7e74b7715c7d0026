// How a replica is, for /status and for those who watch.
import type { Replica } from './replica.ts'

/** What this node knows, without asking others. */
export function describeStatus(replica: Replica): Readonly<Record<string, unknown>> {
  const { role, term, leader, commitIndex, appliedIndex, lastIndex, durableIndex } = replica.status
  return {
    ...{ id: replica.id, cluster: replica.cluster.cluster, mode: replica.cluster.mode },
    ...{ role: role === 'leader' ? 'leader' : 'follower', term, leader: leader ?? null },
    ...{ offset: lastIndex, durable: durableIndex, committed: commitIndex, applied: appliedIndex },
    ...{ keys: replica.keyCount, bytes: replica.sizeBytes },
    ...{ connected: replica.host.connected, members: replica.members.list() },
    failure: replica.failure?.message ?? null,
  }
}
