// The servers that are measured: ours and Debian's etcd, one member or a cluster, each member a process with a data directory of its own
// on the disk that is measured.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../test/support/ports.ts'
import { connectGrpc, GrpcError } from '../../ts/io/grpc.ts'
import { StatusResponse } from '../../ts/wire/etcd/messages.ts'
import { owned } from '../leftovers.ts'

const COMMAND = fileURLToPath(new URL('../../bin/lock-service', import.meta.url))
const BARE_SERVER = fileURLToPath(new URL('bare-server.mjs', import.meta.url))
const HOST = '127.0.0.1'
const POLL_MS = 20
const STATUS_MS = 1000

/** How a member is started. */
interface Program {
  readonly name: 'bedplate' | 'etcd'
  readonly command: string
  args(id: number): string[]
  readonly isReady: RegExp
}

/** Servers that answer. Made by `startOurs` and `startEtcd`. */
export class Servers {
  readonly name: Program['name']
  /** `host:port` of each member, the first that of member 1. */
  readonly addresses: readonly string[]
  readonly #program: Program
  readonly #children = new Map<number, ChildProcess>()

  private constructor(program: Program, ports: readonly number[]) {
    this.name = program.name
    this.addresses = ports.map((port) => `${HOST}:${port}`)
    this.#program = program
  }

  static async start(program: Program, ports: readonly number[]): Promise<Servers> {
    const servers = new Servers(program, ports)
    await Promise.all(servers.addresses.map((_, i) => servers.run(i + 1)))
    await servers.leader()
    return servers
  }

  /** Starts a member, from its disk if it has run before. Resolves when it serves. */
  async run(id: number): Promise<void> {
    const { name, command, args, isReady } = this.#program
    const child = owned(spawn(command, args(id), { stdio: ['ignore', 'pipe', 'pipe'] }))
    this.#children.set(id, child)
    await new Promise<void>((resolve, reject) => {
      for (const input of [child.stdout, child.stderr]) {
        createInterface({ input }).on('line', (line) => {
          if (isReady.test(line)) resolve()
        })
      }
      child.once('error', reject)
      child.once('exit', (status) => reject(new Error(`${name} ended with ${status} instead of serving`)))
    })
  }

  async kill(id: number): Promise<void> {
    await ended(this.#children.get(id) as ChildProcess, 'SIGKILL')
    this.#children.delete(id)
  }

  /** Who leads, once all members that run say the same. */
  async leader(): Promise<number> {
    for (;;) {
      const states = await Promise.all([...this.#children.keys()].map((id) => this.#status(id)))
      const [first] = states
      const leader = states.find((state) => state?.memberId === first?.leader)
      if (leader !== undefined && states.every((state) => state?.leader === leader.memberId)) return leader.id
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#children.values()].map((child) => ended(child, 'SIGTERM')))
  }

  async #status(id: number) {
    const client = connectGrpc(this.addresses[id - 1] as string)
    try {
      const path = '/etcdserverpb.Maintenance/Status'
      const answer = StatusResponse.decode(await client.unary(path, new Uint8Array(0), { timeoutMs: STATUS_MS }))
      return { id, memberId: answer.header?.memberId, leader: answer.leader }
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error
      return undefined
    } finally {
      client.close()
    }
  }
}

/** Starts ours. @param nodeArgs - For its Node, such as `--cpu-prof`. */
export async function startOurs(directory: string, members: number, nodeArgs: readonly string[]): Promise<Servers> {
  const ports = await freePorts(2 * members)
  const ids = Array.from({ length: members }, (_, i) => i + 1)
  const peers = ids.map((id) => `${id}=${HOST}:${ports[members + id - 1]}`).join(',')
  const ofCluster = (id: number): string[] =>
    members === 1
      ? []
      : [`--id=${id}`, `--cluster=${ids.join(',')}`, `--peer-port=${ports[members + id - 1]}`, `--peers=${peers}`]
  const home = homeOf(directory, 'bedplate', members)
  const program: Program = {
    name: 'bedplate',
    command: process.execPath,
    args: (id) => [
      ...nodeArgs,
      ...[COMMAND, '--json', `--port=${ports[id - 1]}`, `--data-dir=${join(home, String(id))}`],
      ...ofCluster(id),
    ],
    isReady: /"event":"ready"/,
  }
  return Servers.start(program, ports.slice(0, members))
}

/** Starts a server that answers puts and gets at once by the same library for gRPC. @returns Its address; it ends with this process. */
export async function startBare(): Promise<string> {
  const child = owned(spawn(process.execPath, [BARE_SERVER], { stdio: ['ignore', 'pipe', 'inherit'] }))
  for await (const line of createInterface({ input: child.stdout })) return `${HOST}:${line}`
  throw new Error('the bare server ended instead of serving')
}

/** Starts Debian's etcd as it comes: every put synced to disk before its answer. */
export async function startEtcd(directory: string, members: number): Promise<Servers> {
  const ports = await freePorts(2 * members)
  const peerUrl = (id: number): string => `http://${HOST}:${ports[members + id - 1]}`
  const cluster = Array.from({ length: members }, (_, i) => `m${i + 1}=${peerUrl(i + 1)}`).join(',')
  const home = homeOf(directory, 'etcd', members)
  const program: Program = {
    name: 'etcd',
    command: 'etcd',
    args: (id) => {
      const url = `http://${HOST}:${ports[id - 1]}`
      return [
        ...[`--name=m${id}`, `--data-dir=${join(home, String(id))}`, `--initial-cluster=${cluster}`],
        ...[`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`],
        ...[`--listen-peer-urls=${peerUrl(id)}`, `--initial-advertise-peer-urls=${peerUrl(id)}`],
      ]
    },
    isReady: /ready to serve client/,
  }
  return Servers.start(program, ports.slice(0, members))
}

function homeOf(directory: string, name: string, members: number): string {
  const home = join(directory, `${name}-${members}`)
  mkdirSync(home, { recursive: true })
  return home
}

async function ended(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}
