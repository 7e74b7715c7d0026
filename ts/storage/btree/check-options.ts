// Checks of everything that callers pass as options.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions, describe } from '../../base/options.ts'
import type { Durability } from '../log/types.ts'
import {
  type BTreeOptions,
  DEFAULT_CACHE_BYTES,
  DEFAULT_PAGE_SIZE_BYTES,
  MAX_PAGE_SIZE_BYTES,
  MIN_PAGE_SIZE_BYTES,
  type TransactionOptions,
  type TreeOptions,
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
  if (create !== 'new' && typeof create !== 'boolean')
    throw invalid(`create must be true, false or "new", got ${describe(create)}`)
  if (create !== false && readOnly) throw invalid('a store cannot be created for reading only: give create or readOnly')
  if (!isPageSize(pageSizeBytes)) {
    throw invalid(
      `pageSizeBytes must be a power of two from ${MIN_PAGE_SIZE_BYTES} to ${MAX_PAGE_SIZE_BYTES}, got ${pageSizeBytes}`,
    )
  }
  if (!Number.isSafeInteger(cacheBytes) || cacheBytes < 0)
    throw invalid(`cacheBytes must be a whole number >= 0, got ${cacheBytes}`)
  checkDurability(durability)
  return { create, readOnly, durability, pageSizeBytes, cacheBytes }
}

export function checkTreeOptions(options: TreeOptions): TreeOptions {
  checkOptions(options, { keyEncoding: 'string', valueEncoding: 'string' }, 'tree')
  return options
}

export function checkTransactionOptions(options: TransactionOptions): TransactionOptions {
  checkOptions(options, { retries: 'number', maxBytes: 'number' }, 'transaction')
  for (const name of ['retries', 'maxBytes'] as const) {
    const value = options[name]
    if (value !== undefined && value !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(value) && value >= 0)) {
      throw new BedplateError('INVALID_INPUT', `transaction: ${name} must be a whole number >= 0, got ${value}`)
    }
  }
  return options
}

function checkDurability(durability: Durability): void {
  if (durability === 'sync' || durability === 'os' || durability === 'memory') return
  if (typeof durability === 'object' && durability !== null) {
    checkOptions(durability, { intervalMs: 'number' }, 'durability')
    if (durability.intervalMs >= 1 && durability.intervalMs <= 3_600_000) return
    throw invalid(`durability.intervalMs must be from 1 to 3,600,000, got ${durability.intervalMs}`)
  }
  throw invalid(`durability must be "sync", "os", "memory" or { intervalMs }, got ${describe(durability)}`)
}

function isPageSize(bytes: number): boolean {
  return Number.isInteger(Math.log2(bytes)) && bytes >= MIN_PAGE_SIZE_BYTES && bytes <= MAX_PAGE_SIZE_BYTES
}

function invalid(problem: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `openBTree: ${problem}`)
}
