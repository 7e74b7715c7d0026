// `bedplate raft up` runs a cluster of processes on this machine; `bedplate raft faults` hurts it, by a request to `up`.
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import { listenHttp, type Page } from '../../io/http.ts'
import { showAddress } from '../../io/network.ts'
import { failurePage, jsonOf, jsonPage } from '../../service/index.ts'
import { interruptible } from '../kit/interrupt.ts'
import type { Output } from '../kit/output.ts'
import { runProgram, UsageError } from '../kit/program.ts'
import { type Cluster, type NodeState, openCluster } from './cluster.ts'
import { appendPage, raftPage } from './console.ts'
import { Watch } from './watch.ts'

const HOST = '127.0.0.1'
const DEFAULT_CONTROL = '8000'
const MAX_NODES = 9

const EXAMPLES = `
Examples:
  $ bedplate raft up --nodes 5                  nodes on the ports 8001 to 8005, until Ctrl-C; console on 8000
  $ bedplate raft faults status                 in another terminal
  $ bedplate raft faults kill 3                 as a crash does
  $ bedplate raft faults start 3                again, from its disk
  $ bedplate raft faults pause 2                it stands still; resume 2 lets it go on
  $ bedplate raft faults partition 1,2 3,4,5    the two sides do not hear each other any more
  $ bedplate raft faults heal
Exit status: 0 done, 1 failed, 2 wrong usage.`

/** Runs `bedplate raft ...args` and gives its exit status. */
export function run(args: readonly string[]): Promise<number> {
  return runProgram(args.length === 0 ? ['--help'] : args, 'bedplate raft', (program, out) => {
    program.description('A Raft cluster on this machine, and its faults.').addHelpText('after', EXAMPLES)
    addUp(program)
    addFaults(program, out)
  })
}

// ---- up

function addUp(program: Command): void {
  program
    .command('up')
    .description('run a cluster of processes, their lines one below the other')
    .option('--nodes <n>', `how many, at most ${MAX_NODES}`, '5')
    .option('--port <port>', 'the port of node 1; the others have those behind it', '8001')
    .option('--control <port>', 'where `bedplate raft faults` is heard, and the console is', DEFAULT_CONTROL)
    .option('--data-dir <directory>', 'where their data is', './bedplate-data/raft')
    .action(up)
}

async function up(options: Record<'nodes' | 'port' | 'control' | 'dataDir', string>): Promise<void> {
  const count = wholeNumber('--nodes', options.nodes, MAX_NODES)
  const port = wholeNumber('--port', options.port, 65_535 - MAX_NODES)
  const control = wholeNumber('--control', options.control, 65_535)
  const directory = resolve(options.dataDir)
  mkdirSync(directory, { recursive: true })
  const print = (line: string): void => void process.stdout.write(`${line}\n`)
  await interruptible(async ({ signal }) => {
    const stopped = new Promise<void>((done) => {
      signal.addEventListener('abort', () => done())
    })
    let cluster: Cluster | undefined
    const watch = new Watch()
    const listener = await listenHttp({ host: HOST, port: control }, (path) => raftPage(cluster, watch, path), {
      localNamesOnly: true,
      change: (path, body) => answer(cluster, path, body),
    })
    try {
      cluster = await openCluster({
        ...{ count, port, directory, print },
        saw: (from, to, message, isLost) => watch.saw(from, to, message, isLost),
      })
      print(`console  http://${showAddress(listener.address)}`)
      await stopped
    } finally {
      listener.close()
      await cluster?.close()
    }
  })
}

/** What is asked by POST: a fault, by `bedplate raft faults` or a button, or a command to be appended. */
async function answer(cluster: Cluster | undefined, path: string, body: Uint8Array): Promise<Page | undefined> {
  try {
    if (cluster === undefined) throw new BedplateError('UNAVAILABLE', 'the cluster is starting')
    if (path === '/api/raft/append') return await appendPage(cluster, body)
    if (path !== '/faults') return undefined
    await perform(cluster, faultOf(body))
    return jsonPage(cluster.states())
  } catch (error) {
    return failurePage(error)
  }
}

// ---- faults

