// Nodes of replicated-kv as processes, each with a directory of its own, that can be killed, paused and started again.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePorts } from '../ports.ts'
import { binary } from '../run-command.ts'

const HOST = '127.0.0.1'
const POLL_MS = 5

export interface Answer {
  readonly status: number
  readonly body: string
  readonly session: string | undefined
}

export interface Request {
  readonly method?: string
  readonly body?: string | Uint8Array
  readonly headers?: Record<string, string>
  readonly timeoutMs?: number
}

export class Processes {
  /** What each node has printed, over all of its lives. */
  readonly printed = new Map<number, string[]>()
  readonly #directory: string
  /** By id, from 1. */
  readonly #ports: readonly number[]
  readonly #extra: readonly string[]
  readonly #onSpawn: (child: ChildProcess) => void
  readonly #children = new Map<number, ChildProcess>()
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 512 })

  private constructor(
    directory: string,
    ports: readonly number[],
    extra: readonly string[],
    onSpawn: (child: ChildProcess) => void,
  ) {
    this.#directory = directory
    this.#ports = ports
    this.#extra = extra
    this.#onSpawn = onSpawn
  }

  /**
   * @param extra - Flags for all nodes.
   * @param onSpawn - Is told of every process that is started.
   */
  static async open(
    directory: string,
    count: number,
    extra: readonly string[] = [],
    onSpawn: (child: ChildProcess) => void = () => {},
  ): Promise<Processes> {
    return new Processes(directory, await freePorts(count), extra, onSpawn)
  }

  get running(): number[] {
    return [...this.#children.keys()].sort((a, b) => a - b)
  }

  portOf(id: number): number {
    return this.#ports[id - 1] as number
  }

  pidOf(id: number): number {
    return this.#children.get(id)?.pid as number
  }

  /** Node 1 begins the cluster, the others join it; whoever has a directory starts from that. */
  start(id: number): void {
    const part = id === 1 ? ['--leader'] : ['--follower', `--leader-addr=localhost:${this.portOf(1)}`]
    const args = [binary('replicated-kv'), `--node-id=${id}`, `--port=${this.portOf(id)}`, ...part]
    const data = `--data-dir=${join(this.#directory, `node-${id}`)}`
    const child = spawn(process.execPath, [...args, data, ...this.#extra], { stdio: ['ignore', 'pipe', 'ignore'] })
    this.#onSpawn(child)
    const lines = this.printed.get(id) ?? []
    this.printed.set(id, lines)
    this.#children.set(id, child)
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  }

  /** Starts nodes 1 to `count` in order, each once the one before serves. */
  async startAll(count: number): Promise<void> {
    for (let id = 1; id <= count; id++) {
      this.start(id)
      await until(() => (this.printed.get(id) as string[]).length > 0)
    }
  }

  async end(id: number, signal: NodeJS.Signals): Promise<void> {
    const child = this.#children.get(id) as ChildProcess
    this.#children.delete(id)
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  signal(id: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#children.get(id)?.kill(signal)
  }

  /** What node `id` answers; undefined if it does not, or not in time. */
  ask(
    id: number,
    path: string,
    { method = 'GET', body, headers, timeoutMs }: Request = {},
  ): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      const where = { host: HOST, port: this.portOf(id), path, method, agent: this.#agent, ...(headers && { headers }) }
      const request = http.request(where, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', () => resolve(undefined))
        response.on('end', () => {
          const session = response.headers['bedplate-session'] as string | undefined
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString(), session })
        })
      })
      if (timeoutMs !== undefined) request.setTimeout(timeoutMs, () => request.destroy())
      request.on('error', () => resolve(undefined))
      request.end(body)
    })
  }

  /** Waits until all that run agree on a leader that runs. */
  async leader(): Promise<number> {
    for (;;) {
      const answers = await Promise.all(this.running.map((id) => this.ask(id, '/status', { timeoutMs: 1000 })))
      const leaders = new Set(answers.map(leaderIn))
      const [leader] = leaders
      if (leaders.size === 1 && typeof leader === 'number' && this.#children.has(leader)) return leader
      await pause()
    }
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    for (const id of this.running) await this.end(id, 'SIGKILL')
  }
}

/** Undefined also for a node that is just starting. */
function leaderIn(answer: Answer | undefined): number | undefined {
  return answer?.status === 200 ? (JSON.parse(answer.body) as { leader?: number }).leader : undefined
}

export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause()
}

export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS))
}
