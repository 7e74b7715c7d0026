// The rows of the result: which figure of which task, and what it is compared with.
import type { Access, Outcome, Row } from '../contest/types.ts'
import type { TaskName } from './types.ts'

const figure =
  (name: string) =>
  (outcome: Outcome): number | undefined =>
    outcome[name]
const rssAboveEmpty = ({ rssBytes }: Outcome, empty: Outcome | undefined): number | undefined =>
  empty === undefined ? undefined : Math.max(0, rssBytes - empty.rssBytes)

function speed(task: TaskName, title: string, unit: string, access: Access, reference: Row['reference']): Row {
  return { id: task, title, unit, task, access, better: 'more', reference, value: figure('rate') }
}

function bytes(id: string, title: string, task: TaskName, reference: Row['reference'], value: Row['value']): Row {
  return { id, title, unit: 'MiB', task, access: 'fill', better: 'less', reference, value }
}

const LMDB = { contestant: 'lmdb' }
/** The fills sync nothing for each commit, as lmdb does not with noSync. */
const NO_SYNC = { contestant: 'lmdb-nosync' }
const LMDB_SIZE = { contestant: 'lmdb', row: 'size-closed' }

export const ROWS: readonly Row[] = [
  speed('fill-sequential', 'fill, sequential, batches of 1,000', 'records/s', 'fill', NO_SYNC),
  speed('fill-random', 'fill, random, batches of 1,000', 'records/s', 'fill', NO_SYNC),
  speed('durable-1', 'durable put, 1 writer', 'puts/s', 'durable', LMDB),
  speed('durable-64', 'durable put, 64 writers', 'puts/s', 'durable', LMDB),
  speed('get', 'get, copied', 'keys/s', 'read', LMDB),
  speed('get-shared', "get, into the caller's or a shared buffer", 'keys/s', 'read', LMDB),
  speed('get-many', 'getMany of 100', 'keys/s', 'read', LMDB),
  speed('range-100', 'range of 100', 'ranges/s', 'read', LMDB),
  speed('scan', 'full scan, entry by entry', 'records/s', 'read', LMDB),
  speed('flat-scan', 'full scan, flat blocks', 'records/s', 'read', { contestant: 'lmdb', row: 'scan' }),
  speed('get-4-workers', 'get, copied, 4 workers', 'keys/s', 'read', LMDB),
  bytes('size-closed', 'files after the random fill, closed', 'fill-random', LMDB_SIZE, figure('closedFileBytes')),
  bytes('size-data', 'the same without logs', 'fill-random', LMDB_SIZE, figure('closedDataBytes')),
  bytes(
    'size-peak',
    'files at most in the random fill, without logs',
    'fill-random',
    LMDB_SIZE,
    figure('peakFileBytes'),
  ),
  bytes('size-compacted', 'files after compaction, without logs', 'compact', LMDB_SIZE, figure('closedDataBytes')),
  bytes('rss-fill', 'memory above an empty store, random fill', 'fill-random', LMDB, rssAboveEmpty),
  bytes('rss-get', 'memory above an empty store, get', 'get', LMDB, rssAboveEmpty),
]
