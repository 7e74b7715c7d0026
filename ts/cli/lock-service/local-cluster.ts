// `lock-service --nodes 3`: a cluster on this machine, a process each, so that one can be killed, or paused, as a machine can.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { BedplateError } from '../../base/errors.ts'
import { PACKAGE_URL } from '../../base/package.ts'
import { realClock } from '../../io/clock.ts'
import { type Address, showAddress } from '../../io/network.ts'
import { freePorts } from '../kit/free-ports.ts'
import { interruptible } from '../kit/interrupt.ts'
import { complain } from '../kit/output.ts'
import { type ClusterValues, peerPortOf } from './cluster-settings.ts'

const PROGRAM = fileURLToPath(new URL('bin/lock-service', PACKAGE_URL))
/** A member that does not end in this time, since it is paused or its disk hangs, is killed. */
const END_MS = 7000
/** What each member has of its own, or the parent alone. */
const OWN: ReadonlySet<string> = new Set([
  ...['nodes', 'id', 'cluster', 'peers', 'port', 'peer-port', 'data-dir', 'admin-port', 'advertise'],
])

export interface LocalClusterOptions {
  readonly values: ClusterValues & { readonly 'data-dir': string }
  /** Of all settings. */
  readonly defaults: Readonly<Record<string, unknown>>
  /** Data goes with the cluster. */
  readonly isInMemory: boolean
  readonly isJson: boolean
}

/** What a member says. */
interface Event extends Partial<Address> {
  readonly event: string
  readonly id?: string
  readonly term?: number
}

/** Runs the cluster until a signal comes. @throws UNAVAILABLE if no member is left */
export async function runLocalCluster(options: LocalClusterOptions): Promise<void> {
  const { values, isInMemory } = options
  const directory = isInMemory ? mkdtempSync(join(tmpdir(), 'lock-service-')) : resolve(values['data-dir'])
  mkdirSync(directory, { recursive: true })
  try {
    const peerPorts = values.port === 0 ? await freePorts(values.nodes) : portsFrom(peerPortOf(values), values.nodes)
    await interruptible(async ({ signal }) => {
      const cluster = new LocalCluster(options, directory, peerPorts)
      const stopped = new Promise<void>((done) => {
        signal.addEventListener('abort', () => done())
      })
      await Promise.race([stopped, cluster.allGone])
      await cluster.close()
      if (signal.aborted) return
      throw new BedplateError('UNAVAILABLE', 'all members of the cluster have ended', {
        hint: 'their own words above say why',
      })
    })
  } finally {
    if (isInMemory) rmSync(directory, { recursive: true, force: true })
  }
}

class LocalCluster {
  /** Resolves when no process is left. */
  readonly allGone: Promise<void>
  readonly #options: LocalClusterOptions
  readonly #children = new Map<number, ChildProcess>()
  readonly #addresses = new Map<number, Address>()
  #gone: () => void = () => {}

  constructor(options: LocalClusterOptions, directory: string, peerPorts: readonly number[]) {
    this.#options = options
    this.allGone = new Promise((resolve_) => {
      this.#gone = resolve_
    })
    const { values, defaults } = options
    const passedOn = Object.entries(values)
      .filter(([name, value]) => !OWN.has(name) && value !== undefined && value !== defaults[name])
      .map(([name, value]) => `--${name}=${value}`)
    const ids = peerPorts.map((_, i) => i + 1)
    const peers = peerPorts.map((port, i) => `${i + 1}=${showAddress({ host: values.host, port })}`).join(',')
    for (const id of ids) {
      const port = values.port === 0 ? 0 : values.port + id - 1
      this.#start(id, [
        ...[`--id=${id}`, `--cluster=${ids.join(',')}`, `--port=${port}`, `--peer-port=${peerPorts[id - 1]}`],
        ...[`--peers=${peers}`, `--data-dir=${join(directory, `node-${id}`)}`, '--nodes=1', ...passedOn, '--json'],
      ])
    }
  }

  /** Ends all members in order, as SIGTERM does. */
  async close(): Promise<void> {
    const ended = [...this.#children.values()].map((child) => {
      const gone = once(child, 'exit')
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      const cancel = realClock.timer(END_MS, () => child.kill('SIGKILL'))
      return gone.finally(cancel)
    })
    await Promise.all(ended)
  }

  #start(id: number, args: readonly string[]): void {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      // The channel says nothing; it ends with this process, however that ends, and then the members do.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true, // Ctrl-C on the terminal is ours to hand on
    })
    this.#children.set(id, child)
    createInterface({ input: child.stdout as Readable }).on('line', (line) => this.#hear(id, JSON.parse(line) as Event))
    createInterface({ input: child.stderr as Readable }).on('line', (line) => complain(`[Node ${id}] ${line}\n`))
    child.once('exit', (status, signal) => {
      this.#children.delete(id)
      this.#say(
        { event: 'ended', node: id, status, signal },
        `[Node ${id}] ended ${signal === null ? `with status ${status}` : `by ${signal}`}`,
      )
      if (this.#children.size === 0) this.#gone()
    })
  }

  #hear(id: number, event: Event): void {
    if (event.event === 'elected') this.#say(event, `[Node ${id}] Elected leader for term ${event.term}`)
    else if (event.event === 'expired') this.#say(event, `Lock expired: ${event.id}`)
    else if (event.event === 'ready') this.#ready(id, event as Event & Address)
  }

  #ready(id: number, event: Event & Address): void {
    const { host, port } = event
    this.#addresses.set(id, { host, port })
    const pid = this.#children.get(id)?.pid
    this.#say(
      { event: 'member', node: id, host, port, pid },
      `[Node ${id}] ${showAddress({ host, port })}, process ${pid}`,
    )
    if (this.#addresses.size < this.#options.values.nodes) return
    const endpoints = [...this.#addresses].sort(([a], [b]) => a - b).map(([, address]) => showAddress(address))
    this.#say({ event: 'ready', endpoints }, `Lock service started: --endpoints=${endpoints.join(',')}`)
  }

  #say(event: unknown, text: string): void {
    process.stdout.write(`${this.#options.isJson ? JSON.stringify(event) : text}\n`)
  }
}

function portsFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i)
}
