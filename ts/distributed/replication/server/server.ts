// A node of `replicated-kv`: Raft, HTTP and Redis's protocol on one port.
import { BedplateError } from '../../../base/errors.ts'
import type { Page } from '../../../io/http.ts'
import { HttpConnections, type HttpRequest } from '../../../io/http-connections.ts'
import type { Address, Connection, ConnectionEvents } from '../../../io/network.ts'
import { adminPage, type Metric, metric, type Server } from '../../../service/index.ts'
import type { HostSeams } from '../../raft/index.ts'
import { MAX_BATCH_BYTES } from './command-layout.ts'
import { answerRequest, failure } from './http-api.ts'
import { Replica } from './replica.ts'
import { beginsLikeResp, RespDoor } from './resp/door.ts'
import { describeStatus, type LagView, viewOf } from './status.ts'
import { DEFAULT_REQUEST_MS, type ReplicaOptions } from './types.ts'

const DEFAULT_MAX_CLIENTS = 10_000
/** JSON may need more bytes than what it says. */
const MAX_BODY_BYTES = 2 * MAX_BATCH_BYTES

/**
 * A server of `replicated-kv` in this process.
 *
 * @example
 * const server = new ReplicaServer(seams, './node-1', { id: 1, listen: { host: '127.0.0.1', port: 8001 }, lead: true })
 * await server.start() // http://127.0.0.1:8001/set?key=a&value=1
 */
export class ReplicaServer implements Server {
  /** Rejects if the node has failed, or is not let into its cluster. */
  readonly failed: Promise<never>
  readonly #seams: Omit<HostSeams, 'onStranger'>
  readonly #path: string
  readonly #options: ReplicaOptions
  readonly #http: HttpConnections
  readonly #resp: RespDoor
  #fail: (error: unknown) => void = () => {}
  #replica: Replica | undefined
  #isStopped = false

  constructor(seams: Omit<HostSeams, 'onStranger'>, path: string, options: ReplicaOptions) {
    this.#seams = seams
    this.#path = path
    this.#options = options
    const maxConnections = options.maxClients ?? DEFAULT_MAX_CLIENTS
    const { clock } = seams
    const limits = { clock, maxBodyBytes: MAX_BODY_BYTES, maxConnections }
    this.#http = new HttpConnections(limits, (request) => this.#answer(request))
    this.#resp = new RespDoor({
      ...{ clock, maxClients: maxConnections, patienceMs: options.requestMs ?? DEFAULT_REQUEST_MS },
      replica: () => this.replica,
      secret: options.secret ?? '',
    })
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => {}) // whoever runs the server looks at it
  }

  /** The open node. @throws UNAVAILABLE before `start` has ended */
  get replica(): Replica {
    if (this.#replica !== undefined) return this.#replica
    throw new BedplateError('UNAVAILABLE', 'the node is starting')
  }

  /** Listens; it serves once it is a member that knows its leader, of which `onEvent` tells. */
  async start(): Promise<Address> {
    const seams: HostSeams = { ...this.#seams, onStranger: (connection) => this.#welcome(connection) }
    const replica = await Replica.open(seams, this.#path, this.#options)
    this.#replica = replica
    replica.failed.catch((error: unknown) => this.#fail(error))
    replica.serve().catch((error: unknown) => {
      if (!this.#isStopped) this.#fail(error)
    })
    return replica.host.address
  }

  ready(): boolean {
    const { isServing, status } = this.#replica ?? {}
    return isServing === true && !this.#isStopped && status?.leader !== undefined
  }

  /** Hands leadership over, if this node has it, and lets requests end. */
  async drain(): Promise<void> {
    await this.#replica?.handOver()
    await Promise.all([this.#resp.drain(), this.#http.drain()])
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#http.close()
    this.#resp.close()
    await this.#replica?.close()
  }

  metrics(): readonly Metric[] {
    if (this.#replica === undefined) return []
    const { host, status, keyCount, sizeBytes, tickMs } = this.#replica
    const { role, term, commitIndex, appliedIndex, lastIndex } = status
    const own = viewOf(status.lag, tickMs)
    const followers = [...status.followers].map(([id, lag]) => [String(id), viewOf(lag, tickMs)] as const)
    const ofFollowers = (name: keyof LagView, help: string): Metric => ({
      ...{ kind: 'gauge', name: `bedplate_replication_follower_lag_${name}`, help },
      samples: followers.map(([node, lag]) => ({ labels: { node }, value: lag[name] ?? Number.NaN })),
    })
    const gauge = (name: string, help: string, value: number): Metric =>
      metric('gauge', `bedplate_replication_${name}`, help, value)
    return [
      gauge('is_leader', 'Whether this node leads.', Number(role === 'leader')),
      gauge('term', 'The term of the node.', term),
      gauge('offset', 'The last entry of its log.', lastIndex),
      gauge('commit_index', 'The log is committed up to here.', commitIndex),
      gauge('applied_index', 'The log is applied up to here.', appliedIndex),
      gauge('lag_entries', 'Entries that the leader has told of and this node does not show.', own.entries),
      gauge('lag_bytes', 'What is in them, as far as it is here.', own.bytes),
      gauge('lag_seconds', 'For how long there has been something to show.', own.seconds ?? Number.NaN),
      ofFollowers('entries', 'On a leader: entries of its log that a follower has not on disk.'),
      ofFollowers('bytes', 'On a leader: what is in them.'),
      ofFollowers('seconds', 'On a leader: since when the oldest of them is there.'),
      gauge('keys', 'Keys of the store.', keyCount),
      gauge('state_bytes', 'Bytes of the store on disk.', sizeBytes),
      gauge('peers_connected', 'Nodes that there is a connection to.', host.connected.length),
      metric(
        'counter',
        'bedplate_replication_http_requests_total',
        'Requests that were answered.',
        this.#http.requestCount,
      ),
      metric(
        'counter',
        'bedplate_replication_resp_commands_total',
        "Commands of Redis's protocol that were answered.",
        this.#resp.commandCount,
      ),
      gauge('resp_clients', "Connections that speak Redis's protocol.", this.#resp.clientCount),
    ]
  }

  /** Also its role as Raft knows it, which may be that of a candidate, and the terms of the last entries of its log. */
  inspect(): unknown {
    if (this.#replica === undefined) return {}
    const { status, logTail } = this.#replica
    return { ...describeStatus(this.#replica), role: status.role, log: logTail }
  }

  /** Nodes have been told from others already: here the first byte tells who speaks what. */
  #welcome(connection: Connection): ConnectionEvents {
    let owner: ConnectionEvents | undefined
    return {
      data: (bytes) => {
        owner ??= beginsLikeResp(bytes) ? this.#resp.accept(connection) : this.#http.accept(connection)
        owner.data(bytes)
      },
      drained: () => owner?.drained(),
      closed: () => owner?.closed(),
    }
  }

  async #answer(request: HttpRequest): Promise<Page> {
    if (this.#replica === undefined) return failure(request, new BedplateError('UNAVAILABLE', 'the node is starting'))
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    const admin = isRead ? adminPage(this, request.path) : undefined
    const page = admin ?? (await answerRequest(this.#replica, request, this.#options.secret ?? ''))
    return page ?? failure(request, new BedplateError('NOT_FOUND', `there is no ${request.path.slice(0, 80)}`))
  }
}
