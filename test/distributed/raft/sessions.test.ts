import { describe, expect, it } from 'vitest'
import { encodeCommand, SessionMachine } from '../../../ts/distributed/raft/index.ts'
import {
  decodeCommand,
  decodeSnapshot,
  MAX_RESULT_BYTES,
  MAX_RESULTS,
} from '../../../ts/distributed/raft/session-codec.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { wholeBetween } from '../../../ts/testing/simulation/index.ts'
import { codeOf } from '../../support/errors.ts'
import { mutate } from '../../support/fuzz/mutate.ts'
import { ChainMachine, chainCommand, chainResult } from '../../support/raft/machine.ts'

function run(session: number, sequence: number, acknowledged = 0): Uint8Array {
  return encodeCommand({ kind: 'run', session, sequence, acknowledged, command: chainCommand(1, sequence) })
}

/** A machine with one session, which is 1. */
function opened(options = {}) {
  const chain = new ChainMachine()
  const machine = new SessionMachine(chain, options)
  expect(machine.apply(encodeCommand({ kind: 'open' }), 1)).toEqual({ kind: 'opened', session: 1 })
  return { chain, machine }
}

describe('a command of a session (dissertation, §6.3)', () => {
  it('is executed once, and gives the same result when it comes again', () => {
    const { chain, machine } = opened()
    const first = machine.apply(run(1, 1), 2)
    const value = chain.read(1)
    expect(machine.apply(run(1, 2), 3).kind).toBe('done')
    expect(machine.apply(run(1, 1), 4)).toEqual(first)
    expect(first.kind === 'done' && chainResult(first.result)).toBe(value)
    expect(machine.apply(run(1, 3), 5).kind).toBe('done')
  })

  it('is known after a snapshot', () => {
    const { machine } = opened()
    const first = machine.apply(run(1, 1), 2)
    const other = new ChainMachine()
    const restored = new SessionMachine(other)
    restored.restore(machine.snapshot())
    const before = other.digest
    expect(restored.apply(run(1, 1), 3)).toEqual(first)
    expect(other.digest).toBe(before)
  })

  it('is not executed again when its result was acknowledged', () => {
    const { chain, machine } = opened()
    machine.apply(run(1, 1), 2)
    machine.apply(run(1, 2, 1), 3)
    const before = chain.digest
    expect(machine.apply(run(1, 1), 4)).toEqual({ kind: 'forgotten' })
    expect(chain.digest).toBe(before)
  })

  it('may overtake another one', () => {
    const { machine } = opened()
    expect(machine.apply(run(1, 2), 2).kind).toBe('done')
    expect(machine.apply(run(1, 1), 3).kind).toBe('done')
  })

  it('is refused if the session is not known, malformed, or owes too many acknowledgements', () => {
    const { chain, machine } = opened()
    expect(machine.apply(run(7, 1), 2)).toEqual({ kind: 'expired' })
    expect(machine.apply(Uint8Array.of(9, 9), 3)).toEqual({ kind: 'malformed' })
    for (let i = 1; i <= MAX_RESULTS; i++) machine.apply(run(1, i), 3 + i)
    const before = chain.digest
    expect(machine.apply(run(1, MAX_RESULTS + 1), 9999)).toEqual({ kind: 'too many results' })
    expect(chain.digest).toBe(before)
    expect(machine.apply(run(1, MAX_RESULTS + 2, MAX_RESULTS), 10_000).kind).toBe('done')
  })
})

it('the session that was used longest ago expires when there are too many', () => {
  const { machine } = opened({ maxSessions: 2 })
  machine.apply(encodeCommand({ kind: 'open' }), 2)
  machine.apply(run(1, 1), 3)
  machine.apply(encodeCommand({ kind: 'open' }), 4)
  expect(machine.sessionCount).toBe(2)
  expect(machine.apply(run(2, 1), 5)).toEqual({ kind: 'expired' })
  expect(machine.apply(run(1, 2), 6).kind).toBe('done')
  expect(codeOf(() => new SessionMachine(new ChainMachine(), { maxSessions: 0 }))).toBe('INVALID_INPUT')
})

