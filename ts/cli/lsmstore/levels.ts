// The levels of a store that nobody need have open.
import { BedplateError, isCode } from '../../base/errors.ts'
import { inspectManifest, type LsmStats, type ManifestDescription } from '../../storage/lsm/index.ts'
import { noDatabase } from '../ordered/context.ts'
import { LSMSTORE } from './store.ts'

/** What the manifest of the store at `path` says of its levels: those that hold tables. @throws NOT_FOUND, CORRUPTION */
export function levelsOnDisk(path: string): LsmStats['levels'] {
  const { section, tables } = manifestOf(path)
  if (section.problem !== undefined) throw new BedplateError('CORRUPTION', section.problem)
  const levels = new Map<number, LsmStats['levels'][number]>()
  for (const { level, fileBytes, entryCount } of tables) {
    const sum = levels.get(level) ?? { level, tables: 0, bytes: 0, entries: 0 }
    levels.set(level, {
      level,
      tables: sum.tables + 1,
      bytes: sum.bytes + fileBytes,
      entries: sum.entries + entryCount,
    })
  }
  return [...levels.values()].sort((a, b) => a.level - b.level)
}

/** The manifest of the database at `path`. @throws NOT_FOUND with what to do about it. */
export function manifestOf(path: string): ManifestDescription {
  try {
    return inspectManifest(path)
  } catch (error) {
    throw isCode(error, 'NOT_FOUND') ? noDatabase(LSMSTORE, path, error) : error
  }
}
