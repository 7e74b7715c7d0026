// INFO: sections of `name:value` lines, in Redis's names, with what clients look for and what is true here.
import type { Engine } from '../commands/engine.ts'
import type { MemoryLimit } from '../commands/memory-limit.ts'
import { scriptFigures } from '../commands/scripting.ts'
import type { Statistics } from '../commands/statistics.ts'
import type { Tracking } from '../commands/tracking-registry.ts'

/** What the sections are made of. */
export interface InfoFigures {
  readonly nowMs: number
  readonly startedMs: number
  readonly port: number
  readonly runId: string
  readonly heapBytes: number
  readonly memory: MemoryLimit
  readonly cpu: CpuSeconds
  readonly statistics: Statistics
  readonly tracking: Pick<Tracking, 'clientCount' | 'keyCount' | 'itemCount' | 'prefixCount'>
  /** How many scripts of EVAL are known, and what their interpreter has in use. */
  readonly scripting: { readonly scripts: number; readonly luaBytes: number }
  readonly connectedClients: number
  readonly blockedClients: number
  readonly maxClients: number
  readonly pubsubChannels: number
  readonly pubsubPatterns: number
  /** Connections for which there was no room. */
  readonly rejected: number
  /** Connections that wait for the next MIGRATE. */
  readonly cachedSockets: number
  readonly isCluster: boolean
  readonly totals: Totals
  /** What `Replication.info` tells, and how often replicas came. */
  readonly replication: Readonly<Record<string, string | number>>
  readonly syncs: { readonly full: number; readonly partial: number; readonly refused: number }
  /** What `Persistence.info` tells. */
  readonly persistence: Readonly<Record<string, string | number>>
  readonly databases: readonly { readonly index: number; readonly keys: number; readonly expires: number }[]
}

/** Processor time since the start of the process. */
export interface CpuSeconds {
  readonly user: number
  readonly system: number
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

export function noTotals(): Totals {
  return { connections: 0, commands: 0, bytesIn: 0, bytesOut: 0, slowClients: 0 }
}

/** Those figures that the engine has. */
export function engineFacts(
  engine: Engine,
): Pick<
  InfoFigures,
  'memory' | 'statistics' | 'tracking' | 'scripting' | 'pubsubChannels' | 'pubsubPatterns' | 'databases'
> {
  const { memory, statistics, tracking, pubsub, databases } = engine
  return {
    memory,
    statistics,
    tracking,
    scripting: scriptFigures(engine),
    pubsubChannels: pubsub.channels.size,
    pubsubPatterns: pubsub.patterns.size,
    databases: databases.map(({ index, size, expiringCount }) => ({ index, keys: size, expires: expiringCount })),
  }
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
  Clients: ({ connectedClients, blockedClients, maxClients, tracking }) => ({
    connected_clients: connectedClients,
    maxclients: maxClients,
    blocked_clients: blockedClients,
    tracking_clients: tracking.clientCount,
  }),
  Memory: ({ heapBytes, memory, scripting }) => ({
    used_memory: memory.totalBytes,
    used_memory_human: human(memory.totalBytes),
    used_memory_heap: heapBytes,
    used_memory_peak: memory.peakBytes,
    used_memory_peak_human: human(memory.peakBytes),
    used_memory_dataset: memory.usedBytes,
    used_memory_lua: scripting.luaBytes,
    used_memory_lua_human: human(scripting.luaBytes),
    number_of_cached_scripts: scripting.scripts,
    maxmemory: memory.maxBytes,
    maxmemory_human: human(memory.maxBytes),
    maxmemory_policy: memory.policy,
    mem_allocator: 'v8',
    mem_not_counted_for_evict: 0,
    lazyfree_pending_objects: 0,
  }),
  Persistence: ({ persistence }) => persistence,
  Stats: ({
    totals,
    rejected,
    pubsubChannels,
    pubsubPatterns,
    memory,
    syncs,
    statistics,
    tracking,
    cachedSockets,
  }) => ({
    total_connections_received: totals.connections,
    total_commands_processed: totals.commands,
    total_net_input_bytes: totals.bytesIn,
    total_net_output_bytes: totals.bytesOut,
    rejected_connections: rejected,
    sync_full: syncs.full,
    sync_partial_ok: syncs.partial,
    sync_partial_err: syncs.refused,
    expired_keys: statistics.expiredKeys,
    evicted_keys: memory.evictedCount,
    client_output_buffer_limit_disconnections: totals.slowClients,
    pubsub_channels: pubsubChannels,
    pubsub_patterns: pubsubPatterns,
    migrate_cached_sockets: cachedSockets,
    tracking_total_keys: tracking.keyCount,
    tracking_total_items: tracking.itemCount,
    tracking_total_prefixes: tracking.prefixCount,
    total_error_replies: statistics.errorCount,
    lazyfreed_objects: 0,
  }),
  Replication: ({ replication }) => replication,
  CPU: ({ cpu }) => ({
    used_cpu_sys: cpu.system.toFixed(6),
    used_cpu_user: cpu.user.toFixed(6),
  }),
  Commandstats: ({ statistics }) => {
    const lines = [...statistics.commands].map(([name, { calls, micros, refused, failed }]) => {
      const usec = Math.round(micros)
      const each = (calls === 0 ? 0 : usec / calls).toFixed(2)
      const text = `calls=${calls},usec=${usec},usec_per_call=${each},rejected_calls=${refused},failed_calls=${failed}`
      return [`cmdstat_${name}`, text]
    })
    return Object.fromEntries(lines)
  },
  Errorstats: ({ statistics }) => {
    const lines = [...statistics.errors].map(([code, count]) => [`errorstat_${code}`, `count=${count}`])
    return Object.fromEntries(lines)
  },
  Cluster: ({ isCluster }) => ({ cluster_enabled: isCluster ? 1 : 0 }),
  Keyspace: ({ databases }) => {
    const used = databases.filter(({ keys }) => keys > 0)
    return Object.fromEntries(
      used.map(({ index, keys, expires }) => [`db${index}`, `keys=${keys},expires=${expires},avg_ttl=0`]),
    )
  },
}

/** Told where they are asked for, or where everything is. */
const SPECIAL_SECTIONS: ReadonlySet<string> = new Set(['Commandstats'])

/** @param wanted - Names of sections in lower case; none or `default` for the usual ones, `all` or `everything` for every one. */
export function renderInfo(wanted: readonly string[], figures: InfoFigures): string {
  const isAll = wanted.includes('all') || wanted.includes('everything')
  const isUsual = wanted.length === 0 || wanted.includes('default')
  const parts: string[] = []
  for (const [name, linesOf] of Object.entries(SECTIONS)) {
    const isWanted = isAll || (isUsual && !SPECIAL_SECTIONS.has(name)) || wanted.includes(name.toLowerCase())
    if (!isWanted) continue
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