describe('the bytes of results', () => {
  /** Gives so many bytes for every command. */
  function giving(sizeBytes: number, options = {}) {
    const inner = { apply: () => new Uint8Array(sizeBytes), snapshot: () => Uint8Array.of(), restore: () => {} }
    const machine = new SessionMachine(inner, options)
    for (const index of [1, 2, 3]) machine.apply(encodeCommand({ kind: 'open' }), index)
    return { machine, inner }
  }

  it('are bounded in a session: then the client must acknowledge first', () => {
    const { machine } = giving(MAX_RESULT_BYTES / 2)
    expect(machine.apply(run(1, 1), 4).kind).toBe('done')
    expect(machine.apply(run(1, 2), 5).kind).toBe('done')
    expect(machine.apply(run(1, 3), 6).kind).toBe('too many results')
    expect(machine.apply(run(2, 1), 7).kind).toBe('done')
    expect(machine.apply(run(1, 4, 1), 8).kind).toBe('done')
    expect(machine.resultBytes).toBe(1.5 * MAX_RESULT_BYTES)
  })

  it('are bounded in all: then the sessions that were used longest ago expire, the same ones after a snapshot', () => {
    const { machine, inner } = giving(1000, { maxResultBytes: 3000 })
    machine.apply(run(3, 1), 4)
    machine.apply(run(1, 1), 5)
    machine.apply(run(2, 1), 6)
    const restored = new SessionMachine(inner, { maxResultBytes: 3000 })
    restored.restore(machine.snapshot())
    for (const each of [machine, restored]) {
      expect(each.resultBytes).toBe(3000)
      expect(each.apply(run(2, 2), 7).kind).toBe('done')
      expect([each.sessionCount, each.resultBytes]).toEqual([2, 3000])
      expect(each.apply(run(3, 1), 8)).toEqual({ kind: 'expired' })
      expect(each.apply(run(1, 1), 9).kind).toBe('done')
    }
  })

  it('are never too many for the session in use', () => {
    const { machine } = giving(5000, { maxResultBytes: 1000 })
    expect(machine.apply(run(2, 1), 4).kind).toBe('done')
    expect(machine.apply(run(2, 1), 5).kind).toBe('done')
    expect([machine.sessionCount, machine.resultBytes]).toEqual([1, 5000])
  })
})

describe('the codec', () => {
  it('gives back what was put in, and refuses numbers that are none', () => {
    const command = {
      kind: 'run',
      session: 2 ** 52 + 3,
      sequence: 2 ** 32 - 1,
      acknowledged: 7,
      command: chainCommand(1, 2),
    } as const
    expect(decodeCommand(encodeCommand(command))).toEqual(command)
    for (const bad of [
      { session: 0 },
      { session: 0.5 },
      { sequence: 0 },
      { sequence: 2 ** 32 },
      { acknowledged: 2 ** 32 },
    ]) {
      expect(codeOf(() => encodeCommand({ ...command, ...bad }))).toBe('INVALID_INPUT')
    }
  })

  it('takes bytes that nobody wrote for a command, for none, or for CORRUPTION', () => {
    const random = seededRandom(20261126)
    const { machine } = opened()
    for (let i = 1; i <= 20; i++) machine.apply(run(1, i, i > 10 ? 5 : 0), i + 1)
    const good = machine.snapshot()
    const tally = { whole: 0, refused: 0, commands: 0 }
    for (let i = 0; i < 20_000; i++) {
      const bytes = i % 2 === 0 ? mutate(good, random) : random.bytes(wholeBetween(random, 0, 60))
      const code = codeOf(() => decodeSnapshot(bytes, 100))
      expect([undefined, 'CORRUPTION']).toContain(code)
      if (code === undefined) tally.whole++
      else tally.refused++
      const found = decodeCommand(mutate(run(1, 3, 2), random))
      if (found !== undefined) tally.commands++
    }
    expect(tally.whole).toBeGreaterThan(100)
    expect(tally.refused).toBeGreaterThan(5000)
    expect(tally.commands).toBeGreaterThan(100)
  })
})
