// The servers that are measured: ours and Debian's etcd, each a process with a data directory of its own on the disk that is measured.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../test/support/ports.ts'
import { owned } from '../leftovers.ts'

const COMMAND = fileURLToPath(new URL('../../bin/lock-service', import.meta.url))

/** A server that answers. */
export interface RunningServer {
  readonly name: 'bedplate' | 'etcd'
  /** `host:port`. */
  readonly address: string
  stop(): Promise<void>
}

/** Starts ours. @param nodeArgs - For its Node, such as `--cpu-prof`. */
export async function startOurs(directory: string, nodeArgs: readonly string[]): Promise<RunningServer> {
  const [port] = await freePorts(1)
  const args = [...nodeArgs, COMMAND, '--json', `--port=${port}`, `--data-dir=${join(directory, 'bedplate')}`]
  return started('bedplate', `127.0.0.1:${port}`, owned(spawn(process.execPath, args, STDIO)), /"event":"ready"/)
}

/** Starts Debian's etcd as it comes: one member, every put synced to disk before its answer. */
export async function startEtcd(directory: string): Promise<RunningServer> {
  const [port, peerPort] = await freePorts(2)
  const url = `http://127.0.0.1:${port}`
  const args = [
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
  ]
  return started('etcd', `127.0.0.1:${port}`, owned(spawn('etcd', args, STDIO)), /ready to serve client/)
}

const STDIO = { stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'] }

async function started(
  name: RunningServer['name'],
  address: string,
  child: ReturnType<typeof spawn>,
  isReady: RegExp,
): Promise<RunningServer> {
  const ended = once(child, 'exit')
  const ready = new Promise<void>((resolve, reject) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input: input as NodeJS.ReadableStream }).on('line', (line) => {
        if (isReady.test(line)) resolve()
      })
    }
    ended.then(([status]) => reject(new Error(`${name} ended with ${status} instead of serving`)), reject)
  })
  await ready
  return { name, address, stop: () => stopped(child, ended) }
}

async function stopped(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM')
  await ended
}
