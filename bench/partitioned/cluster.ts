// Nodes of the partitioned store, each in a process: none waits for another one's event loop.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../test/support/ports.ts'
import type { NodeStatus } from '../../ts/distributed/ring/store/public.ts'
import type { Counts, Order, Reply, Share } from './orders.ts'

const PROGRAM = fileURLToPath(new URL('node-process.ts', import.meta.url))
const HOST = '127.0.0.1'

export interface Wanted {
  readonly row: string
  readonly clients: number
  readonly keysAClient: number
}

interface NodeProcess {
  readonly name: string
  readonly child: ChildProcess
  readonly waiting: Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>
}

/** A cluster, from its start to `close`. */
export class BenchCluster {
  private readonly directory: string
  private readonly nodes: NodeProcess[] = []
  private addresses: Record<string, { host: string; port: number }> = {}
  private orders = 0

  private constructor(directory: string) {
    this.directory = directory
  }

  /** Starts nodes, and waits until each hears all. */
  static async open(directory: string, count: number): Promise<BenchCluster> {
    const cluster = new BenchCluster(directory)
    const ports = await freePorts(count)
    cluster.addresses = Object.fromEntries(ports.map((port, i) => [`node${i + 1}`, { host: HOST, port }]))
    try {
      await Promise.all(Object.keys(cluster.addresses).map((name) => cluster.start(name, false)))
      await cluster.until((all) => all.every(({ connected }) => connected.length === count - 1))
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  /** Writes every key of a row once. */
  async fill(wanted: Wanted, valueBytes: number): Promise<void> {
    await Promise.all(this.shares(wanted).map(([node, share]) => this.order(node, { kind: 'fill', share, valueBytes })))
  }

  /** Milliseconds of each request, and how many a second, of clients that share out themselves among the nodes. */
  async measure(
    kind: 'puts' | 'gets',
    wanted: Wanted,
    { counts, valueBytes, seconds }: { counts: Counts; valueBytes: number; seconds: number | undefined },
  ): Promise<Figures> {
    const start = performance.now()
    const parts = await Promise.all(
      this.shares(wanted).map(([node, share]) => this.order(node, { kind, share, counts, seconds, valueBytes })),
    )
    const times = (parts as Float64Array[]).flatMap((part) => [...part])
    return { times, rate: times.length / ((performance.now() - start) / 1000) }
  }

  /** Ends what goes on without an end. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => this.order(node, { kind: 'stop' })))
  }

  statuses(): Promise<NodeStatus[]> {
    return Promise.all(this.nodes.map(async (node) => (await this.order(node, { kind: 'status' })) as NodeStatus))
  }

  async until(isSo: (all: readonly NodeStatus[]) => boolean): Promise<void> {
    while (!isSo(await this.statuses())) await new Promise((resolve) => setTimeout(resolve, 20))
  }

  /** Starts a node and begins to give it its part. */
  async add(name: string): Promise<void> {
    const [port] = await freePorts(1)
    const where = { host: HOST, port: port as number }
    this.addresses = { ...this.addresses, [name]: where }
    const [first] = this.nodes
    await this.start(name, true)
    const change = { kind: 'add', node: { name } } as const
    for (;;) {
      try {
        await this.order(first as NodeProcess, { kind: 'change', change, where })
        return
      } catch (error) {
        // It has to be heard first.
        if (!String(error).includes('the ring was not changed')) throw error
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(
      this.nodes.map(async (node) => {
        const ended = node.child.exitCode === null ? once(node.child, 'exit') : undefined
        await this.order(node, { kind: 'close' }).catch(() => node.child.kill())
        await ended
      }),
    )
  }

  private async start(name: string, joins: boolean): Promise<void> {
    const child = fork(PROGRAM, { execArgv: ['--import', './scripts/typescript.mjs'], serialization: 'advanced' })
    const node: NodeProcess = { name, child, waiting: new Map() }
    child.on('message', ({ number, result, error }: Reply) => {
      const waiting = node.waiting.get(number)
      node.waiting.delete(number)
      if (error === undefined) waiting?.resolve(result)
      else waiting?.reject(new Error(error))
    })
    child.on('exit', () => {
      for (const { reject } of node.waiting.values()) reject(new Error(`${name} has ended`))
    })
    this.nodes.push(node)
    const options = { name, nodes: this.addresses, joins }
    await this.order(node, { kind: 'open', path: join(this.directory, name), options })
  }

  private order(node: NodeProcess, order: Order): Promise<unknown> {
    const number = ++this.orders
    return new Promise((resolve, reject) => {
      node.waiting.set(number, { resolve, reject })
      node.child.send({ number, order })
    })
  }

  /** The first nodes take the clients in turn; one that has come later has none. */
  private shares({ row, clients, keysAClient }: Wanted): [NodeProcess, Share][] {
    const founders = this.nodes.filter(({ name }) => name !== NEWCOMER)
    return founders.map((node, at) => {
      const own = Array.from({ length: clients }, (_, client) => client).filter((each) => each % founders.length === at)
      return [node, { row, clients: own, keysAClient }]
    })
  }
}

/** The node that comes to a cluster that runs. */
export const NEWCOMER = 'newcomer'

export interface Figures {
  readonly times: readonly number[]
  readonly rate: number
}
