import { describe, expect, it } from 'vitest'
import { Command, outcomeOf } from '../../../ts/distributed/locks/command.ts'
import { MemoryBackend } from '../../../ts/distributed/locks/mvcc/backend.ts'
import { openBTreeBackend } from '../../../ts/distributed/locks/mvcc/btree-backend.ts'
import { readSnapshot, writeSnapshot } from '../../../ts/distributed/locks/mvcc/snapshot.ts'
import { LocksMachine } from '../../../ts/distributed/locks/replicated/index.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { compact, openState, put, range, remove, show, txn } from '../../support/locks-state.ts'
import { directoryInMemory } from '../../support/temporary-directory.ts'

const ALL = { rangeEnd: '\0' }

describe('revisions', () => {
  it('begin at 1, and each request that changes something takes the next', () => {
    const state = openState()
    expect(state.store.revision).toBe(1)
    expect(state.apply(put('a', '1')).result.revision).toBe(2)
    expect(state.apply(put('a', '2')).result.revision).toBe(3)
    expect(state.apply(remove('nothing')).result.revision).toBe(3)
    expect(state.apply(remove('a')).result).toMatchObject({ revision: 4, deleteRange: { deleted: 1 } })
    state.apply(put('a', '3'))
    expect(state.range(range('a')).kvs.map(show)).toEqual(['a=3 5/5/1'])
    expect(state.range(range('a', { revision: 3 })).kvs.map(show)).toEqual(['a=2 2/3/2'])
    expect(state.range(range('a', { revision: 4 })).count).toBe(0)
  })

  it('of the future and of what is compacted away are refused', () => {
    const state = openState()
    for (const value of ['1', '2', '3']) state.apply(put('a', value))
    state.apply(remove('a'))
    expect(() => state.range(range('a', { revision: 9 }))).toThrow('etcdserver: mvcc: required revision is a future')
    state.apply(compact(3))
    expect(state.range(range('a', { revision: 3 })).kvs.map(show)).toEqual(['a=2 2/3/2'])
    expect(() => state.range(range('a', { revision: 2 }))).toThrow('required revision has been compacted')
    expect(() => state.apply(compact(3))).toThrow('required revision has been compacted')
    expect(() => state.apply(compact(6))).toThrow('required revision is a future revision')
    state.apply(compact(5))
    expect(state.store.keyCount).toBe(0)
    expect(state.store.keptBytes).toBe(0)
  })
})

describe('ranges', () => {
  const state = openState()
  state.apply(put('b', '9'))
  state.apply(put('a', '5'))
  state.apply(put('c', '7'))
  state.apply(put('a', '6'))
  const keys = (more: Parameters<typeof range>[1]) =>
    state.range(range('a', { ...ALL, ...more })).kvs.map(({ key }) => key)

  it('are of one key, of an interval, or open', () => {
    expect(state.range(range('a', { rangeEnd: 'c' })).kvs.map(show)).toEqual(['a=6 3/5/2', 'b=9 2/2/1'])
    expect(state.range(range('b', { rangeEnd: 'a' })).count).toBe(0)
    expect(state.range(range('\0', ALL)).count).toBe(3)
    expect(() => state.range(range(''))).toThrow('etcdserver: key is not provided')
  })

  it('sort by every target', () => {
    expect(keys({ sortTarget: 1 })).toEqual(['b', 'c', 'a'])
    expect(keys({ sortTarget: 2, sortOrder: 1 })).toEqual(['b', 'a', 'c'])
    expect(keys({ sortTarget: 3, sortOrder: 2 })).toEqual(['a', 'c', 'b'])
    expect(keys({ sortTarget: 4, sortOrder: 1 })).toEqual(['a', 'c', 'b'])
    expect(keys({ sortOrder: 2 })).toEqual(['c', 'b', 'a'])
    expect(() => keys({ sortTarget: 5 })).toThrow('etcdserver: invalid sort option')
  })

  it('limit, count, filter, and leave values away', () => {
    expect(state.range(range('a', { ...ALL, limit: 2 }))).toMatchObject({ more: true, count: 3 })
    expect(state.range(range('a', { ...ALL, limit: 3 }))).toMatchObject({ more: false, count: 3 })
    expect(keys({ limit: 1, sortTarget: 3, sortOrder: 2 })).toEqual(['a'])
    expect(state.range(range('a', { ...ALL, countOnly: true }))).toMatchObject({ kvs: [], more: false, count: 3 })
    expect(state.range(range('a', { keysOnly: true })).kvs[0]?.value).toHaveLength(0)
    expect(keys({ minModRevision: 4, maxModRevision: 4 })).toEqual(['c'])
    expect(keys({ minCreateRevision: 3 })).toEqual(['a', 'c'])
    expect(keys({ maxCreateRevision: 2 })).toEqual(['b'])
    expect(keys({ maxCreateRevision: 3, limit: 1 })).toEqual(['a'])
  })
})

