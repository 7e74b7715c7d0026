// Three members of a lock service as processes, with a way to each that can be cut: to be killed, stopped and cut off.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Gate } from '../../../ts/cli/local-cluster/gate.ts'
import { RAFT } from '../../../ts/cli/raft/cluster.ts'
import type { Hello, Message } from '../../../ts/distributed/raft/index.ts'
import { showAddress } from '../../../ts/io/network.ts'
import { freePorts } from '../ports.ts'
import { binary } from '../run-command.ts'
import { directoryInMemory } from '../temporary-directory.ts'

export const IDS = [1, 2, 3] as const
const HOST = '127.0.0.1'
const START_MS = 30_000

/** The processes. Made by `RealCluster.start`. */
export class RealCluster {
  readonly #home = directoryInMemory()
  readonly #ports: readonly number[]
  readonly #gates = new Map<number, Gate<number, Hello, Message>>()
  readonly #cut = new Set<number>()
  readonly #children = new Map<number, ChildProcess>()
  #elected = { node: 0, term: 0 }

  private constructor(ports: readonly number[]) {
    this.#ports = ports
  }

  static async start(): Promise<RealCluster> {
    const cluster = new RealCluster(await freePorts(2 * IDS.length))
    for (const id of IDS) {
      const gate = new Gate<number, Hello, Message>({
        to: id,
        listen: { host: HOST, port: 0 },
        target: { host: HOST, port: cluster.#peerPort(id) },
        language: RAFT,
        isCut: (one, other) => cluster.#cut.has(one) || cluster.#cut.has(other),
        saw: () => {},
      })
      cluster.#gates.set(id, gate)
      await gate.open()
    }
    await Promise.all(IDS.map((id) => cluster.restart(id)))
    return cluster
  }

  /** Where clients reach a member. */
  address(id: number): string {
    return `${HOST}:${this.#ports[id - 1]}`
  }

  /** Who was elected last, as far as members have said. */
  get leader(): number {
    return this.#elected.node
  }

  /** Starts a member from its disk. Resolves when it listens. */
  async restart(id: number): Promise<void> {
    const peers = IDS.filter((each) => each !== id).map(
      (other) => `${other}=${showAddress((this.#gates.get(other) as Gate<number, Hello, Message>).address)}`,
    )
    const flags = [`--id=${id}`, `--cluster=${IDS.join()}`, `--port=${this.#ports[id - 1]}`, '--json']
    const places = [
      `--peer-port=${this.#peerPort(id)}`,
      `--peers=${peers.join()}`,
      `--data-dir=${join(this.#home.path, String(id))}`,
    ]
    const child = spawn(process.execPath, [binary('lock-service'), ...flags, ...places, '--log-level=error'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#children.set(id, child)
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`member ${id} has not started in ${START_MS} ms`)), START_MS)
      child.once('exit', (status) => reject(new Error(`member ${id} ended with ${status} instead of serving`)))
      lines.on('line', (line) => {
        const { event, node, term } = JSON.parse(line) as { event: string; node: number; term: number }
        if (event === 'elected' && term > this.#elected.term) this.#elected = { node, term }
        if (event !== 'ready') return
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Ends a member as a crash does. Resolves when it is gone. */
  async kill(id: number): Promise<void> {
    const child = this.#child(id)
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** Lets a member stand still, with its connections open. */
  stop(id: number): void {
    this.#child(id).kill('SIGSTOP')
  }

  resume(id: number): void {
    this.#child(id).kill('SIGCONT')
  }

  /** Nothing comes from a member to the others any more, nor from them to it. */
  cutOff(id: number): void {
    this.#cut.add(id)
  }

  heal(): void {
    this.#cut.clear()
    for (const gate of this.#gates.values()) gate.mend()
  }

  async close(): Promise<void> {
    for (const child of this.#children.values()) child.kill('SIGKILL')
    for (const gate of this.#gates.values()) gate.shut()
    this.#home.remove()
  }

  #child(id: number): ChildProcess {
    return this.#children.get(id) as ChildProcess
  }

  #peerPort(id: number): number {
    return this.#ports[IDS.length + id - 1] as number
  }
}
