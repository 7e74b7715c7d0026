// Checks of everything that callers pass as options.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions } from '../../base/options.ts'
import { checkOpening } from '../ordered/check-options.ts'
import {
  type BTreeOptions,
  DEFAULT_CACHE_BYTES,
  DEFAULT_PAGE_SIZE_BYTES,
  MAX_PAGE_SIZE_BYTES,
  MIN_PAGE_SIZE_BYTES,
} from './types.ts'

/** The options of a store with every default filled in. */
export type CheckedOptions = Required<Omit<BTreeOptions, 'native' | 'keyEncoding' | 'valueEncoding'>>

export function checkStoreOptions(options: BTreeOptions): CheckedOptions {
  checkOptions(
    options,
    {
      create: 'any',
      pageSizeBytes: 'number',
      cacheBytes: 'number',
      durability: 'any',
      readOnly: 'boolean',
      keyEncoding: 'string',
      valueEncoding: 'string',
      native: 'boolean',
    },
    'openBTree',
  )
  const { create = false, readOnly = false, durability = 'sync' } = options
  const { pageSizeBytes = DEFAULT_PAGE_SIZE_BYTES, cacheBytes = DEFAULT_CACHE_BYTES } = options
  checkOpening({ create, readOnly, durability }, 'openBTree')
  if (!isPageSize(pageSizeBytes)) {
    throw invalid(
      `pageSizeBytes must be a power of two from ${MIN_PAGE_SIZE_BYTES} to ${MAX_PAGE_SIZE_BYTES}, got ${pageSizeBytes}`,
    )
  }
  if (!Number.isSafeInteger(cacheBytes) || cacheBytes < 0)
    throw invalid(`cacheBytes must be a whole number >= 0, got ${cacheBytes}`)
  return { create, readOnly, durability, pageSizeBytes, cacheBytes }
}

function isPageSize(bytes: number): boolean {
  return Number.isInteger(Math.log2(bytes)) && bytes >= MIN_PAGE_SIZE_BYTES && bytes <= MAX_PAGE_SIZE_BYTES
}

function invalid(problem: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `openBTree: ${problem}`)
}