describe('puts', () => {
  it('may keep the value or the lease that is there', () => {
    const state = openState()
    state.apply({ grant: { id: 7n, ttlSeconds: 10 } })
    state.apply(put('a', 'one', { lease: 7n }))
    state.apply(put('a', '', { ignoreValue: true, lease: 0n }))
    expect(state.range(range('a')).kvs[0]).toMatchObject({ value: Buffer.from('one'), lease: 0n, version: 2 })
    state.apply(put('a', 'two', { lease: 7n }))
    const { result } = state.apply(put('a', 'three', { ignoreLease: true, prevKv: true }))
    expect(result.put?.prevKv?.value).toEqual(Buffer.from('two'))
    expect(state.range(range('a')).kvs[0]).toMatchObject({ lease: 7n, version: 4 })
  })

  it.each([
    [put('', 'x'), 'etcdserver: key is not provided'],
    [put('a', 'x', { ignoreValue: true }), 'etcdserver: value is provided'],
    [put('a', '', { ignoreValue: true }), 'etcdserver: key not found'],
    [put('a', 'x', { ignoreLease: true, lease: 1n }), 'etcdserver: lease is provided'],
    [put('a', 'x', { lease: 1n }), 'etcdserver: requested lease not found'],
  ])('are refused: %#', (command, message) => {
    const state = openState()
    expect(() => state.apply(command)).toThrow(message)
    expect(state.store.revision).toBe(1)
  })
})

describe('transactions', () => {
  it('happen at one revision, read what they wrote, and count the order of their changes', () => {
    const state = openState()
    const { result, events } = state.apply(
      txn({
        success: [{ put: { key: 'a' } }, { range: { key: 'a' } }, { deleteRange: { key: 'b' } }, { put: { key: 'c' } }],
      }),
    )
    expect(result.revision).toBe(2)
    expect(events.map(({ kv }) => `${kv?.key}@${kv?.modRevision}`)).toEqual(['a@2', 'c@2'])
    expect(result.txn?.responses[1]?.range?.count).toBe(1)
    expect(result.txn?.responses[2]?.deleteRange?.deleted).toBe(0)
  })

  it('decide by the state before them, nested ones too', () => {
    const state = openState()
    const inner = { compare: [{ key: 'a', target: 1, createRevision: 0 }], success: [{ put: { key: 'b' } }] }
    const { result } = state.apply(txn({ success: [{ put: { key: 'a' } }, { txn: inner }] }))
    expect(result.txn?.responses[1]?.txn?.succeeded).toBe(true)
    expect(state.range(range('b')).count).toBe(1)
  })

  it.each([
    ['equal', 0, 'a', true],
    ['not equal', 3, 'a', false],
    ['greater', 1, 'a', false],
    ['less', 2, 'a', false],
    ['less, of a key that is not there', 2, 'x', true],
  ] as const)('compare versions: %s', (_name, result, key, expected) => {
    const state = openState()
    state.apply(put('a', 'm'))
    const compare = [{ result, target: 0, key, version: 1 }]
    expect(state.apply(txn({ compare })).result.txn?.succeeded).toBe(expected)
  })

  it('compare values, leases, and all keys of a range; nothing has a value', () => {
    const state = openState()
    state.apply(put('a', 'm'))
    state.apply(put('b', 'z'))
    const holds = (compare: object) => state.apply(txn({ compare: [compare] })).result.txn?.succeeded
    expect(holds({ key: 'a', target: 3, result: 1, value: Buffer.from('l') })).toBe(true)
    expect(holds({ key: 'a', rangeEnd: 'c', target: 3, result: 2, value: Buffer.from('z') })).toBe(false)
    expect(holds({ key: 'a', rangeEnd: 'c', target: 3, result: 1, value: Buffer.from('l') })).toBe(true)
    expect(holds({ key: 'x', target: 3, result: 3, value: Buffer.from('l') })).toBe(false)
    expect(holds({ key: 'x', target: 4, result: 0, lease: 0n })).toBe(true)
  })

  const putOf = (key: string) => ({ put: { key } })
  it.each([
    ['a key twice', [putOf('a'), putOf('a')], true],
    ['a key that a range of it deletes', [{ deleteRange: { key: 'a', rangeEnd: 'c' } }, putOf('b')], true],
    [
      'the same key in branches that exclude each other',
      [{ txn: { success: [putOf('a')], failure: [putOf('a')] } }],
      false,
    ],
    ['a key that a nested one may put', [{ txn: { failure: [putOf('a')] } }, putOf('a')], true],
    ['keys of two nested ones', [{ txn: { success: [putOf('a')] } }, { txn: { success: [putOf('a')] } }], true],
    ['a key that a nested one may delete', [{ txn: { success: [{ deleteRange: { key: 'a' } }] } }, putOf('a')], true],
    ['overlapping deletions', [{ deleteRange: { key: 'a' } }, { deleteRange: { key: 'a', rangeEnd: 'c' } }], false],
  ])('are refused, or not, if they change %s', (_name, success, isRefused) => {
    const apply = () => openState().apply(txn({ success }))
    if (isRefused) expect(apply).toThrow('etcdserver: duplicate key given in txn request')
    else expect(apply).not.toThrow()
  })

  it('have at most 128 operations', () => {
    const success = Array.from({ length: 129 }, (_, i) => putOf(`k${i}`))
    expect(() => openState().apply(txn({ success }))).toThrow('etcdserver: too many operations in txn request')
  })

  it('change nothing if one operation fails', () => {
    const state = openState()
    const command = txn({ success: [putOf('a'), { put: { key: 'b', lease: 5n } }] })
    expect(() => state.apply(command)).toThrow('requested lease not found')
    expect(() => state.apply(txn({ success: [putOf('a'), { range: { key: 'a', revision: 2 } }] }))).toThrow('future')
    expect(state.range(range('\0', ALL)).count).toBe(0)
    expect(state.store.revision).toBe(1)
  })
})

