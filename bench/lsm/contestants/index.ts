// Who takes part, in the order of the table.
import type { LsmContestant } from '../types.ts'
import { btree, native, twin } from './bedplate.ts'
import { classicLevel, classicLevel64 } from './classic-level.ts'
import { rocksDb } from './rocksdb.ts'

export const CONTESTANTS: readonly LsmContestant[] = [native, twin, btree, classicLevel, classicLevel64, rocksDb]

export function contestantById(id: string): LsmContestant {
  const found = CONTESTANTS.find((contestant) => contestant.id === id)
  if (found === undefined) throw new Error(`there is no contestant ${id}`)
  return found
}
