// One node of the cluster that `partitioned-kv` runs: the links between nodes and HTTP on one port.
import { BedplateError } from '../../../../base/errors.ts'
import type { Page } from '../../../../io/http.ts'
import { HttpConnections, type HttpRequest } from '../../../../io/http-connections.ts'
import type { Address } from '../../../../io/network.ts'
import { adminPage, type Logger, type Metric, metric, type Server } from '../../../../service/index.ts'
import { failurePage } from '../../../../service/json-pages.ts'
import { refuseOpenHost } from '../../../link/index.ts'
import { type NodeSeams, openNodeWith, type PartitionedNode, type PartitionedNodeOptions } from '../host.ts'
import { MAX_VALUE_BYTES } from '../limits.ts'
import { answerRequest } from './http-api.ts'

export interface PartitionedServerOptions {
  readonly seams: Omit<NodeSeams, 'onStranger'>
  readonly logger: Logger
  readonly path: string
  readonly node: PartitionedNodeOptions
  /** Connections of HTTP at a time. */
  readonly maxClients: number
  /** Lets everybody in who reaches the port, wherever from. */
  readonly isInsecure?: boolean
}

/** The same trouble is told once until it is another; troubles of so many peers are kept apart. */
const MAX_TROUBLES = 100

/**
 * A node with its HTTP in this process.
 *
 * @example
 * const server = new PartitionedServer({ path: './node1', node: { name: 'node1', nodes, create: true }, ... })
 * const { port } = await server.start() // http://127.0.0.1:port/status
 */
export class PartitionedServer implements Server {
  /** Rejects if the node has failed: its disk cannot be written. */
  readonly failed: Promise<never>
  private fail: (error: unknown) => void = () => {}
  private readonly options: PartitionedServerOptions
  private readonly http: HttpConnections
  private node: PartitionedNode | undefined
  private isStopped = false
  private readonly troubles = new Map<string, string>()

  /** @throws INVALID_INPUT for an address that others reach, if anybody could come in. */
  constructor(options: PartitionedServerOptions) {
    const { seams, maxClients, node, isInsecure = false } = options
    const host = (node.listen ?? node.nodes[node.name])?.host ?? ''
    refuseOpenHost(host, node.tls?.ca !== undefined || (node.secret ?? '') !== '' || isInsecure)
    this.options = options
    const limits = { clock: seams.clock, maxBodyBytes: MAX_VALUE_BYTES, maxConnections: maxClients }
    this.http = new HttpConnections(limits, (request) => this.answer(request))
    this.failed = new Promise((_resolve, reject) => {
      this.fail = reject
    })
    this.failed.catch(() => {}) // whoever runs the server looks at it
  }

  async start(): Promise<Address> {
    const { seams, path, node: options } = this.options
    const shared = {
      ...seams,
      onStranger: (connection: Parameters<HttpConnections['accept']>[0]) => this.http.accept(connection),
    }
    const onTrouble = (peer: string, error: Error): void => this.trouble(peer, error)
    const node = await openNodeWith(shared, path, { ...options, onTrouble })
    node.failed.catch(this.fail)
    this.node = node
    return node.address
  }

  ready(): boolean {
    return this.node !== undefined && !this.isStopped
  }

  async drain(): Promise<void> {
    await this.http.drain()
  }

  async stop(): Promise<void> {
    this.isStopped = true
    this.http.close()
    await this.node?.close()
  }

  metrics(): readonly Metric[] {
    if (this.node === undefined) return []
    const { epoch, share, connected, requests, hints, siblings } = this.node.status
    return [
      metric('gauge', 'bedplate_partitioned_ring_epoch', 'How often the ring has changed, from 1.', epoch),
      metric('gauge', 'bedplate_partitioned_ring_share', 'The part of the ring that this node holds first.', share),
      metric('gauge', 'bedplate_partitioned_peers_connected', 'Nodes that there is a connection to.', connected.length),
      metric('gauge', 'bedplate_partitioned_requests', 'Requests that are under way.', requests),
      metric('gauge', 'bedplate_partitioned_hints', 'Writes that wait for a node to come back.', hints),
      metric('gauge', 'bedplate_partitioned_siblings', 'Keys with several values, of those it holds.', siblings),
      metric(
        'counter',
        'bedplate_partitioned_http_requests_total',
        'Requests that were answered.',
        this.http.requestCount,
      ),
    ]
  }

  inspect(): unknown {
    return this.node?.status ?? {}
  }

  private async answer(request: HttpRequest): Promise<Page> {
    const { node } = this
    if (node === undefined) return failurePage(new BedplateError('UNAVAILABLE', 'the node is starting'))
    const admin = request.method === 'GET' || request.method === 'HEAD' ? adminPage(this, request.path) : undefined
    const page = admin ?? (await answerRequest(node, request, this.options.node.secret ?? ''))
    return page ?? failurePage(new BedplateError('NOT_FOUND', `there is no ${request.path.slice(0, 80)}`))
  }

  private trouble(peer: string, error: Error): void {
    const host = peer.replace(/:\d+$/, '')
    if (this.troubles.get(host) === error.message) return
    if (this.troubles.size >= MAX_TROUBLES) this.troubles.clear()
    this.troubles.set(host, error.message)
    const { hint } = error as BedplateError
    this.options.logger.warn(error.message, { peer, hint })
  }
}
