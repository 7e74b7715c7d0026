// Entries of a store as they are read and passed on, page by page.
import { type Hash64, hashKey, positionOf } from '../hash.ts'
import { type Entry, MAX_PAGE_BYTES } from './types.ts'
import { encodeContext, type Versions } from './versions.ts'

/** What an entry weighs beside its key and values: names, counts, lengths. An estimate; the encoding is another's matter. */
const OVERHEAD_BYTES = 32

/** The order of a scan: by place on the ring, and by key where two share one. */
export function compareKeys(a: string, b: string): number {
  return positionOf(a) - positionOf(b) || (a < b ? -1 : a > b ? 1 : 0)
}

/** About how many bytes an entry takes. */
export function sizeOf({ key, versions }: Entry): number {
  let size = OVERHEAD_BYTES * (1 + versions.context.size + versions.siblings.length) + key.length
  for (const { value } of versions.siblings) size += value?.length ?? 0
  return size
}

/** The first entries that fit a message together: at least one if there are any. */
export function cutPage<T extends Entry>(entries: readonly T[]): T[] {
  const page: T[] = []
  let size = 0
  for (const entry of entries) {
    size += sizeOf(entry)
    if (page.length > 0 && size > MAX_PAGE_BYTES) break
    page.push(entry)
  }
  return page
}

/** Whether nothing of a key lives: all that is left is who deleted what. */
export function isTombstone({ siblings }: Versions): boolean {
  return siblings.every(({ value }) => value === undefined)
}

/** The same for two replicas exactly if they know the same of the key, but for a chance of 2^-64. */
export function digestOf({ key, versions: { context, siblings } }: Entry): Hash64 {
  const dots = siblings.map(({ dot: { node, count } }) => `${node} ${count}`)
  return hashKey(JSON.stringify([key, encodeContext(context), dots]))
}
