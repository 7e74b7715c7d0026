// Turns the operations of a commit into its log record.
import { BedplateError } from '../../base/errors.ts'
import type { ByteOperation, OperandOperation } from '../ordered/operation.ts'
import { contains } from '../ordered/range.ts'
import type { RecordWriter } from '../ordered/record.ts'
import { MAX_VALUE_BYTES } from '../ordered/types.ts'
import type { Catalogue } from './catalogue.ts'
import { MAX_INTEGER_CHARACTERS } from './operand.ts'

/** One change of a commit, on bytes. */
export type LsmOperation = ByteOperation | OperandOperation
type KeyedOperation = Extract<LsmOperation, { key: Uint8Array }>

/**
 * Writes all of `operations` into the record, new trees before their first use. It stays empty if there is nothing to do.
 * All of a commit has one sequence, and there range tombstones are older than keys: so clears come first in the record, and
 * what an operation before them had put is left out.
 * @throws INVALID_INPUT if what it does to one key cannot be one version.
 */
export function encodeCommit(record: RecordWriter, operations: readonly LsmOperation[], catalogue: Catalogue): void {
  const ids = new Map<string, number | undefined>()
  let nextTreeId = catalogue.nextTreeId
  const idOf = (tree: string): number | undefined => (ids.has(tree) ? ids.get(tree) : catalogue.ids.get(tree))
  const sorted = clearsFirst(operations)
  const counted = new Set(sorted.filter(isOperandOperation).map(({ tree }) => tree))
  if (counted.size > 0 && sorted.length > 1) checkOutcomes(sorted)
  record.begin()
  for (const operation of sorted) {
    const { tree } = operation
    let id = idOf(tree)
    if (id === undefined) {
      // There is nothing to remove in a tree that does not exist; but operands may count on what their commit has deleted.
      const isNeeded = 'value' in operation || (operation.kind === 'delete' && counted.has(tree))
      if (!isNeeded) continue
      id = nextTreeId++
      record.createTree(id, Buffer.from(tree))
      ids.set(tree, id)
    }
    switch (operation.kind) {
      case 'put':
        record.put(id, operation.key, operation.value)
        break
      case 'delete':
        record.delete(id, operation.key)
        break
      case 'increment':
        record.increment(id, operation.key, operation.value)
        break
      case 'append':
        record.append(id, operation.key, operation.value)
        break
      case 'clear':
        record.clear(id, operation.range)
        break
      case 'drop':
        record.dropTree(id)
        ids.set(tree, undefined)
        break
    }
  }
}

function clearsFirst(operations: readonly LsmOperation[]): readonly LsmOperation[] {
  const firstKey = operations.findIndex(isKeyed)
  const isSorted = firstKey < 0 || operations.slice(firstKey).every(isKeyed)
  if (isSorted) return operations
  const clears: LsmOperation[] = []
  let keyed: KeyedOperation[] = []
  for (const operation of operations) {
    if (isKeyed(operation)) {
      keyed.push(operation)
      continue
    }
    keyed = keyed.filter((earlier) => !isUndone(earlier, operation))
    clears.push(operation)
  }
  return [...clears, ...keyed]
}

function isOperandOperation({ kind }: LsmOperation): boolean {
  return kind === 'increment' || kind === 'append'
}

function isKeyed(operation: LsmOperation): operation is KeyedOperation {
  return 'key' in operation
}

function isUndone(earlier: KeyedOperation, later: LsmOperation): boolean {
  if (earlier.tree !== later.tree) return false
  return later.kind === 'drop' || (later.kind === 'clear' && contains(later.range, earlier.key))
}

/** What the operations so far come to for one key. */
interface Outcome {
  readonly kind: 'value' | 'increment' | 'append'
  readonly bytes: number
}

/** Sees to it that what is done to each key comes to one version: a value, a sum, or a suffix. */
function checkOutcomes(operations: readonly LsmOperation[]): void {
  const outcomes = new Map<string, Outcome>()
  for (const operation of operations) {
    if (!isKeyed(operation)) continue
    const name = `${operation.tree.length} ${operation.tree}${Buffer.from(operation.key).toString('latin1')}`
    outcomes.set(name, outcomeOf(operation, outcomes.get(name)))
  }
}

function outcomeOf(operation: KeyedOperation, before: Outcome | undefined): Outcome {
  const { kind } = operation
  if (kind === 'delete') return { kind: 'value', bytes: 0 }
  const bytes = kind === 'increment' ? MAX_INTEGER_CHARACTERS : operation.value.length
  if (kind === 'put') return { kind: 'value', bytes }
  if (before === undefined) return { kind, bytes }
  if (before.kind !== 'value' && before.kind !== kind) {
    throw new BedplateError('INVALID_INPUT', 'one key can be incremented or appended to in a commit, not both', {
      hint: 'put the key first, or write in two commits',
    })
  }
  const sum = kind === 'append' ? before.bytes + bytes : bytes
  if (sum <= MAX_VALUE_BYTES) return { kind: before.kind, bytes: sum }
  throw new BedplateError('INVALID_INPUT', `a batch makes a value of ${sum} bytes; a store takes ${MAX_VALUE_BYTES}`)
}
