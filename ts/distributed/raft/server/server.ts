// One node of the cluster that `raft-node` runs: Raft and HTTP on one port.
import { BedplateError } from '../../../base/errors.ts'
import type { Page } from '../../../io/http.ts'
import { HttpConnections, type HttpRequest } from '../../../io/http-connections.ts'
import { type Address, showAddress } from '../../../io/network.ts'
import { adminPage, type Logger, type Metric, metric, type Server } from '../../../service/index.ts'
import type { GroupOptions, OpenRaftOptions } from '../door.ts'
import type { HostSeams } from '../host.ts'
import { logTail } from '../log-tail.ts'
import { openRaftWith } from '../open-raft-with.ts'
import { CommandLog } from './command-log.ts'
import { answerRequest, failure, type Node, statusOf } from './http-api.ts'

/** What has happened on a node that people want to see. */
export type NodeEvent =
  | { readonly event: 'elected'; readonly term: number }
  /** Commands were applied; `from` and `to` are their numbers. */
  | { readonly event: 'committed' | 'recovered'; readonly from: number; readonly to: number }

export interface RaftNodeOptions extends GroupOptions {
  readonly seams: Omit<HostSeams, 'onStranger'>
  readonly logger: Logger
  readonly path: string
  readonly raft: OpenRaftOptions
  /** Where others reach this node, if not where they were told at the founding; made known through the log. */
  readonly advertise?: Address | undefined
  /** Connections of HTTP at a time. */
  readonly maxClients: number
  readonly onEvent: (event: NodeEvent) => void
}

const GROUP = 1
const MAX_BODY_BYTES = 2 * 1024 * 1024
/** How long a node that stops waits for another one to take over. */
const HAND_OVER_MS = 1000
const ANNOUNCE_MS = 1000

/**
 * A server of `raft-node` in this process.
 *
 * @example
 * const server = new RaftNodeServer({ path: './node-1', raft: { id: 1, members, create: true }, ... })
 * const { port } = await server.start() // http://127.0.0.1:port/status
 */
export class RaftNodeServer implements Server {
  /** Rejects if the node has failed: its disk cannot be written, or has other bytes than were written. */
  readonly failed: Promise<never>
  private fail: (error: Error) => void = () => {}
  private readonly options: RaftNodeOptions
  private readonly http: HttpConnections
  private readonly log: CommandLog
  private node: Node | undefined
  private isStopped = false
  /** What is in the log at the start is no news once it is applied. */
  private recoveredIndex = 0
  private recoveredCount = 0
  private toldCount = 0
  private readonly troubles = new Map<string, string>()

  constructor(options: RaftNodeOptions) {
    const { seams, maxClients } = options
    this.options = options
    const limits = { clock: seams.clock, maxBodyBytes: MAX_BODY_BYTES, maxConnections: maxClients }
    this.http = new HttpConnections(limits, (request) => this.answer(request))
    this.log = new CommandLog((count, index) => this.applied(count, index))
    this.failed = new Promise((_resolve, reject) => {
      this.fail = reject
    })
    this.failed.catch(() => {}) // whoever runs the server looks at it
  }

  async start(): Promise<Address> {
    const { seams, path, raft, logger, onEvent } = this.options
    const onTrouble = (peer: string, error: Error): void => this.trouble(peer, error)
    const host = await openRaftWith({ ...seams, onStranger: (connection) => this.http.accept(connection) }, path, {
      ...raft,
      onTrouble,
    })
    try {
      const { tickMs, snapshotBytes, keptEntries, reads } = this.options
      const chosen = Object.entries({ tickMs, snapshotBytes, keptEntries, reads }).filter(
        ([, value]) => value !== undefined,
      )
      const group = await host.openGroup(GROUP, this.log, {
        ...Object.fromEntries(chosen),
        onRole: ({ role, term, leader }) => {
          logger.debug('role', { role, term, leader })
          if (role === 'leader') onEvent({ event: 'elected', term })
        },
        onFailure: (error) => this.fail(error),
      })
      this.recoveredIndex = group.status.lastIndex
      if (this.log.count > 0) this.recovered(this.log.count)
      this.node = { host, group, log: this.log }
    } catch (error) {
      await host.close()
      throw error
    }
    void this.announce(this.node)
    return host.address
  }

