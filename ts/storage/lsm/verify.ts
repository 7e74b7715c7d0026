// Reads every table of a version whole and checks every rule of the format.
import { isCode } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import { hash64 } from '../bloom/index.ts'
import { compareBytes } from '../compare.ts'
import { compareEntries, type Entry, EntryKind } from './entry.ts'
import { overlaps } from './table-cursor.ts'
import { type TableInfo, tableName } from './table-format.ts'
import type { Tables } from './tables.ts'
import type { LsmVerifyReport } from './types.ts'
import type { Version } from './version.ts'

const MAX_PROBLEMS = 100

/** What a verification needs of a store. */
interface Surroundings {
  readonly clock: Clock
  /** Asked before each block. @throws CLOSED once the store is closed. */
  assertOpen(): void
}

/** Checks all tables of `version`, which must be held while this runs. One block a turn. @throws What `assertOpen` throws. */
export async function verifyTables(
  version: Version,
  tables: Tables,
  surroundings: Surroundings,
): Promise<LsmVerifyReport> {
  const report: LsmVerifyReport = { ok: true, problems: [], tables: 0, blocks: 0, entries: 0 }
  const complain = (table: TableInfo, problem: string): void => {
    report.ok = false
    if (report.problems.length < MAX_PROBLEMS) report.problems.push(`${tableName(table.number)}: ${problem}`)
  }
  for (const [level, run] of version.levels.entries()) {
    if (level > 0) checkOrder(run, complain)
    for (const table of run) {
      report.tables++
      await reportDamage(table, complain, () => verifyTable(table, tables, { ...surroundings, report, complain }))
    }
  }
  return report
}

type Complain = (table: TableInfo, problem: string) => void

function checkOrder(run: readonly TableInfo[], complain: Complain): void {
  for (const [i, table] of run.entries()) {
    const next = run[i + 1]
    if (next !== undefined && (overlaps(table, next) || compareBytes(table.start, next.start) >= 0))
      complain(table, `its keys reach into ${tableName(next.number)}, which lies behind it in the same level`)
  }
}

/** Turns an error about damage into a problem, so that the rest is looked at too. */
async function reportDamage(table: TableInfo, complain: Complain, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isCode(error, 'CORRUPTION') && !isCode(error, 'INCOMPATIBLE') && !isCode(error, 'NOT_FOUND')) throw error
    complain(table, (error as Error).message)
  }
}

async function verifyTable(
  table: TableInfo,
  tables: Tables,
  { report, complain, clock, assertOpen }: Surroundings & { report: LsmVerifyReport; complain: Complain },
): Promise<void> {
  const meta = await tables.metaAsync(table)
  const seen = { entries: 0, deletions: 0, previous: undefined as Entry | undefined }
  for (const index of meta.index.handles.keys()) {
    await clock.turn()
    assertOpen()
    await reportDamage(table, complain, async () => {
      const block = await tables.blockAsync(table, meta, index)
      report.blocks++
      for (let slot = 0; slot < block.count; slot++) {
        const entry = block.entryAt(slot)
        const problem = problemOf(entry, seen.previous, table) ?? filterProblem(entry, meta.filter)
        if (problem !== undefined) complain(table, `block ${index}, entry ${slot}: ${problem}`)
        if (meta.index.find(entry.key) > index) complain(table, `block ${index}, entry ${slot}: the index misses it`)
        seen.previous = entry
        seen.entries++
        if (entry.kind === EntryKind.delete) seen.deletions++
      }
    })
  }
  report.entries += seen.entries
  const { entryCount, tombstoneCount, rangeTombstoneCount } = table
  if (seen.entries !== entryCount || seen.deletions !== tombstoneCount || meta.tombstones.count !== rangeTombstoneCount)
    complain(table, `it holds ${seen.entries} entries, and ${entryCount} are counted`)
  for (const tombstone of meta.tombstones.list) {
    if (compareBytes(tombstone.start, table.start) < 0 || compareBytes(table.end, tombstone.end) < 0)
      complain(table, 'a range tombstone reaches beyond its bounds')
  }
}

function problemOf(entry: Entry, previous: Entry | undefined, table: TableInfo): string | undefined {
  if (previous !== undefined && compareEntries(previous, entry) >= 0) return 'it is not in order'
  if (compareBytes(entry.key, table.start) < 0 || compareBytes(entry.key, table.end) >= 0) return 'it is out of bounds'
  if (entry.sequence < table.minSequence || entry.sequence > table.maxSequence) return 'its sequence is out of bounds'
  return undefined
}

function filterProblem(
  entry: Entry,
  filter: { mayHold(hash: ReturnType<typeof hash64>): boolean } | undefined,
): string | undefined {
  return filter === undefined || filter.mayHold(hash64(entry.key)) ? undefined : 'the filter denies it'
}
