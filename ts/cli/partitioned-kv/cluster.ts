// A cluster on this machine: its nodes, and the control port where the other commands find them.
import { join } from 'node:path'
import { BedplateError } from '../../base/errors.ts'
import { bearer, checkSecret } from '../../distributed/link/index.ts'
import { checkName } from '../../distributed/ring/store/host.ts'
import { realClock } from '../../io/clock.ts'
import { listenHttp, type Page } from '../../io/http.ts'
import { type HttpAsk, HttpClient } from '../../io/http-client.ts'
import { type Address, type Listener, showAddress } from '../../io/network.ts'
import { adminPage, type Metric, metric, type Server } from '../../service/index.ts'
import { failurePage, jsonOf, jsonPage } from '../../service/json-pages.ts'
import { consoleOfOne } from '../console/pages.ts'
import type { ConsolePart } from '../console/part.ts'
import { freePorts } from '../kit/free-ports.ts'
import { type Hurtable, hurtOf } from '../local-cluster/faults.ts'
import type { NodeState } from '../local-cluster/nodes.ts'
import { type ClusterFile, writeCluster } from './cluster-file.ts'
import { partitionedConsole } from './console.ts'
import { type Nodes, ProcessNodes, ThreadNodes } from './local-nodes.ts'
import type { NodeData } from './node-messages.ts'
import type { RingAnswer } from './ring-view.ts'

/** What a node has answered. */
type Answer = Page & { readonly body: string }

export interface LocalClusterOptions {
  readonly directory: string
  readonly cluster: ClusterFile
  readonly control: Address
  /** The ports of the nodes, in their order. */
  readonly ports: readonly number[]
  readonly host: string
  /** What all nodes share. */
  readonly shared: Omit<NodeData, 'name' | 'nodes' | 'joins' | 'listen' | 'path' | 'clusterId'>
  /** Each node is a process; else a thread of this one. */
  readonly hasProcesses: boolean
  /** What runs them instead of either, for tests of who is started and ended. */
  readonly nodes?: Nodes
  /** Flags that name files, for processes. */
  readonly files: readonly string[]
  /** Is told of a node that has ended by itself. */
  readonly onGone: (name: string, why: string) => void
}

/** What the nodes tell and do for those alone who know the secret, if there is one. */
const OF_CLUSTER = new Set([
  ...['/ring', '/status', '/add-node', '/remove-node', '/replace-node', '/repair', '/change', '/faults'],
])
/** How long a node may take to answer a question of the control port. */
const ASK_MS = 5000
/** How long is waited at the start for nodes to be connected, and how often they are asked. */
const CONNECT_MS = 5000
const CONNECT_LOOK_MS = 20
/** How often a node that leaves is asked whether it has anything left. */
const GONE_MS = 300
/** How long a change may be put off, on a machine that has other things to do. */
const HEARD_MS = 20_000
const ALL_GONE = 'all nodes have ended'
/** What a node answers while the time of a change has not come. */
const CONFLICT = 409
/** Asking a node that has not heard yet of a ring that holds. */
const RING_TRIES = 50

/** The nodes and the control port, as one server. */
export class LocalCluster implements Server {
  /** Resolves once no node is left. */
  readonly allGone: Promise<string>
  private gone: (why: string) => void = () => {}
  private readonly options: LocalClusterOptions
  private readonly http: HttpClient
  private addresses: Record<string, Address>
  private cluster: ClusterFile
  /** Changes of the ring are asked for one after the other. */
  private changing: Promise<unknown> = Promise.resolve()
  private readonly nodes: Nodes
  /** The nodes, if they are processes. */
  private readonly processes: ProcessNodes | undefined
  /** What the console shows of it. */
  readonly part: ConsolePart
  private readonly console: ConsolePart
  /** Who is there for a change that nobody has taken yet. */
  private coming: string | undefined
  /** Those who end once they have nothing left, and whether they are lost. */
  private readonly leaving = new Map<string, boolean>()
  /** Looks whether they are gone, and ends those that are. */
  private dismissing: Promise<void> | undefined
  private listener: Listener | undefined
  /** Nodes that are not there yet: what goes wrong with them, is told to who starts them. */
  private readonly starting = new Set<string>()
  private isUp = false
  private isStopped = false

