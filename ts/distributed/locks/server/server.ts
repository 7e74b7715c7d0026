// The lock service as a server: all services of the API on one port, over one node.
import { BedplateError } from '../../../base/errors.ts'
import type { Clock } from '../../../io/clock.ts'
import { type GrpcServer, listenGrpc } from '../../../io/grpc.ts'
import { type Address, showAddress, type TlsFiles } from '../../../io/network.ts'
import { isLoopback, type Metric, metric, type Server } from '../../../service/index.ts'
import type { ServingNode } from '../serving.ts'
import { DEFAULT_MAX_REQUEST_BYTES } from '../types.ts'
import { authMethods } from './auth.ts'
import { kvMethods } from './kv.ts'
import { LeaderMonitor } from './leader-monitor.ts'
import { leaseMethods } from './lease.ts'
import { lockMethods } from './lock.ts'
import { maintenanceMethods } from './maintenance.ts'
import { memberMethods } from './members.ts'
import type { ServiceContext } from './service.ts'
import { watchMethods } from './watch.ts'

export interface LocksServerOptions extends Address {
  /** Closed when the server stops. */
  readonly node: ServingNode
  readonly clock: Clock
  readonly tls?: TlsFiles | undefined
  /** Default 1.5 MiB. */
  readonly maxRequestBytes?: number | undefined
  /** Where clients find the server, as host:port; default: where it listens. */
  readonly advertise?: string | undefined
  /** Listen where others reach it, though anybody may come in. Default: false. */
  readonly isOpen?: boolean | undefined
}

/** What a message may have beside the request that it carries, as etcd allows it. */
const GRPC_OVERHEAD_BYTES = 512 * 1024

/** Serves a node as etcd's v3 API. */
export class LocksServer implements Server {
  readonly #options: LocksServerOptions
  readonly #calls = new Map<string, number>()
  #server: GrpcServer | undefined
  #monitor: LeaderMonitor | undefined
  #isReady = false

  /** @throws INVALID_INPUT for an address that others reach, if anybody could come in */
  constructor(options: LocksServerOptions) {
    this.#options = options
    const { host, tls, node, isOpen = false } = options
    if (!isOpen && !isLoopback(host) && tls?.ca === undefined && !node.state.users.isEnabled) {
      throw new BedplateError('INVALID_INPUT', `refusing to listen on ${host} without authentication`, {
        hint: 'others could read and change everything: enable authentication, give --tls-ca, listen on 127.0.0.1, or say --insecure',
      })
    }
  }

  async start(): Promise<Address> {
    const { node, clock, host, port, tls, advertise, maxRequestBytes = DEFAULT_MAX_REQUEST_BYTES } = this.#options
    const monitor = new LeaderMonitor(clock, () => node.raft.leader !== 0n)
    this.#monitor = monitor
    const context: ServiceContext = {
      node,
      monitor,
      maxRequestBytes,
      clientUrl: () =>
        `${tls === undefined ? 'http' : 'https'}://${advertise ?? showAddress(this.#server?.address ?? { host, port })}`,
      count: (path) => this.#calls.set(path, (this.#calls.get(path) ?? 0) + 1),
    }
    const methods = new Map([
      ...kvMethods(context),
      ...watchMethods(context, clock),
      ...leaseMethods(context),
      ...lockMethods(context),
      ...maintenanceMethods(context),
      ...memberMethods(context),
      ...authMethods(context),
    ])
    this.#server = await listenGrpc({
      host,
      port,
      tls,
      methods,
      maxMessageBytes: maxRequestBytes + GRPC_OVERHEAD_BYTES,
    })
    this.#isReady = true
    node.announce(context.clientUrl())
    return this.#server.address
  }

  ready(): boolean {
    return this.#isReady && this.#options.node.raft.leader !== 0n
  }

  async drain(): Promise<void> {
    this.#isReady = false
    await this.#options.node.handOver()
    await this.#server?.drain()
  }

  async stop(): Promise<void> {
    this.#isReady = false
    this.#server?.stop()
    this.#monitor?.close()
    await this.#options.node.close()
  }

  metrics(): readonly Metric[] {
    const { state, watches, sizeBytes, raft, identity } = this.#options.node
    const { store, leases } = state
    const samples = [...this.#calls].map(([path, value]) => ({ value, labels: { method: path } }))
    return [
      { kind: 'counter', name: 'bedplate_locks_calls_total', help: 'Calls by method.', samples },
      metric('gauge', 'bedplate_locks_revision', 'The main revision.', store.revision),
      metric('gauge', 'bedplate_locks_compact_revision', 'Reads below are refused.', store.compactRevision),
      metric(
        'gauge',
        'bedplate_locks_is_leader',
        'Whether this member leads.',
        Number(raft.leader === identity.memberId),
      ),
      metric('gauge', 'bedplate_locks_raft_term', 'The term of Raft.', raft.term),
      metric('gauge', 'bedplate_locks_raft_applied', 'The log is applied up to here.', raft.appliedIndex),
      metric('gauge', 'bedplate_locks_keys', 'Keys with any history.', store.keyCount),
      metric('gauge', 'bedplate_locks_leases', 'Leases that are alive.', [...leases.all()].length),
      metric('gauge', 'bedplate_locks_watches', 'Open watches.', watches.size),
      metric(
        'gauge',
        'bedplate_locks_kept_bytes',
        'Bytes of all kept revisions; the quota is about these.',
        store.keptBytes,
      ),
      metric('gauge', 'bedplate_locks_disk_bytes', 'Bytes on disk.', sizeBytes),
    ]
  }

  inspect(): unknown {
    const { state, identity, watches, raft } = this.#options.node
    const { store, leases, users, alarms } = state
    return {
      clusterId: identity.clusterId.toString(16),
      memberId: identity.memberId.toString(16),
      raft: { ...raft, leader: raft.leader.toString(16) },
      revision: store.revision,
      compactRevision: store.compactRevision,
      keys: store.keyCount,
      leases: [...leases.all()].map(({ id, ttlSeconds, keys }) => ({
        id: id.toString(16),
        ttlSeconds,
        keys: keys.size,
      })),
      watches: watches.size,
      authentication: users.isEnabled,
      alarms: [...alarms],
    }
  }
}
