import { type Metric, metric } from '../../service/index.ts'
import type { Engine } from '../commands/engine.ts'
import type { Totals } from './info.ts'

/** What /metrics tells of a cache. @param figures - `clients` connections are open, `rejected` had no room. */
export function cacheMetrics(figures: {
  readonly engine: Engine
  readonly totals: Totals
  readonly clients: number
  readonly rejected: number
  readonly heapBytes: number
}): readonly Metric[] {
  const { engine, totals, clients, rejected, heapBytes } = figures
  const { connections, commands, bytesIn, bytesOut, slowClients } = totals
  const keys = engine.databases.map(({ index, size }) => ({ value: size, labels: { db: String(index) } }))
  return [
    metric('gauge', 'bedplate_cache_clients', 'Connections that are open.', clients),
    metric('counter', 'bedplate_cache_connections_total', 'Connections that were accepted.', connections),
    metric(
      'counter',
      'bedplate_cache_rejected_connections_total',
      'Connections for which there was no room.',
      rejected,
    ),
    metric('counter', 'bedplate_cache_commands_total', 'Commands that were run.', commands),
    metric('counter', 'bedplate_cache_received_bytes_total', 'Bytes that clients have sent.', bytesIn),
    metric('counter', 'bedplate_cache_sent_bytes_total', 'Bytes that were written to clients.', bytesOut),
    metric('counter', 'bedplate_cache_slow_clients_total', 'Clients that were closed unread.', slowClients),
    metric('gauge', 'bedplate_cache_heap_bytes', 'Heap in use.', heapBytes),
    metric('gauge', 'bedplate_cache_used_bytes', 'What keys and values cost.', engine.memory.usedBytes),
    metric('counter', 'bedplate_cache_evicted_keys_total', 'Keys evicted.', engine.memory.evictedCount),
    { kind: 'gauge', name: 'bedplate_cache_keys', help: 'Keys by database.', samples: keys },
  ]
}
