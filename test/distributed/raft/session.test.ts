// A client's session on groups that lose answers, and on hosts whose leaders go.
import { describe, expect, it } from 'vitest'
import type { RequestOptions, SessionPlace } from '../../../ts/distributed/raft/door.ts'
import { addressCommand, HostedMachine, wrapSession } from '../../../ts/distributed/raft/hosted-machine.ts'
import { type Applied, RaftError } from '../../../ts/distributed/raft/raft-error.ts'
import { failureOf, Session } from '../../../ts/distributed/raft/session.ts'
import { decodeResult } from '../../../ts/distributed/raft/session-codec.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { ListMachine } from '../../support/raft/driver-bed.ts'

const COMMAND = Buffer.from('a')
const APPLIED: Applied = { index: 7, term: 1, result: Buffer.from('1') }

interface Asked {
  readonly place: SessionPlace
  readonly options: RequestOptions | undefined
  readonly answer: { resolve: (applied: Applied) => void; reject: (error: Error) => void }
}

/** A group that answers as it is told. */
function scripted() {
  const asked: Asked[] = []
  const clock = new ManualClock(0)
  const group = {
    proposeIn: (place: SessionPlace, _command: Uint8Array, options?: RequestOptions): Promise<Applied> =>
      new Promise((resolve, reject) => void asked.push({ place, options, answer: { resolve, reject } })),
  }
  return { asked, clock, session: new Session(5, group, clock) }
}

describe('a session', () => {
  it('numbers its commands, and acknowledges what nobody waits for', async () => {
    const { asked, session } = scripted()
    const first = session.propose(COMMAND)
    const second = session.propose(COMMAND)
    asked[1]!.answer.resolve(APPLIED)
    await second
    const third = session.propose(COMMAND)
    asked[0]!.answer.reject(new RaftError({ kind: 'unknown', leader: undefined }))
    await expect(first).rejects.toMatchObject({ outcome: 'unknown' })
    void session.propose(COMMAND)
    expect(asked.map(({ place }) => [place.sequence, place.acknowledged])).toEqual([
      [1, 0],
      [2, 0],
      [3, 0],
      [4, 2],
    ])
    asked[2]!.answer.resolve(APPLIED)
    expect(await third).toBe(APPLIED)
  })

  it('asks again when results that were too large have been acknowledged, until its time is over', async () => {
    const { asked, clock, session } = scripted()
    const tooMany = (): RaftError => failureOf({ kind: 'too many results' }, { session: 5, sequence: 2 }) as RaftError
    const first = session.propose(COMMAND)
    const second = session.propose(COMMAND, { timeoutMs: 15 })
    asked[1]!.answer.reject(tooMany())
    await clock.turn()
    asked[0]!.answer.resolve(APPLIED)
    await first
    clock.advance(10)
    await clock.turn()
    expect(asked[2]).toMatchObject({ place: { sequence: 2, acknowledged: 1 }, options: { timeoutMs: 5 } })
    clock.advance(10)
    asked[2]!.answer.reject(tooMany())
    await expect(second).rejects.toMatchObject({ code: 'CONFLICT', outcome: 'unknown' })
  })

  it('has 512 commands under way and no more', async () => {
    const { asked, session } = scripted()
    const all = Array.from({ length: 512 }, () => session.propose(COMMAND))
    await expect(session.propose(COMMAND)).rejects.toMatchObject({ outcome: 'refused', reason: 'busy' })
    for (const { answer } of asked) answer.resolve(APPLIED)
    await Promise.all(all)
    void session.propose(COMMAND)
    expect(asked.at(-1)?.place).toEqual({ session: 5, sequence: 513, acknowledged: 512 })
  })
})

describe('the machine of a group', () => {
  it('keeps so many addresses as its snapshots may have, and no more', () => {
    const make = (): HostedMachine => new HostedMachine(new ListMachine(), () => {})
    const machine = make()
    for (let first = 1; first < 5000; first += 1000) {
      const ids = Array.from({ length: 1000 }, (_, i) => first + i)
      machine.apply(addressCommand(new Map(ids.map((id) => [id, { host: 'h', port: 1 }]))), first, 1)
    }
    const restored = make()
    restored.restore(machine.snapshot(), 5000)
    expect(restored.snapshot()).toEqual(machine.snapshot())
    const many = new Map(Array.from({ length: 4097 }, (_, i) => [i + 1, { host: 'h', port: 1 }]))
    expect(() => addressCommand(many)).toThrow('4097 addresses at once, and 4096 are allowed')
  })

  it('has sessions in its snapshots, where there are any, and reads those of before', () => {
    const make = (): HostedMachine => new HostedMachine(new ListMachine(), () => {})
    const machine = make()
    expect(machine.snapshot()[0]).toBe(1)
    machine.apply(wrapSession({ kind: 'open' }), 3, 1)
    const run = wrapSession({ kind: 'run', session: 3, sequence: 1, acknowledged: 0, command: COMMAND })
    const first = machine.apply(run, 4, 1)
    const restored = make()
    restored.restore(machine.snapshot(), 4)
    expect(restored.apply(run, 5, 1)).toEqual(first)
    restored.restore(make().snapshot(), 2)
    expect(decodeResult(restored.apply(run, 3, 1))).toEqual({ kind: 'expired' })
  })
})
