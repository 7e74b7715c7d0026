import { describe, expect, it } from 'vitest'
import { Command, outcomeOf } from '../../../ts/distributed/locks/command.ts'
import { LeaseClock } from '../../../ts/distributed/locks/lease-clock.ts'
import { MemoryBackend, type Write } from '../../../ts/distributed/locks/mvcc/backend.ts'
import { openBTreeBackend } from '../../../ts/distributed/locks/mvcc/btree-backend.ts'
import { LocksMachine } from '../../../ts/distributed/locks/replicated/index.ts'
import { Answer, answerQuery, Query } from '../../../ts/distributed/locks/replicated/queries.ts'
import { asRefusal } from '../../../ts/distributed/locks/replicated/refusals.ts'
import { BedplateError, RaftError, type Refusal } from '../../../ts/distributed/raft/public.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { put } from '../../support/locks-state.ts'
import { directoryInMemory } from '../../support/temporary-directory.ts'

const BOUNDS = { maxTxnOps: 128, quotaBytes: 1e9 }
const REPLACING = Buffer.from('replacing')

function fill(machine: LocksMachine, from: number, to: number): void {
  for (let index = from; index <= to; index++)
    machine.apply(Command.encode(put(`k${index % 7}`, `v${index}`)), index, 1)
}

/** A backend that remembers its batches, so that a power cut may fall between any two. */
class RecordingBackend extends MemoryBackend {
  readonly batches: (readonly Write[])[] = []

  override write(writes: readonly Write[]): Promise<void> {
    this.batches.push(writes)
    return super.write(writes)
  }

  /** What is there if only so many batches are. */
  upTo(count: number): MemoryBackend {
    const backend = new MemoryBackend()
    for (const writes of this.batches.slice(0, count)) void backend.write(writes)
    return backend
  }
}

describe('a replica', () => {
  it('does nothing twice that it has on disk, and goes on behind it', async () => {
    const { path, remove } = directoryInMemory()
    const backend = await openBTreeBackend(path, 'os')
    const machine = new LocksMachine({ ...BOUNDS, backend })
    fill(machine, 1, 20)
    const before = machine.records()
    await machine.close()
    const again = new LocksMachine({ ...BOUNDS, backend: await openBTreeBackend(path, 'os') })
    expect(again.appliedIndex).toBe(20)
    fill(again, 1, 20)
    expect(Buffer.from(again.records()).equals(before)).toBe(true)
    const result = again.apply(Command.encode(put('k', 'v')), 21, 1)
    expect(outcomeOf(result).revision).toBe(22)
    await again.close()
    remove()
  })

  it('says in its snapshot what is in it, though its driver believes that it is less', () => {
    const machine = new LocksMachine(BOUNDS)
    fill(machine, 1, 10)
    const other = new LocksMachine(BOUNDS)
    other.restore(machine.snapshot(), 4)
    fill(other, 5, 12)
    fill(machine, 11, 12)
    expect(Buffer.from(other.records()).equals(machine.records())).toBe(true)
  })

  it('keeps what it has if that is more than the snapshot', () => {
    const machine = new LocksMachine(BOUNDS)
    fill(machine, 1, 4)
    const old = machine.snapshot()
    fill(machine, 5, 9)
    const before = machine.records()
    machine.restore(old, 4)
    expect(Buffer.from(machine.records()).equals(before)).toBe(true)
  })

  it('is the one or the other, or empty, wherever a power cut falls while it is replaced', () => {
    const source = new LocksMachine(BOUNDS)
    fill(source, 1, 9)
    const snapshot = source.snapshot()
    const backend = new RecordingBackend()
    const machine = new LocksMachine({ ...BOUNDS, backend })
    fill(machine, 1, 3)
    const before = machine.records()
    const first = backend.batches.length
    machine.restore(snapshot, 9)
    const seen = new Set<string>()
    for (let count = first; count <= backend.batches.length; count++) {
      const left = backend.upTo(count)
      const after = new LocksMachine({ ...BOUNDS, backend: left })
      const isAs = (bytes: Uint8Array): boolean => Buffer.from(after.records()).equals(bytes)
      const found = isAs(before) ? 'before' : isAs(source.records()) ? 'after' : 'empty'
      seen.add(found)
      expect(after.appliedIndex).toBe({ before: 3, after: 9, empty: 0 }[found])
      if (found === 'empty') expect(after.state.store.keyCount).toBe(0)
      expect(left.get('local', REPLACING)).toBeUndefined()
      after.restore(snapshot, 9)
      expect(Buffer.from(after.records()).equals(source.records())).toBe(true)
    }
    expect([...seen].sort()).toEqual(['after', 'before', 'empty'])
  })

  it('refuses damaged snapshots, and stays as it is', () => {
    const machine = new LocksMachine(BOUNDS)
    fill(machine, 1, 3)
    const whole = machine.snapshot()
    const target = new LocksMachine(BOUNDS)
    const before = target.records()
    for (let length = 0; length < whole.length; length++) {
      expect(() => target.restore(whole.subarray(0, length), 3)).toThrow('no snapshot of the lock service')
    }
    for (let at = 8; at < whole.length; at++) {
      const damaged = Uint8Array.from(whole)
      damaged[at] = (damaged[at] as number) ^ 0x10
      expect(() => target.restore(damaged, 3)).toThrow('no snapshot of the lock service')
    }
    expect(() => target.restore(Uint8Array.of(255, ...whole.subarray(1)), 3)).toThrow('there is no entry')
    expect(Buffer.from(target.records()).equals(before)).toBe(true)
  })

  it('executes nothing more once its records cannot be written', async () => {
    const backend = new MemoryBackend()
    let failure: unknown
    const machine = new LocksMachine({
      ...{ ...BOUNDS, backend },
      onFailure: (error) => {
        failure = error
      },
    })
    backend.write = () => Promise.reject(new BedplateError('IO', 'the disk is gone'))
    fill(machine, 1, 1)
    await Promise.resolve()
    await Promise.resolve()
    expect(failure).toMatchObject({ code: 'IO' })
    expect(() => fill(machine, 2, 2)).toThrow('the disk is gone')
  })
})

