// Transactions: comparisons that choose between two lists of operations, which then happen at one revision.
import { compareBytes } from '../../../storage/compare.ts'
import { COMPARE_RESULT, COMPARE_TARGET } from '../../../wire/etcd/messages.ts'
import { refusal } from '../errors.ts'
import {
  type Compare,
  type DeleteRangeRequest,
  type Key,
  type KeyValue,
  MAX_TXN_DEPTH,
  type PutRequest,
  type RequestOp,
  type TxnRequest,
} from '../types.ts'
import { contains, type Span, spanOf } from './key-index.ts'
import { checkRange } from './range.ts'
import type { Reader } from './store.ts'

/** Refuses a put that can never be done. @throws Refusal */
function checkPut({ key, value, lease, ignoreValue, ignoreLease }: PutRequest): void {
  if (key === '') throw refusal('emptyKey')
  if (ignoreValue && value.length > 0) throw refusal('valueProvided')
  if (ignoreLease && lease !== 0n) throw refusal('leaseProvided')
}

/** Refuses a deletion that can never be done. @throws Refusal */
function checkDelete({ key }: DeleteRangeRequest): void {
  if (key === '') throw refusal('emptyKey')
}

/**
 * Refuses a transaction that can never be done: too large, a bad operation, or a key that would be put twice, or put and
 * deleted, along one way through it. Two branches that exclude each other may put the same key.
 * @throws Refusal
 */
export function checkTxn(txn: TxnRequest, maxOps: number, depth = 1): void {
  const { compare, success, failure } = txn
  if (depth > MAX_TXN_DEPTH || Math.max(compare.length, success.length, failure.length) > maxOps) {
    throw refusal('tooManyOperations')
  }
  for (const { key } of compare) if (key === '') throw refusal('emptyKey')
  for (const op of [...success, ...failure]) {
    if (op.range !== undefined) checkRange(op.range)
    else if (op.put !== undefined) checkPut(op.put)
    else if (op.deleteRange !== undefined) checkDelete(op.deleteRange)
    else if (op.txn !== undefined) checkTxn(op.txn, maxOps, depth + 1)
    else throw refusal('keyNotFound') // an operation of a kind that is not known here
  }
  if (depth === 1) {
    effectsOf(success)
    effectsOf(failure)
  }
}

/** What a list of operations might do. */
interface Effects {
  readonly puts: Set<Key>
  readonly deletions: Span[]
}

function effectsOf(ops: readonly RequestOp[]): Effects {
  const deletions = ops.flatMap(({ deleteRange }) =>
    deleteRange === undefined ? [] : [spanOf(deleteRange.key, deleteRange.rangeEnd)],
  )
  const puts = new Set<Key>()
  for (const { txn } of ops) if (txn !== undefined) addBranches(txn, puts, deletions)
  for (const { put } of ops) {
    if (put !== undefined) addPut(put.key, puts, deletions, undefined)
  }
  return { puts, deletions }
}

function addBranches({ success, failure }: TxnRequest, puts: Set<Key>, deletions: Span[]): void {
  const one = effectsOf(success)
  const other = effectsOf(failure)
  for (const key of one.puts) addPut(key, puts, deletions, undefined)
  for (const key of other.puts) addPut(key, puts, deletions, one.puts)
  // What either deletes must not be put by anybody else; each has looked at its own.
  deletions.push(...one.deletions, ...other.deletions)
}

function addPut(key: Key, puts: Set<Key>, deletions: readonly Span[], excluded: ReadonlySet<Key> | undefined): void {
  if (puts.has(key) && excluded?.has(key) !== true) throw refusal('duplicateKey')
  if (deletions.some((span) => contains(span, key))) throw refusal('duplicateKey')
  puts.add(key)
}

/** Which branches a transaction takes: of itself, then of each transaction inside the branch taken, depth first. */
export function decide(reader: Reader, txn: TxnRequest): boolean[] {
  const succeeded = txn.compare.every((compare) => holds(reader, compare))
  const inner = branchOf(txn, succeeded).flatMap((op) => (op.txn === undefined ? [] : decide(reader, op.txn)))
  return [succeeded, ...inner]
}

/** The operations of one branch. */
export function branchOf({ success, failure }: TxnRequest, succeeded: boolean): readonly RequestOp[] {
  return succeeded ? success : failure
}

/** True if the comparison holds for every key of its span; for a key that is not there, with zeroes for what it would have. */
function holds(reader: Reader, compare: Compare): boolean {
  const { revision } = reader
  const found = [...reader.walk(spanOf(compare.key, compare.rangeEnd), revision)]
  if (found.length > 0) return found.every(([, change]) => holdsFor(compare, reader.load(change)))
  // Nothing has a value, so no comparison of values holds; the other targets are zero.
  return compare.target !== COMPARE_TARGET.value && holdsFor(compare, NOTHING)
}

const NO_BYTES = new Uint8Array(0)
const NOTHING: KeyValue = { key: '', createRevision: 0, modRevision: 0, version: 0, value: NO_BYTES, lease: 0n }

function holdsFor(compare: Compare, kv: KeyValue): boolean {
  const order = orderOf(compare, kv)
  switch (compare.result) {
    case COMPARE_RESULT.equal:
      return order === 0
    case COMPARE_RESULT.notEqual:
      return order !== 0
    case COMPARE_RESULT.greater:
      return order > 0
    case COMPARE_RESULT.less:
      return order < 0
    default:
      return true // as etcd: a result that it does not know holds
  }
}

function orderOf(compare: Compare, kv: KeyValue): number {
  switch (compare.target) {
    case COMPARE_TARGET.version:
      return kv.version - (compare.version ?? 0)
    case COMPARE_TARGET.create:
      return kv.createRevision - (compare.createRevision ?? 0)
    case COMPARE_TARGET.mod:
      return kv.modRevision - (compare.modRevision ?? 0)
    case COMPARE_TARGET.value:
      return compareBytes(kv.value, compare.value ?? NO_BYTES)
    case COMPARE_TARGET.lease:
      return kv.lease === (compare.lease ?? 0n) ? 0 : kv.lease < (compare.lease ?? 0n) ? -1 : 1
    default:
      return 0
  }
}
