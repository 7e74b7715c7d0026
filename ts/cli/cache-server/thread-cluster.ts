// A cluster in one process, for development and tests: a thread a node. It is a server as any other: it starts, drains and stops as one.
import type { Worker } from 'node:worker_threads'
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import type { ClusterOrder } from '../../cache/index.ts'
import type { Clock } from '../../io/clock.ts'
import type { Address } from '../../io/network.ts'
import { spawnWorker } from '../../io/worker.ts'
import type { Metric, Server } from '../../service/index.ts'
import type { FromNode, Gate, NodeAnswer, NodeData, NodeRequest, NodeStatus, ToNode } from './node-messages.ts'

const SLOT_COUNT = 16_384
/** How long the nodes may take to agree, on a machine that has other things to do. */
const FORM_MS = 60_000
const LOOK_AGAIN_MS = 20
const METRICS_MS = 1000

export interface ThreadClusterOptions {
  readonly clock: Clock
  /** Nodes 1 to this are masters, each with its part of the slots. */
  readonly masterCount: number
  /** Of each master: those of node 1 first, one of each master in turn. */
  readonly replicaCount: number
  /** What node `index`, from 0, is started with. */
  readonly dataOf: (index: number) => NodeData
}

/** `paused`: its thread stands still. `down`: it was killed. */
export type ThreadState = 'running' | 'paused' | 'down'

/** What the others knew of a node when it was killed: its slots, and whose replica it was. */
interface Past {
  readonly slots: readonly number[]
  readonly master: string | undefined
}

/** Nodes in threads, joined to a cluster. */
export class ThreadCluster implements Server {
  /** Rejects if a node has failed: the others go on, but nobody looks after it. */
  readonly failed: Promise<never>
  /** Resolves when clients have asked all nodes to end: with how. */
  readonly ended: Promise<string>
  readonly #options: ThreadClusterOptions
  #nodes: NodeThread[] = []
  /** What each said of itself when it started. */
  #started: NodeStatus[] = []
  /** Of each node that was killed. */
  readonly #pasts = new Map<number, Past>()
  #metrics: readonly Metric[] = []
  #inspection: unknown = []
  #isReady = false
  #fail: (error: unknown) => void = () => {}
  #end: (how: string) => void = () => {}

  constructor(options: ThreadClusterOptions) {
    this.#options = options
    this.failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => {}) // whoever runs the cluster listens
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /** Where clients find the nodes, in order. */
  get addresses(): readonly Address[] {
    return this.#started.map(({ host, port }) => ({ host, port }))
  }

  /** How the nodes are, in order. */
  get states(): readonly ThreadState[] {
    return this.#nodes.map(({ state }) => state)
  }

  /** Starts the nodes and waits until all of them serve. @returns Where the first one is. @throws UNAVAILABLE if a port is taken */
  async start(): Promise<Address> {
    const { masterCount, replicaCount, dataOf } = this.#options
    const count = masterCount * (1 + replicaCount)
    this.#nodes = Array.from({ length: count }, (_, index) => this.#spawn(dataOf(index)))
    this.#started = await Promise.all(this.#nodes.map((node) => node.status('start')))
    await this.#join(this.#started)
    this.#isReady = true
    this.#lookLater()
    return this.addresses[0] as Address
  }

  ready(): boolean {
    return this.#isReady
  }