describe('space', () => {
  it('that runs out refuses puts until the alarm is off, and not deletions', () => {
    const state = openState({ quotaBytes: 1000 })
    state.apply(put('a', 'x'.repeat(700)))
    expect(() => state.apply(put('b', 'x'.repeat(700)))).toThrow('etcdserver: mvcc: database space exceeded')
    expect(() => state.apply(put('c', ''))).toThrow('database space exceeded')
    expect(() => state.apply({ grant: { id: 1n, ttlSeconds: 9 } })).toThrow('database space exceeded')
    state.apply(remove('a'))
    state.apply(compact(3))
    state.apply({ alarm: { alarm: 1, isOn: false } })
    expect(state.apply(put('b', 'x'.repeat(700))).result.revision).toBe(4)
  })
})

describe('a backend that refuses a write', () => {
  it('leaves everything as it was', () => {
    const backend = new MemoryBackend()
    const state = openState({ backend })
    state.apply(put('a', '1'))
    const write = backend.write
    backend.write = () => {
      throw new Error('no space')
    }
    for (const command of [
      put('a', '2'),
      put('b', '1'),
      remove('a'),
      { grant: { id: 3n, ttlSeconds: 5 } },
      compact(2),
    ]) {
      expect(() => state.apply(command)).toThrow('no space')
    }
    backend.write = write
    expect(state.range(range('\0', ALL)).kvs.map(show)).toEqual(['a=1 2/2/1'])
    expect(state.apply(put('b', '2')).result.revision).toBe(3)
    expect(state.leases.get(3n)).toBeUndefined()
  })
})

/** A command as it may come, from few keys so that they meet. */
function randomCommand(random: { next(): number }): Command {
  const pick = (n: number) => Math.floor(random.next() * n)
  const key = `k${pick(12)}`
  switch (pick(8)) {
    case 0:
      return remove(key, pick(2) === 0 ? '' : `k${pick(12)}`)
    case 1:
      return txn({
        compare: [{ key, target: 0, result: pick(4), version: pick(3) }],
        success: [{ put: { key, value: Buffer.from('t') } }, { deleteRange: { key: `k${pick(12)}` } }],
        failure: [{ put: { key: `k${pick(12)}`, value: Buffer.from('f') } }],
      })
    case 2:
      return compact(pick(200))
    case 3:
      return { grant: { id: BigInt(pick(4) + 1), ttlSeconds: 5 } }
    case 4:
      return { revoke: { id: BigInt(pick(4) + 1) } }
    case 5:
      return put(key, 'leased', { lease: BigInt(pick(5)) })
    default:
      return put(key, `v${pick(1000)}`, { prevKv: true })
  }
}

