// The servers that are measured, each in a process of its own.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../test/support/ports.ts'
import { owned, temporaryDirectory } from '../leftovers.ts'
import { UsageError } from '../support.ts'

export const SERVERS = ['bedplate', 'redis', 'bare'] as const
export type ServerName = (typeof SERVERS)[number]

const HOST = '127.0.0.1'
const CACHE_SERVER = fileURLToPath(new URL('../../bin/cache-server', import.meta.url))
const BARE_SERVER = fileURLToPath(new URL('bare-server.mjs', import.meta.url))
const CONNECT_MS = 20
/** sysconf(_SC_CLK_TCK), which is this on every Linux that Node runs on. */
const TICKS_A_SECOND = 100

/** What a server is started for. */
export interface ServerChoice {
  /** Where it keeps its data, with every write synced before its reply; without: in memory alone. */
  readonly durableIn?: string
  /** A cluster of as many masters. */
  readonly nodes?: number
}

/** A running server, or the nodes of a cluster. */
export class RunningServer {
  readonly name: ServerName
  /** Of the first node. */
  readonly port: number
  readonly #children: readonly ChildProcess[]

  private constructor(name: ServerName, port: number, children: readonly ChildProcess[]) {
    this.name = name
    this.port = port
    this.#children = children
  }

  static async start(name: ServerName, { durableIn, nodes }: ServerChoice = {}): Promise<RunningServer> {
    if (nodes !== undefined && name === 'redis') return RunningServer.#startRedisCluster(nodes)
    const [port = 0] = nodes === undefined ? await freePorts(1) : await clusterPorts(nodes)
    if (durableIn !== undefined) mkdirSync(durableIn, { recursive: true })
    const durable =
      durableIn === undefined ? [] : ['--appendonly', 'yes', '--appendfsync', 'always', '--dir', durableIn]
    const cluster = nodes === undefined ? [] : ['--cluster', '--nodes', String(nodes)]
    const commands: Record<ServerName, readonly string[]> = {
      bedplate: [process.execPath, CACHE_SERVER, `--port=${port}`, ...durable, ...cluster],
      redis: ['redis-server', '--port', String(port), '--save', '', ...durable],
      bare: [process.execPath, BARE_SERVER, String(port)],
    }
    const child = launch(commands[name])
    await answering(port, child)
    const server = new RunningServer(name, port, [child])
    if (nodes !== undefined) await server.#clusterReady()
    return server
  }

  static async #startRedisCluster(nodes: number): Promise<RunningServer> {
    const ports = await clusterPorts(nodes)
    const directory = temporaryDirectory(tmpdir(), 'bedplate-bench-')
    const children = ports.map((port) =>
      launch(
        ['redis-server', '--port', String(port), '--save', '', '--cluster-enabled', 'yes'].concat(
          '--cluster-config-file',
          join(directory, `${port}.conf`),
        ),
      ),
    )
    for (const [i, child] of children.entries()) await answering(ports[i] as number, child)
    const server = new RunningServer('redis', ports[0] as number, children)
    const addresses = ports.map((port) => `${HOST}:${port}`)
    spawnSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'], { stdio: 'ignore' })
    await server.#clusterReady()
    return server
  }

  /** Runs one command by redis-cli. */
  ask(...args: string[]): string {
    return spawnSync('redis-cli', ['-p', String(this.port), ...args], { encoding: 'utf8' }).stdout
  }

  /** Seconds of processor time that it has used until now. */
  cpuSeconds(): number {
    let ticks = 0
    for (const { pid } of this.#children) {
      // proc(5): the name in brackets may hold spaces; utime and stime are the 14th and 15th field.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
      ticks += Number(fields[11]) + Number(fields[12])
    }
    return ticks / TICKS_A_SECOND
  }

  /** Bytes of memory that are in use by it. */
  residentBytes(): number {
    let bytes = 0
    for (const { pid } of this.#children) {
      const kilobytes = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      bytes += Number(kilobytes) * 1024
    }
    return bytes
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      const gone = once(child, 'exit')
      if (child.kill('SIGKILL')) await gone
    }
  }

  async #clusterReady(): Promise<void> {
    while (!this.ask('cluster', 'info').includes('cluster_state:ok')) await pause()
  }
}

function launch([program = '', ...args]: readonly string[]): ChildProcess {
  return owned(spawn(program, args, { stdio: 'ignore', cwd: '/tmp' }))
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  while (!(await connects(port))) {
    if (child.exitCode !== null) throw new UsageError(`a server ended before it could be measured: ${child.spawnargs}`)
    await pause()
  }
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: HOST, port }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** Ports whose twins for the cluster's bus, 10,000 above, are none that the system gives to clients. */
async function clusterPorts(count: number): Promise<number[]> {
  for (;;) {
    const ports = await freePorts(count)
    if (ports.every((port) => port < 20_000)) return ports
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, CONNECT_MS))
}