  async drain(): Promise<void> {
    this.#isReady = false
    for (const node of this.#nodes) node.resume()
    await Promise.all(this.#running.map((node) => node.ask({ kind: 'drain' })))
  }

  async stop(): Promise<void> {
    this.#isReady = false
    await Promise.all(this.#nodes.map((node) => node.end()))
    this.#nodes = []
  }

  /** As of a second ago; each sample says of which node it is. */
  metrics(): readonly Metric[] {
    return this.#metrics
  }

  inspect(): unknown {
    return this.#inspection
  }

  // For consoles and tests: what a node knows, and what can happen to it. Nodes count from 0.

  /**
   * Runs commands on a node, as `CacheServer.execute` does, with nothing between them.
   * @throws UNAVAILABLE if it is paused or down
   */
  async execute(index: number, commands: readonly (readonly string[])[]): Promise<readonly Uint8Array[]> {
    const answer = await this.#node(index).ask({ kind: 'execute', commands })
    return answer.kind === 'replies' ? answer.replies : []
  }

  /** Gives a node an order of CLUSTER. @throws INTERNAL with what the node says if it refuses; UNAVAILABLE */
  async order(index: number, order: ClusterOrder): Promise<void> {
    await this.#node(index).ask({ kind: 'order', order })
  }

  /** Lets a node stand still, with its connections open, as SIGSTOP does. Nothing happens if it does not run. */
  async pause(index: number): Promise<void> {
    await this.#node(index).pause()
  }

  resume(index: number): void {
    this.#node(index).resume()
  }

  /** Ends a node as a crash does. What it had in memory is gone. */
  async kill(index: number): Promise<void> {
    const node = this.#node(index)
    if (node.state === 'down') return
    await this.#remember(index)
    await node.kill()
  }

  /** Notes what the others know of a node that ends. */
  async #remember(index: number): Promise<void> {
    const witness = this.#running.find((each) => each !== this.#nodes[index])
    const view = await witness?.status('status')
    const { name } = this.#started[index] as NodeStatus
    if (view !== undefined) this.#pasts.set(index, pastOf(name, view))
  }

  /**
   * Starts a node that was killed, at its old address, as a new one that has nothing: it becomes a replica of who serves its slots
   * now, or serves them itself if nobody has their keys. A replica that has not replaced it yet does so first. Nothing happens if
   * it is not down.
   * @throws UNAVAILABLE if its port is taken, or if a replica of it is paused
   */
  async restart(index: number): Promise<void> {
    if (this.#node(index).state !== 'down') return
    const { host, port, busPort, name: old } = this.#started[index] as NodeStatus
    const past = this.#pasts.get(index) ?? { slots: this.#slotsOf(index), master: undefined }
    await this.#replace(old)
    const data = this.#options.dataOf(index)
    const fresh = this.#spawn({ ...data, port, cluster: { ...data.cluster, bus: { host, port: busPort } } })
    this.#nodes[index] = fresh
    const status = await fresh.status('start').catch(async (error: unknown) => {
      await fresh.kill()
      throw error
    })
    this.#started[index] = status
    const others = this.#running.filter((node) => node !== fresh)
    const [first] = others
    const before = await first?.status('status')
    // What the others still take for its own is nobody else's; without others it has what it had.
    const left = before === undefined ? past.slots : pastOf(old, before).slots
    for (const other of others) await other.ask({ kind: 'order', order: { kind: 'forget', node: old } }).catch(() => {})
    await first?.ask({ kind: 'order', order: { kind: 'meet', host, port, busPort } })
    const master = before === undefined || left.length > 0 ? undefined : masterFor(past, before)
    const names = this.#started.filter((_, at) => this.#node(at).state === 'running').map(({ name }) => name)
    if (master !== undefined) names.push(master)
    await this.#until(({ known }) => names.every((name) => known.some((node) => node.name === name)))
    const order: ClusterOrder | undefined =
      left.length > 0
        ? { kind: 'addSlots', slots: left }
        : master === undefined
          ? undefined
          : { kind: 'replicate', node: master }
    if (order !== undefined) await fresh.ask({ kind: 'order', order })
  }

  /** Lets a replica of a node that is down take its place, if one has not yet: it has the keys. */
  async #replace(old: string): Promise<void> {
    const view = await this.#running[0]?.status('status')
    if (view === undefined || pastOf(old, view).slots.length === 0) return
    const replicas = view.known.filter(({ master }) => master === old).map(({ name }) => name)
    const alive = this.#started.flatMap(({ name }, at) => (replicas.includes(name) ? [this.#node(at)] : []))
    const heir = alive.find(({ state }) => state === 'running')
    if (heir === undefined && alive.some(({ state }) => state === 'paused')) {
      throw new BedplateError('UNAVAILABLE', 'the only replica with the keys of this node is paused', {
        hint: 'resume it first: a node that starts has nothing',
      })
    }
    // It may have been elected a moment ago.
    await heir?.ask({ kind: 'order', order: { kind: 'failover', mode: 'takeover' } }).catch(() => {})
    if (heir !== undefined) await this.#until((status) => pastOf(old, status).slots.length === 0)
  }

  get #running(): NodeThread[] {
    return this.#nodes.filter(({ state }) => state === 'running')
  }

  #node(index: number): NodeThread {
    const node = this.#nodes[index]
    if (node !== undefined) return node
    throw new BedplateError('INVALID_INPUT', `there is no node ${index}; there are ${this.#nodes.length}`)
  }

