// The nodes of a cluster on this machine: each in a thread of this process, or a process of its own, which can be hurt.
import { fileURLToPath } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import { PACKAGE_URL } from '../../base/package.ts'
import { type Hello, newDecoder, PREAMBLE } from '../../distributed/ring/store/message-codec.ts'
import type { Message } from '../../distributed/ring/store/types.ts'
import { type Address, showAddress } from '../../io/network.ts'
import { spawnWorker } from '../../io/worker.ts'
import { isLoopback } from '../../service/index.ts'
import { freePorts } from '../kit/free-ports.ts'
import { LocalNodes, type NodeState } from '../local-cluster/nodes.ts'
import type { FromNode, NodeData } from './node-messages.ts'
import { SYSTEM } from './settings.ts'

const PROGRAM = fileURLToPath(new URL('bin/partitioned-kv', PACKAGE_URL))
/** Not `import.meta.url`: this module is bundled with the other commands, and the thread's is not. */
const HERE = new URL('dist/cli/partitioned-kv/local-nodes.js', PACKAGE_URL).href
/** More than there are nodes. */
const MOST = 1000
const THIS_MACHINE = '127.0.0.1'

/** Is told of a node that has ended, however it has. */
export type OnGone = (name: string, why: string) => void

/** Nodes that run. */
export interface Nodes {
  /** Those that are there, the ones that stand still or are cut off last. */
  readonly running: readonly string[]
  /** Of the process of a node, if it has one of its own. */
  pidOf(name: string): number | undefined
  /** Starts a node, and waits until it is there. @throws What it cannot start with */
  start(data: NodeData): Promise<void>
  /** Ends one in order, for good. */
  end(name: string): Promise<void>
  close(): Promise<void>
}

/** In threads of this process. */
export class ThreadNodes implements Nodes {
  readonly #workers = new Map<string, Worker>()
  readonly #onGone: OnGone

  constructor(onGone: OnGone) {
    this.#onGone = onGone
  }

  get running(): readonly string[] {
    return [...this.#workers.keys()]
  }

  pidOf(): undefined {
    return undefined
  }

  async start(data: NodeData): Promise<void> {
    const { name } = data
    const worker = spawnWorker('./node-worker.ts', HERE, { workerData: data })
    this.#workers.set(name, worker)
    let why = 'its thread has ended'
    await new Promise<void>((resolve, reject) => {
      worker.once('error', (error: Error) => {
        why = error.message
      })
      worker.once('exit', () => {
        this.#workers.delete(name)
        this.#onGone(name, why)
        reject(new BedplateError('INTERNAL', `${name} has failed: ${why}`))
      })
      worker.on('message', (message: FromNode) => {
        if (message.kind === 'ready') resolve()
        else {
          why = message.message
          const { code, hint } = message
          reject(new BedplateError(code as ErrorCode, message.message, hint === undefined ? {} : { hint }))
          void worker.terminate()
        }
      })
    })
  }

  async end(name: string): Promise<void> {
    const worker = this.#workers.get(name)
    if (worker === undefined) return
    const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    worker.postMessage('end')
    await gone
  }

  async close(): Promise<void> {
    await Promise.all(this.running.map((name) => this.end(name)))
  }
}

/** In processes, with proxies before them where these can hear who comes: on this machine alone, and without TLS. */
export class ProcessNodes implements Nodes {
  /** What can be hurt. */
  readonly local: LocalNodes<string, Hello, Message>
  /** How each is started, and where it listens. */
  readonly #known = new Map<string, { data: NodeData; listen: Address }>()
  /** Who waits for a node to be there, or to have ended. */
  readonly #starting = new Map<string, (failure: string | undefined) => void>()

  /** @param files - Flags that name files, which processes read themselves. */
  constructor(files: readonly string[], onGone: OnGone) {
    this.local = new LocalNodes({
      ...{ program: PROGRAM, system: SYSTEM, faults: 'partitioned-kv faults' },
      language: { preamble: PREAMBLE, decoder: newDecoder },
      argsOf: (name) => {
        const { data, listen } = this.#known.get(name) as { data: NodeData; listen: Address }
        return ['node', ...flagsOf({ ...data, listen }), ...files]
      },
      heard: (name) => this.#settle(name, undefined), // all that it says is that it is ready
      ended: (name, status, signal) => {
        const why = signal === null ? `it ended with status ${status}` : `it was ended by ${signal}`
        this.#settle(name, why)
        onGone(name, why)
      },
    })
  }

  get running(): readonly string[] {
    const states = this.local.states().filter(({ state }) => state !== 'down')
    const trouble = ({ state, cutFrom }: NodeState): number => (state === 'paused' ? MOST : cutFrom.length)
    return states.sort((a, b) => trouble(a) - trouble(b)).map(({ id }) => id)
  }

  pidOf(name: string): number | undefined {
    return this.local.states().find(({ id }) => id === name)?.pid
  }

  async start(data: NodeData): Promise<void> {
    const { name, listen: place, tls } = data
    let listen = this.#known.get(name)?.listen
    if (listen === undefined) {
      const hasGate = tls === undefined && isLoopback(place.host)
      listen = hasGate ? { host: THIS_MACHINE, port: (await freePorts(1))[0] as number } : place
      this.#known.set(name, { data, listen })
      await this.local.add(name, { port: place.port, node: listen, gate: hasGate ? place : undefined })
    }
    this.#known.set(name, { data, listen })
    await this.local.start(name)
    const failure = await new Promise<string | undefined>((resolve) => this.#starting.set(name, resolve))
    if (failure !== undefined) throw new BedplateError('UNAVAILABLE', `${name} did not start: ${failure}`)
  }

  async end(name: string): Promise<void> {
    await this.local.remove(name)
    this.#known.delete(name)
  }

  close(): Promise<void> {
    return this.local.close()
  }

  #settle(name: string, failure: string | undefined): void {
    this.#starting.get(name)?.(failure)
    this.#starting.delete(name)
  }
}

function flagsOf(data: NodeData): string[] {
  const peers = Object.entries(data.nodes).map(([name, address]) => `${name}=${showAddress(address)}`)
  return [
    ...[`--name=${data.name}`, `--peers=${peers}`, `--port=${data.listen.port}`, `--host=${data.listen.host}`],
    ...[`--data-dir=${data.path}`, `--cluster-id=${data.clusterId}`, `--replicas=${data.replicas}`],
    ...[`--read-quorum=${data.reads}`, `--write-quorum=${data.writes}`, `--vnodes=${data.virtualNodes}`],
    ...[`--copy-kib=${Math.ceil(data.copyBytesPerSecond / 1024)}`, `--tick-ms=${data.tickMs}`],
    ...[`--memory-bytes=${data.memoryBytes}`, `--max-clients=${data.maxClients}`],
    ...[`--log-level=${data.logLevel}`, '--json', ...(data.isInsecure ? ['--insecure'] : [])],
    ...(data.joins ? ['--joins'] : []),
  ]
}
