// Nodes of the partitioned store as they run for real, links and stores and all, in one thread: on simulated disks, a network within
// the process, and a clock that is moved by hand.
import {
  type NodeSeams,
  openNodeWith,
  type PartitionedNode,
  type PartitionedNodeOptions,
} from '../../../ts/distributed/ring/store/host.ts'
import type { Bytes } from '../../../ts/distributed/ring/store/storage.ts'
import type { Disk } from '../../../ts/io/disk.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { openEngine } from '../../../ts/storage/lsm/open.ts'
import { LsmHandle } from '../../../ts/storage/lsm/store.ts'
import { codecsOf } from '../../../ts/storage/ordered/arguments.ts'
import { SMALL } from '../lsm-crash/store.ts'
import { ManualClock } from '../manual-clock.ts'
import { PipeNetwork } from '../pipe-network.ts'

/** More than a ping: whoever is silent is noticed in time. */
const STEP_MS = 50
const PATH = '/node'
const RAW = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const

/** A store of bytes on any disk, with everything small. */
export async function openBytes(disk: Disk, path: string, create: boolean, seed = 1): Promise<Bytes> {
  const options = { ...SMALL, memoryBytes: 1 << 20, memtableBytes: 1 << 18, create, readOnly: false }
  const engine = await openEngine({ ...options, disk, clock: new ManualClock(), random: seededRandom(seed), path })
  return new LsmHandle<Uint8Array, Uint8Array>(engine, codecsOf<Uint8Array, Uint8Array>(RAW))
}

/** A cluster. */
export class HostBed {
  readonly clock = new ManualClock()
  readonly network = new PipeNetwork(seededRandom(7))
  readonly nodes = new Map<string, PartitionedNode>()
  readonly disks = new Map<string, SimulatedDisk>()
  readonly troubles: string[] = []
  private readonly names: readonly string[]
  private readonly options: Partial<PartitionedNodeOptions>
  /** Each start draws something else: a new directory has a new incarnation. */
  private starts = 0

  constructor(names: readonly string[], options: Partial<PartitionedNodeOptions> = {}) {
    this.names = names
    this.options = options
  }

  /** Starts all nodes, and waits until each hears all. */
  async open(): Promise<this> {
    for (const name of this.names) await this.start(name)
    await this.until(() =>
      [...this.nodes.values()].every((node) => node.status.connected.length === this.nodes.size - 1),
    )
    return this
  }

  /** Starts a node from what its disk holds. */
  async start(name: string, options: Partial<PartitionedNodeOptions> = {}): Promise<PartitionedNode> {
    const disk = this.disks.get(name) ?? new SimulatedDisk()
    this.disks.set(name, disk)
    const nodes = Object.fromEntries(this.names.map((each, index) => [each, { host: 'h', port: 1 + index }]))
    const { clock, network } = this
    const seams: NodeSeams = {
      ...{ clock, network, random: seededRandom(++this.starts) },
      openStore: (path, { create }) => openBytes(disk, path, create, ++this.starts),
    }
    const onTrouble = (_peer: string, error: Error): void => void this.troubles.push(`${name}: ${error.message}`)
    const all = {
      name,
      nodes,
      create: true,
      virtualNodes: 4,
      tickMs: 10 * STEP_MS,
      onTrouble,
      ...this.options,
      ...options,
    }
    const node = await openNodeWith(seams, PATH, all)
    this.nodes.set(name, node)
    return node
  }

  /** Takes the power from a node: what its disk had not synced is lost. */
  async crash(name: string): Promise<void> {
    const disk = this.disks.get(name)!
    const image = disk.crashImage(disk.history.length, 'none', seededRandom(3))
    this.disks.set(name, new SimulatedDisk({ image }))
    await this.stop(name)
  }

  async stop(name: string): Promise<void> {
    const node = this.nodes.get(name)!
    this.nodes.delete(name)
    await node.close()
  }

  node(name: string): PartitionedNode {
    return this.nodes.get(name)!
  }

  /** Lets bytes arrive and time pass until it is so. */
  async until(isSo: () => boolean): Promise<void> {
    for (let turn = 0; !isSo(); turn++) {
      if (turn > 20_000) throw new Error(`it does not get there: ${this.troubles}`)
      await this.clock.turn()
      if (turn % 8 === 7) this.clock.advance(STEP_MS)
    }
  }

  /** Runs until a request has ended. */
  async ended<T>(request: Promise<T>): Promise<T> {
    let isOver = false
    const over = (): void => {
      isOver = true
    }
    request.then(over, over)
    await this.until(() => isOver)
    return request
  }

  async close(): Promise<void> {
    for (const node of this.nodes.values()) await node.close()
  }
}
