// kvstore stats, trees: what is in a store.
import { isCode } from '../../base/errors.ts'
import type { BTreeStats } from '../../storage/btree/index.ts'
import { paint } from '../kit/style.ts'
import { formatBytes, formatNumber, plural } from '../kit/text.ts'
import { answer, type Context, withReader } from '../ordered/context.ts'
import { ownersFigures } from '../ordered/owners-figures.ts'
import type { BTreeBytes } from './store.ts'

/** Figures, and whose they are: read from the store, or reported by the process that has it open. */
interface Figures {
  source: 'store' | 'owner'
  /** When the owner wrote them, ISO 8601. */
  writtenAt?: string
  stats: BTreeStats
}

export async function stats(context: Context<BTreeBytes>, path: string): Promise<void> {
  const { source, writtenAt, stats } = await figuresOf(context, path)
  const origin = writtenAt === undefined ? { source } : { source, writtenAt }
  const text = [...describe(stats)]
  if (source === 'owner') text.push(`as the process that has it open wrote at ${writtenAt ?? 'an unknown time'}`)
  await answer(context, { ...origin, ...stats }, text.join('\n'))
}

export async function trees(context: Context<BTreeBytes>, path: string): Promise<void> {
  const { options, out } = context
  const { stats } = await figuresOf(context, path)
  const all = { '': { keyCount: 0, depth: 0 }, ...stats.trees }
  for (const [name, { keyCount, depth }] of Object.entries(all)) {
    const text = `${name === '' ? '(default)' : name}: ${plural(keyCount, 'key')}, depth ${depth}`
    await out.line(options.json === true ? JSON.stringify({ name, keyCount, depth }) : text)
  }
  await out.flush()
}

async function figuresOf(context: Context<BTreeBytes>, path: string): Promise<Figures> {
  try {
    return await withReader(context, path, async (store) => ({ source: 'store', stats: store.stats() }))
  } catch (error) {
    const reported = isCode(error, 'LOCKED') ? ownersFigures<BTreeStats>(path) : undefined
    if (reported === undefined) throw error
    return { source: 'owner', ...reported }
  }
}

function* describe(stats: BTreeStats): Generator<string> {
  const bold = paint(process.stdout)
  const row = (name: string, text: string): string => `${bold('bold', name.padEnd(12))}${text}`
  const { cache, log, snapshots } = stats
  yield row('store', `${stats.path} (${stats.engine} engine)`)
  yield row('keys', `${formatNumber(stats.keyCount)} in ${plural(Object.keys(stats.trees).length, 'tree')}`)
  for (const [name, { keyCount, depth }] of Object.entries(stats.trees)) {
    yield row('', `${name === '' ? '(default)' : name}: ${plural(keyCount, 'key')}, depth ${depth}`)
  }
  yield row(
    'data file',
    `${formatBytes(stats.dataFileBytes)} in ${plural(stats.pageCount, 'page')} of ${formatBytes(stats.pageSizeBytes)}`,
  )
  yield row(
    'pages',
    `${formatNumber(stats.usedPages)} used, ${formatNumber(stats.freePages)} free, ${formatNumber(stats.retiredPages)} retired`,
  )
  yield row(
    'cache',
    `${formatNumber(cache.residentPages)} of ${plural(cache.capacityPages, 'page')}, ${formatNumber(cache.hits)} hits, ${formatNumber(cache.misses)} misses`,
  )
  yield row(
    'log',
    `${formatBytes(log.segmentBytes)} in ${plural(log.segmentCount, 'segment')}, ${plural(log.syncs, 'sync')} since opening`,
  )
  yield row(
    'positions',
    `${formatNumber(stats.position)} written, ${formatNumber(stats.durablePosition)} durable, ${formatNumber(stats.checkpointPosition)} in the data file`,
  )
  if (snapshots.open > 0)
    yield row('snapshots', `${snapshots.open} open, the oldest for ${formatNumber(snapshots.oldestAgeMs / 1000)} s`)
}
