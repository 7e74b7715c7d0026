// What the process that has a store open says about it, for others to read.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Figures of a store that is open, and when its owner wrote them (ISO 8601). */
export interface OwnersFigures<Stats> {
  readonly stats: Stats
  readonly writtenAt?: string
}

/** What the process that has the store at `path` open keeps in its `stats.json`; undefined if it does not. */
export function ownersFigures<Stats extends object>(path: string): OwnersFigures<Stats> | undefined {
  try {
    const { writtenAt, ...stats } = JSON.parse(readFileSync(join(path, 'stats.json'), 'utf8')) as Stats & {
      writtenAt?: string
    }
    // What is left is a Stats: writtenAt is none of its fields.
    return { stats: stats as unknown as Stats, ...(writtenAt === undefined ? {} : { writtenAt }) }
  } catch {
    return undefined // it is just being replaced, or an older version wrote it: the lock is what to tell about
  }
}
