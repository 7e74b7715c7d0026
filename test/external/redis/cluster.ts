// redis-cli --cluster, and redis-server as a node.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { ServersBed } from '../../support/cluster/servers.ts'
import { freePorts } from '../../support/ports.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { requirePrograms } from '../prerequisites.ts'

/** What is to be done at the end of a test. */
export type Closing = (() => unknown)[]

/** A redis-server that is, or may become, a node. */
export interface RealNode {
  readonly port: number
  readonly child: ChildProcess
}

/** Runs redis-cli. @returns What it said. @throws Error if it ends with another status than 0 */
export async function redisCli(...args: readonly (string | number)[]): Promise<string> {
  requirePrograms('redis-cli')
  const env = { ...process.env, TERM: 'dumb' } // without colours
  const { stdout } = await promisify(execFile)('redis-cli', args.map(String), { encoding: 'latin1', env })
  return stdout
}

/** Runs `redis-cli --cluster` and agrees to what it asks. @throws Error with what it said if it failed */
export async function clusterCli(...args: readonly (string | number)[]): Promise<string> {
  try {
    return await redisCli('--cluster', ...args, '--cluster-yes')
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(`redis-cli --cluster ${args.join(' ')} failed:\n${stdout}\n${stderr}`)
  }
}

/** Nodes of ours that do not know each other. */
export async function ourNodes(count: number, closing: Closing): Promise<ServersBed> {
  const servers = await ServersBed.start(count)
  closing.push(() => servers.stop())
  return servers
}

/** A redis-server that is a node of no cluster yet, or with `settings` none at all. */
export async function startRealNode(closing: Closing, settings: Record<string, string> = {}): Promise<RealNode> {
  requirePrograms('redis-server')
  const { path, remove } = temporaryDirectory()
  const [port = 0, busPort = 0] = await freePorts(2)
  const all = {
    port,
    'cluster-port': busPort,
    dir: path,
    save: '',
    'cluster-enabled': 'yes',
    'cluster-node-timeout': 1000,
    ...settings,
  }
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)])
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  closing.push(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    remove()
  })
  let said = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    said += chunk
    if (said.includes('Ready to accept connections')) return { port, child }
  }
  throw new Error(`redis-server did not start:\n${said}`)
}

/** Asks until the answer is the one that is waited for; the test's own time-out is the limit. */
export async function until(ask: () => Promise<boolean>): Promise<void> {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, 50))
}

export async function isUp(port: number): Promise<boolean> {
  return (await redisCli('-p', port, 'cluster', 'info')).includes('cluster_state:ok')
}

export async function nameOf(port: number): Promise<string> {
  return (await redisCli('-p', port, 'cluster', 'myid')).trim()
}
