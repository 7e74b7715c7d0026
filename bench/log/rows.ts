// The rows of the table, and what each is compared with.
import { WRITERS } from './tasks.ts'

/** A figure of the log beside one of the same turn. */
export interface Row {
  /** In what `measureTurn` gives. */
  id: string
  title: string
  unit: 'records/s' | 'bytes/s'
  against: string
  againstTitle: string
}

const GROUPS: readonly Row[] = WRITERS.map((writers) => ({
  id: `durable-${writers}`,
  title: `durable append, ${writers} ${writers === 1 ? 'writer' : 'writers'}`,
  unit: 'records/s',
  against: writers === 1 ? 'raw-durable' : 'durable-1',
  againstTitle: writers === 1 ? 'write and fdatasync of a 4 KiB page' : 'one writer',
}))

export const ROWS: readonly Row[] = [
  {
    id: 'append',
    title: 'append in batches of 100, then flushed',
    unit: 'bytes/s',
    against: 'raw-write',
    againstTitle: 'write of the same frames into new files, fdatasync',
  },
  ...GROUPS,
  {
    id: 'read',
    title: 'read all, blocks of 64 KiB',
    unit: 'bytes/s',
    against: 'raw-read',
    againstTitle: 'read of the same files by 64 KiB',
  },
  {
    id: 'iterate',
    title: 'read all, each record as a view',
    unit: 'bytes/s',
    against: 'raw-read',
    againstTitle: 'read of the same files by 64 KiB',
  },
  {
    id: 'read-other',
    title: 'read all in a second handle',
    unit: 'bytes/s',
    against: 'raw-read',
    againstTitle: 'read of the same files by 64 KiB',
  },
]
