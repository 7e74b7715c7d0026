// Whether a history of concurrent operations could have happened one at a time, each at some moment between its call and its
// return (Herlihy and Wing, "Linearizability", TOPLAS 1990).
//
// The search is Wing and Gong's ("Testing and verifying concurrent objects", JPDC 1993) with Lowe's memory of the
// configurations that were reached before ("Testing for linearizability", 2017). Keys are independent objects, so each is
// searched alone: linearizability is local (Herlihy and Wing, §3.2).
import { BedplateError } from '../../base/errors.ts'
import { mix } from './trace.ts'

/** One call of a client, and what came of it. */
export interface Operation<Input, Output> {
  /** Operations on different keys do not affect each other. */
  readonly key: string | number
  readonly input: Input
  /** Undefined if nobody knows: then it may have happened at any time after its call, or never. */
  readonly output?: Output | undefined
  /** When it was called, in any unit. */
  readonly callAt: number
  /** When its output was there; not used if there is none. */
  readonly returnAt: number
}

/** What operations on one key do when nothing is concurrent. */
export interface SequentialModel<State, Input, Output> {
  readonly initial: State
  /**
   * @param output - What was observed; undefined if nobody knows, and then every output is possible.
   * @returns The state after it, or undefined if `input` cannot give `output` in `state`.
   */
  step(state: State, input: Input, output: Output | undefined): State | undefined
  /** Equal for equal states only. */
  keyOf(state: State): string | number
}

/** What a check found. `unknown` means that it gave up: that is never a pass. */
export type Verdict =
  | { readonly outcome: 'linearizable' }
  | { readonly outcome: 'not linearizable'; readonly key: string | number }
  | { readonly outcome: 'unknown'; readonly key: string | number }

export interface CheckOptions {
  /** Steps of the search a key; default 2,000,000, which takes about a second. */
  readonly maxSteps?: number
}

const MAX_OPERATIONS_A_KEY = 100_000

/**
 * Checks a history, key by key.
 * @returns The first key whose operations cannot be put in order, if there is one; else one that was given up, if there is one.
 * Cost: exponential in the number of overlapping operations of a key, about linear in their count otherwise.
 * @throws INVALID_INPUT if an operation returns before it is called, or a key has more than 100,000 operations.
 *
 * @example
 * const model: SequentialModel<number, 'read' | number, number> = {
 *   initial: 0,
 *   step: (value, input, output) => (input === 'read' ? (output === value ? value : undefined) : input),
 *   keyOf: (value) => value,
 * }
 * checkLinearizable([{ key: 'x', input: 'read', output: 0, callAt: 0, returnAt: 1 }], model)
 */
export function checkLinearizable<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
  { maxSteps = 2_000_000 }: CheckOptions = {},
): Verdict {
  let givenUp: Verdict | undefined
  for (const [key, operations] of byKey(history)) {
    const outcome = search(operations, model, maxSteps)
    if (outcome === 'not linearizable') return { outcome, key }
    if (outcome === 'unknown') givenUp ??= { outcome, key }
  }
  return givenUp ?? { outcome: 'linearizable' }
}

/** A call or a return in the list of those that are not put in order yet. */
interface Entry<Input, Output> {
  readonly operation: Operation<Input, Output>
  readonly id: number
  /** The entry of the return; undefined for a return, and for a call without one. */
  readonly match: Entry<Input, Output> | undefined
  readonly isCall: boolean
  before: Entry<Input, Output> | undefined
  next: Entry<Input, Output> | undefined
}

interface Choice<State, Input, Output> {
  readonly entry: Entry<Input, Output>
  readonly before: State
}

function search<State, Input, Output>(
  operations: readonly Operation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
  maxSteps: number,
): Verdict['outcome'] {
  const head = listOf(operations)
  let openReturns = operations.filter((operation) => operation.output !== undefined).length
  const done = new DoneSet(operations.length)
  const seen = new Configurations()
  const choices: Choice<State, Input, Output>[] = []
  let state = model.initial
  let entry = head.next
  // Invariant: the list holds what `choices` has not put in order; every call before `entry` cannot come next.
  for (let steps = 0; openReturns > 0; steps++) {
    if (steps > maxSteps) return 'unknown'
    if (entry?.isCall) {
      const { operation } = entry
      const after = model.step(state, operation.input, operation.output)
      if (after !== undefined) {
        done.flip(entry.id)
        if (seen.add(done, model.keyOf(after))) {
          choices.push({ entry, before: state })
          state = after
          lift(entry)
          if (entry.match !== undefined) openReturns--
          entry = head.next
          continue
        }
        done.flip(entry.id)
      }
      entry = entry.next
      continue
    }
    // A return whose call is not in order, or the end: some earlier choice was wrong.
    const last = choices.pop()
    if (last === undefined) return 'not linearizable'
    state = last.before
    done.flip(last.entry.id)
    unlift(last.entry)
    if (last.entry.match !== undefined) openReturns++
    entry = last.entry.next
  }
  return 'linearizable'
}