  #spawn(data: NodeData): NodeThread {
    const node = new NodeThread(data, {
      failed: (error) => this.#fail(error),
      ended: () => {
        this.#remember(this.#nodes.indexOf(node)).catch(() => {}) // the last one has no witness
        if (this.#running.length === 0) this.#end('SHUTDOWN')
      },
    })
    return node
  }

  /** Gives the masters their slots, lets all meet, and waits until they agree. */
  async #join(states: readonly NodeStatus[]): Promise<void> {
    const { masterCount } = this.#options
    for (const [index, node] of this.#nodes.entries()) {
      await node.ask({ kind: 'order', order: { kind: 'setConfigEpoch', epoch: index + 1 } })
      if (index < masterCount)
        await node.ask({ kind: 'order', order: { kind: 'addSlots', slots: this.#slotsOf(index) } })
    }
    const [first, ...others] = this.#nodes
    for (const index of others.keys()) {
      const { host, port, busPort } = states[index + 1] as NodeStatus
      await first?.ask({ kind: 'order', order: { kind: 'meet', host, port, busPort } })
    }
    const names = states.map(({ name }) => name)
    await this.#until(({ known }) => names.every((name) => known.some((node) => node.name === name)))
    for (const [index, node] of this.#nodes.entries()) {
      const master = names[(index - masterCount) % masterCount] as string
      if (index >= masterCount) await node.ask({ kind: 'order', order: { kind: 'replicate', node: master } })
    }
    await this.#until(({ isUp, hasData }) => isUp && hasData)
  }

  /** Waits until it is so for all nodes. */
  async #until(isSo: (status: NodeStatus) => boolean): Promise<void> {
    const { clock } = this.#options
    const end = clock.monotonic() + FORM_MS * 1e6
    for (;;) {
      const states = await Promise.all(this.#running.map((node) => node.status('status')))
      if (states.every(isSo)) return
      if (clock.monotonic() > end) {
        throw new BedplateError('UNAVAILABLE', `the nodes of the cluster did not agree within ${FORM_MS / 1000} s`, {
          hint: 'can they reach each other on their ports, and those 10000 above? Is the machine very busy?',
        })
      }
      await new Promise<void>((resolve) => void setTimeout(resolve, LOOK_AGAIN_MS))
    }
  }

  /** The slots of a master at the beginning, none of a replica. */
  #slotsOf(master: number): number[] {
    const { masterCount } = this.#options
    if (master >= masterCount) return []
    const from = Math.floor((master * SLOT_COUNT) / masterCount)
    const to = Math.floor(((master + 1) * SLOT_COUNT) / masterCount)
    return Array.from({ length: to - from }, (_, index) => from + index)
  }

  #lookLater(): void {
    this.#options.clock.timer(METRICS_MS, () => {
      if (!this.#isReady) return
      this.#look()
        .catch(() => {}) // a node that has failed says so itself; one that was killed is not asked the next time
        .finally(() => this.#lookLater())
    })
  }

  async #look(): Promise<void> {
    const answers = await Promise.all(
      this.#nodes.map((node) => (node.state === 'running' ? node.ask({ kind: 'metrics' }) : undefined)),
    )
    const merged = new Map<string, Metric>()
    for (const [index, answer] of answers.entries()) {
      if (answer?.kind !== 'metrics') continue
      for (const { samples, ...metric } of answer.metrics) {
        const labelled = samples.map(({ value, labels }) => ({
          value,
          labels: { ...labels, node: `node${index + 1}` },
        }))
        merged.set(metric.name, { ...metric, samples: [...(merged.get(metric.name)?.samples ?? []), ...labelled] })
      }
    }
    this.#metrics = [...merged.values()]
    const inspections = await Promise.all(this.#running.map((node) => node.ask({ kind: 'inspect' })))
    this.#inspection = inspections.map((answer) => (answer.kind === 'inspection' ? answer.value : undefined))
  }
}

