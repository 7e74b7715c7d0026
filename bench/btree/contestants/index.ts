// Who takes part, in the order of the table.
import type { BTreeContestant } from '../types.ts'
import { native, twin } from './bedplate.ts'
import { betterSqlite3 } from './better-sqlite3.ts'
import { classicLevel } from './classic-level.ts'
import { lmdb, lmdbNoSync } from './lmdb.ts'
import { rawFile } from './raw-file.ts'

export const CONTESTANTS: readonly BTreeContestant[] = [
  native,
  twin,
  lmdb,
  lmdbNoSync,
  classicLevel,
  betterSqlite3,
  rawFile,
]

export function contestantById(id: string): BTreeContestant {
  const found = CONTESTANTS.find((contestant) => contestant.id === id)
  if (found === undefined) throw new Error(`there is no contestant ${id}`)
  return found
}
