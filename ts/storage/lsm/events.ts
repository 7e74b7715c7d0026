// Tells listeners what the store does by itself.
import { BedplateError } from '../../base/errors.ts'
import { checkFunction, describe } from '../../base/options.ts'

/** What an open store tells of. Milliseconds are of the clock that never goes back. */
export interface LsmEvents {
  /** A memtable, or what was ingested, has become tables of level 0 that hold so many bytes. */
  flush: { level: number; bytes: number; milliseconds: number }
  /**
   * Tables of `inputBytes` were merged into `bytes` of `level`, moved there as they were, or dropped, which a `fifo` store does.
   */
  compaction: {
    kind: 'merge' | 'move' | 'drop'
    level: number
    inputBytes: number
    bytes: number
    milliseconds: number
  }
  /** Promises of writes no longer wait for flushes; they did for so long, with so many bytes in memtables at the beginning. */
  stall: { bytes: number; milliseconds: number }
}

export type LsmListener<E extends keyof LsmEvents> = (details: LsmEvents[E]) => void

export class Emitter {
  private readonly listeners: { [E in keyof LsmEvents]: Set<LsmListener<E>> } = {
    flush: new Set(),
    compaction: new Set(),
    stall: new Set(),
  }

  /** Calls `listener` from now on. @returns Ends that. */
  on<E extends keyof LsmEvents>(event: E, listener: LsmListener<E>): () => void {
    const own: LsmListener<E> = (details) => listener(details) // so that one listener may be there twice
    this.listeners[event].add(own)
    return () => void this.listeners[event].delete(own)
  }

  emit<E extends keyof LsmEvents>(event: E, details: LsmEvents[E]): void {
    for (const listener of this.listeners[event]) {
      try {
        listener(details)
      } catch (error) {
        // It is the listener's own, and not to be swallowed; but the work goes on.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

/** @throws INVALID_INPUT for an event that there is not, and a listener that is no function. */
export function checkListener(event: unknown, listener: unknown): void {
  checkFunction(listener, 'on')
  if (event === 'flush' || event === 'compaction' || event === 'stall') return
  throw new BedplateError(
    'INVALID_INPUT',
    `on: the event must be "flush", "compaction" or "stall", got ${describe(event)}`,
  )
}
