import { describe, expect, it } from 'vitest'
import { type Applied, RaftError } from '../../../../ts/distributed/raft/index.ts'
import { decodeCommand } from '../../../../ts/distributed/replication/server/command.ts'
import { WriteGatherer, type WriteRun } from '../../../../ts/distributed/replication/server/gatherer.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

const APPLIED = { index: 1, term: 1 }

/** A run that keeps what it is told. */
class Run implements WriteRun {
  told: unknown

  written(_applied: Applied, wereThere: Uint8Array): void {
    this.told = [...wereThere]
  }

  failed(error: unknown): void {
    this.told = error
  }
}

/** What was proposed: for each command its writes, keys and values as text. */
class Log {
  readonly commands: string[][] = []
  readonly waiting: ((outcome: Uint8Array | Error) => void)[] = []

  readonly propose = (bytes: Uint8Array): Promise<Applied> => {
    const command = decodeCommand(bytes)
    const writes = command.kind === 'write' ? [...command.writes] : []
    this.commands.push(writes.map(({ key, value }) => `${Buffer.from(key)}=${value && Buffer.from(value)}`))
    return new Promise((resolve, reject) => {
      this.waiting.push((outcome) => {
        if (outcome instanceof Error) reject(outcome)
        else resolve({ ...APPLIED, result: outcome })
      })
    })
  }
}

function make(): { gatherer: WriteGatherer; log: Log; clock: ManualClock } {
  const clock = new ManualClock()
  const log = new Log()
  return { gatherer: new WriteGatherer({ clock, propose: log.propose, patienceMs: 100 }), log, clock }
}

describe('a gatherer of writes', () => {
  it('makes one command of what comes in one turn, and tells each run of its own deletes', async () => {
    const { gatherer, log, clock } = make()
    const [first, second] = [new Run(), new Run()]
    const batch = gatherer.room(2, 20, false)
    batch?.set('a', '1')
    batch?.delete('b')
    gatherer.join(first)
    const same = gatherer.room(2, 20, false)
    same?.delete('c')
    same?.delete('d')
    gatherer.join(second)
    await clock.turn()
    await clock.turn()
    expect(log.commands).toEqual([['a=1', 'b=undefined', 'c=undefined', 'd=undefined']])
    log.waiting[0]?.(Uint8Array.of(1, 0, 1))
    await clock.turn()
    expect([first.told, second.told]).toEqual([[1], [0, 1]])
  })

  it('begins another command where one is full, and never cuts a run', async () => {
    const { gatherer, log, clock } = make()
    for (let i = 0; i < 10_000; i++) gatherer.room(1, 10, i > 0)?.set(`${i}`, '')
    expect(gatherer.room(1, 10, true)).toBeUndefined()
    gatherer.join(new Run())
    gatherer.room(1, 10, false)?.set('next', '')
    gatherer.join(new Run())
    await clock.turn()
    await clock.turn()
    expect(log.commands.map(({ length }) => length)).toEqual([10_000, 1])
  })

  it('has no room while too much is under way, and tells who waits when there is some', async () => {
    const { gatherer, log, clock } = make()
    const value = 'v'.repeat(1024 * 1024)
    let runs = 0
    for (let batch = gatherer.room(1, value.length, false); batch !== undefined; runs++) {
      batch.set('k', value)
      gatherer.join(new Run())
      batch = gatherer.room(1, value.length, false)
    }
    expect(runs).toBeGreaterThan(12)
    let calls = 0
    gatherer.whenRoom(() => calls++)
    await clock.turn()
    expect(calls).toBe(0)
    log.waiting[0]?.(new Uint8Array(0))
    await clock.turn()
    expect(calls).toBe(1)
    expect(gatherer.room(1, value.length, false)).toBeDefined()
  })

  it('asks again while the cluster is busy, and gives up in the end', async () => {
    const { gatherer, log, clock } = make()
    const busy = new RaftError({ kind: 'refused', reason: 'busy', leader: 1 })
    const run = new Run()
    gatherer.room(1, 10, false)?.set('a', '1')
    gatherer.join(run)
    await clock.turn()
    await clock.turn()
    for (let i = 0; i < 3; i++) {
      log.waiting[i]?.(busy)
      await clock.turn()
      expect([log.commands.length, run.told]).toEqual([i + 1, undefined])
      clock.advance(5)
      await clock.turn()
    }
    expect(log.commands).toEqual([['a=1'], ['a=1'], ['a=1'], ['a=1']])
    clock.advance(100)
    log.waiting[3]?.(busy)
    await clock.turn()
    expect(run.told).toBe(busy)
  })
})
