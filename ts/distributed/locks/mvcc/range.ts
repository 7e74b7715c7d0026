// Reads of keys, with everything that a RangeRequest can ask for.
import { compareBytes } from '../../../storage/compare.ts'
import { SORT_ORDER, SORT_TARGET } from '../../../wire/etcd/messages.ts'
import { refusal } from '../errors.ts'
import type { KeyValue, RangeRequest } from '../types.ts'
import { spanOf } from './key-index.ts'
import type { Reader } from './store.ts'

/** What a read finds. */
export interface Found {
  readonly kvs: readonly KeyValue[]
  /** True if the limit kept some back. */
  readonly more: boolean
  /** How many keys the span has, whatever limit and filters say. */
  readonly count: number
}

type Order = (a: KeyValue, b: KeyValue) => number

const ORDERS = new Map<number, Order>([
  [SORT_TARGET.key, (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)],
  [SORT_TARGET.version, (a, b) => a.version - b.version],
  [SORT_TARGET.create, (a, b) => a.createRevision - b.createRevision],
  [SORT_TARGET.mod, (a, b) => a.modRevision - b.modRevision],
  [SORT_TARGET.value, (a, b) => compareBytes(a.value, b.value)],
])

const NO_VALUE = new Uint8Array(0)

/** Refuses what can never be answered, whatever the store holds. @throws Refusal */
export function checkRange({ key, sortOrder, sortTarget }: RangeRequest): void {
  if (key === '') throw refusal('emptyKey')
  if (!ORDERS.has(sortTarget) || sortOrder < SORT_ORDER.none || sortOrder > SORT_ORDER.descend) {
    throw refusal('invalidSort')
  }
}

/** The main revision that a read is about. @throws Refusal if that is compacted away, or to come. */
export function revisionOf({ revision, compactRevision }: Reader, asked: number): number {
  if (asked > revision) throw refusal('futureRevision')
  if (asked <= 0) return revision
  if (asked < compactRevision) throw refusal('compacted')
  return asked
}

/**
 * Reads a span. Memory and time grow with the keys of the span if they have to be sorted or filtered, else with the limit;
 * counting looks at every key, in the index alone.
 * @throws Refusal for a revision that cannot be read.
 */
export function readRange(reader: Reader, request: RangeRequest): Found {
  const at = revisionOf(reader, request.revision)
  const span = spanOf(request.key, request.rangeEnd)
  const order = orderOf(request)
  const filter = filterOf(request)
  const { limit } = request
  // Values are loaded for what may be in the answer alone.
  const wanted = limit > 0 && order === undefined && filter === undefined ? limit : Number.POSITIVE_INFINITY
  let count = 0
  let kvs: KeyValue[] = []
  for (const [, change] of reader.walk(span, at)) {
    count++
    if (!request.countOnly && kvs.length < wanted) kvs.push(reader.load(change))
  }
  if (request.countOnly) return { kvs: [], more: false, count }
  if (filter !== undefined) kvs = kvs.filter(filter)
  if (order !== undefined) kvs.sort(order)
  const more = limit > 0 && (wanted === limit ? count > limit : kvs.length > limit)
  if (more) kvs.length = limit
  return { kvs: request.keysOnly ? kvs.map((kv) => ({ ...kv, value: NO_VALUE })) : kvs, more, count }
}

/** How to sort; undefined if they come in that order anyway. */
function orderOf({ sortOrder, sortTarget }: RangeRequest): Order | undefined {
  const order = ORDERS.get(sortTarget) as Order
  if (sortOrder === SORT_ORDER.descend) return (a, b) => order(b, a)
  // A target without an order means upwards.
  return sortTarget === SORT_TARGET.key ? undefined : order
}

function filterOf(request: RangeRequest): ((kv: KeyValue) => boolean) | undefined {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request
  if (minModRevision === 0 && maxModRevision === 0 && minCreateRevision === 0 && maxCreateRevision === 0)
    return undefined
  const within = (value: number, low: number, high: number): boolean =>
    (low === 0 || value >= low) && (high === 0 || value <= high)
  return ({ modRevision, createRevision }) =>
    within(modRevision, minModRevision, maxModRevision) && within(createRevision, minCreateRevision, maxCreateRevision)
}