  constructor(options: LocalClusterOptions) {
    const { cluster, ports, host, shared, hasProcesses, files } = options
    this.options = options
    this.cluster = cluster
    this.http = new HttpClient({ tls: shared.tls })
    this.addresses = Object.fromEntries(
      cluster.nodes.map((name, index) => [name, { host, port: ports[index] as number }]),
    )
    this.allGone = new Promise((resolve) => {
      this.gone = resolve
    })
    const onGone = (name: string, why: string): void => this.ended(name, why)
    this.processes = hasProcesses ? new ProcessNodes(files, onGone) : undefined
    this.nodes = options.nodes ?? this.processes ?? new ThreadNodes(onGone)
    void this.processes?.local.allGone.then(() => {
      if (this.isUp) this.gone(ALL_GONE)
    })
    this.part = partitionedConsole({
      ...(hasProcesses ? { hurtable: () => this.hurtable } : {}),
      nodes: () => this.states,
      ring: async () => JSON.parse((await this.ofAnyNode('/ring')).body) as RingAnswer,
      ask: (name, path, request) => this.ofNode(name, path, request),
      change: (path, body) => this.change(path, Buffer.from(JSON.stringify(body))),
    })
    this.console = consoleOfOne('partitioned-kv', this.part, ['partitioned-kv'])
  }

  /** How each node is. One in a thread is up, or gone. */
  get states(): NodeState<string>[] {
    if (this.processes !== undefined) return this.processes.local.states()
    const { running } = this.nodes
    return Object.entries(this.addresses).map(([id, { port }]) => {
      return { id, port, state: running.includes(id) ? 'running' : 'down', pid: undefined, cutFrom: [] }
    })
  }

  /** Where each node listens, and its process if it has one of its own. */
  get members(): readonly ({ readonly name: string; readonly pid: number | undefined } & Address)[] {
    const { running } = this.nodes
    const names = this.cluster.nodes.filter((name) => running.includes(name))
    return names.map((name) => ({ name, ...(this.addresses[name] as Address), pid: this.nodes.pidOf(name) }))
  }

  /** @returns Where the control port is. @throws UNAVAILABLE if a port is taken, and whatever a node cannot start with */
  async start(): Promise<Address> {
    const { control, shared } = this.options
    const refuse = (path: string, authorization: string | undefined): Page | undefined => {
      try {
        if (OF_CLUSTER.has(path)) checkSecret(authorization, shared.secret)
        return undefined
      } catch (error) {
        return failurePage(error)
      }
    }
    this.listener = await listenHttp(control, (path) => this.page(path).catch(failurePage), {
      localNamesOnly: true,
      refuse,
      change: (path, body) => this.change(path, body).catch(failurePage),
    })
    const started = await Promise.allSettled(this.cluster.nodes.map((name) => this.startNode(name)))
    const failed = started.find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
    this.isUp = true
    await this.untilConnected()
    return this.listener.address
  }

  ready(): boolean {
    return !this.isStopped && this.nodes.running.length > 0
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.isStopped = true
    this.listener?.close()
    await this.nodes.close()
    this.http.close()
  }

  metrics(): readonly Metric[] {
    const count = this.nodes.running.length
    return [metric('gauge', 'bedplate_partitioned_nodes', 'Nodes of this cluster that run here.', count)]
  }

  inspect(): unknown {
    return this.members
  }

  /** So that the first request of a client finds its quorum. Nodes that cannot reach each other are no reason not to start. */
  private async untilConnected(): Promise<void> {
    const end = realClock.monotonic() + CONNECT_MS * 1e6
    const isConnected = async (): Promise<boolean> => {
      const { running } = this.nodes
      const statuses = (await this.statuses()).filter(([name]) => running.includes(name))
      return statuses.every(([name, status]) => {
        const { connected = [] } = (status ?? {}) as { connected?: readonly string[] }
        return running.every((other) => other === name || connected.includes(other))
      })
    }
    while (!this.isStopped && realClock.monotonic() < end && !(await isConnected())) {
      await new Promise<void>((resolve) => void realClock.timer(CONNECT_LOOK_MS, resolve))
    }
  }

