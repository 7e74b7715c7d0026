// What a crash may leave, and the error for a store that broke its word.
import { Model } from './model.ts'

/** What must be found after a crash: one state, of a position from `floor` to `ceiling`. */
export interface Expectation {
  /** The content after each log position. */
  readonly states: ReadonlyMap<number, Model>
  /** The last position that was promised to survive. */
  readonly floor: number
  /** The last position that had come into being. */
  readonly ceiling: number
  /** True if the store's creation was acknowledged. */
  readonly exists: boolean
  /** Backups that were begun, with the position they show. `complete`: acknowledged. */
  readonly backups: readonly { path: string; position: number; model: Model; complete: boolean }[]
  /**
   * Positions of bulk loads that may have got into one meta only: what they loaded is not in the log, so a meta from
   * before one cannot catch up with it.
   */
  readonly loads: readonly number[]
}

/** What a store that was never there leaves. */
export const NOTHING: Expectation = {
  states: new Map([[0, new Model()]]),
  floor: 0,
  ceiling: 0,
  exists: false,
  backups: [],
  loads: [],
}

/** Thrown when the store does what it must not. */
export class Violation extends Error {}

/** Throws a Violation unless `condition` holds. */
export function must(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new Violation(typeof message === 'string' ? message : message())
}
