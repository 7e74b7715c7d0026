// The end of a node's log, for those who watch.
import type { RaftGroup } from './door.ts'
import type { LogIndex, Term } from './types.ts'

const TAIL_ENTRIES = 32

/** The terms of the last entries, the oldest first; null where the log does not have it any more. */
export function logTail(group: RaftGroup): { readonly index: LogIndex; readonly term: Term | null }[] {
  const { lastIndex } = group.status
  const first = Math.max(1, lastIndex - TAIL_ENTRIES + 1)
  return Array.from({ length: lastIndex - first + 1 }, (_, i) => {
    return { index: first + i, term: group.termAt(first + i) ?? null }
  })
}
