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

export interface NodeProcessesOptions {
  /** The file of the command that each runs. */
  readonly program: string
  /** Its part in the names of variables: nodes are told by flags alone, and not by what is meant for this process. */
  readonly system: string
  /** Takes a line of a node's standard output. */
  readonly heard: (id: number, line: string) => void
  readonly ended: (id: number, status: number | null, signal: NodeJS.Signals | null) => void
}

export class NodeProcesses {
  /** Resolves when no process is left. */
  readonly allGone: Promise<void>
  readonly #options: NodeProcessesOptions
  readonly #children = new Map<number, ChildProcess>()
  #gone: () => void = () => {}

  constructor(options: NodeProcessesOptions) {
    this.#options = options
    this.allGone = new Promise((resolve) => {
      this.#gone = resolve
    })
  }

  start(id: number, args: readonly string[]): void {
    const { program, system, heard, ended } = this.#options
    const child = spawn(process.execPath, [program, ...args], {
      // The channel says nothing; it ends with this process, however that ends, and then the nodes do.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: environmentWithout(process.env, system),
      detached: true, // Ctrl-C on the terminal is ours to hand on
    })
    this.#children.set(id, child)
    createInterface({ input: child.stdout as Readable }).on('line', (line) => heard(id, line))
    createInterface({ input: child.stderr as Readable }).on('line', (line) => complain(`[Node ${id}] ${line}\n`))
    // After its last words.
    child.once('close', (status, signal) => {
      this.#children.delete(id)
      ended(id, status, signal)
      if (this.#children.size === 0) this.#gone()
    })
  }

  pidOf(id: number): number | undefined {
    return this.#children.get(id)?.pid
  }

  /** Ends all nodes in order, as SIGTERM does. */
  async close(): Promise<void> {
    const ended = [...this.#children.values()].map((child) => {
      const gone = once(child, 'close')
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      const cancel = realClock.timer(END_MS, () => child.kill('SIGKILL'))
      return gone.finally(cancel)
    })
    await Promise.all(ended)
  }
}

/** How a process has ended, in words. */
export function describeEnd(status: number | null, signal: NodeJS.Signals | null): string {
  return `ended ${signal === null ? `with status ${status}` : `by ${signal}`}`
}
