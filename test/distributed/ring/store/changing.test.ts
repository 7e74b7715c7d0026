// The ring changes while the store is in use: who gets what, who lets go of what, and what is refused.
import { describe, expect, it } from 'vitest'
import { restoreRing } from '../../../../ts/distributed/ring/index.ts'
import type { Mutant } from '../../../../ts/distributed/ring/store/mutant.ts'
import { MAX_PULLS } from '../../../../ts/distributed/ring/store/types.ts'
import { codeOf } from '../../../support/errors.ts'
import { Bed, valuesOf } from '../../../support/ring-store/bed.ts'

const KEYS = Array.from({ length: 40 }, (_, i) => `key ${i}`)

/** A cluster that knows itself, with a value for every key. */
function filled(bed: Bed): Bed {
  const knowsAll = (name: string): boolean => {
    const members = bed.node(name).members()
    return bed.names.every((other) => members.get(other)?.facts.swept === 1)
  }
  bed.tickUntil(() => bed.names.every(knowsAll))
  for (const key of KEYS) bed.put('n1', `of ${key}`, { key, acks: 3 })
  bed.settle()
  return bed
}

function isAtRest(bed: Bed, epoch: number): boolean {
  return bed.names
    .filter((name) => !bed.down.has(name))
    .every((name) => bed.node(name).status.epoch === epoch && bed.node(name).status.isSwept)
}

/** Every key is on its owners, and nowhere else. */
function expectPlaced(bed: Bed, inRing: string): void {
  const { record } = bed.node(inRing).ring
  const ring = restoreRing(record.ring)
  for (const key of KEYS) {
    const holders = bed.names.filter((name) => !bed.down.has(name) && bed.values(name, key).length > 0)
    const owners = ring.preferenceList(key, 3).filter((name) => !bed.down.has(name))
    expect(holders.sort(), key).toEqual([...owners].sort())
    for (const name of holders) expect(bed.values(name, key)).toEqual([`of ${key}`])
  }
}

