// lsmstore create, flush, compact, backup, verify, repair: work on a store as a whole.
import { BedplateError, isCode } from '../../base/errors.ts'
import {
  type CompactionStyle,
  type LsmOptions,
  type LsmRepairReport,
  openLsm,
  repairLsm,
} from '../../storage/lsm/index.ts'
import { formatBytes, formatNumber, plural } from '../kit/text.ts'
import { answer, bytesOf, type Context, noDatabase, withReader, withWriter } from '../ordered/context.ts'
import { createNew } from '../ordered/create.ts'
import { type LsmBytes, lsmTreeOf } from './store.ts'

type LsmContext = Context<LsmBytes>

/** What a new store is made with. */
export interface CreateArguments {
  compaction?: CompactionStyle
  ttlMs?: number
  maxBytes?: number
  bitsPerKey?: number
  compression?: NonNullable<LsmOptions['compression']>
}

export async function create(context: LsmContext, path: string, options: CreateArguments): Promise<void> {
  const { compaction, ttlMs, maxBytes, bitsPerKey, compression } = options
  const chosen = {
    ...(compaction !== undefined && { compaction }),
    ...(ttlMs !== undefined && { ttlMs }),
    ...(maxBytes !== undefined && { maxBytes }),
    ...(bitsPerKey !== undefined && { bitsPerKey }),
    ...(compression !== undefined && { compression }),
  }
  const store = await createNew(path, () => openLsm(path, { create: 'new', ...chosen }))
  await store.close()
  await answer(context, { created: path, ...chosen }, 'LSM-Tree database created')
}

export async function flush(context: LsmContext, path: string): Promise<void> {
  const levels = await withWriter(context, path, async (store) => {
    await store.flush()
    return store.stats().levels
  })
  const tables = levels.reduce((sum, level) => sum + level.tables, 0)
  const bytes = levels.reduce((sum, level) => sum + level.bytes, 0)
  await answer(
    context,
    { tables, bytes },
    `Flushed: everything is in ${plural(tables, 'table')}, ${formatBytes(bytes)}`,
  )
}

export async function backup(context: LsmContext, path: string, destination: string): Promise<void> {
  await withWriter(context, path, (store) => createNew(destination, () => store.backup(destination)))
  await answer(context, { backup: destination }, `Backup written: ${destination}`)
}

/** Merges the tables of a range of keys; without a bound and a tree, of everything. */
export async function compact(
  context: LsmContext,
  path: string,
  from: string | undefined,
  to: string | undefined,
): Promise<void> {
  const range = {
    ...(from === undefined ? {} : { gte: bytesOf(context, from, 'FROM') }),
    ...(to === undefined ? {} : { lt: bytesOf(context, to, 'TO') }),
  }
  const isWhole = from === undefined && to === undefined && context.options.tree === undefined
  const [before, after] = await withWriter(context, path, async (store) => {
    await store.flush()
    const { tableBytes, tables } = store.stats()
    await (isWhole ? store.compact() : lsmTreeOf(context, store).compact(range))
    return [{ tableBytes, tables }, store.stats()] as const
  })
  const document = {
    beforeBytes: before.tableBytes,
    afterBytes: after.tableBytes,
    beforeTables: before.tables,
    afterTables: after.tables,
  }
  const side = ({ tableBytes, tables }: typeof before): string =>
    `${formatBytes(tableBytes)} in ${plural(tables, 'table')}`
  await answer(context, document, `Compacted: ${side(before)} -> ${side(after)}`)
}

export async function verify(context: LsmContext, path: string): Promise<void> {
  const { report, startedAt } = await withReader(context, path, async (store) => {
    const startedAt = performance.now()
    return { startedAt, report: await store.verify() }
  })
  const seconds = Math.round(performance.now() - startedAt) / 1000
  const { ok, problems, tables, blocks, entries } = report
  const counts = `${plural(entries, 'entry', 'entries')} in ${plural(tables, 'table')}, ${plural(blocks, 'block')}`
  await answer(context, { ...report, seconds }, ok ? `OK: ${counts}` : [...problems, `checked ${counts}`].join('\n'))
  if (ok) return
  throw new BedplateError('CORRUPTION', `${path} is damaged: ${formatNumber(problems.length)} found`, {
    hint: `restore a backup, or keep what can be read: lsmstore repair ${path}`,
  })
}

export async function repair(context: LsmContext, path: string): Promise<void> {
  const report = await repairLsm(path).catch((error: unknown) => {
    throw isCode(error, 'NOT_FOUND') ? noDatabase(context.command, path, error) : error
  })
  await answer(context, report, [...report.problems, ...describeRepair(path, report)].join('\n'))
}

function* describeRepair(path: string, { wasDamaged, ...report }: LsmRepairReport): Generator<string> {
  if (!wasDamaged) {
    yield 'Nothing is wrong, and nothing was changed'
    return
  }
  const { manifest, log, tables, lostBytes, moved } = report
  const parts = `${formatNumber(tables.intact)} whole, ${formatNumber(tables.partly)} in part, ${formatNumber(tables.lost)} lost`
  yield `Repaired: tables ${parts}; manifest ${manifest}; log ${log}; ${formatBytes(lostBytes)} could not be read`
  if (moved.length > 0) yield `What could not be read is in ${path}/lost: ${moved.join(', ')}`
}
