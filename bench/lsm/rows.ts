// The rows of the result: which figure of which task, and what it is compared with.
import type { Access, Outcome, Row } from '../contest/types.ts'
import type { TaskName } from './types.ts'

const LEVEL = { contestant: 'classic-level' }
const LEVEL_64 = { contestant: 'classic-level-64' }

interface Text {
  title: string
  unit: string
}

const figure =
  (name: string) =>
  (outcome: Outcome): number | undefined =>
    outcome[name]

const rssAboveEmpty = ({ rssBytes }: Outcome, empty: Outcome | undefined): number | undefined =>
  empty === undefined ? undefined : Math.max(0, rssBytes - empty.rssBytes)

/** Operations a second. */
function speed(
  task: TaskName,
  text: Text,
  { id = task, name = 'rate', access = 'read', reference = LEVEL }: Partial<Row> & { name?: string },
): Row {
  return { id, ...text, task, access, better: 'more', reference, value: figure(name) }
}

/** Something of which there should be little. */
function little(id: string, text: Text, task: TaskName, value: Row['value'], access: Access = 'fill'): Row {
  return { id, ...text, task, access, better: 'less', reference: LEVEL, value }
}

const records = (title: string): Text => ({ title, unit: 'records/s' })
const keys = (title: string): Text => ({ title, unit: 'keys/s' })
const puts = (title: string): Text => ({ title, unit: 'puts/s' })
const mebibytes = (title: string): Text => ({ title, unit: 'MiB' })
const milliseconds = (title: string): Text => ({ title, unit: 'ms' })
const ratio = (title: string): Text => ({ title, unit: 'x' })

const FILL = { access: 'fill' } as const

export const ROWS: readonly Row[] = [
  speed('fill-sequential', records('fill, sequential, batches of 1,000'), FILL),
  speed('fill-random', records('fill, random, batches of 1,000'), FILL),
  speed('fill-random', records('the same until compaction is at rest'), {
    ...FILL,
    id: 'fill-random-settled',
    name: 'settledRate',
  }),
  speed('durable-1', puts('durable put, 1 writer'), { access: 'durable' }),
  speed('durable-64', puts('durable put, 64 writers'), { access: 'durable', reference: LEVEL_64 }),
  speed('get', keys('get'), {}),
  speed('get-awaited', keys('get, awaited'), {}),
  speed('get-many', keys('getMany of 100'), {}),
  speed('get-absent', keys('get of an absent key'), {}),
  speed('range-100', { title: 'range of 100', unit: 'ranges/s' }, {}),
  speed('prefix-1000', records('scan of a prefix, 1,000 records'), {}),
  speed('scan', records('full scan, entry by entry'), {}),
  speed('flat-scan', records('full scan, flat blocks'), { reference: { ...LEVEL, row: 'scan' } }),
  speed('read-while-writing', keys('get, while 20,000 records a second are written'), FILL),
  speed('overwrite', records('overwrite, random, batches of 100'), FILL),
  speed('overwrite', records('overwrite, until compaction is at rest'), {
    ...FILL,
    id: 'overwrite-settled',
    name: 'settledRate',
  }),
  little('overwrite-p99', milliseconds('overwrite, a batch, 99th percentile'), 'overwrite', figure('p99Ms')),
  little('overwrite-worst', milliseconds('overwrite, the slowest batch'), 'overwrite', figure('worstMs')),
  speed('delete', records('delete all, random, batches of 1,000'), FILL),
  little('size', mebibytes('files after the random fill, closed'), 'fill-random', figure('closedFileBytes')),
  little('size-data', mebibytes('the same without logs'), 'fill-random', figure('closedDataBytes')),
  little('size-deleted', mebibytes('files after deleting all, without logs'), 'delete', figure('closedDataBytes')),
  little(
    'write-amplification',
    ratio('bytes written for each byte put, random fill'),
    'fill-random',
    figure('writeAmplification'),
  ),
  little(
    'write-amplification-overwrite',
    ratio('bytes written for each byte put, overwrite'),
    'overwrite',
    figure('writeAmplification'),
  ),
  little(
    'space-amplification',
    ratio('bytes on disk for each byte of live records, after the overwrite'),
    'overwrite',
    figure('spaceAmplification'),
  ),
  little(
    'read-amplification',
    ratio('places that a read may have to look at, after the random fill'),
    'fill-random',
    figure('readAmplification'),
  ),
  little('rss-fill', mebibytes('memory above an empty store, random fill'), 'fill-random', rssAboveEmpty),
  little('rss-get', mebibytes('memory above an empty store, get'), 'get', rssAboveEmpty, 'read'),
]
