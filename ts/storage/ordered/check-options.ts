// Checks of what callers pass as options to any store.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions, describe } from '../../base/options.ts'
import type { Durability } from '../log/types.ts'
import type { TransactionOptions, TreeOptions } from './types.ts'

/** Options that opening a store always has. */
export interface Opening {
  create: boolean | 'new'
  readOnly: boolean
  durability: Durability
}

/** @param where - The call, for the text: `openBTree`. @throws INVALID_INPUT */
export function checkOpening({ create, readOnly, durability }: Opening, where: string): void {
  if (create !== 'new' && typeof create !== 'boolean')
    throw invalid(where, `create must be true, false or "new", got ${describe(create)}`)
  if (create !== false && readOnly)
    throw invalid(where, 'a store cannot be created for reading only: give create or readOnly')
  checkDurability(durability, where)
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

function checkDurability(durability: Durability, where: string): void {
  if (durability === 'sync' || durability === 'os' || durability === 'memory') return
  if (typeof durability === 'object' && durability !== null) {
    checkOptions(durability, { intervalMs: 'number' }, 'durability')
    if (durability.intervalMs >= 1 && durability.intervalMs <= 3_600_000) return
    throw invalid(where, `durability.intervalMs must be from 1 to 3,600,000, got ${durability.intervalMs}`)
  }
  throw invalid(where, `durability must be "sync", "os", "memory" or { intervalMs }, got ${describe(durability)}`)
}

function invalid(where: string, problem: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `${where}: ${problem}`)
}
