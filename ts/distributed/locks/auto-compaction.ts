// Compaction without being asked for, as etcd's two modes have it.
import type { Cancel, Clock } from '../../io/clock.ts'
import type { Logger } from '../../service/index.ts'
import type { MvccStore } from './mvcc/store.ts'
import { every } from './repeat.ts'

/** Keeps the history of the last so many milliseconds, or of the last so many revisions. */
export type AutoCompaction =
  | { readonly mode: 'periodic'; readonly retentionMs: number }
  | { readonly mode: 'revision'; readonly retention: number }

/** Whose history it is. */
export interface Compacted {
  readonly clock: Clock
  readonly logger: Logger
  readonly store: () => MvccStore
  readonly compact: (revision: number) => Promise<unknown>
}

const INTERVAL_MS = 5 * 60_000
/** Of the retention, a look is taken so many times. */
const LOOKS_A_RETENTION = 10

/** Compacts from now on, until it is cancelled. */
export function startAutoCompaction(policy: AutoCompaction, { clock, logger, store, compact }: Compacted): Cancel {
  const to = (revision: number): void => {
    if (revision <= store().compactRevision || revision > store().revision) return
    compact(revision).then(
      () => logger.info('compacted', { revision }),
      (error: unknown) => logger.warn('compaction failed', { error: String(error) }),
    )
  }
  if (policy.mode === 'revision') {
    return every(clock, INTERVAL_MS, () => to(store().revision - policy.retention))
  }
  const seen: number[] = []
  return every(clock, Math.max(1000, policy.retentionMs / LOOKS_A_RETENTION), () => {
    seen.push(store().revision)
    if (seen.length > LOOKS_A_RETENTION) to(seen.shift() as number)
  })
}
