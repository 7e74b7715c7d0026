// `lock-service --nodes 3`: a cluster on this machine, a process each, so that one can be killed, or paused, as a machine can.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BedplateError } from '../../base/errors.ts'
import { PACKAGE_URL } from '../../base/package.ts'
import { type Address, showAddress } from '../../io/network.ts'
import { freePorts } from '../kit/free-ports.ts'
import { interruptible } from '../kit/interrupt.ts'
import { describeEnd, NodeProcesses } from '../kit/node-processes.ts'
import { UsageError } from '../kit/program.ts'
import { type ClusterValues, peerPortOf } from './cluster-settings.ts'

const PROGRAM = fileURLToPath(new URL('bin/lock-service', PACKAGE_URL))
/** What each member has of its own, or the parent alone. */
const OWN: ReadonlySet<string> = new Set([
  ...['nodes', 'id', 'cluster', 'peers', 'port', 'peer-port', 'data-dir', 'admin-port', 'advertise'],
])
/** What makes sense for one member alone. */
const OF_ONE = ['id', 'cluster', 'peers', 'advertise'] as const
const MAX_PORT = 65_535

export interface LocalClusterOptions {
  readonly values: ClusterValues & { readonly 'admin-port': number | undefined }
  /** Its variables in the environment are those of this process: members get flags alone. */
  readonly system: string
  /** Where a member has its data, unless that is in memory. */
  readonly dataOf: (id: number) => string
  readonly isInsecure: boolean
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
  readonly adminPort?: number
}

/** Runs the cluster until a signal comes. @throws UsageError; UNAVAILABLE if it cannot start, or no member is left */
export async function runLocalCluster(options: LocalClusterOptions): Promise<void> {
  const { values, isInMemory, dataOf } = options
  for (const name of OF_ONE) {
    if (values[name] === undefined || values[name] === '') continue
    throw new UsageError(`--${name} is for one member, and --nodes starts all of them`, 'leave one of the two out')
  }
  const peerPorts = values.port === 0 ? await freePorts(values.nodes) : portsFrom(peerPortOf(values), values.nodes)
  const last = Math.max(...peerPorts, values.port + values.nodes - 1, (values['admin-port'] ?? 0) + values.nodes - 1)
  if (last > MAX_PORT) {
    throw new UsageError(`${values.nodes} members would come to port ${last}`, 'choose lower ports, or --port=0')
  }
  const temporary = isInMemory ? mkdtempSync(join(tmpdir(), 'lock-service-')) : undefined
  try {
    await interruptible(async ({ signal }) => {
      const directoryOf = (id: number): string =>
        temporary === undefined ? resolve(dataOf(id)) : join(temporary, `node-${id}`)
      const cluster = new LocalCluster(options, directoryOf, peerPorts)
      const stopped = new Promise<void>((done) => {
        signal.addEventListener('abort', () => done())
      })
      const why = await Promise.race([stopped, cluster.over])
      await cluster.processes.close()
      if (why === undefined) return
      throw new BedplateError('UNAVAILABLE', why, { hint: 'their own words above say why' })
    })
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true })
  }
}

class LocalCluster {
  readonly processes: NodeProcesses<number>
  /** Resolves to what has gone wrong: a member ended before all had started, or none is left. */
  readonly over: Promise<string>
  readonly #options: LocalClusterOptions
  readonly #addresses = new Map<number, Address>()
  #end: (why: string) => void = () => {}

  constructor(options: LocalClusterOptions, directoryOf: (id: number) => string, peerPorts: readonly number[]) {
    this.#options = options
    this.over = new Promise((end) => {
      this.#end = end
    })
    this.processes = new NodeProcesses({
      program: PROGRAM,
      system: options.system,
      heard: (id, line) => this.#hear(id, JSON.parse(line) as Event),
      ended: (id, status, signal) => {
        this.#say({ event: 'ended', node: id, status, signal }, `[Node ${id}] ${describeEnd(status, signal)}`)
        if (this.#addresses.size < options.values.nodes) this.#end(`member ${id} could not start`)
      },
    })
    void this.processes.allGone.then(() => this.#end('all members of the cluster have ended'))
    const { values, defaults, isInsecure } = options
    const passedOn = Object.entries(values)
      .filter(([name, value]) => !OWN.has(name) && value !== undefined && value !== defaults[name])
      .map(([name, value]) => `--${name}=${value}`)
    const ids = peerPorts.map((_, i) => i + 1)
    const peers = peerPorts.map((port, i) => `${i + 1}=${showAddress({ host: values.host, port })}`).join(',')
    for (const id of ids) {
      const port = values.port === 0 ? 0 : values.port + id - 1
      this.processes.start(id, [
        ...[`--id=${id}`, `--cluster=${ids.join(',')}`, `--port=${port}`, `--peer-port=${peerPorts[id - 1]}`],
        ...[`--peers=${peers}`, `--data-dir=${directoryOf(id)}`, ...passedOn, ...this.#adminPort(id), '--json'],
        ...(isInsecure ? ['--insecure'] : []),
      ])
    }
  }

  /** Those of members lie in a row, as their other ports do. */
  #adminPort(id: number): string[] {
    const first = this.#options.values['admin-port']
    return first === undefined ? [] : [`--admin-port=${first === 0 ? 0 : first + id - 1}`]
  }

  #hear(id: number, event: Event): void {
    if (event.event === 'elected') this.#say(event, `[Node ${id}] Elected leader for term ${event.term}`)
    else if (event.event === 'expired') this.#say(event, `Lock expired: ${event.id}`)
    else if (event.event === 'ready') this.#ready(id, event as Event & Address)
  }

  #ready(id: number, event: Event & Address): void {
    const { host, port, adminPort } = event
    this.#addresses.set(id, { host, port })
    const pid = this.processes.pidOf(id)
    this.#say(
      { event: 'member', node: id, host, port, adminPort, pid },
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
