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
  DEFAULT_MEMORY_BYTES,
  DEFAULT_OPEN_FILES,
  type LsmOptions,
  MAX_DEFAULT_MEMTABLE_BYTES,
  MAX_FIFO_BYTES,
  MAX_MEMTABLE_BYTES,
  MAX_TTL_MS,
  MEMORY_SHARES,
  MIN_MEMORY_BYTES,
  MIN_MEMTABLE_BYTES,
  MIN_OPEN_FILES,
} from './types.ts'

/** The options of a store with every default filled in. */
export interface CheckedOptions {
  create: boolean | 'new'
  readOnly: boolean
  durability: Durability
  memtableBytes: number
  memoryBytes: number
  maxOpenFiles: number
  shape: TableShape
  plan: CompactionPlan
}

export function checkStoreOptions(options: LsmOptions): CheckedOptions {
  checkOptions(
    options,
    {
      create: 'any',
      memtableBytes: 'number',
      memoryBytes: 'number',
      maxOpenFiles: 'number',
      bitsPerKey: 'number',
      compression: 'any',
      compaction: 'any',
      ttlMs: 'number',
      maxBytes: 'number',
      durability: 'any',
      readOnly: 'boolean',
      native: 'boolean',
      keyEncoding: 'string',
      valueEncoding: 'string',
    },
    'openLsm',
  )
  const { create = false, readOnly = false, durability = 'sync' } = options
  const { bitsPerKey = DEFAULT_BITS_A_KEY, compression = 'lz4' } = options
  checkOpening({ create, readOnly, durability }, 'openLsm')
  const { maxOpenFiles = DEFAULT_OPEN_FILES } = options
  checkWhole({ maxOpenFiles }, MIN_OPEN_FILES, Number.MAX_SAFE_INTEGER)
  checkWhole({ bitsPerKey }, 0, MAX_BITS_A_KEY)
  if (compression !== 'lz4' && compression !== 'none')
    throw invalid(`compression must be "lz4" or "none", got ${describe(compression)}`)
  const shape = { blockBytes: DEFAULT_BLOCK_BYTES, bitsPerKey, compression }
  return { create, readOnly, durability, maxOpenFiles, shape, plan: checkPlan(options), ...checkMemory(options) }
}

/** Three memtables must leave a share for blocks. */
function checkMemory(options: LsmOptions): { memtableBytes: number; memoryBytes: number } {
  const { memtableBytes: given } = options
  if (given !== undefined) checkWhole({ memtableBytes: given }, MIN_MEMTABLE_BYTES, MAX_MEMTABLE_BYTES)
  const needed = Math.max(MIN_MEMORY_BYTES, MEMORY_SHARES * (given ?? 0))
  const { memoryBytes = Math.max(DEFAULT_MEMORY_BYTES, needed) } = options
  checkWhole({ memoryBytes }, needed, Number.MAX_SAFE_INTEGER)
  const share = Math.floor(memoryBytes / MEMORY_SHARES)
  return { memoryBytes, memtableBytes: given ?? Math.min(MAX_DEFAULT_MEMTABLE_BYTES, share) }
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
