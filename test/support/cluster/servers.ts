import type { ClusterOptions } from '../../../ts/cache/cluster/member.ts'
import type { CacheServerOptions } from '../../../ts/cache/index.ts'
import { ServerBed } from '../cache-server.ts'

/** Nodes of one cluster in this process, on free ports. */
export class ServersBed {
  readonly beds: ServerBed[] = []

  /** Starts nodes that do not know each other. */
  static async start(
    count: number,
    cluster: (index: number) => Partial<ClusterOptions> = () => ({}),
    options: Partial<CacheServerOptions> = {},
  ): Promise<ServersBed> {
    const servers = new ServersBed()
    for (let index = 0; index < count; index++) {
      const gossip = { nodeTimeoutMs: 1000 }
      const bus = { host: '127.0.0.1', port: 0 }
      servers.beds.push(await ServerBed.start({ cluster: { bus, gossip, ...cluster(index) }, ...options }))
    }
    return servers
  }

  /** The same, joined: each has its part of the slots. */
  static async joined(count: number, cluster?: (index: number) => Partial<ClusterOptions>): Promise<ServersBed> {
    const servers = await ServersBed.start(count, cluster)
    const [first] = servers.beds
    for (const [index, bed] of servers.beds.entries()) {
      const [from, to] = [index, index + 1].map((part) => Math.floor((part * 16_384) / count))
      bed.member.order({ kind: 'setConfigEpoch', epoch: index + 1 })
      const slots = Array.from({ length: (to as number) - (from as number) }, (_, at) => (from as number) + at)
      bed.member.order({ kind: 'addSlots', slots })
      if (bed !== first) servers.meet(bed)
    }
    await servers.until(() => servers.beds.every(({ member }) => member.topology.isUp))
    return servers
  }

  /** Lets the first node know another one. */
  meet({ port, member }: ServerBed): void {
    const { busPort } = member.topology.myself
    this.beds[0]?.member.order({ kind: 'meet', host: '127.0.0.1', port, busPort })
  }

  /** Resolves as soon as it is so; the test's own time-out is the limit. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10))
  }

  /** The bed of the node that owns a slot, as the first one sees it. */
  ownerOf(slot: number): ServerBed {
    const name = this.beds[0]?.member.topology.ownerOf(slot)?.name
    const found = this.beds.find(({ member }) => member.topology.myself.name === name)
    if (found === undefined) throw new Error(`nobody owns slot ${slot}`)
    return found
  }

  async stop(): Promise<void> {
    for (const bed of this.beds) await bed.stop()
  }
}
