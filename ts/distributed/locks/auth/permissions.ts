// Whether permissions together reach over a span.
import type { Permission } from '../../../wire/etcd/messages.ts'
import { type Span, spanOf } from '../mvcc/key-index.ts'
import type { Key } from '../types.ts'

/** The end of all keys. */
const INFINITY = undefined

/** True if every key of `span` lies in the span of some permission; several may share one span between them. */
export function covers(permissions: readonly Permission[], span: Span): boolean {
  const intervals = permissions.map(({ key, rangeEnd }) => intervalOf(spanOf(key, rangeEnd)))
  intervals.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))
  const { from, end } = intervalOf(span)
  let covered: Key | undefined = from
  for (const interval of intervals) {
    if (covered === INFINITY || (end !== INFINITY && covered >= end) || interval.from > covered) break
    if (interval.end === INFINITY || interval.end > covered) covered = interval.end
  }
  return covered === INFINITY || (end !== INFINITY && covered >= end && covered > from)
}

/** A span as an interval that ends before `end`. */
function intervalOf({ key, end }: Span): { from: Key; end: Key | undefined } {
  if (end === 'all') return { from: key, end: INFINITY }
  // The least key above another is that with a zero byte behind it.
  return { from: key, end: end === 'one' ? `${key}\0` : end }
}
