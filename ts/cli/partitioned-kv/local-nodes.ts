// The nodes of a cluster on this machine: each in a thread of this process, or a process of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import { PACKAGE_URL } from '../../base/package.ts'
import { realClock } from '../../io/clock.ts'
import { showAddress } from '../../io/network.ts'
import { spawnWorker } from '../../io/worker.ts'
import { complain } from '../kit/output.ts'
import type { FromNode, NodeData } from './node-messages.ts'

const PROGRAM = fileURLToPath(new URL('bin/partitioned-kv', PACKAGE_URL))
/** Not `import.meta.url`: this module is bundled with the other commands, and the thread's is not. */
const HERE = new URL('dist/cli/partitioned-kv/local-nodes.js', PACKAGE_URL).href
/** A process that does not end in this time, since it is paused or its disk hangs, is killed. */
const END_MS = 7000

/** A node that runs. */
export interface LocalNode {
  readonly name: string
  /** Of the process, if it has one of its own. */
  readonly pid: number | undefined
  /** Why it ended, once it has. */
  readonly gone: Promise<string>
  /** Ends it in order. */
  end(): Promise<void>
}

/** Starts a node in a thread. @throws What the node cannot start with */
export async function startThread(data: NodeData): Promise<LocalNode> {
  const worker = spawnWorker('./node-worker.ts', HERE, { workerData: data })
  let why = 'its thread has ended'
  const gone = new Promise<string>((resolve) => {
    worker.once('error', (error: Error) => {
      why = error.message
    })
    worker.once('exit', () => resolve(why))
  })
  const ready = new Promise<void>((resolve, reject) => {
    worker.on('message', (message: FromNode) => {
      if (message.kind === 'ready') resolve()
      else {
        why = message.message
        const { code, hint } = message
        reject(new BedplateError(code as ErrorCode, message.message, hint === undefined ? {} : { hint }))
        void worker.terminate()
      }
    })
    void gone.then((reason) => reject(new BedplateError('INTERNAL', `${data.name} has failed: ${reason}`)))
  })
  await ready
  return {
    name: data.name,
    pid: undefined,
    gone,
    async end() {
      worker.postMessage('end')
      await gone
    },
  }
}

/** What a process of a node needs beside its data: flags that name files. */
export interface ProcessOptions {
  readonly files: readonly string[]
}

/** Starts a node as a process. @throws UNAVAILABLE if it ends at once: its own words on standard error say why */
export async function startProcess(data: NodeData, { files }: ProcessOptions): Promise<LocalNode> {
  const peers = Object.entries(data.nodes).map(([name, address]) => `${name}=${showAddress(address)}`)
  const child = spawn(
    process.execPath,
    [
      ...[PROGRAM, 'node', `--name=${data.name}`, `--peers=${peers}`, `--port=${data.listen.port}`],
      ...[`--host=${data.listen.host}`, `--data-dir=${data.path}`, `--cluster-id=${data.clusterId}`],
      ...[`--replicas=${data.replicas}`, `--read-quorum=${data.reads}`, `--write-quorum=${data.writes}`],
      ...[`--vnodes=${data.virtualNodes}`, `--tick-ms=${data.tickMs}`, `--memory-bytes=${data.memoryBytes}`],
      ...[
        `--copy-kib=${Math.ceil(data.copyBytesPerSecond / 1024)}`,
        `--max-clients=${data.maxClients}`,
        `--log-level=${data.logLevel}`,
      ],
      ...[...files, ...(data.isInsecure ? ['--insecure'] : []), ...(data.joins ? ['--joins'] : []), '--json'],
    ],
    {
      // The channel says nothing; it ends with this process, however that ends, and then the nodes do.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true, // Ctrl-C on the terminal is ours to hand on
    },
  )
  createInterface({ input: child.stderr as Readable }).on('line', (line) => complain(`[${data.name}] ${line}\n`))
  const gone = once(child, 'exit').then(([status, signal]) =>
    signal === null ? `it ended with status ${status}` : `it was ended by ${signal}`,
  )
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout as Readable }).once('line', () => resolve())
    void gone.then((why) => reject(new BedplateError('UNAVAILABLE', `${data.name} did not start: ${why}`)))
  })
  await ready
  return {
    name: data.name,
    pid: child.pid,
    gone,
    async end() {
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      const cancel = realClock.timer(END_MS, () => child.kill('SIGKILL'))
      await gone.finally(cancel)
    },
  }
}