/** The calls and returns in order of time; of one moment calls come first, since such operations overlap. */
function listOf<Input, Output>(operations: readonly Operation<Input, Output>[]): Entry<Input, Output> {
  const events: { at: number; entry: Entry<Input, Output> }[] = []
  for (const [id, operation] of operations.entries()) {
    let match: Entry<Input, Output> | undefined
    if (operation.output !== undefined) {
      if (!(operation.returnAt >= operation.callAt)) {
        throw new BedplateError(
          'INVALID_INPUT',
          `an operation on ${operation.key} is called at ${operation.callAt} and returns at ${operation.returnAt}`,
        )
      }
      match = { operation, id, match: undefined, isCall: false, before: undefined, next: undefined }
      events.push({ at: operation.returnAt, entry: match })
    }
    const call = { operation, id, match, isCall: true, before: undefined, next: undefined }
    events.push({ at: operation.callAt, entry: call })
  }
  events.sort((a, b) => a.at - b.at || Number(b.entry.isCall) - Number(a.entry.isCall) || a.entry.id - b.entry.id)
  const first = events[0]?.entry.operation ?? ({ key: '', input: undefined, callAt: 0, returnAt: 0 } as never)
  const head: Entry<Input, Output> = {
    operation: first,
    id: -1,
    match: undefined,
    isCall: false,
    before: undefined,
    next: undefined,
  }
  let last = head
  for (const { entry } of events) {
    last.next = entry
    entry.before = last
    last = entry
  }
  return head
}

/** Takes a call and its return out of the list. */
function lift<Input, Output>(call: Entry<Input, Output>): void {
  for (const entry of call.match === undefined ? [call] : [call, call.match]) {
    if (entry.before !== undefined) entry.before.next = entry.next
    if (entry.next !== undefined) entry.next.before = entry.before
  }
}

/** Puts them back; in the reverse order of `lift`, so that neighbours are where they were. */
function unlift<Input, Output>(call: Entry<Input, Output>): void {
  for (const entry of call.match === undefined ? [call] : [call.match, call]) {
    if (entry.before !== undefined) entry.before.next = entry
    if (entry.next !== undefined) entry.next.before = entry
  }
}

/** Which operations are in order already, with a hash that changes with each. */
class DoneSet {
  readonly bits: Uint32Array
  hash = 0

  constructor(count: number) {
    this.bits = new Uint32Array(Math.ceil(count / 32))
  }

  flip(id: number): void {
    this.bits[id >>> 5] = (this.bits[id >>> 5] as number) ^ (1 << (id & 31))
    this.hash ^= mix(mix(0x9e3779b9, id), id ^ 0x5bd1e995)
  }
}

/** Pairs of what is in order and the state that it led to; from the same pair nothing new can be found. */
class Configurations {
  private readonly seen = new Map<number, { bits: Uint32Array; key: string | number }[]>()

  /** @returns False if it was there. */
  add(done: DoneSet, key: string | number): boolean {
    const known = this.seen.get(done.hash)
    const isKnown = known?.some((each) => each.key === key && equal(each.bits, done.bits))
    if (isKnown) return false
    const entry = { bits: done.bits.slice(), key }
    if (known === undefined) this.seen.set(done.hash, [entry])
    else known.push(entry)
    return true
  }
}

function equal(a: Uint32Array, b: Uint32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

function byKey<Input, Output>(
  history: readonly Operation<Input, Output>[],
): Map<string | number, Operation<Input, Output>[]> {
  const groups = new Map<string | number, Operation<Input, Output>[]>()
  for (const operation of history) {
    const group = groups.get(operation.key)
    if (group === undefined) groups.set(operation.key, [operation])
    else group.push(operation)
  }
  for (const [key, group] of groups) {
    if (group.length > MAX_OPERATIONS_A_KEY) {
      throw new BedplateError('INVALID_INPUT', `key ${key} has ${group.length} operations, more than can be checked`)
    }
  }
  return groups
}
