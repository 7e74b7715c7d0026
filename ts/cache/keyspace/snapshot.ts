import type { Database } from './database.ts'
import { cloneValue, type Value } from './values.ts'

/** A copy of databases, by their number. It stays as it is whatever happens to them. */
export type Snapshot = readonly (readonly KeySnapshot[])[]

interface KeySnapshot {
  readonly key: string
  readonly value: Value
  /** Milliseconds since 1970; undefined for never. */
  readonly expiresAtMs: number | undefined
}

export function takeSnapshot(databases: readonly Database[]): Snapshot {
  return databases.map((database) =>
    database.entries().map(({ key, value, expiry }) => ({ key, value: cloneValue(value), expiresAtMs: expiry?.at })),
  )
}

/** @param databases - Empty ones, as many as those of the snapshot. */
export function restoreSnapshot(databases: readonly Database[], snapshot: Snapshot): void {
  for (const [index, keys] of snapshot.entries()) {
    const database = databases[index] as Database
    for (const { key, value, expiresAtMs } of keys) {
      const entry = database.add(key, cloneValue(value))
      if (expiresAtMs !== undefined) database.expire(entry, expiresAtMs)
    }
  }
}
