// What is seen of a cluster of processes from outside: what its nodes say of themselves, and what they say to each other.
import type { Message, NodeId } from '../../distributed/raft/index.ts'
import type { Cluster, NodeState } from './cluster.ts'
import { isHeartbeat, wordsOf } from './words.ts'

/** A message that was seen on its way. */
export interface Seen {
  /** Counts from 1. */
  readonly number: number
  readonly atMs: number
  readonly from: NodeId
  readonly to: NodeId
  readonly text: string
  /** The way was cut: it did not arrive. */
  readonly isLost: boolean
}

/** How often one node has said something to another, heartbeats included. */
export interface Traffic {
  readonly from: NodeId
  readonly to: NodeId
  count: number
}

/** What `inspect` of a node says, as far as it is used here. */
interface NodeReport {
  readonly role: string
  readonly term: number
  readonly leader: number | null
  readonly commit: number
  readonly log: readonly { readonly index: number; readonly term: number | null }[]
}

const MESSAGES_KEPT = 500
const REPORT_MS = 1000

export class Watch {
  private readonly messages: Seen[] = []
  private readonly traffic = new Map<string, Traffic>()
  private readonly reports = new Map<NodeId, NodeReport>()
  private nextNumber = 1

  saw(from: NodeId, to: NodeId, message: Message, isLost: boolean): void {
    const way = `${from}-${to}`
    const traffic = this.traffic.get(way) ?? { from, to, count: 0 }
    this.traffic.set(way, traffic)
    if (!isLost) traffic.count++
    if (isHeartbeat(message)) return
    this.messages.push({ number: this.nextNumber++, atMs: Date.now(), from, to, text: wordsOf(message), isLost })
    if (this.messages.length > 2 * MESSAGES_KEPT) this.messages.splice(0, MESSAGES_KEPT)
  }

  /** How the cluster is, and the messages from `number` on, as far as they are kept. Nodes that do not answer are as they were. */
  async view(cluster: Cluster, number: number): Promise<unknown> {
    const states = cluster.states()
    await Promise.all(states.map((state) => this.report(state)))
    return {
      nodes: states.map(({ id, state, port, cutFrom }) => ({
        id,
        state,
        port,
        cutFrom,
        ...viewOf(this.reports.get(id)),
      })),
      messages: this.messages.filter((message) => message.number >= number),
      next: this.nextNumber,
      traffic: [...this.traffic.values()],
    }
  }

  private async report({ id, port, state }: NodeState): Promise<void> {
    if (state !== 'running') return
    const signal = AbortSignal.timeout(REPORT_MS)
    const response = await fetch(`http://127.0.0.1:${port}/inspect`, { signal }).catch(() => undefined)
    const report = (await response?.json().catch(() => undefined)) as Partial<NodeReport> | undefined
    if (report?.role !== undefined) this.reports.set(id, report as NodeReport)
  }
}

function viewOf(report: NodeReport | undefined): object {
  const { role = 'follower', term = 0, leader = null, commit = 0, log = [] } = report ?? {}
  return { role, term, leader, commit, first: log[0]?.index ?? 1, terms: log.map((entry) => entry.term) }
}
