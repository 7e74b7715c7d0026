import type { ReplicaLink } from '../cluster/member.ts'
import type { Replication } from './replication.ts'

/** What a node of a cluster needs of replication: whom to follow, and how far it has come. */
export function replicaLink(replication: Replication): ReplicaLink {
  return {
    get offset() {
      return replication.offset
    },
    get masterHeardMs() {
      return replication.masterHeardMs
    },
    follow: (master) => void replication.follow(master),
    promote: () => void replication.follow(undefined),
  }
}