  ready(): boolean {
    return this.node !== undefined && !this.isStopped && this.node.group.status.leader !== undefined
  }

  /** Hands leadership over, if this node has it, and lets requests end. */
  async drain(): Promise<void> {
    const { node } = this
    if (node !== undefined) await handOver(node)
    await this.http.drain()
  }

  async stop(): Promise<void> {
    this.isStopped = true
    this.http.close()
    await this.node?.host.close()
  }

  metrics(): readonly Metric[] {
    if (this.node === undefined) return []
    const { host, group, log } = this.node
    const { role, term, commitIndex, appliedIndex, lastIndex } = group.status
    return [
      metric('gauge', 'bedplate_raft_is_leader', 'Whether this node leads.', Number(role === 'leader')),
      metric('gauge', 'bedplate_raft_term', 'The term of the node.', term),
      metric('gauge', 'bedplate_raft_commit_index', 'The log is committed up to here.', commitIndex),
      metric('gauge', 'bedplate_raft_applied_index', 'The log is applied up to here.', appliedIndex),
      metric('gauge', 'bedplate_raft_log_index', 'The last entry of the log.', lastIndex),
      metric('gauge', 'bedplate_raft_commands', 'Commands that were applied.', log.count),
      metric('gauge', 'bedplate_raft_peers_connected', 'Nodes that there is a connection to.', host.connected.length),
      metric('counter', 'bedplate_raft_http_requests_total', 'Requests that were answered.', this.http.requestCount),
    ]
  }

  /** Also the terms of the last entries of the log, the oldest first. */
  inspect(): unknown {
    if (this.node === undefined) return {}
    const { group } = this.node
    return { ...statusOf(this.node), membership: group.status.membership, log: logTail(group) }
  }

  private async answer(request: HttpRequest): Promise<Page> {
    const { node } = this
    if (node === undefined) return failure(new BedplateError('UNAVAILABLE', 'the node is starting'))
    const admin = request.method === 'GET' || request.method === 'HEAD' ? adminPage(this, request.path) : undefined
    const page = admin ?? (await answerRequest(node, request))
    return page ?? failure(new BedplateError('NOT_FOUND', `there is no ${request.path.slice(0, 80)}`))
  }

  private applied(count: number, index: number): void {
    const { onEvent } = this.options
    if (index > this.recoveredIndex) onEvent({ event: 'committed', from: count, to: count })
    else this.recovered(count)
  }

  /** Tells of what was on disk, all that a turn of the event loop brings in one go. */
  private recovered(count: number): void {
    const { seams, onEvent } = this.options
    const isPlanned = this.recoveredCount > this.toldCount
    this.recoveredCount = count
    if (isPlanned) return
    void seams.clock.turn().then(() => {
      const from = this.toldCount + 1
      this.toldCount = this.recoveredCount
      onEvent({ event: 'recovered', from, to: this.toldCount })
    })
  }

  /** The same trouble with the same peer is told once until it is another. */
  private trouble(peer: string, error: Error): void {
    const host = peer.replace(/:\d+$/, '')
    if (this.troubles.get(host) === error.message) return
    if (this.troubles.size > 100) this.troubles.clear()
    this.troubles.set(host, error.message)
    const { hint } = error as BedplateError
    this.options.logger.warn(error.message, { peer, hint })
  }

  private async announce({ host, group }: Node): Promise<void> {
    const { advertise, seams } = this.options
    const isKnown = (): boolean => {
      const known = host.addresses.get(host.id)
      return advertise === undefined || (known !== undefined && showAddress(known) === showAddress(advertise))
    }
    while (!this.isStopped && advertise !== undefined && !isKnown()) {
      await group.announce(new Map([[host.id, advertise]])).catch(() => {})
      if (isKnown()) return
      await new Promise<void>((resolve) => {
        seams.clock.timer(ANNOUNCE_MS, resolve)
      })
    }
  }
}

/** To whoever is connected and votes; if nobody takes it, there will be an election. */
async function handOver({ host, group }: Node): Promise<void> {
  const { role, id, membership } = group.status
  const heir = host.connected.find((other) => other !== id && membership.voters.includes(other))
  if (role !== 'leader' || heir === undefined) return
  await group.transfer(heir, { timeoutMs: HAND_OVER_MS }).catch(() => {})
}
