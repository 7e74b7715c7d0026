// What is seen of a cluster of processes from outside: what its nodes say of themselves, and what they say to each other.
import type { Message, NodeId } from '../../distributed/raft/index.ts'
import type { NodeState } from '../local-cluster/nodes.ts'
import { contentOf, isHeartbeat, textOf, wordsOf } from './words.ts'

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
export interface NodeReport {
  readonly role: string
  readonly term: number
  readonly leader: number | null
  readonly log: readonly { readonly index: number; readonly term: number | null }[]
}

/** What differs between systems on Raft. */
export interface WatchOptions<Report extends NodeReport> {
  /** A command of the log in words. */
  readonly commandWords: (command: Uint8Array) => string
  /** What is shown of a node, beside its log; undefined: nothing is known of it yet. */
  readonly viewOf: (report: Report | undefined) => object
}

const MESSAGES_KEPT = 500
const ENTRIES_KEPT = 200
const REPORT_MS = 1000

export class Watch<Report extends NodeReport> {
  private readonly options: WatchOptions<Report>
  private readonly messages: Seen[] = []
  private readonly traffic = new Map<string, Traffic>()
  private readonly reports = new Map<NodeId, Report>()
  /** What was in the entries that were sent, by index and term. */
  private readonly contents = new Map<string, string>()
  private nextNumber = 1

  constructor(options: WatchOptions<Report>) {
    this.options = options
  }

  saw(from: NodeId, to: NodeId, message: Message, isLost: boolean): void {
    const way = `${from}-${to}`
    const traffic = this.traffic.get(way) ?? { from, to, count: 0 }
    this.traffic.set(way, traffic)
    if (!isLost) traffic.count++
    if (isHeartbeat(message)) return
    const { commandWords } = this.options
    const text = wordsOf(message, commandWords)
    this.messages.push({ number: this.nextNumber++, atMs: Date.now(), from, to, text, isLost })
    if (message.kind === 'append') {
      for (const entry of message.entries) {
        this.contents.set(`${entry.index}-${entry.term}`, contentOf(entry, commandWords))
      }
      for (const name of this.contents.keys()) {
        if (this.contents.size <= ENTRIES_KEPT) break
        this.contents.delete(name)
      }
    }
    if (this.messages.length > 2 * MESSAGES_KEPT) this.messages.splice(0, MESSAGES_KEPT)
  }

  /** How the cluster is, and the messages from `number` on, as far as they are kept. Nodes that do not answer are as they were. */
  async view(states: readonly NodeState<NodeId>[], number: number): Promise<object> {
    await Promise.all(states.map((state) => this.report(state)))
    return {
      nodes: states.map(({ id, state, port, cutFrom }) => ({
        id,
        state,
        port,
        cutFrom,
        ...this.viewOf(id),
      })),
      messages: this.messages.filter((message) => message.number >= number),
      next: this.nextNumber,
      traffic: [...this.traffic.values()],
      contents: Object.fromEntries(this.contents),
    }
  }

  private viewOf(id: NodeId): object {
    const report = this.reports.get(id)
    const { role = 'follower', term = 0, leader = null, log = [] } = report ?? {}
    const terms = log.map((entry) => entry.term)
    return { role, term, leader, first: log[0]?.index ?? 1, terms, ...this.options.viewOf(report) }
  }

  private async report({ id, port, state }: NodeState<NodeId>): Promise<void> {
    if (state !== 'running') return
    const signal = AbortSignal.timeout(REPORT_MS)
    const response = await fetch(`http://127.0.0.1:${port}/inspect`, { signal }).catch(() => undefined)
    const report = (await response?.json().catch(() => undefined)) as Partial<Report> | undefined
    if (report?.role !== undefined) this.reports.set(id, report as Report)
  }
}

type RaftReport = NodeReport & { readonly commit: number }

/** Of `raft up`. */
export type RaftWatch = Watch<RaftReport>

export const RAFT_WATCH: WatchOptions<RaftReport> = {
  commandWords: textOf,
  viewOf: (report) => ({ commit: report?.commit ?? 0 }),
}
