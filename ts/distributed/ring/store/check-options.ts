// What a node is made with, checked, with everything filled in that was not told.
import { BedplateError } from '../../../base/errors.ts'
import { readNotes } from './notes.ts'
import { MAX_PAGE_BYTES, MAX_PAGE_ENTRIES, type Notes, type StoreOptions } from './types.ts'

const DEFAULTS = {
  requestTicks: 20,
  hintTicks: 5,
  offerTicks: 20,
  gossipTicks: 5,
  syncTicks: 50,
  eraTicks: 200,
  entriesPerTick: MAX_PAGE_ENTRIES,
  streamBytesPerTick: MAX_PAGE_BYTES,
  treeDepth: 6,
}

/** Between the name of a node and the epoch since which it takes writes under that name. */
export const WRITER_MARK = '~'

export type KnownOptions = StoreOptions & Readonly<typeof DEFAULTS> & { readonly notes: Partial<Notes> }

/** @throws INVALID_INPUT naming what cannot be, CORRUPTION for a note that no node can have left behind. */
export function knownOptions(options: StoreOptions): KnownOptions {
  const known = { ...DEFAULTS, ...options, notes: readNotes(options.notes ?? {}) }
  for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
    if (Number.isInteger(known[name]) && known[name] >= 1) continue
    throw invalid(`${name} must be a whole number of at least 1, got ${known[name]}`)
  }
  if (known.hintTicks >= known.requestTicks) throw invalid('hintTicks must be below requestTicks')
  if (known.entriesPerTick > MAX_PAGE_ENTRIES) throw invalid(`entriesPerTick must be at most ${MAX_PAGE_ENTRIES}`)
  if (known.name === '' || known.name.includes(WRITER_MARK)) {
    throw invalid(`a node of a store needs a name without "${WRITER_MARK}", got "${known.name}"`)
  }
  return known
}

function invalid(message: string): BedplateError {
  return new BedplateError('INVALID_INPUT', message)
}
