// Records of a ring: what follows on what, and what is refused of those that come from outside.
import { describe, expect, it } from 'vitest'
import { buildRing } from '../../../../ts/distributed/ring/index.ts'
import { foundingRecord, type RingRecord } from '../../../../ts/distributed/ring/store/index.ts'
import { Layout } from '../../../../ts/distributed/ring/store/layout.ts'
import {
  advancedRecord,
  changedRecord,
  membersOf,
  readRecord,
} from '../../../../ts/distributed/ring/store/ring-state.ts'
import { codeOf } from '../../../support/errors.ts'

const RING = buildRing(
  Array.from({ length: 5 }, (_, i) => ({ name: `n${i}` })),
  { virtualNodes: 4 },
)
const FOUNDED = readRecord(foundingRecord(RING, 3))

describe('a record', () => {
  it('goes from stable over streaming and switching to stable, an epoch each', () => {
    const streaming = readRecord(changedRecord(FOUNDED, { kind: 'replace', name: 'n1', node: { name: 'n9' } }, ['n1']))
    expect(streaming).toMatchObject({ epoch: 2, phase: 'streaming' })
    expect(membersOf(streaming).sort()).toEqual(['n0', 'n2', 'n3', 'n4', 'n9'])
    const switching = readRecord(advancedRecord(streaming))
    expect(switching).toMatchObject({ epoch: 3, phase: 'switching' })
    const stable = readRecord(advancedRecord(switching))
    expect(stable).toMatchObject({ epoch: 4, phase: 'stable', next: undefined })
    expect(stable.ring.nodes.map(({ name }) => name)).toContain('n9')
    expect(stable.lost.size).toBe(0)
    expect(readRecord(JSON.parse(JSON.stringify(stable.record))).record).toEqual({ ...stable.record })
  })

  it('reads the old ring until the new one has everything, and writes both', () => {
    const streaming = readRecord(changedRecord(FOUNDED, { kind: 'add', node: { name: 'n9' } }, []))
    const switching = readRecord(advancedRecord(streaming))
    const next = RING.with({ name: 'n9' })
    const [before, after] = [new Layout(streaming), new Layout(switching)]
    for (let i = 0; i < 100; i++) {
      const key = `key ${i}`
      const lists = [RING.preferenceList(key, 3), next.preferenceList(key, 3)]
      for (const layout of [before, after]) expect(layout.writersOf(key, 3)).toEqual(lists)
      expect(before.readersOf(key, 3)).toEqual(lists[0])
      expect(after.readersOf(key, 3)).toEqual(lists[1])
    }
  })

  it.each<readonly [string, unknown]>([
    ['nothing', undefined],
    ['a number', 7],
    ['another version', { ...FOUNDED.record, version: 2 }],
    ['no epoch', { ...FOUNDED.record, epoch: 0 }],
    ['a broken epoch', { ...FOUNDED.record, epoch: 1.5 }],
    ['an unknown phase', { ...FOUNDED.record, phase: 'asleep' }],
    ['no next ring', { ...FOUNDED.record, phase: 'streaming' }],
    ['a next ring that is none', { ...FOUNDED.record, phase: 'streaming', next: {} }],
    ['too many replicas', { ...FOUNDED.record, replicas: 6 }],
    ['lost nodes without names', { ...FOUNDED.record, lost: [1] }],
    ['a ring that is none', { ...FOUNDED.record, ring: { version: 1 } }],
  ])('with %s is refused', (_, record) => {
    expect(codeOf(() => readRecord(record))).toBe('CORRUPTION')
  })
})

describe('a change', () => {
  it.each<readonly [string, string, () => RingRecord]>([
    ['of an unknown node', 'NOT_FOUND', () => changedRecord(FOUNDED, { kind: 'remove', name: 'n9' }, [])],
    [
      'that adds a node twice',
      'INVALID_INPUT',
      () => changedRecord(FOUNDED, { kind: 'add', node: { name: 'n1' } }, []),
    ],
    ['without an unknown node', 'NOT_FOUND', () => changedRecord(FOUNDED, { kind: 'remove', name: 'n1' }, ['n9'])],
    [
      'without most nodes',
      'INVALID_INPUT',
      () => changedRecord(FOUNDED, { kind: 'remove', name: 'n1' }, ['n1', 'n2', 'n3']),
    ],
    ['that gives up nothing', 'CONFLICT', () => changedRecord(FOUNDED, { kind: 'abort' }, [])],
    ['that waits for nobody', 'CONFLICT', () => changedRecord(FOUNDED, { kind: 'lose', name: 'n1' }, [])],
  ])('%s is refused', (_, code, change) => {
    expect(codeOf(change)).toBe(code)
  })

  it('may not leave fewer nodes than replicas, nor begin with fewer', () => {
    const three = readRecord(foundingRecord(buildRing([{ name: 'a' }, { name: 'b' }, { name: 'c' }]), 3))
    expect(codeOf(() => changedRecord(three, { kind: 'remove', name: 'a' }, []))).toBe('INVALID_INPUT')
    expect(codeOf(() => foundingRecord(buildRing([{ name: 'a' }]), 2))).toBe('INVALID_INPUT')
  })
})
