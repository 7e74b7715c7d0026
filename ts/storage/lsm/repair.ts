// Makes a store that opens of one that does not. Everything new is written beside what is there; the new manifest decides; only
// then is what could not be read moved to `lost/`.
//
// With the manifest intact, tables keep their places, and a damaged one is replaced by what can be read of it. Without it nobody
// knows which table is newer than which, but every version carries its sequence: all are merged into one level.
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import { type Disk, joinPath } from '../../io/disk.ts'
import type { Random } from '../../io/random.ts'
import { checkStoreFormat } from '../directory.ts'
import { createLog } from '../log/index.ts'
import { buildTables, type Workshop } from './build-tables.ts'
import type { Entry, Need, VersionCursor } from './entry.ts'
import { EVERYTHING } from './internal-key.ts'
import { FORMAT, MANIFEST_FILE, type Manifest, readManifest, replaceManifest } from './manifest.ts'
import type { Memory } from './memory.ts'
import { MergeCursor } from './merge.ts'
import { isOperand } from './operand.ts'
import { RangeTombstones } from './range-tombstones.ts'
import { guessCatalogue, logIdentity, replayLog } from './repair-log.ts'
import { readFooter, SalvageCursor, type Survey, surveyTable } from './salvage.ts'
import { SurvivorCursor } from './survivors.ts'
import { parseTableName, type TableInfo, tableName } from './table-format.ts'
import { Tables } from './tables.ts'
import { type LsmRepairReport, MAX_LEVELS } from './types.ts'
import { verifyTables } from './verify.ts'
import { Version } from './version.ts'

/** What a repair works on. */
export interface RepairOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly path: string
  /** For a store whose manifest is lost. */
  readonly defaults: Pick<Manifest, 'shape' | 'plan'>
  /** A table is full once its data has so many bytes. */
  readonly tableBytes: number
}

/** Where what could not be read goes. */
const LOST = 'lost'
const CACHE_BYTES = 16 * 1024 * 1024
const OPEN_FILES = 16

/** @throws LOCKED if somebody has it open, INCOMPATIBLE if it is no store of ours, DISK_FULL; then nothing was changed. */
export async function repairStore(options: RepairOptions): Promise<LsmRepairReport> {
  const { disk, path } = options
  if (disk.kind(path) === undefined) throw new BedplateError('NOT_FOUND', `there is no store at ${path}`)
  checkStoreFormat(disk, path, FORMAT)
  const lock = disk.lock(path, 'writer')
  try {
    return await new Repair(options).run()
  } finally {
    lock.release()
  }
}

class Repair {
  private readonly options: RepairOptions
  private readonly report: LsmRepairReport = {
    wasDamaged: false,
    problems: [],
    manifest: 'intact',
    log: 'intact',
    tables: { intact: 0, partly: 0, lost: 0 },
    lostBytes: 0,
    trees: [],
    moved: [],
  }
  /** Names of files that are moved once the new manifest is in force. */
  private readonly wrecks = new Set<string>()
  private nextNumber = 1

  constructor(options: RepairOptions) {
    this.options = options
  }

  async run(): Promise<LsmRepairReport> {
    const { report } = this
    const known = this.readManifest()
    this.nextNumber = Math.max(known?.nextNumber ?? 1, 1 + Math.max(0, ...this.tableNumbers()))
    const manifest = known === undefined ? await this.rebuild() : await this.mend(known)
    const { memory, problem } = await replayLog(this.options, manifest)
    report.trees = [...memory.catalogue.ids.keys()].sort()
    if (problem !== undefined) {
      report.log = 'cut off'
      this.complain(problem)
    }
    if (report.wasDamaged) await this.commit(manifest, problem === undefined ? undefined : memory)
    return report
  }

  // -- the manifest -------------------------------------------------------------------------------------------------

  private readManifest(): Manifest | undefined {
    const { disk, path } = this.options
    try {
      return readManifest(disk, path)
    } catch (error) {
      if (!isCode(error, 'CORRUPTION')) throw error
      this.report.manifest = 'rebuilt'
      this.complain((error as Error).message)
      return undefined
    }
  }

