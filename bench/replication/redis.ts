// Debian's redis-server with one replica.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { freePorts } from '../../test/support/ports.ts'
import { pause } from '../../test/support/replicated-kv/processes.ts'
import { owned } from '../leftovers.ts'

const HOST = '127.0.0.1'

/** When a write is answered: nothing is on disk ever, or it is on the disk of the one that is asked, as all of ours are. */
export type RedisDurability = 'memory' | 'always'

const FLAGS: Readonly<Record<RedisDurability, readonly string[]>> = {
  memory: ['--appendonly', 'no'],
  always: ['--appendonly', 'yes', '--appendfsync', 'always'],
}

export class RedisPair {
  readonly port: number
  readonly #children: readonly ChildProcess[]

  private constructor(port: number, children: readonly ChildProcess[]) {
    this.port = port
    this.#children = children
  }

  /** @throws Error if there is no redis-server */
  static async open(directory: string, durability: RedisDurability): Promise<RedisPair> {
    const [port = 0, replicaPort = 0] = await freePorts(2)
    const start = (own: number, more: readonly string[]): ChildProcess => {
      const files = join(directory, `redis-${own}`) // two must not share one
      mkdirSync(files)
      const flags = ['--port', String(own), '--save', '', '--dir', files, ...FLAGS[durability]]
      return owned(spawn('redis-server', [...flags, ...more], { stdio: 'ignore' }))
    }
    const children = [start(port, []), start(replicaPort, ['--replicaof', HOST, String(port)])]
    await Promise.race(
      children
        .map(async (child) => {
          const [error] = (await once(child, 'error')) as [Error]
          throw new Error(`redis-server cannot be started: ${error.message}; apt-get install redis-server`)
        })
        .concat(untilReplicates(replicaPort).then(() => undefined as never)),
    )
    return new RedisPair(port, children)
  }

  async close(): Promise<void> {
    for (const child of this.#children) {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
  }
}

async function untilReplicates(port: number): Promise<void> {
  while (!(await info(port)).includes('master_link_status:up')) await pause()
}

function info(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = createConnection({ host: HOST, port }, () => socket.write('INFO replication\r\nQUIT\r\n'))
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
}