/** One node's thread, and the questions it has not answered yet. */
class NodeThread {
  state: ThreadState = 'running'
  readonly #name: string
  readonly #gate: Gate = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  readonly #worker: Worker
  readonly #waiting = new Map<number, { resolve: (answer: NodeAnswer) => void; reject: (error: unknown) => void }>()
  readonly #gone: Promise<void>
  #nextId = 1
  #isEnding = false

  /** @param told - `ended`: a client has asked it to end, and it has. */
  constructor(data: NodeData, told: { readonly failed: (error: unknown) => void; readonly ended: () => void }) {
    const { failed } = told
    this.#name = data.name
    this.#worker = spawnWorker('./node-worker.ts', import.meta.url, { workerData: { gate: this.#gate, data } })
    this.#worker.on('message', (message: FromNode) => {
      if ('id' in message) this.#answered(message)
      else if (message.kind === 'ended') {
        this.state = 'down'
        this.#isEnding = true
        this.#refuse(new BedplateError('UNAVAILABLE', `${this.#name} was shut down`))
        told.ended()
      } else failed(this.#lost(data.name, message.message))
    })
    this.#worker.on('error', (error: Error) => failed(this.#lost(data.name, error.message)))
    this.#gone = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        if (!this.#isEnding) failed(this.#lost(data.name, 'its thread has ended'))
        resolve()
      })
    })
  }

  /** @throws What the node answers, as an error of ours; UNAVAILABLE if it is paused or down, or killed before it answers */
  ask(request: NodeRequest): Promise<NodeAnswer> {
    if (this.state !== 'running') {
      return Promise.reject(new BedplateError('UNAVAILABLE', `${this.#name} is ${this.state}`))
    }
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#waiting.set(id, { resolve, reject })
      const message: ToNode = { ...request, id }
      this.#worker.postMessage(message)
    })
  }

  async status(kind: 'start' | 'status'): Promise<NodeStatus> {
    const answer = await this.ask({ kind })
    if (answer.kind !== 'status') throw new BedplateError('INTERNAL', `a node answered ${answer.kind} to ${kind}`)
    return answer.status
  }

  async pause(): Promise<void> {
    if (this.state !== 'running') return
    Atomics.store(this.#gate, 0, 1)
    const stands = this.ask({ kind: 'pause' })
    this.state = 'paused' // what is asked from now on would wait
    await stands
  }

  resume(): void {
    if (this.state !== 'paused') return
    this.state = 'running'
    Atomics.store(this.#gate, 0, 0)
    Atomics.notify(this.#gate, 0)
  }

  async kill(): Promise<void> {
    if (this.state === 'down') return
    this.state = 'down'
    this.#isEnding = true
    this.#refuse(new BedplateError('UNAVAILABLE', `${this.#name} was killed`))
    await this.#worker.terminate()
  }

  async end(): Promise<void> {
    this.resume()
    this.#isEnding = true
    await Promise.race([this.ask({ kind: 'stop' }).catch(() => {}), this.#gone])
    await this.#worker.terminate()
  }

  #answered(message: NodeAnswer & { id: number }): void {
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.kind !== 'error') waiting?.resolve(message)
    else waiting?.reject(new BedplateError(message.code as ErrorCode, message.message, hintOf(message.hint)))
  }

  #lost(name: string, why: string): BedplateError {
    const error = new BedplateError('INTERNAL', `${name} has failed: ${why}`)
    this.#refuse(error)
    return error
  }

  #refuse(error: BedplateError): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

/** What a node knows of another one. */
function pastOf(name: string, { slots, known }: NodeStatus): Past {
  const own = slots.filter(({ owner }) => owner === name)
  const numbers = own.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, at) => first + at))
  return { slots: numbers, master: known.find((node) => node.name === name)?.master }
}

/** Whose replica a node becomes that had this past: of who has its slots now, or of its master or who has replaced that. */
function masterFor({ slots: had, master }: Past, { slots, known }: NodeStatus): string | undefined {
  const heir = slots.find(({ first, last }) => had.some((slot) => slot >= first && slot <= last))?.owner
  return heir ?? known.find(({ name }) => name === master)?.master ?? master
}

function hintOf(hint: string | undefined): { hint?: string } {
  return hint === undefined ? {} : { hint }
}