  private async startNode(name: string): Promise<void> {
    const { shared, directory } = this.options
    const { clusterId, joined } = this.cluster
    const path = join(directory, name)
    const listen = this.addresses[name] as Address
    const joins = joined.includes(name)
    this.starting.add(name)
    try {
      await this.nodes.start({ name, nodes: this.addresses, joins, listen, path, clusterId, ...shared })
    } finally {
      this.starting.delete(name)
    }
  }

  private ended(name: string, why: string): void {
    if (this.isStopped || this.starting.has(name) || !this.cluster.nodes.includes(name)) return
    this.options.onGone(name, why)
    if (this.processes === undefined && this.nodes.running.length === 0) this.gone(ALL_GONE)
  }

  private async hurt(body: Uint8Array): Promise<Page> {
    if (this.processes !== undefined) return jsonPage(await hurtOf(() => this.hurtable, body))
    throw new BedplateError('NOT_SUPPORTED', 'these nodes are threads of one process, and cannot be hurt', {
      hint: 'start the cluster with --processes',
    })
  }

  /** Nodes that are started again hear of those that have come meanwhile. */
  private get hurtable(): Hurtable<string> | undefined {
    const local = this.processes?.local
    if (local === undefined) return undefined
    return {
      states: () => local.states(),
      start: async (name) => {
        if (local.states().some(({ id, state }) => id === name && state === 'down')) await this.startNode(name)
        else await local.start(name) // which says why not
      },
      kill: (name) => local.kill(name),
      pause: (name) => local.pause(name),
      resume: (name) => local.resume(name),
      partition: (groups) => local.partition(groups),
      heal: () => local.heal(),
    }
  }

  // ---- Changes of the ring

  private async change(path: string, body: Uint8Array): Promise<Page | undefined> {
    if (path === '/faults') return this.hurt(body)
    if (path.startsWith('/api/')) return this.hasConsole ? this.console.change(path, body) : undefined
    if (path === '/repair') return this.ofAnyNode('/repair', {})
    const wanted = jsonOf(body)
    if (path === '/change') return this.changeUnderWay(wanted)
    const name = nameOf(path, wanted, 'name')
    const isLost = wanted['lost'] === true
    const turn = this.changing.then(() => {
      if (path === '/add-node') return this.addNode(name)
      if (path === '/remove-node') return this.removeNode(name, isLost)
      return path === '/replace-node' ? this.replaceNode(name, nameOf(path, wanted, 'by'), isLost) : undefined
    })
    this.changing = turn.catch(() => {})
    return turn
  }

  /** What concerns a change that is under way waits for nothing. */
  private async changeUnderWay({ kind, name }: Record<string, unknown>): Promise<Page> {
    if (kind === 'abort') {
      const page = await this.ofAnyNode('/change', { kind })
      if (page.status < 300) await this.stayAsBefore((JSON.parse(page.body) as { epoch: number }).epoch)
      return page
    }
    if (kind !== 'lose' || typeof name !== 'string') {
      throw new BedplateError(
        'INVALID_INPUT',
        'the control port takes {"kind":"abort"} and {"kind":"lose","name":"node4"}',
      )
    }
    this.checkLost(name, true)
    return this.ofAnyNode('/change', { kind, name }, name)
  }

  /** Starts a node, if it does not run, and asks for it to be added. Asked again after a failure, it goes on. */
  private async addNode(name: string): Promise<Page> {
    await this.checkNew(name)
    return this.bring(name, { kind: 'add', name })
  }

  /** Asks for a node to be removed; it ends once it has nothing left. @param isLost - It does not run, and will not come back. */
  private async removeNode(name: string, isLost: boolean): Promise<Page> {
    await this.checkKnown(name)
    this.checkLost(name, isLost)
    const page = await this.askForChange({ kind: 'remove', name, ...(isLost ? { lost: [name] } : {}) }, name)
    if (page.status < 300) this.leave(name, isLost)
    return page
  }