describe('any history', () => {
  it('reads at every revision as a plain model does', () => {
    const random = seededRandom(6)
    const state = openState()
    const states = new Map([[1, new Map<string, string>()]])
    for (let i = 0; i < 2000; i++) {
      try {
        const { events, result } = state.apply(randomCommand(random))
        if (events.length === 0) continue
        const now = new Map(states.get(result.revision - 1))
        for (const { type, kv } of events) {
          if (type === 1) now.delete(kv!.key)
          else now.set(kv!.key, show(kv!))
        }
        states.set(result.revision, now)
      } catch (error) {
        if (!(error as Error).message.startsWith('etcdserver: ')) throw error
      }
    }
    expect(state.store.revision).toBeGreaterThan(500)
    let compared = 0
    for (const [revision, expected] of states) {
      if (revision < Math.max(state.store.compactRevision, 1)) continue
      compared++
      const found = state.range(range('\0', { ...ALL, revision })).kvs.map(show)
      expect(found).toEqual([...expected].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => line))
    }
    expect(compared).toBeGreaterThan(300)
  })

  it('is the same after the backend is opened again', async () => {
    const { path, remove: removeDirectory } = directoryInMemory()
    const backend = await openBTreeBackend(path)
    const state = openState({ backend })
    const random = seededRandom(7)
    for (let i = 0; i < 500; i++) applied(() => state.apply(randomCommand(random)))
    const before = writeSnapshot(backend)
    const kept = state.store.keptBytes
    const leases = [...state.leases.all()].map(({ id, keys }) => [id, [...keys].sort()]).sort()
    await backend.flushed()
    await backend.close()

    const again = await openBTreeBackend(path)
    const reopened = openState({ backend: again })
    expect(Buffer.from(writeSnapshot(again)).equals(before)).toBe(true)
    expect(reopened.store).toMatchObject({ revision: state.store.revision, keptBytes: kept })
    expect(reopened.store.compactRevision).toBe(state.store.compactRevision)
    expect([...reopened.leases.all()].map(({ id, keys }) => [id, [...keys].sort()]).sort()).toEqual(leases)
    await again.close()
    removeDirectory()
  })

  it('gives equal results and equal bytes on replicas, also on one that began from a snapshot', () => {
    const options = { maxTxnOps: 128, quotaBytes: 20_000 }
    const [a, b, late] = [new LocksMachine(options), new LocksMachine(options), new LocksMachine(options)]
    const random = seededRandom(8)
    for (let i = 0; i < 1500; i++) {
      const bytes = Command.encode(randomCommand(random))
      const result = a.apply(bytes, i + 1, 1)
      expect(Buffer.from(b.apply(bytes, i + 1, 1)).equals(result)).toBe(true)
      if (i === 700) late.restore(a.snapshot(), i + 1)
      if (i > 700) expect(Buffer.from(late.apply(bytes, i + 1, 1)).equals(result)).toBe(true)
    }
    expect(Buffer.from(b.snapshot()).equals(a.snapshot())).toBe(true)
    expect(Buffer.from(late.snapshot()).equals(a.snapshot())).toBe(true)
    const refused = a.apply(Command.encode({ revoke: { id: 99n } }), 1501, 1)
    expect(() => outcomeOf(refused)).toThrow('etcdserver: requested lease not found')
  })
})

describe('snapshots', () => {
  it('that are damaged are refused, whatever byte it is', () => {
    const backend = new MemoryBackend()
    const filled = openState({ backend })
    filled.apply(put('a', '1'))
    const bytes = writeSnapshot(backend)
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Uint8Array.from(bytes)
      damaged[at] = (damaged[at] as number) ^ 0x10
      expect(() => readSnapshot(damaged)).toThrow('no snapshot of the lock service')
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readSnapshot(bytes.subarray(0, length))).toThrow('no snapshot of the lock service')
    }
    expect(readSnapshot(bytes).length).toBeGreaterThan(0)
  })
})

function applied(act: () => unknown): void {
  try {
    act()
  } catch (error) {
    if (!(error as Error).message.startsWith('etcdserver: ')) throw error
  }
}
