// The clusters that are measured: nodes in this process, and nodes as processes with HTTP in front.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../test/support/ports.ts'
import { openRaft, type RaftGroup, type RaftHost, type StateMachine } from '../../ts/distributed/raft/public.ts'
import { owned } from '../leftovers.ts'

const COMMAND = fileURLToPath(new URL('../../bin/raft-node', import.meta.url))
const HOST = '127.0.0.1'
const POLL_MS = 2

/** Somewhere that appends go. */
export interface Target {
  append(command: string): Promise<void>
  close(): Promise<void>
}

/** Counts, so that what is measured is Raft. */
class Counter implements StateMachine {
  private count = 0

  apply(): Uint8Array {
    return Uint8Array.of(++this.count & 0xff)
  }

  snapshot(): Uint8Array {
    return new Uint8Array(0)
  }

  restore(): void {}
}

/** Nodes in this process, over real sockets and disks; appends are made on the leader. */
export async function openInProcess(directory: string, count: number): Promise<Target> {
  mkdirSync(directory, { recursive: true })
  const ports = await freePorts(count)
  const members = Object.fromEntries(ports.map((port, i) => [i + 1, { host: HOST, port }]))
  const hosts: RaftHost[] = []
  const groups: RaftGroup[] = []
  for (let id = 1; id <= count; id++) {
    const host = await openRaft(join(directory, String(id)), { id, members, create: true })
    hosts.push(host)
    groups.push(await host.openGroup(1, new Counter()))
  }
  const leading = (): RaftGroup | undefined => groups.find(({ status }) => status.role === 'leader')
  while (leading() === undefined) await pause()
  const leader = leading() as RaftGroup
  return {
    async append(command) {
      await leader.propose(Buffer.from(command))
    },
    async close() {
      for (const host of hosts) await host.close()
    },
  }
}

/** Nodes as processes of their own. */
export class Processes implements Target {
  readonly ids: readonly number[]
  private readonly directory: string
  private readonly ports: readonly number[]
  private readonly children = new Map<number, ChildProcess>()
  private agent = new http.Agent({ keepAlive: true })
  /** Whom appends are sent to. */
  target = 1

  private constructor(directory: string, ports: readonly number[]) {
    this.directory = directory
    this.ports = ports
    this.ids = ports.map((_, i) => i + 1)
  }

  static async open(directory: string, count: number): Promise<Processes> {
    mkdirSync(directory, { recursive: true })
    const processes = new Processes(directory, await freePorts(count))
    for (const id of processes.ids) processes.start(id)
    processes.target = await processes.leader()
    return processes
  }

  start(id: number): void {
    const args = [COMMAND, `--id=${id}`, `--cluster=${this.ids.join(',')}`, `--port=${this.ports[id - 1]}`]
    this.children.set(id, owned(spawn(process.execPath, args, { cwd: this.directory, stdio: 'ignore' })))
  }

  async kill(id: number): Promise<void> {
    const child = this.children.get(id) as ChildProcess
    this.children.delete(id)
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** Waits until all that run agree on a leader that runs. */
  async leader(): Promise<number> {
    for (;;) {
      const states = await Promise.all([...this.children.keys()].map((id) => this.ask(id, 'GET', '/status')))
      const leaders = new Set(states.map((state) => (state as { leader?: number } | undefined)?.leader))
      const [leader] = leaders
      if (leaders.size === 1 && typeof leader === 'number' && this.children.has(leader)) return leader
      await pause()
    }
  }

  async append(command: string): Promise<void> {
    if (!(await this.tryAppend(this.target, command))) throw new Error(`node ${this.target} did not append`)
  }

  async tryAppend(id: number, command: string): Promise<boolean> {
    const answer = (await this.ask(id, 'POST', '/append', { command })) as { success?: boolean } | undefined
    return answer?.success === true
  }

  async close(): Promise<void> {
    this.agent.destroy()
    for (const id of [...this.children.keys()]) await this.kill(id)
  }

  /** The answer as JSON; undefined if there is none. */
  private ask(id: number, method: string, path: string, body?: object): Promise<unknown> {
    return new Promise((resolve) => {
      const options = { host: HOST, port: this.ports[id - 1], method, path, agent: this.agent }
      const request = http.request(options, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => resolve(JSON.parse(text)))
        response.on('error', () => resolve(undefined))
      })
      request.on('error', () => resolve(undefined))
      request.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS))
}