  /** Starts a node and asks for it to take the place of another one, which ends once it has nothing left. */
  private async replaceNode(name: string, by: string, isLost: boolean): Promise<Page> {
    await this.checkKnown(name)
    this.checkLost(name, isLost)
    await this.checkNew(by)
    const page = await this.bring(by, { kind: 'replace', name, by, ...(isLost ? { lost: [name] } : {}) })
    if (page.status < 300) this.leave(name, isLost)
    return page
  }

  /** @throws INVALID_INPUT, ALREADY_EXISTS */
  private async checkNew(name: string): Promise<void> {
    checkName(name)
    if (!(await this.ring()).includes(name)) return
    throw new BedplateError('ALREADY_EXISTS', `there is a node "${name}" in the ring already`, {
      hint: 'names are unique: give the new one another name',
    })
  }

  /** @throws NOT_FOUND */
  private async checkKnown(name: string): Promise<void> {
    const known = await this.ring()
    if (known.includes(name)) return
    throw new BedplateError('NOT_FOUND', `there is no node "${name}"`, { hint: `the ring has ${known.join(', ')}` })
  }

  /** @throws CONFLICT for one that is said to be lost and runs, and one that does not run and is not said to be lost */
  private checkLost(name: string, isLost: boolean): void {
    const isRunning = this.nodes.running.includes(name)
    if (isLost && isRunning) {
      throw new BedplateError('CONFLICT', `"${name}" runs here, so it is not lost`, {
        hint: 'end its process first; one that runs can be removed and replaced as it is, without --lost',
      })
    }
    if (!isLost && !isRunning) {
      throw new BedplateError('CONFLICT', `"${name}" does not run, so nothing can be copied from it`, {
        hint: 'start the cluster again to have it back; if its disk is gone, say so with --lost',
      })
    }
  }

  /** Starts a node, and asks for the change that it comes with. */
  private async bring(name: string, change: object): Promise<Page> {
    this.coming = name
    try {
      // One whose change was given up a moment ago does not leave, then; if it is just being ended, it starts anew.
      this.leaving.delete(name)
      await this.dismissing
      return await this.askForChange({ ...change, address: await this.startNewcomer(name) }, name)
    } finally {
      this.coming = undefined
    }
  }

  /** @returns Where it is reached. */
  private async startNewcomer(name: string): Promise<string> {
    if (!this.nodes.running.includes(name)) {
      const { nodes, joined, clusterId } = this.cluster
      const { host } = this.options
      const address = this.addresses[name] ?? { host, port: await this.freePort() }
      this.addresses = { ...this.addresses, [name]: address }
      this.cluster = { clusterId, nodes: [...new Set([...nodes, name])], joined: [...new Set([...joined, name])] }
      writeCluster(this.options.directory, this.cluster)
      await this.startNode(name)
    }
    return showAddress(this.addresses[name] as Address)
  }

  /** Asks until it is taken: nodes have to be heard, and to know the ring, which takes a few heartbeats of those that have just begun. */
  private async askForChange(change: unknown, name: string): Promise<Page> {
    const end = realClock.monotonic() + HEARD_MS * 1e6
    for (;;) {
      const page = await this.ofAnyNode('/change', change, name)
      if (page.status !== CONFLICT || realClock.monotonic() > end) return page
      await new Promise<void>((resolve) => void setTimeout(resolve, GONE_MS))
    }
  }

  // ---- Nodes that leave

  private leave(name: string, isLost: boolean): void {
    this.leaving.set(name, isLost)
    if (this.leaving.size === 1) this.dismissLater()
  }

  private dismissLater(): void {
    realClock.timer(GONE_MS, () => {
      this.dismissing = this.dismissGone().finally(() => {
        if (this.leaving.size > 0 && !this.isStopped) this.dismissLater()
      })
    })
  }

  private async dismissGone(): Promise<void> {
    for (const [name, isLost] of [...this.leaving]) {
      const isGone = await this.isGone(name, isLost).catch(() => false)
      if (!isGone || this.isStopped || !this.leaving.delete(name)) continue
      const { clusterId, nodes, joined } = this.cluster
      const others = (names: readonly string[]): string[] => names.filter((each) => each !== name)
      this.cluster = { clusterId, nodes: others(nodes), joined: others(joined) }
      writeCluster(this.options.directory, this.cluster)
      await this.nodes.end(name)
      this.addresses = Object.fromEntries(Object.entries(this.addresses).filter(([each]) => each !== name))
    }
  }

