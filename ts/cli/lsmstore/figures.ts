// lsmstore stats, trees: what is in a store.
import { isCode } from '../../base/errors.ts'
import type { LsmStats } from '../../storage/lsm/index.ts'
import { complain } from '../kit/output.ts'
import { paint } from '../kit/style.ts'
import { formatBytes, formatNumber, plural } from '../kit/text.ts'
import { answer, type ByteTree, type Context, withReader } from '../ordered/context.ts'
import { type OwnersFigures, ownersFigures } from '../ordered/owners-figures.ts'
import type { LsmBytes } from './store.ts'

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const

/** Figures read from the store itself. */
interface Counted {
  readonly stats: LsmStats
  /** Live keys of each tree, '' for the default one. */
  readonly keys: Readonly<Record<string, number>>
}

/**
 * Prints the levels and how many keys the default tree has; with --json the keys of all trees and every figure. Of a store
 * that is open elsewhere, what its owner wrote last, without a count of keys.
 */
export async function stats(
  context: Context<LsmBytes>,
  path: string,
  { long = false }: { long?: boolean },
): Promise<void> {
  const figures = await withReader(context, path, counted).catch((error: unknown) => {
    const reported = isCode(error, 'LOCKED') ? ownersFigures<LsmStats>(path) : undefined
    if (reported === undefined) throw error
    return reported
  })
  const { stats } = figures
  const more = long ? details(stats) : []
  if ('keys' in figures) {
    const total = figures.keys[''] ?? 0
    const text = [...levelLines(stats), `Total keys: ${total}`, ...more]
    await answer(context, { source: 'store', totalKeys: total, keys: figures.keys, ...stats }, text.join('\n'))
    return
  }
  const { writtenAt } = figures
  const document = { source: 'owner', ...(writtenAt !== undefined && { writtenAt }), ...stats }
  await answer(context, document, [...levelLines(stats), ...more].join('\n'))
  if (context.options.json !== true) complain(`lsmstore: ${path} is open elsewhere: ${ofOwner(figures)}\n`)
}

export async function trees(context: Context<LsmBytes>, path: string): Promise<void> {
  const { options, out } = context
  const { keys } = await withReader(context, path, counted)
  for (const [name, keyCount] of Object.entries(keys)) {
    const text = `${name === '' ? '(default)' : name}: ${plural(keyCount, 'key')}`
    await out.line(options.json === true ? JSON.stringify({ name, keyCount }) : text)
  }
  await out.flush()
}

async function counted(store: LsmBytes): Promise<Counted> {
  const keys: Record<string, number> = { '': keyCount(store) }
  for (const name of store.treeNames()) keys[name] = keyCount(store.tree<Uint8Array, Uint8Array>(name, BYTES))
  return { stats: store.stats(), keys }
}

/** By walking: a store of blind writes does not know. */
function keyCount(tree: ByteTree): number {
  let sum = 0
  for (const { count } of tree.scan()) sum += count
  return sum
}

function levelLines({ levels }: LsmStats): string[] {
  return levels.map(({ level, tables }) => `Level ${level}: ${tables} SSTables${level === 0 ? '' : ' (compacted)'}`)
}

function ofOwner({ writtenAt = 'an unknown time' }: OwnersFigures<LsmStats>): string {
  return `figures of ${writtenAt}; keys can be counted once it is closed`
}

function* details(stats: LsmStats): Generator<string> {
  const style = paint(process.stdout)
  const row = (name: string, text: string): string => `${style('bold', name.padEnd(14))}${text}`
  const { cache, log, memtable, amplification, stalls, snapshots } = stats
  yield ''
  yield row('store', `${stats.path} (${stats.engine} engine)`)
  for (const { level, tables, bytes, entries } of stats.levels)
    yield row(`level ${level}`, `${plural(tables, 'table')}, ${formatBytes(bytes)}, ${plural(entries, 'version')}`)
  yield row(
    'memtable',
    `${formatBytes(memtable.bytes)}, ${plural(memtable.entries, 'version')}; ${memtable.frozen} waiting for a flush`,
  )
  yield row(
    'cache',
    `${formatBytes(cache.bytes)} of ${formatBytes(cache.capacityBytes)}, ${formatNumber(cache.hits)} hits, ${formatNumber(cache.misses)} misses`,
  )
  yield row(
    'log',
    `${formatBytes(log.segmentBytes)} in ${plural(log.segmentCount, 'segment')}, ${plural(log.syncs, 'sync')} since opening`,
  )
  yield row(
    'positions',
    `${formatNumber(stats.position)} written, ${formatNumber(stats.durablePosition)} durable, ${formatNumber(stats.flushedPosition)} in tables`,
  )
  yield row(
    'work',
    `${plural(stats.flushes, 'flush', 'flushes')}, ${plural(stats.compactions, 'compaction')} since opening`,
  )
  yield row('stalls', `${formatNumber(stalls.count)}, ${formatNumber(Math.round(stalls.totalMs))} ms`)
  yield row(
    'amplification',
    `read ${formatNumber(amplification.read)}, write ${formatNumber(amplification.write)}, space ${formatNumber(amplification.space)}`,
  )
  if (snapshots.open > 0)
    yield row('snapshots', `${snapshots.open} open, the oldest for ${formatNumber(snapshots.oldestAgeMs / 1000)} s`)
}
