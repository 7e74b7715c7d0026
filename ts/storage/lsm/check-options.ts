// Checks of what callers pass as options.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions, describe } from '../../base/options.ts'
import { DEFAULT_BITS_A_KEY, MAX_BITS_A_KEY } from '../bloom/index.ts'
import type { Durability } from '../log/types.ts'
import { checkOpening } from '../ordered/check-options.ts'
import type { CompactionPlan } from './compaction.ts'
import type { TableShape } from './table-writer.ts'
import {
  DEFAULT_BLOCK_BYTES,
  DEFAULT_CACHE_BYTES,
  DEFAULT_MEMTABLE_BYTES,
  type LsmOptions,
  MAX_FIFO_BYTES,
  MAX_TTL_MS,
  MIN_MEMTABLE_BYTES,
} from './types.ts'

/** The options of a store with every default filled in. */
export interface CheckedOptions {
  create: boolean | 'new'
  readOnly: boolean
  durability: Durability
  memtableBytes: number
  cacheBytes: number
  shape: TableShape
  plan: CompactionPlan
}

export function checkStoreOptions(options: LsmOptions): CheckedOptions {
  checkOptions(
    options,
    {
      create: 'any',
      memtableBytes: 'number',
      cacheBytes: 'number',
      bitsPerKey: 'number',
      compression: 'any',
      compaction: 'any',
      ttlMs: 'number',
      maxBytes: 'number',
      durability: 'any',
      readOnly: 'boolean',
      keyEncoding: 'string',
      valueEncoding: 'string',
    },
    'openLsm',
  )
  const { create = false, readOnly = false, durability = 'sync' } = options
  const { memtableBytes = DEFAULT_MEMTABLE_BYTES, cacheBytes = DEFAULT_CACHE_BYTES } = options
  const { bitsPerKey = DEFAULT_BITS_A_KEY, compression = 'lz4' } = options
  checkOpening({ create, readOnly, durability }, 'openLsm')
  checkWhole({ memtableBytes }, MIN_MEMTABLE_BYTES, Number.MAX_SAFE_INTEGER)
  checkWhole({ cacheBytes }, 0, Number.MAX_SAFE_INTEGER)
  checkWhole({ bitsPerKey }, 0, MAX_BITS_A_KEY)
  if (compression !== 'lz4' && compression !== 'none')
    throw invalid(`compression must be "lz4" or "none", got ${describe(compression)}`)
  const shape = { blockBytes: DEFAULT_BLOCK_BYTES, bitsPerKey, compression }
  return { create, readOnly, durability, memtableBytes, cacheBytes, shape, plan: checkPlan(options) }
}

function checkPlan({ compaction: style = 'leveled', ttlMs = 0, maxBytes = 0 }: LsmOptions): CompactionPlan {
  if (style !== 'leveled' && style !== 'tiered' && style !== 'fifo')
    throw invalid(`compaction must be "leveled", "tiered" or "fifo", got ${describe(style)}`)
  if (style !== 'fifo' && ttlMs + maxBytes > 0) throw invalid('ttlMs and maxBytes are for compaction "fifo" alone')
  checkWhole({ ttlMs }, 0, MAX_TTL_MS)
  checkWhole({ maxBytes }, 0, MAX_FIFO_BYTES)
  return { style, ttlMs, maxBytes }
}

function invalid(problem: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `openLsm: ${problem}`)
}

function checkWhole(option: Record<string, number>, least: number, most: number): void {
  for (const [name, value] of Object.entries(option)) {
    if (Number.isSafeInteger(value) && value >= least && value <= most) continue
    const range = most === Number.MAX_SAFE_INTEGER ? `>= ${least}` : `from ${least} to ${most}`
    throw invalid(`${name} must be a whole number ${range}, got ${value}`)
  }
}
