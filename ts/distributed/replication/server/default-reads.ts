// What a node answers to a read that does not say how fresh it has to be: `linearizable`, `stale` or `bounded:500`.
import type { DefaultReads, ReadOptions } from './types.ts'

/** What such a read asks for. */
export type Wish = Pick<ReadOptions, 'consistency' | 'maxStalenessMs'>

export const DEFAULT_READS = 'linearizable'
const BOUNDED = /^bounded:(\d{1,15})$/

/** @returns undefined if that is no way to read. */
export function wishOf(reads: string): Wish | undefined {
  if (reads === 'linearizable' || reads === 'stale') return { consistency: reads }
  const bound = BOUNDED.exec(reads)?.[1]
  return bound === undefined ? undefined : { maxStalenessMs: Number(bound) }
}

export function isDefaultReads(reads: unknown): reads is DefaultReads {
  return typeof reads === 'string' && wishOf(reads) !== undefined
}

/** @param wish - Of the node. @returns What a read asks for, by itself or by default. */
export function withDefault<O extends ReadOptions>(options: O, wish: Wish): O {
  const { consistency, session, maxStalenessMs } = options
  const isSilent = consistency === undefined && session === undefined && maxStalenessMs === undefined
  return isSilent ? { ...options, ...wish } : options
}
