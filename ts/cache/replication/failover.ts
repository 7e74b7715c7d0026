// FAILOVER: a master hands over to one of its replicas, without losing a write.
//
//   waiting-for-sync       writes are held; as soon as a replica has everything,
//   failover-in-progress   this server follows it, and says so in its PSYNC: that is what makes the replica a master
//
// replication.c of Redis 7.0, failoverCommand.
import type { FailoverOrder, Peer } from '../commands/replication-door.ts'
import type { Replica } from './replica.ts'

/** As INFO names them. */
export type FailoverState = 'no-failover' | 'waiting-for-sync' | 'failover-in-progress'

/** See the top of this file. Pure: `begin`, then `next` whenever something has changed, then `end`. */
export class Failover {
  state: FailoverState = 'no-failover'
  #order: FailoverOrder | undefined
  #untilMs = Number.POSITIVE_INFINITY

  begin(order: FailoverOrder, nowMs: number): void {
    this.state = 'waiting-for-sync'
    this.#order = order
    this.#untilMs = order.timeoutMs === undefined ? Number.POSITIVE_INFINITY : nowMs + order.timeoutMs
  }

  /** Whom to follow now, or that it took too long; undefined to wait on. @param offset - What a replica has to have. */
  next(online: readonly Replica[], offset: number, nowMs: number): Peer | 'too late' | undefined {
    if (this.state !== 'waiting-for-sync' || this.#order === undefined) return undefined
    const { target, isForced } = this.#order
    const found = online.find((replica) => replica.ackedOffset === offset && (!target || isAt(replica, target)))
    if (found !== undefined) return this.#go(found.address)
    if (nowMs < this.#untilMs) return undefined
    return isForced && target !== undefined ? this.#go(target) : 'too late'
  }

  end(): void {
    this.state = 'no-failover'
    this.#order = undefined
  }

  #go(target: Peer): Peer {
    this.state = 'failover-in-progress'
    return target
  }
}

/** Whether a replica says that it is there. */
export function isAt({ address }: Replica, { host, port }: Peer): boolean {
  return address.host === host && address.port === port
}
