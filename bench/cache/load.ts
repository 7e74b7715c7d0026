// Debian's redis-benchmark as the client of every server.
import { spawn } from 'node:child_process'
import { owned } from '../leftovers.ts'
import { UsageError } from '../support.ts'
import type { RunningServer } from './servers.ts'

const CONNECTIONS = 50
/** Keys, members and so on are drawn from so many. */
const KEY_SPACE = 100_000

/** What redis-benchmark calls its tests, by what its table calls them. */
export const TESTS = { GET: 'get', SET: 'set', INCR: 'incr', LPUSH: 'lpush', ZADD: 'zadd', MSET: 'mset' } as const
export type TestName = keyof typeof TESTS

/** What one run of redis-benchmark found. */
export interface Load {
  /** Requests a second. */
  readonly rate: number
  readonly p50: number
  readonly p99: number
  readonly most: number
  /** Microseconds of the server's processors a request. */
  readonly cpu: number
}

export interface LoadOptions {
  readonly requests: number
  /** Requests that a connection sends before it waits for their replies. */
  readonly pipeline: number
  readonly keys?: number
  readonly cluster?: boolean
}

/** Runs one test of redis-benchmark against `server`. Times are in milliseconds. */
export async function load(server: RunningServer, test: TestName, options: LoadOptions): Promise<Load> {
  const { requests, pipeline, keys = KEY_SPACE, cluster = false } = options
  const args = ['-p', server.port, '-t', TESTS[test], '-n', requests, '-P', pipeline, '-c', CONNECTIONS, '-r', keys]
  const before = server.cpuSeconds()
  const output = await outputOf([...args.map(String), '--csv', ...(cluster ? ['--cluster'] : [])])
  const cpu = ((server.cpuSeconds() - before) / requests) * 1e6
  const row = output.split('\n').find((line) => line.startsWith(`"${test}`))
  const [, rate = NaN, , , p50 = NaN, , p99 = NaN, most = NaN] =
    row?.split('","').map((cell) => Number(cell.replaceAll('"', ''))) ?? []
  if (!(rate > 0)) throw new Error(`redis-benchmark printed no figure for ${test}:\n${output}`)
  return { rate, p50, p99, most, cpu }
}

function outputOf(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = owned(spawn('redis-benchmark', args, { stdio: ['ignore', 'pipe', 'pipe'] }))
    let output = ''
    child.stdout.on('data', (bytes) => {
      output += bytes
    })
    child.stderr.on('data', (bytes) => {
      output += bytes
    })
    child.once('error', () =>
      reject(new UsageError('redis-benchmark is missing: apt-get install redis-tools redis-server')),
    )
    child.once('close', () => resolve(output))
  })
}
