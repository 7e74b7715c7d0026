// Nodes of replicated-kv in this process: real sockets and disks, quick elections.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ReplicaServer } from '../../../ts/distributed/replication/server/server.ts'
import type { ReplicaOptions } from '../../../ts/distributed/replication/server/types.ts'
import { realClock } from '../../../ts/io/clock.ts'
import type { Disk } from '../../../ts/io/disk.ts'
import { type Address, realNetwork } from '../../../ts/io/network.ts'
import { realRandom } from '../../../ts/io/random.ts'
import { realDisk } from '../../../ts/io/real-disk.ts'
import { until } from './processes.ts'

const HOST = '127.0.0.1'

export interface Answer {
  readonly status: number
  readonly text: string
  readonly session: string | null
}

export class Servers {
  readonly #directory: string
  readonly #common: Partial<ReplicaOptions>
  readonly #disk: Disk
  readonly #servers = new Map<number, ReplicaServer>()
  readonly #addresses = new Map<number, Address>()

  constructor(directory: string, common: Partial<ReplicaOptions> = {}, disk = realDisk) {
    this.#directory = directory
    this.#disk = disk
    mkdirSync(directory, { recursive: true })
    this.#common = { tickMs: 10, ...common }
  }

  get(id: number): ReplicaServer {
    return this.#servers.get(id) as ReplicaServer
  }

  address(id: number): Address {
    return this.#addresses.get(id) as Address
  }

  /** Node 1 begins the cluster, the others join it. @returns Once it serves, or has failed */
  async start(id: number, options: Partial<ReplicaOptions> = {}): Promise<ReplicaServer> {
    const listen = this.#addresses.get(id) ?? { host: HOST, port: 0 }
    const part = id === 1 ? { lead: true } : { leader: this.#addresses.get(1) as Address }
    const seams = { disk: this.#disk, clock: realClock, random: realRandom, network: realNetwork }
    const path = join(this.#directory, `node-${id}`)
    const server = new ReplicaServer(seams, path, { id, listen, ...part, ...this.#common, ...options })
    this.#servers.set(id, server)
    this.#addresses.set(id, await server.start())
    await Promise.race([until(() => server.ready()), server.failed])
    return server
  }

  async startAll(count: number): Promise<void> {
    for (let id = 1; id <= count; id++) await this.start(id)
  }

  async stop(id: number): Promise<void> {
    await this.get(id).stop()
  }

  async ask(id: number, path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = { connection: 'close', ...(init.headers as Record<string, string> | undefined) }
    const response = await fetch(`http://${HOST}:${this.address(id).port}${path}`, { ...init, headers })
    return { status: response.status, text: await response.text(), session: response.headers.get('bedplate-session') }
  }

  async close(): Promise<void> {
    for (const server of this.#servers.values()) await server.stop()
  }
}