describe('a node that joins', () => {
  it('gets what is its own, and the others let go of it', () => {
    const bed = filled(new Bed(4, { spares: 1 }))
    const told = bed.change('n2', { kind: 'add', node: { name: 'n5' } })
    bed.settle()
    expect(told()).toEqual({ kind: 'changing', epoch: 2 })
    bed.tickUntil(() => isAtRest(bed, 4))
    expectPlaced(bed, 'n5')
    expect(bed.node('n1').ring.record.ring.nodes.map(({ name }) => name)).toContain('n5')
  })

  it('goes on where it was when it crashes, and waits for a source that does', () => {
    const bed = filled(new Bed(4, { spares: 1, entriesPerTick: 1 }))
    bed.change('n1', { kind: 'add', node: { name: 'n5' } })
    bed.tickUntil(() => (bed.node('n5').status.moves?.keys ?? 0) >= 5)
    const before = bed.node('n5').status.moves!
    bed.crash('n5')
    const after = bed.node('n5').status.moves!
    expect(after).toEqual({ ...before, done: after.done })
    expect(after.done).toBeGreaterThan(0)
    expect(after.done).toBeGreaterThan(before.done - MAX_PULLS) // what is whole behind a range that is not comes once more
    bed.tickUntil(() => (bed.node('n5').status.moves?.keys ?? 0) >= 8)
    bed.down.add('n2')
    bed.tick(60)
    expect(bed.node('n1').status.phase).toBe('streaming')
    bed.down.delete('n2')
    bed.crash('n2')
    bed.tickUntil(() => isAtRest(bed, 4))
    expectPlaced(bed, 'n1')
  })

  it('says that it has everything when that is on its disk: until then a crash would take it back', () => {
    const bed = filled(new Bed(4, { spares: 1 }))
    bed.change('n1', { kind: 'add', node: { name: 'n5' } })
    bed.tickUntil(() => bed.node('n5').status.phase === 'streaming')
    const moves = () => bed.node('n5').status.moves!
    /** The disk of n5 takes nothing meanwhile. */
    const go = (): void => {
      bed.tickWithoutDisks()
      for (const name of bed.names) if (name !== 'n5') bed.sync(name)
    }
    while (moves().done < moves().moves) go()
    // Notes of how far it was become durable one by one, and the last of them does not.
    for (let i = 0; i < 10; i++) {
      bed.sync('n5', 1)
      go()
    }
    expect(bed.node('n1').members().get('n5')?.facts.filled).toBe(0)
    bed.crash('n5')
    expect(moves().done).toBeLessThan(moves().moves)
    bed.tickUntil(() => isAtRest(bed, 4))
    expectPlaced(bed, 'n5')
  })

  it('has no hint from the time when nobody waited for it, though it crashes as soon as it is a member again', () => {
    let isCut = false
    const bed = filled(
      new Bed(4, {
        wire: (message) => (isCut && message.kind === 'store' && message.hintFor === undefined ? undefined : message),
      }),
    )
    const { first, absent, keeper } = bed.putHinted()
    isCut = true // hints do not arrive
    bed.down.delete(absent)
    bed.tickUntil(() => bed.node(first).members().get(absent)?.facts.epoch === 1)
    bed.change(first, { kind: 'remove', name: keeper })
    bed.tickUntil(() => isAtRest(bed, 4))
    // At once: who is two eras behind, and no member, lets go of everything by itself.
    const add = () => bed.change(first, { kind: 'add', node: { name: keeper } })
    for (let told = add(); told()?.kind === 'refused'; told = add()) bed.tick(1)
    expect(bed.node(keeper).status.hints).toBe(1)
    for (let i = 0; bed.disk(keeper).notes.ring?.epoch !== 5; i++) {
      expect(i).toBeLessThan(300)
      bed.tickWithoutDisks()
      for (const name of bed.names) bed.sync(name, name === keeper ? 1 : undefined)
    }
    bed.crash(keeper)
    expect(bed.node(keeper).status.hints).toBe(0)
    isCut = false
    bed.tickUntil(() => isAtRest(bed, 7))
  })

  it('copies some ranges at once, and all of them in their turn', () => {
    const bed = filled(new Bed(4, { spares: 1 }))
    bed.change('n1', { kind: 'add', node: { name: 'n5' } })
    bed.tickUntil(() => bed.node('n5').status.phase === 'streaming')
    const before = bed.sent('pull')
    bed.take('n5', { kind: 'tick' })
    bed.take('n5', { kind: 'tick' })
    expect(bed.sent('pull')).toBe(before + MAX_PULLS)
    bed.tickUntil(() => isAtRest(bed, 4))
    expectPlaced(bed, 'n5')
  })

  it('copies no more a tick than it may', () => {
    const bed = filled(new Bed(4, { spares: 1, streamBytesPerTick: 10 }))
    bed.change('n1', { kind: 'add', node: { name: 'n5' } })
    bed.tickUntil(() => (bed.node('n5').status.moves?.bytes ?? 0) > 0)
    const bytes = (): number => bed.node('n5').status.moves?.bytes ?? 0
    const [begun, ticks] = [bytes(), 20]
    bed.tick(ticks)
    const page = 200
    expect(bytes()).toBeLessThanOrEqual(begun + 10 * ticks + MAX_PULLS * page) // what came too early is waited off
    bed.tickUntil(() => isAtRest(bed, 4), 2000)
    expectPlaced(bed, 'n5')
  })

  it('can be given up while it copies', () => {
    const bed = filled(new Bed(4, { spares: 1, entriesPerTick: 1 }))
    bed.change('n1', { kind: 'add', node: { name: 'n5' } })
    bed.tickUntil(() => (bed.node('n5').status.moves?.keys ?? 0) >= 5)
    bed.change('n3', { kind: 'abort' })
    bed.tickUntil(() => isAtRest(bed, 3))
    expectPlaced(bed, 'n1')
    expect(bed.node('n5').status.isMember).toBe(false)
    expect(bed.disk('n5').versions.size).toBe(0)
  })

  it('is refused if nobody has heard of it', () => {
    const bed = filled(new Bed(4))
    const told = bed.change('n1', { kind: 'add', node: { name: 'nobody' } })
    expect(told()).toMatchObject({ kind: 'refused', reason: expect.stringContaining('start it first') })
  })
})

describe('a node that leaves', () => {
  it('has its keys taken over by the others', () => {
    const bed = filled(new Bed(5))
    bed.change('n1', { kind: 'remove', name: 'n1' })
    bed.tickUntil(() => isAtRest(bed, 4))
    expectPlaced(bed, 'n2')
    expect(bed.node('n1').status).toMatchObject({ isMember: false, isSwept: true })
    expect(bed.disk('n1').versions.size).toBe(0)
  })

  it('may not leave too few', () => {
    const bed = filled(new Bed(3))
    expect(codeOf(() => bed.change('n1', { kind: 'remove', name: 'n1' }))).toBe('INVALID_INPUT')
    expect(codeOf(() => bed.change('n1', { kind: 'remove', name: 'n9' }))).toBe('NOT_FOUND')
  })
})

