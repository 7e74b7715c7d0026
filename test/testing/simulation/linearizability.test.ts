import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import {
  checkLinearizable,
  type Operation,
  pick,
  type SequentialModel,
  wholeBetween,
} from '../../../ts/testing/simulation/index.ts'
import { codeOf } from '../../support/errors.ts'

/** A register: a number is written, `read` gives it. Writes answer 0. */
type Input = 'read' | number
const REGISTER: SequentialModel<number, Input, number> = {
  initial: 0,
  step: (value, input, output) => {
    if (input !== 'read') return input
    return output === undefined || output === value ? value : undefined
  },
  keyOf: (value) => value,
}

const write = (value: number, callAt: number, returnAt: number): Operation<Input, number> => ({
  key: 'x',
  input: value,
  output: 0,
  callAt,
  returnAt,
})
const read = (output: number, callAt: number, returnAt: number): Operation<Input, number> => ({
  key: 'x',
  input: 'read',
  output,
  callAt,
  returnAt,
})
/** A write of which nobody knows whether it has happened. */
const attempt = (value: number, callAt: number): Operation<Input, number> => ({
  key: 'x',
  input: value,
  callAt,
  returnAt: Number.POSITIVE_INFINITY,
})
const outcomeOf = (...history: Operation<Input, number>[]): string => checkLinearizable(history, REGISTER).outcome

describe('a history is linearizable', () => {
  it('if nothing happened', () => expect(outcomeOf()).toBe('linearizable'))

  it('if it is a sequence that the object allows', () => {
    expect(outcomeOf(write(1, 0, 1), read(1, 2, 3), write(2, 4, 5), read(2, 6, 7))).toBe('linearizable')
  })

  it('if overlapping operations have an order', () => {
    expect(outcomeOf(write(1, 0, 10), read(0, 1, 2), read(1, 3, 4))).toBe('linearizable')
    expect(outcomeOf(write(1, 0, 10), write(2, 0, 10), read(1, 11, 12))).toBe('linearizable')
  })

  it('if what returns as another is called may count as concurrent', () => {
    expect(outcomeOf(write(1, 0, 5), read(0, 5, 6))).toBe('linearizable')
  })

  it('if a write without an answer happened late, or never', () => {
    expect(outcomeOf(attempt(1, 0), read(0, 1, 2), read(1, 50, 51))).toBe('linearizable')
    expect(outcomeOf(attempt(1, 0), read(0, 1, 2))).toBe('linearizable')
  })

  it('if each key is, whatever the order between keys', () => {
    const elsewhere = { ...read(0, 6, 7), key: 'y' }
    expect(outcomeOf(write(1, 0, 1), read(1, 2, 3), elsewhere)).toBe('linearizable')
  })
})

describe('a history is not linearizable', () => {
  it('if a read is stale', () => {
    expect(outcomeOf(write(1, 0, 1), read(0, 2, 3))).toBe('not linearizable')
  })

  it('if two reads one after the other see the order the wrong way round', () => {
    expect(outcomeOf(write(1, 0, 10), read(1, 1, 2), read(0, 3, 4))).toBe('not linearizable')
  })

  it('if a value is read that nobody wrote', () => expect(outcomeOf(read(7, 0, 1))).toBe('not linearizable'))

  it('if a write without an answer is seen before it was called', () => {
    expect(outcomeOf(read(1, 0, 1), attempt(1, 2))).toBe('not linearizable')
  })

  it('if it was seen and then was not there', () => {
    expect(outcomeOf(attempt(1, 0), read(1, 1, 2), read(0, 3, 4))).toBe('not linearizable')
  })

  it('and the key is named', () => {
    const bad = { ...read(7, 0, 1), key: 'z' }
    expect(checkLinearizable([write(1, 0, 1), bad], REGISTER)).toEqual({ outcome: 'not linearizable', key: 'z' })
  })
})

it('a search that is given up says so', () => {
  const history = Array.from({ length: 12 }, (_, i) => write(i, 0, 100))
  const verdict = checkLinearizable([...history, read(99, 101, 102)], REGISTER, { maxSteps: 1000 })
  expect(verdict).toEqual({ outcome: 'unknown', key: 'x' })
})

it('an operation that returns before it is called is refused', () => {
  expect(codeOf(() => outcomeOf(read(0, 2, 1)))).toBe('INVALID_INPUT')
})

it('random histories are judged as by trying all orders', () => {
  const verdicts = { linearizable: 0, 'not linearizable': 0, unknown: 0 }
  for (let seed = 1; seed <= 2000; seed++) {
    const history = randomHistory(seed)
    const { outcome } = checkLinearizable(history, REGISTER)
    expect(outcome, `seed ${seed}`).toBe(hasOrder(history, 0) ? 'linearizable' : 'not linearizable')
    verdicts[outcome]++
  }
  expect(verdicts.linearizable).toBeGreaterThan(200)
  expect(verdicts['not linearizable']).toBeGreaterThan(200)
})

it('what a register really did, seen by 8 clients, is linearizable, and one wrong answer is found', () => {
  const random = seededRandom(5)
  const history: Operation<Input, number>[] = []
  let value = 0
  for (let i = 0; i < 1000; i++) {
    const isRead = random.next() < 0.5
    if (!isRead) value = i + 1
    // Each takes effect at its own time i, and is called and returns so far around it that eight of them overlap.
    const around = { callAt: i - random.next() * 4, returnAt: i + random.next() * 4 }
    history.push({ key: 'x', input: isRead ? 'read' : value, output: isRead ? value : 0, ...around })
  }
  expect(checkLinearizable(history, REGISTER).outcome).toBe('linearizable')
  const at = history.findIndex((operation, i) => i > 500 && operation.input === 'read')
  history[at] = { ...(history[at] as Operation<Input, number>), output: 1 }
  expect(checkLinearizable(history, REGISTER).outcome).toBe('not linearizable')
})

function randomHistory(seed: number): Operation<Input, number>[] {
  const random = seededRandom(seed)
  return Array.from({ length: wholeBetween(random, 1, 6) }, () => {
    const callAt = wholeBetween(random, 0, 12)
    const returnAt = callAt + wholeBetween(random, 0, 6)
    const value = wholeBetween(random, 0, 2)
    const kind = pick(random, ['read', 'read', 'write', 'attempt'])
    return kind === 'read'
      ? read(value, callAt, returnAt)
      : kind === 'write'
        ? write(value, callAt, returnAt)
        : attempt(value, callAt)
  })
}

/** The definition itself: some order of all that returned, and of some that did not, fits object and time. */
function hasOrder(left: readonly Operation<Input, number>[], value: number): boolean {
  if (left.every((operation) => operation.output === undefined)) return true
  return left.some((operation, i) => {
    const mayBeFirst = left.every((other) => other.output === undefined || other.returnAt >= operation.callAt)
    if (!mayBeFirst) return false
    const after = REGISTER.step(value, operation.input, operation.output)
    return after !== undefined && hasOrder(left.toSpliced(i, 1), after)
  })
}
