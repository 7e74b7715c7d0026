// Writes as values: done to a store, inside a transaction, or to a model.
import type { Transaction, TreeBatchOperation, TreeStore } from '../../../ts/storage/ordered/types.ts'
import type { KeyRange } from '../../../ts/storage/ordered-store.ts'
import { Violation } from './expectation.ts'
import type { Trees } from './model.ts'
import type { Opened } from './store.ts'

/** A write, in terms of the store and of the model. No `tree` means the default tree. */
export type Write =
  | { kind: 'put'; key: string; value: string; tree?: string }
  | { kind: 'delete'; key: string; tree?: string }
  | { kind: 'batch'; operations: readonly TreeBatchOperation[]; tree?: string }
  | { kind: 'clear'; range?: KeyRange; tree?: string }
  | { kind: 'drop'; tree: string }

/** The handle of a tree; '' is the default one. */
export function treeOf(
  store: Opened['store'],
  name: string,
): Pick<Opened['store'], 'put' | 'delete' | 'batch' | 'clear' | 'bulkLoad' | 'get' | 'getAsync' | 'range'> {
  return name === '' ? store : store.tree(name)
}

/** Does the write. @returns The promise of its durability. */
export function performOn(store: TreeStore, write: Write): Promise<void> {
  const { tree: name = '' } = write
  const target = name === '' ? store : store.tree(name)
  switch (write.kind) {
    case 'put':
      return target.put(write.key, write.value)
    case 'delete':
      return target.delete(write.key)
    case 'batch':
      return target.batch(write.operations)
    case 'clear':
      return target.clear(write.range)
    case 'drop':
      return store.dropTree(write.tree)
  }
}

/** Does the write as part of a transaction, which drops no tree and whose batches stay in one. */
export function performIn(tx: Transaction, write: Write): void {
  const target = write.tree === undefined || write.tree === '' ? tx : tx.tree(write.tree)
  switch (write.kind) {
    case 'put':
      target.put(write.key, write.value)
      break
    case 'delete':
      target.delete(write.key)
      break
    case 'batch':
      target.batch(write.operations)
      break
    case 'clear':
      target.clear(write.range)
      break
    case 'drop':
      throw new Violation('a transaction drops no tree')
  }
}

/** Does the write to the trees of a model. */
export function changeModel(trees: Trees, write: Write): void {
  const name = write.tree ?? ''
  const tree = trees.get(name)
  switch (write.kind) {
    case 'put':
      if (tree === undefined) trees.set(name, new Map([[write.key, write.value]]))
      else tree.set(write.key, write.value)
      break
    case 'delete':
      tree?.delete(write.key)
      break
    case 'batch':
      for (const operation of write.operations) {
        const { type, tree: own = name, ...rest } = operation
        changeModel(trees, { kind: type, tree: own, ...rest } as Write)
      }
      break
    case 'clear':
      for (const key of tree?.keys() ?? []) if (isWithin(write.range ?? {}, key)) tree?.delete(key)
      break
    case 'drop':
      trees.delete(name)
      break
  }
}

/** Does the writes as one transaction: a tree that was not there and got nothing in the end does not come to be. */
export function changeModelAtOnce(trees: Trees, writes: readonly Write[]): void {
  const before = new Set(trees.keys())
  for (const write of writes) changeModel(trees, write)
  for (const [name, tree] of trees) if (tree.size === 0 && !before.has(name)) trees.delete(name)
}

function isWithin({ gt, gte, lt, lte }: KeyRange, key: string): boolean {
  return (
    (gt === undefined || key > gt) &&
    (gte === undefined || key >= gte) &&
    (lt === undefined || key < lt) &&
    (lte === undefined || key <= lte)
  )
}
