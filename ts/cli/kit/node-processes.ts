// The nodes of a cluster on this machine, a process each, so that one can be killed, or paused, as a machine can.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { realClock } from '../../io/clock.ts'
import { environmentWithout } from '../../service/index.ts'
import { complain } from './output.ts'

/** A node that does not end in this time, since it is paused or its disk hangs, is killed. */
const END_MS = 7000

export interface NodeProcessesOptions<Id> {
  /** The file of the command that each runs. */
  readonly program: string
  /** Its part in the names of variables: nodes are told by flags alone, and not by what is meant for this process. */
  readonly system: string
  /** Takes a line of a node's standard output. */
  readonly heard: (id: Id, line: string) => void
  readonly ended: (id: Id, status: number | null, signal: NodeJS.Signals | null) => void
}

/** @template Id - What nodes are called: by numbers, or by names. */
export class NodeProcesses<Id extends number | string> {
  /** Resolves when no process is left. */
  readonly allGone: Promise<void>
  readonly #options: NodeProcessesOptions<Id>
  readonly #children = new Map<Id, ChildProcess>()
  readonly #paused = new Set<Id>()
  #gone: () => void = () => {}

  constructor(options: NodeProcessesOptions<Id>) {
    this.#options = options
    this.allGone = new Promise((resolve) => {
      this.#gone = resolve
    })
  }

  start(id: Id, args: readonly string[]): void {
    const { program, system, heard, ended } = this.#options
    const child = spawn(process.execPath, [program, ...args], {
      // The channel says nothing; it ends with this process, however that ends, and then the nodes do.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: environmentWithout(process.env, system),
      detached: true, // Ctrl-C on the terminal is ours to hand on
    })
    this.#children.set(id, child)
    createInterface({ input: child.stdout as Readable }).on('line', (line) => heard(id, line))
    createInterface({ input: child.stderr as Readable }).on('line', (line) => complain(`[${nodeName(id)}] ${line}\n`))
    // After its last words.
    child.once('close', (status, signal) => {
      this.#children.delete(id)
      this.#paused.delete(id)
      ended(id, status, signal)
      if (this.#children.size === 0) this.#gone()
    })
  }

  pidOf(id: Id): number | undefined {
    return this.#children.get(id)?.pid
  }

  stateOf(id: Id): 'running' | 'paused' | 'down' {
    if (!this.#children.has(id)) return 'down'
    return this.#paused.has(id) ? 'paused' : 'running'
  }

  /** Ends a node as a crash does; nothing if it is down. Resolves when it is gone. */
  async kill(id: Id): Promise<void> {
    await this.#end(id, 'SIGKILL')
  }

  /** Lets a node stand still, with its connections open. */
  pause(id: Id): void {
    if (this.#children.get(id)?.kill('SIGSTOP') === true) this.#paused.add(id)
  }

  resume(id: Id): void {
    this.#children.get(id)?.kill('SIGCONT')
    this.#paused.delete(id)
  }

  /** Ends a node in order, as SIGTERM does; nothing if it is down. Resolves when it is gone. */
  async end(id: Id): Promise<void> {
    this.resume(id)
    const cancel = realClock.timer(END_MS, () => this.#children.get(id)?.kill('SIGKILL'))
    await this.#end(id, 'SIGTERM').finally(cancel)
  }

  /** Ends all nodes in order. */
  async close(): Promise<void> {
    await Promise.all([...this.#children.keys()].map((id) => this.end(id)))
  }

  async #end(id: Id, signal: NodeJS.Signals): Promise<void> {
    const child = this.#children.get(id)
    if (child === undefined) return
    const gone = once(child, 'close')
    child.kill(signal)
    await gone
  }
}

/** How people are told of a node: `Node 1`, or its name. */
export function nodeName(id: number | string): string {
  return typeof id === 'number' ? `Node ${id}` : id
}

/** How a process has ended, in words. */
export function describeEnd(status: number | null, signal: NodeJS.Signals | null): string {
  return `ended ${signal === null ? `with status ${status}` : `by ${signal}`}`
}