  /** The manifest without what is lost, and with what is left of damaged tables in their places. */
  private async mend(manifest: Manifest): Promise<Manifest> {
    const { disk, path, clock } = this.options
    const tables = new Tables({ disk, path, cacheBytes: CACHE_BYTES, maxOpenFiles: OPEN_FILES })
    const removed = new Set<number>()
    const added: { level: number; table: TableInfo }[] = []
    try {
      for (const [level, run] of manifest.version.levels.entries()) {
        for (const table of run) {
          const alone = Version.empty.with({ removed: new Set(), added: [{ level, table }] })
          const { ok, problems } = await verifyTables(alone, tables, { clock, assertOpen: () => {} })
          if (ok) {
            this.report.tables.intact++
            continue
          }
          this.complain(problems[0] as string)
          removed.add(table.number)
          const left = await this.salvage(table, manifest)
          added.push(...left.map((each) => ({ level, table: each })))
        }
      }
    } finally {
      tables.close()
    }
    return { ...manifest, version: manifest.version.with({ removed, added }) }
  }

  /** @returns New tables of what can be read of one. */
  private async salvage(table: TableInfo, { shape }: Manifest): Promise<TableInfo[]> {
    const { disk, path } = this.options
    const name = tableName(table.number)
    if (disk.kind(joinPath(path, name)) !== 'file') {
      this.report.tables.lost++
      return []
    }
    const survey = await this.survey(table)
    this.wrecks.add(name)
    return await this.build(shape, [survey], Number.POSITIVE_INFINITY, (cursors) => ({
      versions: cursors[0] as VersionCursor,
      tombstones: new RangeTombstones(survey.tombstones).fragments.flatMap(({ start, end, sequences }) =>
        sequences.map((sequence) => ({ start, end, sequence })),
      ),
    }))
  }

  /** A manifest of all tables that can be read, merged into the last level. */
  private async rebuild(): Promise<Manifest> {
    const { disk, path, defaults, tableBytes } = this.options
    const surveys: Survey[] = []
    let position = 0
    for (const number of this.tableNumbers()) {
      const name = tableName(number)
      const footer = readFooter(disk, joinPath(path, name))
      if (footer === undefined) {
        this.report.tables.lost++
        this.report.lostBytes += sizeOf(disk, joinPath(path, name))
        this.wrecks.add(name)
        this.complain(`${name}: its footer is damaged, and only the manifest could tell its blocks from others`)
        continue
      }
      const wreck = { number, id: footer.id, sequence: 0 }
      let survey = await this.survey(wreck)
      // What was ingested says nothing of its age: it is newer than what was written before its number was given.
      if (survey.maxSequence === 0) survey = { ...survey, wreck: { ...wreck, sequence: position + 1 } }
      position = Math.max(position, survey.maxSequence, survey.wreck.sequence)
      if (survey.lostBytes > 0) this.wrecks.add(name)
      surveys.push(survey)
    }
    const identity = logIdentity(this.options)
    position = Math.max(position, (identity?.firstRecord ?? 1) - 1)
    const tombstones = new RangeTombstones(surveys.flatMap((each) => each.tombstones))
    const made = await this.build(defaults.shape, surveys, tableBytes, (cursors) => ({
      versions: new SurvivorCursor(new UniqueCursor(new MergeCursor(cursors, false)), tombstones, {
        snapshots: [],
        older: [],
      }),
      tombstones: [],
    }))
    const uuid = identity?.uuid ?? this.options.random.bytes(16)
    const seen = new Set(surveys.flatMap(({ treeIds }) => [...treeIds]))
    return {
      uuid,
      position,
      nextNumber: this.nextNumber,
      ...defaults,
      catalogue: await guessCatalogue(this.options, { uuid, position }, seen),
      version: Version.empty.with({
        removed: new Set(),
        added: made.map((table) => ({ level: MAX_LEVELS - 1, table })),
      }),
    }
  }

  private async survey(wreck: Survey['wreck']): Promise<Survey> {
    const { disk, path, clock } = this.options
    const survey = await surveyTable(disk, path, wreck, () => clock.turn())
    const isEmpty = survey.entryCount + survey.tombstones.length === 0
    const { tables } = this.report
    if (isEmpty) tables.lost++
    else if (survey.lostBytes > 0 || this.report.manifest === 'intact') tables.partly++
    else tables.intact++
    this.report.lostBytes += survey.lostBytes
    return survey
  }

  private async build(
    shape: Manifest['shape'],
    surveys: readonly Survey[],
    tableBytes: number,
    combine: (cursors: VersionCursor[]) => { versions: VersionCursor; tombstones: RangeTombstones['list'] },
  ): Promise<TableInfo[]> {
    const { disk, path } = this.options
    const cursors = surveys.map(({ wreck }) => new SalvageCursor(disk, path, wreck))
    try {
      return await buildTables(this.workshop(shape), { ...combine(cursors), tableBytes, onSlice: async () => {} })
    } finally {
      for (const cursor of cursors) cursor.close()
    }
  }

  // -- making it so -------------------------------------------------------------------------------------------------

