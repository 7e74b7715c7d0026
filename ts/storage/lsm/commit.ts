// Turns the operations of a commit into its log record.
import type { ByteOperation } from '../ordered/operation.ts'
import { contains } from '../ordered/range.ts'
import type { RecordWriter } from '../ordered/record.ts'
import type { Catalogue } from './catalogue.ts'

/**
 * Writes all of `operations` into the record, new trees before their first use. It stays empty if there is nothing to do.
 * All of a commit has one sequence, and there range tombstones are older than keys: so clears come first in the record, and
 * what an operation before them had put is left out.
 */
export function encodeCommit(record: RecordWriter, operations: readonly ByteOperation[], catalogue: Catalogue): void {
  const ids = new Map<string, number | undefined>()
  let nextTreeId = catalogue.nextTreeId
  const idOf = (tree: string): number | undefined => (ids.has(tree) ? ids.get(tree) : catalogue.ids.get(tree))
  record.begin()
  for (const operation of clearsFirst(operations)) {
    const { tree } = operation
    let id = idOf(tree)
    if (id === undefined) {
      if (operation.kind !== 'put') continue // there is nothing to remove in a tree that does not exist
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

function clearsFirst(operations: readonly ByteOperation[]): readonly ByteOperation[] {
  const firstKey = operations.findIndex(isKeyed)
  const isSorted = firstKey < 0 || operations.slice(firstKey).every(isKeyed)
  if (isSorted) return operations
  const clears: ByteOperation[] = []
  let keyed: ByteOperation[] = []
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

function isKeyed({ kind }: ByteOperation): boolean {
  return kind === 'put' || kind === 'delete'
}

function isUndone(earlier: ByteOperation, later: ByteOperation): boolean {
  if (earlier.tree !== later.tree) return false
  return later.kind === 'drop' || (later.kind === 'clear' && 'key' in earlier && contains(later.range, earlier.key))
}
