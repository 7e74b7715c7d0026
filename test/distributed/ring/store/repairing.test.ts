// What hints and reads have missed comes together when replicas compare their trees; and tombstones go when nobody needs them.
import { describe, expect, it } from 'vitest'
import type { Outcome } from '../../../../ts/distributed/ring/store/index.ts'
import { Bed, KEY, valuesOf } from '../../../support/ring-store/bed.ts'

const KEYS = Array.from({ length: 30 }, (_, i) => `key ${i}`)

/** Lets a replica miss what is written, and whoever keeps hints for it forget them. */
function missed(bed: Bed, name: string): void {
  bed.down.add(name)
  for (const key of KEYS) bed.put('n1', `of ${key}`, { key })
  bed.settle()
  for (const each of bed.names) {
    bed.disk(each).hints.clear()
    bed.crash(each)
  }
  bed.down.delete(name)
}

describe('replicas', () => {
  it('become equal though hints were lost, a page at a time', () => {
    const bed = new Bed(3, { syncTicks: 5, entriesPerTick: 4 })
    missed(bed, 'n3')
    expect(KEYS.filter((key) => bed.values('n3', key).length > 0)).toEqual([])
    bed.tickUntil(() => KEYS.every((key) => bed.values('n3', key).length > 0), 3000)
    for (const key of KEYS) expect(bed.values('n3', key)).toEqual([`of ${key}`])
    const { sessions } = bed.node('n1').status.repairs
    bed.tick(50)
    expect(bed.node('n1').status.repairs.sessions).toBeGreaterThan(sessions) // they go on to compare, and send nothing
    const pushed = bed.sent('push') + bed.sent('page')
    bed.tick(100)
    expect(bed.sent('push') + bed.sent('page')).toBe(pushed)
  })

  it('become equal when somebody says so, and he is told how much was different', () => {
    const bed = new Bed(3)
    missed(bed, 'n3')
    bed.tick(20)
    const told = bed.repair('n1')
    bed.tickUntil(() => told() !== undefined)
    expect(told()).toMatchObject({ kind: 'repaired', keys: KEYS.length })
    for (const key of KEYS) expect(bed.values('n3', key)).toEqual([`of ${key}`])
  })

  it('push nothing that is not on the disk of who pushes: a crash would take it back, and its name be given again', () => {
    const bed = new Bed(3)
    missed(bed, 'n3')
    bed.tick(20)
    const pushed: string[] = []
    bed.repair('n1')
    bed.put('n1', 'new', { key: KEYS[0] as string })
    const go = (): void => {
      for (const name of bed.names) bed.take(name, { kind: 'tick' })
      bed.deliver((kind) => {
        if (kind === 'push') pushed.push(kind)
        return true
      })
      for (const name of ['n2', 'n3']) bed.sync(name)
    }
    for (let i = 0; i < 15; i++) go()
    expect([bed.node('n1').status.repairs.keys > 0, pushed]).toEqual([true, []])
    bed.sync('n1')
    bed.settle()
    expect(bed.values('n3', KEYS[0])).toContain('new')
  })

  it('exchange siblings in both directions', () => {
    const bed = new Bed(3, { syncTicks: 5 })
    bed.down.add('n2').add('n3')
    bed.put('n1', 'one', { acks: 1 })
    bed.settle()
    bed.crash('n1')
    bed.disk('n1').hints.clear()
    bed.crash('n1')
    bed.down.add('n1').delete('n2')
    bed.put('n2', 'two', { acks: 1 })
    bed.settle()
    bed.disk('n2').hints.clear()
    bed.crash('n2')
    bed.down.clear()
    bed.tickUntil(() => bed.names.every((name) => bed.values(name).length === 2))
    for (const name of bed.names) expect(bed.values(name)).toEqual(['one', 'two'])
  })
})

describe('a tombstone', () => {
  function deleted(bed: Bed): void {
    bed.put('n1', 'one', { acks: 3 })
    bed.settle()
    const read = bed.get('n1', 3)
    bed.settle()
    const { versions } = read() as Outcome & { kind: 'found' }
    bed.put('n1', undefined, { context: versions.context })
    bed.settle()
  }

  it('goes when all replicas have it, and the next write of the key is a new one', () => {
    const bed = new Bed(3, { syncTicks: 3 })
    deleted(bed)
    expect(bed.values('n1')).toEqual(['deleted'])
    bed.tickUntil(
      () => bed.names.every((name) => bed.values(name).length === 0 && bed.disk(name).versions.size === 0),
      3000,
    )
    expect(bed.node('n1').status.tombstones).toEqual({ kept: 0, ended: 1 })
    bed.crash('n1')
    const told = bed.put('n1', 'two', { acks: 3 })
    bed.settle()
    expect(told()).toMatchObject({ kind: 'written', dot: { count: 3 } })
    const read = bed.get('n2', 3)
    bed.settle()
    expect(valuesOf(read())).toEqual(['two'])
  })

  it('stays while a replica is down that may have what it deleted, and does so when that is back', () => {
    const bed = new Bed(3, { syncTicks: 3 })
    bed.put('n1', 'one', { acks: 3 })
    bed.settle()
    bed.down.add('n3')
    const read = bed.get('n1', 2)
    bed.settle()
    const { versions } = read() as Outcome & { kind: 'found' }
    bed.put('n1', undefined, { context: versions.context })
    bed.tick(600)
    expect(bed.values('n1')).toEqual(['deleted'])
    expect(bed.values('n3')).toEqual(['one'])
    bed.down.delete('n3')
    bed.tickUntil(() => bed.names.every((name) => bed.disk(name).versions.size === 0), 3000)
    const again = bed.get('n3', 1, 1, KEY)
    bed.settle()
    expect(valuesOf(again())).toEqual([])
  })
})
