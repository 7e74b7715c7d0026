// The nodes of `bedplate raft up`: a process each, with a way between every two of them that can be cut.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { BedplateError } from '../../base/errors.ts'
import { PACKAGE_URL } from '../../base/package.ts'
import type { Message, NodeId } from '../../distributed/raft/index.ts'
import { realClock } from '../../io/clock.ts'
import { showAddress } from '../../io/network.ts'
import { environmentWithout } from '../../service/index.ts'
import { SYSTEM } from '../raft-node/settings.ts'
import { type Link, openLink } from './link.ts'

const PROGRAM = fileURLToPath(new URL('bin/raft-node', PACKAGE_URL))
const HOST = '127.0.0.1'
/** A node that does not end in this time, since it is paused or its disk hangs, is killed. */
const END_MS = 7000

export interface ClusterOptions {
  readonly count: number
  /** Of node 1; the others have those behind it. */
  readonly port: number
  readonly directory: string
  /** Takes a line of a node, for people. */
  readonly print: (line: string) => void
  /** Sees what nodes say to each other. */
  readonly saw: (from: NodeId, to: NodeId, message: Message, isLost: boolean) => void
}

/** How a node is. */
export interface NodeState {
  readonly id: number
  readonly state: 'running' | 'paused' | 'down'
  readonly port: number
  readonly pid: number | undefined
  /** To whom its ways are cut. */
  readonly cutFrom: readonly number[]
}

/** Processes of `raft-node`. Made by `openCluster`. */
export class Cluster {
  private readonly options: ClusterOptions
  /** By `from-to`: the node with the higher id connects. */
  private readonly links: ReadonlyMap<string, Link>
  private readonly children = new Map<number, ChildProcess>()
  private readonly paused = new Set<number>()

  constructor(options: ClusterOptions, links: ReadonlyMap<string, Link>) {
    this.options = options
    this.links = links
    for (const id of this.ids) this.start(id)
  }

  get ids(): number[] {
    return idsUpTo(this.options.count)
  }

  states(): NodeState[] {
    return this.ids.map((id) => ({
      id,
      state: this.paused.has(id) ? 'paused' : this.children.has(id) ? 'running' : 'down',
      port: this.portOf(id),
      pid: this.children.get(id)?.pid,
      cutFrom: this.ids.filter((other) => other !== id && this.link(id, other).isCut),
    }))
  }

  /** Starts a node that is down, from its disk. */
  start(id: number): void {
    this.check(id)
    if (this.children.has(id)) throw new BedplateError('INVALID_INPUT', `node ${id} runs already`)
    const { directory, print } = this.options
    const others = this.ids.filter((other) => other !== id)
    // Only those above it are connected to by a way of ours; the others come by theirs.
    const peers = others.map((other) => `${other}=${showAddress(this.link(id, other).address)}`)
    const args = [`--id=${id}`, `--cluster=${this.ids.join(',')}`, `--port=${this.portOf(id)}`]
    const places = [
      `--data-dir=${join(directory, `node-${id}`)}`,
      ...(peers.length > 0 ? [`--peers=${peers.join(',')}`] : []),
    ]
    const child = spawn(process.execPath, [PROGRAM, ...args, ...places, '--log-level=warn'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // What is meant for a node of its own, such as its address or TLS, is wrong for these.
      env: environmentWithout(process.env, SYSTEM),
      detached: true, // Ctrl-C on the terminal is ours to hand on
    })
    this.children.set(id, child)
    createInterface({ input: child.stdout }).on('line', print)
    createInterface({ input: child.stderr }).on('line', (line) => print(`[Node ${id}] ${line}`))
    child.once('exit', (status, signal) => {
      this.paused.delete(id)
      if (this.children.get(id) === child) this.children.delete(id)
      print(`[Node ${id}] ended ${signal === null ? `with status ${status}` : `by ${signal}`}`)
    })
  }

  /** Ends a node as a crash does. Resolves when it is gone. */
  async kill(id: number): Promise<void> {
    const child = this.running(id)
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** Lets a node stand still, with its connections open. */
  pause(id: number): void {
    this.running(id).kill('SIGSTOP')
    this.paused.add(id)
  }

  resume(id: number): void {
    this.running(id).kill('SIGCONT')
    this.paused.delete(id)
  }

  /** Cuts the ways between nodes of different groups. Nodes that are named nowhere are a group together. */
  partition(groups: readonly (readonly number[])[]): void {
    const named = groups.flat()
    for (const id of named) this.check(id)
    if (new Set(named).size !== named.length) throw new BedplateError('INVALID_INPUT', 'a node is on one side only')
    const sideOf = (id: number): number => groups.findIndex((group) => group.includes(id))
    this.heal()
    for (const id of this.ids) {
      for (const other of idsUpTo(id - 1)) if (sideOf(id) !== sideOf(other)) this.link(id, other).cut()
    }
  }

  heal(): void {
    for (const link of this.links.values()) link.heal()
  }

  /** Ends all nodes in order, as SIGTERM does. */
  async close(): Promise<void> {
    const ended = [...this.children.values()].map((child) => {
      const gone = once(child, 'exit')
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      const cancel = realClock.timer(END_MS, () => child.kill('SIGKILL'))
      return gone.finally(cancel)
    })
    await Promise.all(ended)
    for (const link of this.links.values()) link.close()
  }

  private portOf(id: number): number {
    return this.options.port + id - 1
  }

  private link(one: number, other: number): Link {
    return this.links.get(nameOf(one, other)) as Link
  }

  private check(id: number): void {
    if (this.ids.includes(id)) return
    throw new BedplateError('INVALID_INPUT', `there is no node ${id}; there are ${this.ids.join(', ')}`)
  }

  private running(id: number): ChildProcess {
    this.check(id)
    const child = this.children.get(id)
    if (child !== undefined) return child
    throw new BedplateError('INVALID_INPUT', `node ${id} is down`, { hint: `bedplate raft faults start ${id}` })
  }
}

/** Opens the ways and starts the nodes. */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const links = new Map<string, Link>()
  for (const from of idsUpTo(options.count)) {
    for (const to of idsUpTo(from - 1)) {
      const target = { host: HOST, port: options.port + to - 1 }
      const link = await openLink(target, (message, { isBack, isLost }) => {
        options.saw(isBack ? to : from, isBack ? from : to, message, isLost)
      })
      links.set(nameOf(from, to), link)
    }
  }
  return new Cluster(options, links)
}

function idsUpTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1)
}

function nameOf(one: number, other: number): string {
  return `${Math.max(one, other)}-${Math.min(one, other)}`
}