  /** A change was given up, as of that epoch: those stay who were to leave, and those leave who were to come. */
  private async stayAsBefore(epoch: number): Promise<void> {
    const known = await this.ring(epoch)
    for (const name of known) this.leaving.delete(name)
    for (const name of this.cluster.nodes) {
      // One that waits for its own change did not come with that one.
      if (!known.includes(name) && !this.leaving.has(name) && name !== this.coming) this.leave(name, false)
    }
  }

  private async isGone(name: string, isLost: boolean): Promise<boolean> {
    if (isLost) return !(await this.ring()).includes(name)
    const { isMember, isSwept } = JSON.parse((await this.ofNode(name, '/status')).body) as Record<string, boolean>
    return isMember === false && isSwept === true
  }

  /** The names of the nodes of the ring, and of the one that it becomes. @param since - As of that epoch, or a later one. */
  private async ring(since = 0): Promise<string[]> {
    for (let tries = 0; ; tries++) {
      const { epoch, nodes } = JSON.parse((await this.ofAnyNode('/ring')).body) as {
        epoch: number
        nodes: Record<string, string>
      }
      if (epoch >= since || tries === RING_TRIES) return Object.keys(nodes)
      await new Promise<void>((resolve) => void setTimeout(resolve, GONE_MS / 10))
    }
  }

  /** The first one behind the others'; any, if theirs were any. */
  private async freePort(): Promise<number> {
    const { control } = this.options
    if (control.port === 0) return (await freePorts(1))[0] as number
    const taken = Object.values(this.addresses).map(({ port }) => port)
    let port = control.port + 1
    while (taken.includes(port)) port++
    return port
  }

  private async page(path: string): Promise<Page | undefined> {
    if (path === '/ring') return this.ofAnyNode('/ring')
    if (path === '/status') return jsonPage(Object.fromEntries(await this.statuses()))
    return adminPage(this, path) ?? (this.hasConsole ? this.console.pages(path) : undefined)
  }

  /** A browser has no way to tell the secret. */
  private get hasConsole(): boolean {
    return this.options.shared.secret === ''
  }

  private async statuses(): Promise<[string, unknown][]> {
    return Promise.all(
      Object.keys(this.addresses).map(async (name): Promise<[string, unknown]> => {
        const page = await this.ofNode(name, '/status').catch(() => undefined)
        return [name, page === undefined ? null : JSON.parse(page.body)]
      }),
    )
  }

  /** @param body - To be sent by POST. @param but - Is asked last: it may not be of the ring. */
  private async ofAnyNode(path: string, body?: unknown, but?: string): Promise<Answer> {
    const names = this.nodes.running.toSorted((a, b) => Number(a === but) - Number(b === but))
    const asked = body === undefined ? {} : { method: 'POST' as const, body: Buffer.from(JSON.stringify(body)) }
    for (const name of names) {
      const page = await this.ofNode(name, path, asked).catch(() => undefined)
      if (page !== undefined && page.status !== 503) return page
    }
    throw new BedplateError('UNAVAILABLE', 'no node of the cluster answers', { hint: 'are enough of them up?' })
  }

  private async ofNode(name: string, path: string, request: Omit<HttpAsk, 'url'> = {}): Promise<Answer> {
    const { tls, secret } = this.options.shared
    const url = `${tls === undefined ? 'http' : 'https'}://${showAddress(this.addresses[name] as Address)}${path}`
    const { status, body } = await this.http.ask({ url, headers: bearer(secret), timeoutMs: ASK_MS, ...request })
    return { status, type: 'application/json', body: Buffer.from(body).toString() }
  }
}

/** A name among what was asked. @throws INVALID_INPUT */
function nameOf(path: string, wanted: Record<string, unknown>, which: 'name' | 'by'): string {
  const name = wanted[which]
  if (typeof name === 'string') return name
  throw new BedplateError(
    'INVALID_INPUT',
    `${path} wants ${path === '/replace-node' ? '{"name":"node2","by":"node5"}' : '{"name":"node4"}'}`,
  )
}
