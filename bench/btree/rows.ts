// The rows of the result: which figure of which task, and what it is compared with.
import type { Access, Outcome, TaskName } from './types.ts'

export interface Row {
  id: string
  title: string
  unit: string
  task: TaskName
  /** The mode the store was opened in: the table says what it promises. */
  access: Access
  better: 'more' | 'less'
  /** The contestant whose figure is 1.00x, and its row if that is another one. */
  reference: { contestant: string; row?: string }
  /** @param empty - The same contestant's outcome of the task `empty` in the same turn. */
  value(outcome: Outcome, empty: Outcome | undefined): number | undefined
}

const rate = (outcome: Outcome): number | undefined => outcome.rate
const rssAboveEmpty = ({ rssBytes }: Outcome, empty: Outcome | undefined): number | undefined =>
  empty === undefined ? undefined : Math.max(0, rssBytes - empty.rssBytes)

function speed(task: TaskName, title: string, unit: string, access: Access, reference: Row['reference']): Row {
  return { id: task, title, unit, task, access, better: 'more', reference, value: rate }
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
  bytes('size-closed', 'files after the random fill, closed', 'fill-random', LMDB_SIZE, (o) => o.closedFileBytes),
  bytes('size-data', 'the same without logs', 'fill-random', LMDB_SIZE, (o) => o.closedDataBytes),
  bytes(
    'size-peak',
    'files at most in the random fill, without logs',
    'fill-random',
    LMDB_SIZE,
    (o) => o.peakFileBytes,
  ),
  bytes('size-compacted', 'files after compaction, without logs', 'compact', LMDB_SIZE, (o) => o.closedDataBytes),
  bytes('rss-fill', 'memory above an empty store, random fill', 'fill-random', LMDB, rssAboveEmpty),
  bytes('rss-get', 'memory above an empty store, get', 'get', LMDB, rssAboveEmpty),
]

export function rowById(id: string): Row {
  const found = ROWS.find((row) => row.id === id)
  if (found === undefined) throw new Error(`there is no row ${id}`)
  return found
}
