// A client outside Node: `etcdctl check perf` (package etcd-client), which puts for a minute at the pace of a load, with
// 50 to 1,000 connections at once, and says how much of that pace the server kept up with.
import { spawnSync } from 'node:child_process'
import type { Servers } from './servers.ts'

/** What it found; undefined where it did not say. */
export interface PerfFigures {
  readonly name: string
  readonly members: number
  readonly load: string
  readonly writesPerSecond: number | undefined
  readonly slowestSeconds: number | undefined
}

/** Runs it on a server. @param load - `s`, `m`, `l`, `xl`: 150, 1,000, 8,000 or 15,000 writes a second at most. */
export function checkPerf({ name, addresses }: Servers, load: string): PerfFigures {
  const args = [`--endpoints=${addresses.join(',')}`, 'check', 'perf', `--load=${load}`]
  const members = addresses.length
  const { stdout, stderr, error } = spawnSync('etcdctl', args, {
    encoding: 'utf8',
    env: { ...process.env, ETCDCTL_API: '3' },
  })
  if (error !== undefined) throw error
  const text = `${stdout}\n${stderr}`
  return {
    name,
    members,
    load,
    writesPerSecond: numberIn(/Throughput[^\d\n]*([\d.]+) writes\/s/, text),
    slowestSeconds: numberIn(/Slowest request took[^\d\n]*([\d.]+)s/, text),
  }
}

function numberIn(pattern: RegExp, text: string): number | undefined {
  const found = pattern.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}