/** What `faults` asks of `up`. */
interface Fault {
  readonly fault: string
  readonly node?: number
  readonly groups?: readonly (readonly number[])[]
}

/** @throws INVALID_INPUT for what has not its shape. */
function faultOf(body: Uint8Array): Fault {
  const { fault, node = 0, groups = [] } = jsonOf(body)
  if (typeof fault === 'string' && typeof node === 'number' && areGroups(groups)) return { fault, node, groups }
  throw new BedplateError('INVALID_INPUT', 'this is no fault', {
    hint: 'it is like {"fault":"kill","node":1} or {"fault":"partition","groups":[[1,2],[3]]}',
  })
}

function areGroups(value: unknown): value is number[][] {
  return Array.isArray(value) && value.every((group) => Array.isArray(group) && group.every(Number.isInteger))
}

const OF_NODES = {
  kill: 'end a node as a crash does',
  start: 'start a node that is down, from its disk',
  pause: 'let a node stand still',
  resume: 'let it go on',
} as const

async function perform(cluster: Cluster, { fault, node = 0, groups = [] }: Fault): Promise<void> {
  switch (fault) {
    case 'kill':
      return cluster.kill(node)
    case 'start':
      return cluster.start(node)
    case 'pause':
      return cluster.pause(node)
    case 'resume':
      return cluster.resume(node)
    case 'partition':
      return cluster.partition(groups)
    case 'heal':
      return cluster.heal()
    case 'status':
      return
    default:
      throw new BedplateError('INVALID_INPUT', `there is no fault ${JSON.stringify(fault)}`)
  }
}

function addFaults(program: Command, out: Output): void {
  const faults = program.command('faults').description('hurt a cluster that `bedplate raft up` runs')
  const add = (usage: string, summary: string, faultOf: (words: readonly string[]) => Fault): void => {
    faults
      .command(usage)
      .description(summary)
      .option('--control <port>', 'the --control of `bedplate raft up`', DEFAULT_CONTROL)
      .option('--json', 'say how the nodes are as JSON')
      .action(async (...given: unknown[]) => {
        const [options] = given.slice(-2) as [{ control: string; json?: boolean }]
        const words = given.slice(0, -2).flat() as string[]
        const states = await ask(wholeNumber('--control', options.control, 65_535), faultOf(words))
        if (options.json === true) await out.line(JSON.stringify(states))
        else for (const state of states) await out.line(describe(state))
      })
  }
  for (const [fault, summary] of Object.entries(OF_NODES)) {
    add(`${fault} <node>`, summary, ([node = '']) => ({ fault, node: wholeNumber('the node', node, MAX_NODES) }))
  }
  add('partition <sides...>', 'cut the ways between groups of nodes: 1,2 3,4,5', (sides) => ({
    fault: 'partition',
    groups: sides.map((side) => side.split(',').map((node) => wholeNumber('a node', node, MAX_NODES))),
  }))
  add('heal', 'let all nodes hear each other again', () => ({ fault: 'heal' }))
  add('status', 'say how the nodes are', () => ({ fault: 'status' }))
}

async function ask(control: number, fault: Fault): Promise<NodeState[]> {
  const url = `http://${HOST}:${control}/faults`
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(fault) }).catch((cause: unknown) => {
    throw new BedplateError('UNAVAILABLE', `no cluster is heard at ${HOST}:${control}`, {
      cause,
      hint: 'bedplate raft up starts one; give both the same --control',
    })
  })
  const answered = (await response.json()) as unknown
  if (response.ok) return answered as NodeState[]
  const { code, message, hint } = (answered as { error: { code: ErrorCode; message: string; hint?: string } }).error
  throw new BedplateError(code, message, hint === undefined ? {} : { hint })
}

function describe({ id, state, port, cutFrom }: NodeState): string {
  const cut = cutFrom.length === 0 ? '' : `, cut from ${cutFrom.join(', ')}`
  return `[Node ${id}] ${state}, port ${port}${cut}`
}

function wholeNumber(what: string, text: string, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (value >= 1 && value <= most) return value
  throw new UsageError(`${what} must be a whole number from 1 to ${most}, got ${JSON.stringify(text.slice(0, 40))}`)
}
