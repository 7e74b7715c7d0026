// A cluster in one process, for development and tests: a thread a node. It is a server as any other: it starts, drains and stops as one.
import type { Worker } from 'node:worker_threads'
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import type { Address } from '../../io/network.ts'
import { spawnWorker } from '../../io/worker.ts'
import type { Metric, Server } from '../../service/index.ts'
import type { FromNode, NodeAnswer, NodeData, NodeRequest, NodeStatus, ToNode } from './node-messages.ts'

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

/** Nodes in threads, joined to a cluster. */
export class ThreadCluster implements Server {
  /** Rejects if a node has failed: the others go on, but nobody looks after it. */
  readonly failed: Promise<never>
  readonly #options: ThreadClusterOptions
  #nodes: NodeThread[] = []
  #addresses: Address[] = []
  #metrics: readonly Metric[] = []
  #inspection: unknown = []
  #isReady = false
  #fail: (error: unknown) => void = () => {}

  constructor(options: ThreadClusterOptions) {
    this.#options = options
    this.failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => {}) // whoever runs the cluster listens
  }

  /** Where clients find the nodes, in order. */
  get addresses(): readonly Address[] {
    return this.#addresses
  }

  /** Starts the nodes and waits until all of them serve. @returns Where the first one is. @throws UNAVAILABLE if a port is taken */
  async start(): Promise<Address> {
    const { masterCount, replicaCount, dataOf } = this.#options
    const count = masterCount * (1 + replicaCount)
    this.#nodes = Array.from(
      { length: count },
      (_, index) => new NodeThread(dataOf(index), (error) => this.#fail(error)),
    )
    const states = await Promise.all(this.#nodes.map((node) => node.status('start')))
    await this.#join(states)
    this.#addresses = states.map(({ host, port }) => ({ host, port }))
    this.#isReady = true
    this.#lookLater()
    return this.#addresses[0] as Address
  }

  ready(): boolean {
    return this.#isReady
  }

  async drain(): Promise<void> {
    this.#isReady = false
    await Promise.all(this.#nodes.map((node) => node.ask({ kind: 'drain' })))
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
    await this.#until(({ known }) => names.every((name) => known.includes(name)))
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
      const states = await Promise.all(this.#nodes.map((node) => node.status('status')))
      if (states.every(isSo)) return
      if (clock.monotonic() > end) {
        throw new BedplateError('UNAVAILABLE', `the nodes of the cluster did not agree within ${FORM_MS / 1000} s`, {
          hint: 'can they reach each other on their ports, and those 10000 above? Is the machine very busy?',
        })
      }
      await new Promise<void>((resolve) => void setTimeout(resolve, LOOK_AGAIN_MS))
    }
  }

  #slotsOf(master: number): number[] {
    const { masterCount } = this.#options
    const from = Math.floor((master * SLOT_COUNT) / masterCount)
    const to = Math.floor(((master + 1) * SLOT_COUNT) / masterCount)
    return Array.from({ length: to - from }, (_, index) => from + index)
  }

  #lookLater(): void {
    this.#options.clock.timer(METRICS_MS, () => {
      if (!this.#isReady) return
      this.#look().then(
        () => this.#lookLater(),
        () => {}, // a node that has failed says so itself
      )
    })
  }

  async #look(): Promise<void> {
    const answers = await Promise.all(this.#nodes.map((node) => node.ask({ kind: 'metrics' })))
    const merged = new Map<string, Metric>()
    for (const [index, answer] of answers.entries()) {
      if (answer.kind !== 'metrics') continue
      for (const { samples, ...metric } of answer.metrics) {
        const labelled = samples.map(({ value, labels }) => ({
          value,
          labels: { ...labels, node: `node${index + 1}` },
        }))
        merged.set(metric.name, { ...metric, samples: [...(merged.get(metric.name)?.samples ?? []), ...labelled] })
      }
    }
    this.#metrics = [...merged.values()]
    const inspections = await Promise.all(this.#nodes.map((node) => node.ask({ kind: 'inspect' })))
    this.#inspection = inspections.map((answer) => (answer.kind === 'inspection' ? answer.value : undefined))
  }
}

/** One node's thread, and the questions it has not answered yet. */
class NodeThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, { resolve: (answer: NodeAnswer) => void; reject: (error: unknown) => void }>()
  readonly #gone: Promise<void>
  #nextId = 1
  #isEnding = false

  constructor(data: NodeData, failed: (error: unknown) => void) {
    this.#worker = spawnWorker('./node-worker.ts', import.meta.url, { workerData: data })
    this.#worker.on('message', (message: FromNode) => {
      if ('id' in message) this.#answered(message)
      else failed(this.#lost(data.name, message.message))
    })
    this.#worker.on('error', (error: Error) => failed(this.#lost(data.name, error.message)))
    this.#gone = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        if (!this.#isEnding) failed(this.#lost(data.name, 'its thread has ended'))
        resolve()
      })
    })
  }

  /** @throws What the node answers, as an error of ours. */
  ask(request: NodeRequest): Promise<NodeAnswer> {
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

  async end(): Promise<void> {
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
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
    return error
  }
}

function hintOf(hint: string | undefined): { hint?: string } {
  return hint === undefined ? {} : { hint }
}
