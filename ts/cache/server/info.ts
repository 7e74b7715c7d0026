// INFO: sections of `name:value` lines, in Redis's names, with what clients look for and what is true here.
import type { MemoryLimit } from '../commands/memory-limit.ts'

/** What the sections are made of. */
export interface InfoFigures {
  readonly nowMs: number
  readonly startedMs: number
  readonly port: number
  readonly runId: string
  readonly heapBytes: number
  readonly memory: MemoryLimit
  readonly connectedClients: number
  readonly blockedClients: number
  readonly maxClients: number
  readonly pubsubChannels: number
  readonly pubsubPatterns: number
  /** Connections for which there was no room. */
  readonly rejected: number
  readonly isCluster: boolean
  readonly totals: Totals
  /** What `Replication.info` tells, and how often replicas came. */
  readonly replication: Readonly<Record<string, string | number>>
  readonly syncs: { readonly full: number; readonly partial: number; readonly refused: number }
  /** What `Persistence.info` tells. */
  readonly persistence: Readonly<Record<string, string | number>>
  readonly databases: readonly { readonly index: number; readonly keys: number; readonly expires: number }[]
}

/** What CONFIG RESETSTAT sets to zero. */
export interface Totals {
  connections: number
  commands: number
  bytesIn: number
  bytesOut: number
  /** Clients that were closed because they did not read. */
  slowClients: number
}

type Lines = Readonly<Record<string, string | number>>

const SECTIONS: Readonly<Record<string, (figures: InfoFigures) => Lines>> = {
  Server: ({ nowMs, startedMs, port, runId, isCluster }) => ({
    redis_version: '7.0.15',
    redis_mode: isCluster ? 'cluster' : 'standalone',
    server_name: 'bedplate',
    arch_bits: 64,
    multiplexing_api: 'libuv',
    run_id: runId,
    tcp_port: port,
    server_time_usec: Math.floor(nowMs * 1000),
    uptime_in_seconds: Math.floor((nowMs - startedMs) / 1000),
    uptime_in_days: Math.floor((nowMs - startedMs) / 86_400_000),
  }),
  Clients: ({ connectedClients, blockedClients, maxClients }) => ({
    connected_clients: connectedClients,
    maxclients: maxClients,
    blocked_clients: blockedClients,
  }),
  Memory: ({ heapBytes, memory }) => ({
    used_memory: memory.usedBytes,
    used_memory_human: human(memory.usedBytes),
    used_memory_heap: heapBytes,
    used_memory_peak: memory.peakBytes,
    used_memory_peak_human: human(memory.peakBytes),
    used_memory_dataset: memory.usedBytes,
    maxmemory: memory.maxBytes,
    maxmemory_human: human(memory.maxBytes),
    maxmemory_policy: memory.policy,
    mem_allocator: 'v8',
  }),
  Persistence: ({ persistence }) => persistence,
  Stats: ({ totals, rejected, pubsubChannels, pubsubPatterns, memory, syncs }) => ({
    total_connections_received: totals.connections,
    total_commands_processed: totals.commands,
    total_net_input_bytes: totals.bytesIn,
    total_net_output_bytes: totals.bytesOut,
    rejected_connections: rejected,
    sync_full: syncs.full,
    sync_partial_ok: syncs.partial,
    sync_partial_err: syncs.refused,
    evicted_keys: memory.evictedCount,
    client_output_buffer_limit_disconnections: totals.slowClients,
    pubsub_channels: pubsubChannels,
    pubsub_patterns: pubsubPatterns,
  }),
  Replication: ({ replication }) => replication,
  Cluster: ({ isCluster }) => ({ cluster_enabled: isCluster ? 1 : 0 }),
  Keyspace: ({ databases }) => {
    const used = databases.filter(({ keys }) => keys > 0)
    return Object.fromEntries(
      used.map(({ index, keys, expires }) => [`db${index}`, `keys=${keys},expires=${expires},avg_ttl=0`]),
    )
  },
}

/** @param wanted - Names of sections in lower case; none, `default`, `all` or `everything` for every one. */
export function renderInfo(wanted: readonly string[], figures: InfoFigures): string {
  const isAll = wanted.length === 0 || wanted.some((name) => /^(?:default|all|everything)$/.test(name))
  const parts: string[] = []
  for (const [name, linesOf] of Object.entries(SECTIONS)) {
    if (!isAll && !wanted.includes(name.toLowerCase())) continue
    const lines = Object.entries(linesOf(figures)).map(([key, value]) => `${key}:${value}\r\n`)
    parts.push(`# ${name}\r\n${lines.join('')}`)
  }
  return parts.join('\r\n')
}

/** Bytes as Redis shows them (util.c, bytesToHuman). */
function human(bytes: number): string {
  const units = ['B', 'K', 'M', 'G', 'T']
  let unit = 0
  let value = bytes
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${unit === 0 ? value : value.toFixed(2)}${units[unit]}`
}
