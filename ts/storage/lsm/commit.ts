// Turns the operations of a commit into its log record.
import { BedplateError } from '../../base/errors.ts'
import type { ByteOperation, OperandOperation } from '../ordered/operation.ts'
import { contains } from '../ordered/range.ts'
import type { RecordWriter } from '../ordered/record.ts'
import { MAX_VALUE_BYTES } from '../ordered/types.ts'
import type { Catalogue } from './catalogue.ts'
import { EntryKind } from './entry.ts'
import { applyOperands, MAX_INTEGER_CHARACTERS, sumOf } from './operand.ts'

/** One change of a commit, on bytes. */
export type LsmOperation = ByteOperation | OperandOperation
type KeyedOperation = Extract<LsmOperation, { key: Uint8Array }>
/** What does not look at the value before it. */
type BaseOperation = Exclude<KeyedOperation, OperandOperation>

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
  let sorted = clearsFirst(operations)
  if (sorted.length > 1 && sorted.some(isOperandOperation)) sorted = foldKeys(sorted)
  record.begin()
  for (const operation of sorted) {
    const { tree } = operation
    let id = idOf(tree)
    if (id === undefined) {
      if (!('value' in operation)) continue // there is nothing to remove in a tree that does not exist
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

/** What the operations so far do to one key. */
interface Outcome {
  /** The last of them that does not look at the value before it. */
  base: BaseOperation | undefined
  /** Those behind it, of one kind if there is no base. */
  operands: OperandOperation[]
  /** The most that the value can have, or the operand. */
  bytes: number
}

/** Makes what is done to each key one operation, in the place of the first: a value, a deletion, a sum or a suffix. */
function foldKeys(operations: readonly LsmOperation[]): readonly LsmOperation[] {
  const outcomes = new Map<string, Outcome>()
  const folded: (LsmOperation | Outcome)[] = []
  for (const operation of operations) {
    if (!isKeyed(operation)) {
      folded.push(operation)
      continue
    }
    const name = `${operation.tree.length} ${operation.tree}${Buffer.from(operation.key).toString('latin1')}`
    let outcome = outcomes.get(name)
    if (outcome === undefined) {
      outcome = { base: undefined, operands: [], bytes: 0 }
      outcomes.set(name, outcome)
      folded.push(outcome)
    }
    extend(outcome, operation)
  }
  return folded.map((each) => ('operands' in each ? operationOf(each) : each))
}

function extend(outcome: Outcome, operation: KeyedOperation): void {
  if (operation.kind === 'put' || operation.kind === 'delete') {
    outcome.base = operation
    outcome.operands = []
    outcome.bytes = operation.kind === 'put' ? operation.value.length : 0
    return
  }
  const { kind, value } = operation
  const [first] = outcome.operands
  if (outcome.base === undefined && first !== undefined && first.kind !== kind) {
    throw new BedplateError('INVALID_INPUT', 'one key can be incremented or appended to in a commit, not both', {
      hint: 'put the key first, or write in two commits',
    })
  }
  outcome.bytes = kind === 'append' ? outcome.bytes + value.length : MAX_INTEGER_CHARACTERS
  outcome.operands.push(operation)
  if (outcome.bytes <= MAX_VALUE_BYTES) return
  throw new BedplateError(
    'INVALID_INPUT',
    `a batch makes a value of ${outcome.bytes} bytes; a store takes ${MAX_VALUE_BYTES}`,
  )
}

function operationOf({ base, operands }: Outcome): LsmOperation {
  const [first] = operands
  if (first === undefined) return base as BaseOperation
  const changes = operands.map(({ kind, value }) => ({ kind: EntryKind[kind], value }))
  if (base === undefined) return { ...first, value: sumOf(EntryKind[first.kind], changes) }
  const before = base.kind === 'put' ? base.value : undefined
  const value = applyOperands(before, changes) as Uint8Array // bounded by `extend`
  return { kind: 'put', tree: base.tree, key: base.key, value }
}
