// Keys, versions and spans at random, and what a plain array makes of them.
import fc from 'fast-check'
import { compareEntries, type Entry, EntryKind, type Need, type VersionCursor } from '../../../ts/storage/lsm/entry.ts'
import type { KeySpan } from '../../../ts/storage/lsm/internal-key.ts'

const VALUE_BYTES = { [EntryKind.delete]: 0, [EntryKind.increment]: 8, [EntryKind.put]: 40, [EntryKind.append]: 40 }

/** Few keys of few bytes, so that they meet. */
export const keys = fc.uint8Array({ maxLength: 3, max: 3 })

export const spans = fc
  .tuple(keys, keys)
  .map(([a, b]): KeySpan => (Buffer.compare(a, b) <= 0 ? { start: a, end: b } : { start: b, end: a }))

/** Versions in order; no two of one key and sequence. */
export const versions = fc
  .array(
    fc.record({
      key: keys,
      sequence: fc.integer({ min: 1, max: 30 }),
      kind: fc.constantFrom(EntryKind.put, EntryKind.put, EntryKind.delete, EntryKind.increment, EntryKind.append),
      value: fc.uint8Array({ minLength: 8, maxLength: 40 }),
    }),
    {
      maxLength: 150,
    },
  )
  .map((all): Entry[] => {
    const unique = new Map<string, Entry>()
    for (const { key, sequence, kind, value } of all) {
      const name = `${Buffer.from(key).toString('hex')} ${sequence}`
      unique.set(name, { key, sequence, kind, value: value.slice(0, VALUE_BYTES[kind]) })
    }
    return [...unique.values()].sort(compareEntries)
  })

/** One entry as text, to be compared. */
export function show({ key, sequence, kind, value }: Entry): string {
  return `${Buffer.from(key).toString('hex')} ${sequence} ${kind} ${Buffer.from(value).toString('hex')}`
}

/** Everything that a cursor gives, loading what it asks for. */
export function drain(cursor: VersionCursor): string[] {
  const found: string[] = []
  for (let step = cursor.step(); step !== false; step = cursor.step()) {
    if (step === true) found.push(show(cursor.entry))
    else step.load()
  }
  return found
}

/** A cursor over an array, which asks for a load before every step. */
export function cursorOver(entries: readonly Entry[]): VersionCursor {
  let at = -1
  let isLoaded = false
  const need: Need = {
    load() {
      isLoaded = true
    },
    async loadAsync() {
      isLoaded = true
    },
  }
  return {
    get entry() {
      return entries[at] as Entry
    },
    step() {
      if (!isLoaded) return need
      isLoaded = false
      at++
      return at < entries.length
    },
  }
}

export function isInside(key: Uint8Array, { start, end }: KeySpan): boolean {
  return Buffer.compare(start, key) <= 0 && Buffer.compare(key, end) < 0
}
