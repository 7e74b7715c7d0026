// Lock services that are members of one cluster, for tests: in this process, on free ports of this machine.
import { join } from 'node:path'
import { openReplicatedLocks, type ReplicatedLocksOptions } from '../../ts/distributed/locks/replicated/index.ts'
import { realClock } from '../../ts/io/clock.ts'
import type { Address } from '../../ts/io/network.ts'
import { SILENT } from './locks.ts'
import { freePorts } from './ports.ts'
import { directoryInMemory } from './temporary-directory.ts'

export type Member = Awaited<ReturnType<typeof openReplicatedLocks>> & { readonly id: number; readonly address: string }

/** Lets others have the processor. */
export function pause(): Promise<void> {
  return new Promise((resolve) => {
    realClock.timer(5, resolve)
  })
}

/** A cluster whose members come and go. */
export class LocksCluster {
  readonly members = new Map<number, Member>()
  readonly #home = directoryInMemory()
  readonly #peerPorts: readonly number[]
  readonly #founders: readonly number[]

  private constructor(founders: readonly number[], peerPorts: readonly number[]) {
    this.#founders = founders
    this.#peerPorts = peerPorts
  }

  /** Starts `count` members; there is room for as many others to be added. */
  static async start(count: number): Promise<LocksCluster> {
    const cluster = await LocksCluster.of(count)
    for (let id = 1; id <= count; id++) await cluster.open(id)
    await cluster.leader()
    return cluster
  }

  /** None of them has started. */
  static async of(count: number): Promise<LocksCluster> {
    return new LocksCluster(
      Array.from({ length: count }, (_, i) => i + 1),
      await freePorts(2 * count),
    )
  }

  /** Where a member is reached by the others. */
  peer(id: number): { host: string; port: number } {
    return { host: '127.0.0.1', port: this.#peerPorts[id - 1] as number }
  }

  /** @param seat - Where the others reach it, if not where its number says. */
  async open(
    id: number,
    { seat = this.peer(id), ...options }: Pick<ReplicatedLocksOptions, 'requestMs'> & { seat?: Address } = {},
  ): Promise<Member> {
    const opened = await openReplicatedLocks({
      path: join(this.#home.path, `node-${id}`),
      raft: {
        id,
        members: Object.fromEntries(this.#founders.map((each) => [each, this.peer(each)])),
        listen: seat,
      },
      host: '127.0.0.1',
      port: 0,
      logger: SILENT,
      // Longer than a busy machine holds a process up.
      group: { electionTicks: 20 },
      ...options,
    })
    const { host, port } = await opened.server.start()
    const member = { ...opened, id, address: `${host}:${port}` }
    this.members.set(id, member)
    return member
  }

  /** Ends a member as a crash does to the others: nobody is told. */
  async stop(id: number): Promise<void> {
    const member = this.members.get(id)
    this.members.delete(id)
    await member?.server.stop()
  }

  get addresses(): string[] {
    return [...this.members.values()].map(({ address }) => address)
  }

  /** Whom the most members follow, once a majority does. */
  async leader(): Promise<Member> {
    for (;;) {
      const all = [...this.members.values()]
      const [term] = all.map(({ node }) => node.raft.term).sort((a, b) => b - a)
      const known = all.filter(({ node }) => node.raft.term === term && node.raft.leader !== 0n)
      const leader = this.members.get(Number(known[0]?.node.raft.leader ?? 0))
      if (leader !== undefined && known.length === all.length) return leader
      await pause()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of [...this.members.keys()]) await this.stop(id)
    this.#home.remove()
  }
}