describe('a leader that is asked', () => {
  const machine = new LocksMachine(BOUNDS)
  machine.apply(Command.encode({ grant: { id: 5n, ttlSeconds: 10 } }), 1, 1)
  const { leases } = machine.state

  function ask(clock: LeaseClock, query: Query, nowMs: number): Answer {
    return Answer.decode(answerQuery(Query.encode(query), { clock, leases }, nowMs))
  }

  it('keeps leases alive, and knows what is left of them', () => {
    const clock = new LeaseClock()
    clock.lead(1, leases.all(), 1000)
    expect(ask(clock, { timeLeft: { id: 5n } }, 3000)).toMatchObject({ isLeading: true, ttlSeconds: 10, leftMs: 8000 })
    expect(ask(clock, { renew: { id: 5n } }, 4000)).toMatchObject({ isLeading: true, isAlive: true, ttlSeconds: 10 })
    expect(ask(clock, { timeLeft: { id: 5n } }, 5000).leftMs).toBe(9000)
    expect(ask(clock, { renew: { id: 6n } }, 5000)).toMatchObject({ isLeading: true, isAlive: false, ttlSeconds: 0 })
    expect(ask(clock, { renew: { id: 5n } }, 14_000)).toMatchObject({ isLeading: true, isAlive: false })
  })

  it('says nothing to a question that was meant for the leader of another term', () => {
    const clock = new LeaseClock()
    clock.lead(4, leases.all(), 0)
    expect(ask(clock, { renew: { id: 5n, term: 3 } }, 5000).isLeading).toBe(false)
    expect(ask(clock, { timeLeft: { id: 5n, term: 3 } }, 5000).isLeading).toBe(false)
    expect(ask(clock, { timeLeft: { id: 5n, term: 4 } }, 5000)).toMatchObject({ isLeading: true, leftMs: 5000 })
  })

  it('says nothing if it does not lead, or understands nothing', () => {
    const clock = new LeaseClock()
    expect(ask(clock, { renew: { id: 5n } }, 0).isLeading).toBe(false)
    clock.lead(1, leases.all(), 0)
    clock.follow({ role: 'follower', term: 1 }, [], 0)
    expect(ask(clock, { renew: { id: 5n } }, 0).isLeading).toBe(false)
    clock.lead(2, leases.all(), 0)
    const random = seededRandom(5)
    for (let i = 0; i < 2000; i++) {
      const bytes = random.bytes(Math.floor(random.next() * 20))
      expect(Answer.decode(answerQuery(bytes, { clock, leases }, 0))).toMatchObject({ isAlive: expect.any(Boolean) })
    }
  })
})

describe('what Raft cannot do', () => {
  it.each<[Refusal, string]>([
    ['not leader', 'no leader'],
    ['transferring', 'leader changed'],
    ['busy', 'too many requests'],
    ['too large', 'request is too large'],
    ['voter behind', 'can only promote a learner member which is in sync with leader'],
    ['bad membership', 're-configuration failed due to not enough started members'],
    ['heir behind', 'bad leader transferee'],
  ])('is told in words of etcd: %s', (reason, text) => {
    const told = asRefusal(new RaftError({ kind: 'refused', reason, leader: undefined })) as Error
    expect(told.message).toBe(`etcdserver: ${text}`)
  })

  it('and may have been done is told apart', () => {
    const unknown = asRefusal(new RaftError({ kind: 'unknown', leader: 1 })) as Error
    expect(unknown.message).toBe('etcdserver: request timed out, possibly due to previous leader failure')
    expect((asRefusal(new BedplateError('CLOSED', 'closed')) as Error).message).toBe('etcdserver: server stopped')
    const other = new BedplateError('IO', 'the disk')
    expect(asRefusal(other)).toBe(other)
  })
})
