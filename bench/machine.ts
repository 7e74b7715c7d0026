// What a figure was measured on.
import { readFileSync, realpathSync } from 'node:fs'
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os'

export interface Machine {
  processor: string
  cores: number
  memoryBytes: number
  /** Operating system, kernel and architecture. */
  system: string
  node: string
  v8: string
  /** Runnable programs over the last minute: above the number of cores, the figures are those of a busy machine. */
  load: number
  /** YYYY-MM-DD. */
  date: string
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model ?? 'unknown processor',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.versions.node,
    v8: process.versions.v8,
    load: loadavg()[0] ?? 0,
    date: new Date().toISOString().slice(0, 10),
  }
}

export function machineLines(machine: Machine): string[] {
  const { processor, cores, memoryBytes, system, node, v8, load, date } = machine
  return [
    `${processor}, ${cores} cores, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${system}, load ${load.toFixed(1)}`,
    `Node ${node}, V8 ${v8}, ${date}`,
  ]
}

/** The file system that holds `directory`, in words: `ext4 on /dev/vda`. On `tmpfs` an fsync costs nothing. */
export function describeDisk(directory: string): string {
  try {
    const path = realpathSync(directory)
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n').map(parseMount)
    const holding = mounts.filter(({ point }) => path === point || path.startsWith(point.replace(/\/?$/, '/')))
    const mount = holding.reduce((best, next) => (next.point.length >= best.point.length ? next : best))
    return `${mount.type} on ${mount.source}`
  } catch {
    return 'an unknown file system'
  }
}

/** proc(5): `id parent device root mount-point options [tags] - type source ...` */
function parseMount(line: string): { point: string; type: string; source: string } {
  const [before = '', after = ''] = line.split(' - ')
  const [type = '', source = ''] = after.split(' ')
  return { point: before.split(' ')[4] ?? '', type, source }
}