  /** @param memory - What could be read of a log that is damaged behind that. */
  private async commit(manifest: Manifest, memory: Memory | undefined): Promise<void> {
    const { disk, path } = this.options
    const names = disk.list(path)
    let next: Manifest = { ...manifest, nextNumber: this.nextNumber }
    if (memory !== undefined) {
      const added = (await this.tablesOf(memory, manifest)).map((table) => ({ level: 0, table }))
      const { position, catalogue } = memory
      const version = manifest.version.with({ removed: new Set(), added })
      next = { ...manifest, nextNumber: this.nextNumber, position, catalogue, version }
    }
    const lost = joinPath(path, LOST)
    if (disk.kind(lost) === undefined) disk.mkdir(lost)
    if (this.report.manifest === 'rebuilt' && names.includes(MANIFEST_FILE)) this.keepDamagedManifest(lost)
    await replaceManifest(disk, path, next, { durably: (sync) => sync() })
    const logs = memory === undefined ? [] : names.filter((name) => name.startsWith('log-'))
    for (const name of [...this.wrecks, ...logs]) this.move(name, lost)
    if (memory !== undefined) await createLog(disk, path, next.uuid, next.position)
    await disk.syncDirectory(lost)
    await disk.syncDirectory(path)
  }

  private async tablesOf(memory: Memory, { shape }: Manifest): Promise<TableInfo[]> {
    const { active } = memory
    return await buildTables(this.workshop(shape), {
      versions: active.cursor(EVERYTHING, false),
      tombstones: active.tombstones.fragments.flatMap(({ start, end, sequences }) =>
        sequences.map((sequence) => ({ start, end, sequence })),
      ),
      tableBytes: Number.POSITIVE_INFINITY,
      onSlice: async () => {},
    })
  }

  /** Under a second name, since the one in force must not be touched before there is another. */
  private keepDamagedManifest(lost: string): void {
    const { disk, path } = this.options
    const target = this.freeName(lost, MANIFEST_FILE)
    try {
      disk.link(joinPath(path, MANIFEST_FILE), joinPath(lost, target))
      this.report.moved.push(target)
    } catch (error) {
      if (!isCode(error, 'NOT_SUPPORTED')) throw error
    }
  }

  private move(name: string, lost: string): void {
    const { disk, path } = this.options
    const target = this.freeName(lost, name)
    disk.rename(joinPath(path, name), joinPath(lost, target))
    this.report.moved.push(target)
  }

  /** An earlier repair may have moved one of that name. */
  private freeName(directory: string, name: string): string {
    let target = name
    for (let i = 2; this.options.disk.kind(joinPath(directory, target)) !== undefined; i++) target = `${name}.${i}`
    return target
  }

  // -- small things -------------------------------------------------------------------------------------------------

  private workshop(shape: Manifest['shape']): Workshop {
    const { disk, clock, random, path } = this.options
    const takeNumber = (): number => this.nextNumber++
    return { disk, clock, random, path, shape, mutant: undefined, takeNumber, durably: (sync) => sync() }
  }

  private tableNumbers(): number[] {
    return this.options.disk
      .list(this.options.path)
      .flatMap((name) => parseTableName(name) ?? [])
      .sort((a, b) => a - b)
  }

  private complain(problem: string): void {
    this.report.wasDamaged = true
    if (this.report.problems.length < 100) this.report.problems.push(problem)
  }
}

/**
 * One of each version. Where a merge was under way, its inputs and what it made may both be there; of two versions of one
 * sequence, the one that needs no base has been made of the other.
 */
class UniqueCursor implements VersionCursor {
  private readonly versions: VersionCursor
  private current: Entry | undefined
  private held: Entry | undefined
  private hasEnded = false

  constructor(versions: VersionCursor) {
    this.versions = versions
  }

  get entry(): Entry {
    return this.current as Entry
  }

  step(): boolean | Need {
    while (!this.hasEnded) {
      const found = this.versions.step()
      if (typeof found === 'object') return found
      this.hasEnded = !found
      const next = found ? this.versions.entry : undefined
      const { held } = this
      if (held !== undefined && next !== undefined && isSame(held, next)) {
        if (isOperand(held.kind)) this.held = next
        continue
      }
      this.held = next
      if (held === undefined) continue
      this.current = held
      return true
    }
    return false
  }
}

function isSame(a: Entry, b: Entry): boolean {
  return a.sequence === b.sequence && Buffer.compare(a.key, b.key) === 0
}

function sizeOf(disk: Disk, path: string): number {
  const file = disk.open(path, 'read')
  try {
    return file.size()
  } finally {
    file.close()
  }
}