describe('a node whose disk is gone', () => {
  it('is replaced by another one, which gets everything from the others', () => {
    const bed = filled(new Bed(4, { spares: 1 }))
    bed.down.add('n2')
    bed.tick(100)
    const lacking = bed.change('n1', { kind: 'replace', name: 'n2', node: { name: 'n5' } })
    expect(lacking()).toMatchObject({ kind: 'refused', reason: expect.stringContaining('lost') })
    bed.change('n1', { kind: 'replace', name: 'n2', node: { name: 'n5' } }, ['n2'])
    bed.tickUntil(() => isAtRest(bed, 4))
    expectPlaced(bed, 'n1')
  })

  it('does not serve under its old name: it may have named writes that it knows nothing of', () => {
    const bed = filled(new Bed(4))
    bed.wipe('n2')
    bed.tick(20)
    expect(bed.node('n2').status.problem).toContain('replace it')
    const told = bed.put('n2', 'new')
    expect(told()).toMatchObject({ kind: 'refused' })
  })

  it('is not waited for by a change that it had a part in, once it is said to be lost', () => {
    const bed = filled(new Bed(4, { spares: 1, entriesPerTick: 1 }))
    bed.change('n1', { kind: 'add', node: { name: 'n5' } })
    bed.tickUntil(() => (bed.node('n5').status.moves?.keys ?? 0) >= 5)
    bed.down.add('n2')
    bed.tick(100)
    expect(bed.node('n1').status.phase).toBe('streaming')
    bed.change('n1', { kind: 'lose', name: 'n2' })
    bed.tickUntil(() => isAtRest(bed, 5))
    expectPlaced(bed, 'n1')
    expect(bed.node('n1').ring.record.lost).toEqual(['n2'])
  })
})

describe('two changes', () => {
  it('do not happen at once', () => {
    const bed = filled(new Bed(4, { spares: 2 }))
    const first = bed.change('n1', { kind: 'add', node: { name: 'n5' } })
    const second = bed.change('n3', { kind: 'add', node: { name: 'n6' } })
    bed.tickUntil(() => first() !== undefined && second() !== undefined)
    expect([first()?.kind, second()?.kind].sort()).toEqual(['changing', 'refused'])
    const third = bed.change('n4', { kind: 'remove', name: 'n1' })
    expect(third()).toMatchObject({ kind: 'refused', reason: expect.stringContaining('under way') })
    bed.tickUntil(() => isAtRest(bed, 4))
    expectPlaced(bed, 'n1')
  })

  it('need a majority each', () => {
    const bed = filled(new Bed(4, { spares: 1 }))
    bed.down.add('n3').add('n4')
    const told = bed.change('n1', { kind: 'add', node: { name: 'n5' } })
    bed.tickUntil(() => told() !== undefined)
    expect(told()?.kind).toBe('unavailable')
    expect(bed.node('n1').status.epoch).toBe(1)
  })
})

describe('requests', () => {
  it('go on while the ring changes, and see what was written before and meanwhile', () => {
    const bed = filled(new Bed(4, { spares: 1, entriesPerTick: 1 }))
    bed.change('n1', { kind: 'add', node: { name: 'n5' } })
    let count = 0
    while (!isAtRest(bed, 4)) {
      bed.tick(1)
      const key = KEYS[count++ % KEYS.length] as string
      const from = bed.names[count % 4] as string
      const read = bed.get(from, 2, 3, key)
      bed.settle()
      const outcome = read()
      expect(valuesOf(outcome)).toEqual([`of ${key}`])
      if (outcome?.kind !== 'found') continue
      const written = bed.put(from, `of ${key}`, { key, context: outcome.versions.context })
      bed.settle()
      expect(written()?.kind).toBe('written')
    }
    expectPlaced(bed, 'n1')
  })
})

describe('a record that was accepted', () => {
  /**
   * A majority accepts what n1 proposes, and n1 alone hears of it. After a crash of the others n2 proposes something else.
   * @param synced - Whose disks write what is given to them before the crash. @returns What is decided, as far as n1 and n2 know.
   */
  function decided(synced: readonly string[], mutant: Mutant | undefined): ReadonlySet<string> {
    const bed = filled(new Bed(3, { spares: 2, mutant }))
    bed.change('n1', { kind: 'add', node: { name: 'n4' } })
    for (let i = 0; i < 20; i++) {
      bed.deliver((kind) => ['prepare', 'promised', 'accept', 'accepted'].includes(kind))
      for (const name of synced) bed.sync(name)
    }
    bed.down.add('n1')
    for (const name of ['n2', 'n3']) bed.crash(name)
    bed.deliver(() => false)
    bed.tick(20)
    bed.change('n2', { kind: 'add', node: { name: 'n5' } })
    bed.tick(60)
    const rings = ['n1', 'n2'].flatMap((name) => bed.node(name).ring.next ?? [])
    return new Set(rings.map((ring) => ring.nodes.map(({ name }) => name).join(' ')))
  }

  it('is what is decided, whoever proposes something else after a crash', () => {
    expect([...decided(['n1', 'n2', 'n3'], undefined)]).toEqual(['n1 n2 n3 n4'])
    // Nothing was accepted where nothing was written.
    expect([...decided(['n1'], undefined)]).toEqual(['n1 n2 n3 n5'])
  })

  it.each([
    ['durable before accepted', ['n1']],
    ['accepted is taken over', ['n1', 'n2', 'n3']],
  ] as const)('is lost without the rule "%s", and the ring forks', (rule, synced) => {
    const mutant = { without: rule, applied: 0 }
    expect(decided(synced, mutant).size).toBe(2)
    expect(mutant.applied).toBeGreaterThan(0)
  })
})
