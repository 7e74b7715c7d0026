// Writes of an LSM store as values: what every store has, and operands.
import type { Lsm, LsmBatchOperation } from '../../../ts/storage/lsm/types.ts'
import type { Trees } from '../btree-crash/model.ts'
import { changeModel as changeByWrite, performOn as perform, type Write } from '../btree-crash/writes.ts'

/** A write, in terms of the store and of the model. No `tree` means the default tree. */
export type LsmWrite =
  | Exclude<Write, { kind: 'batch' }>
  | { kind: 'batch'; operations: readonly LsmBatchOperation[]; tree?: string }
  | { kind: 'increment'; key: string; by: bigint; tree?: string }
  | { kind: 'append'; key: string; suffix: string; tree?: string }

/** Does the write. @returns The promise of its durability. */
export function performOn(store: Lsm, write: LsmWrite): Promise<void> {
  const { tree: name = '' } = write
  const target = name === '' ? store : store.tree(name)
  switch (write.kind) {
    case 'increment':
      return target.increment(write.key, write.by)
    case 'append':
      return target.append(write.key, write.suffix)
    case 'batch':
      return target.batch(write.operations)
    default:
      return perform(store, write)
  }
}

/** Does the write to the trees of a model. */
export function changeModel(trees: Trees, write: LsmWrite): void {
  const { tree = '' } = write
  const value = write.kind === 'increment' || write.kind === 'append' ? trees.get(tree)?.get(write.key) : undefined
  switch (write.kind) {
    case 'increment':
      changeByWrite(trees, { kind: 'put', tree, key: write.key, value: incremented(value, write.by) })
      break
    case 'append':
      changeByWrite(trees, { kind: 'put', tree, key: write.key, value: `${value ?? ''}${write.suffix}` })
      break
    case 'batch':
      for (const operation of write.operations) changeModel(trees, asWrite(operation, tree))
      break
    default:
      changeByWrite(trees, write)
  }
}

function asWrite(operation: LsmBatchOperation, own: string): LsmWrite {
  const { key, tree = own } = operation
  switch (operation.type) {
    case 'increment':
      return { kind: 'increment', tree, key, by: BigInt(operation.by) }
    case 'append':
      return { kind: 'append', tree, key, suffix: operation.value }
    case 'put':
      return { kind: 'put', tree, key, value: operation.value }
    case 'delete':
      return { kind: 'delete', tree, key }
  }
}

/** What the documents say of increments, in other words than the engine's. */
function incremented(value: string | undefined, by: bigint): string {
  const isInteger = value !== undefined && /^-?(0|[1-9]\d{0,18})$/.test(value)
  const base = isInteger && BigInt.asIntN(64, BigInt(value)) === BigInt(value) ? BigInt(value) : 0n
  return String(BigInt.asIntN(64, base + by))
}
