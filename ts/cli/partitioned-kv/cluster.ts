// A cluster on this machine: its nodes, and the control port where the other commands find them.
import { join } from 'node:path'
import { BedplateError } from '../../base/errors.ts'
import { listenHttp, type Page } from '../../io/http.ts'
import { HttpClient } from '../../io/http-client.ts'
import { type Address, type Listener, showAddress } from '../../io/network.ts'
import { adminPage, type Metric, metric, type Server } from '../../service/index.ts'
import { failurePage, jsonPage } from '../console/json-pages.ts'
import type { ClusterFile } from './cluster-file.ts'
import { type LocalNode, startProcess, startThread } from './local-nodes.ts'
import type { NodeData } from './node-messages.ts'

export interface LocalClusterOptions {
  readonly directory: string
  readonly cluster: ClusterFile
  readonly control: Address
  /** The ports of the nodes, in their order. */
  readonly ports: readonly number[]
  readonly host: string
  /** What all nodes share. */
  readonly shared: Omit<NodeData, 'name' | 'nodes' | 'listen' | 'path' | 'clusterId'>
  /** Each node is a process; else a thread of this one. */
  readonly hasProcesses: boolean
  /** Flags that name files, for processes. */
  readonly files: readonly string[]
  /** Is told of a node that has ended by itself. */
  readonly onGone: (name: string, why: string) => void
}

/** How long a node may take to answer a question of the control port. */
const ASK_MS = 3000

/** The nodes and the control port, as one server. */
export class LocalCluster implements Server {
  /** Resolves once no node is left. */
  readonly allGone: Promise<string>
  private gone: (why: string) => void = () => {}
  private readonly options: LocalClusterOptions
  private readonly http: HttpClient
  private readonly addresses: Readonly<Record<string, Address>>
  private nodes: LocalNode[] = []
  private listener: Listener | undefined
  private isStopped = false

  constructor(options: LocalClusterOptions) {
    const { cluster, ports, host, shared } = options
    this.options = options
    this.http = new HttpClient({ tls: shared.tls })
    this.addresses = Object.fromEntries(
      cluster.nodes.map((name, index) => [name, { host, port: ports[index] as number }]),
    )
    this.allGone = new Promise((resolve) => {
      this.gone = resolve
    })
  }

  /** Where each node listens, and its process if it has one of its own. */
  get members(): readonly ({ readonly name: string; readonly pid: number | undefined } & Address)[] {
    return this.options.cluster.nodes.flatMap((name) => {
      const node = this.nodes.find((each) => each.name === name)
      return node === undefined ? [] : [{ name, ...(this.addresses[name] as Address), pid: node.pid }]
    })
  }

  /** @returns Where the control port is. @throws UNAVAILABLE if a port is taken, and whatever a node cannot start with */
  async start(): Promise<Address> {
    const { control, cluster } = this.options
    this.listener = await listenHttp(control, (path) => this.page(path).catch(failurePage), { localNamesOnly: true })
    const started = await Promise.allSettled(cluster.nodes.map((name) => this.startNode(name)))
    const failed = started.find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
    return this.listener.address
  }

  ready(): boolean {
    return !this.isStopped && this.nodes.length > 0
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.isStopped = true
    this.listener?.close()
    await Promise.all(this.nodes.map((node) => node.end()))
    this.http.close()
  }

  metrics(): readonly Metric[] {
    return [metric('gauge', 'bedplate_partitioned_nodes', 'Nodes of this cluster that run here.', this.nodes.length)]
  }

  inspect(): unknown {
    return this.members
  }

  private async startNode(name: string): Promise<void> {
    const { shared, directory, cluster, hasProcesses, files } = this.options
    const path = join(directory, name)
    const listen = this.addresses[name] as Address
    const data: NodeData = { name, nodes: this.addresses, listen, path, clusterId: cluster.clusterId, ...shared }
    const node = await (hasProcesses ? startProcess(data, { files }) : startThread(data))
    this.nodes.push(node)
    void node.gone.then((why) => {
      this.nodes = this.nodes.filter((each) => each !== node)
      if (this.isStopped) return
      this.options.onGone(name, why)
      if (this.nodes.length === 0) this.gone('all nodes have ended')
    })
  }

  private async page(path: string): Promise<Page | undefined> {
    if (path === '/ring') return this.ofAnyNode('/ring')
    if (path === '/status') return jsonPage(Object.fromEntries(await this.statuses()))
    return adminPage(this, path)
  }

  private async statuses(): Promise<[string, unknown][]> {
    return Promise.all(
      Object.keys(this.addresses).map(async (name): Promise<[string, unknown]> => {
        const page = await this.ofNode(name, '/status').catch(() => undefined)
        return [name, page === undefined ? null : JSON.parse(page.body)]
      }),
    )
  }

  private async ofAnyNode(path: string): Promise<Page> {
    for (const { name } of this.nodes) {
      const page = await this.ofNode(name, path).catch(() => undefined)
      if (page !== undefined) return page
    }
    throw new BedplateError('UNAVAILABLE', 'no node of the cluster answers')
  }

  private async ofNode(name: string, path: string): Promise<Page> {
    const { tls, secret } = this.options.shared
    const url = `${tls === undefined ? 'http' : 'https'}://${showAddress(this.addresses[name] as Address)}${path}`
    const headers = secret === '' ? {} : { authorization: `Bearer ${secret}` }
    const { status, body } = await this.http.ask({ url, headers, timeoutMs: ASK_MS })
    return { status, type: 'application/json', body: Buffer.from(body).toString() }
  }
}
