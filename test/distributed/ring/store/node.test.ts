// The engine of a node, step by step: who is told what, when, and what a crash may not undo.
import { describe, expect, it } from 'vitest'
import {
  type Message,
  NO_CONTEXT,
  NO_VERSIONS,
  type Outcome,
  type Put,
} from '../../../../ts/distributed/ring/store/index.ts'
import type { Mutant } from '../../../../ts/distributed/ring/store/mutant.ts'
import { MAX_REQUESTS } from '../../../../ts/distributed/ring/store/types.ts'
import { codeOf } from '../../../support/errors.ts'
import { Bed, KEY, REQUEST_TICKS, valuesOf } from '../../../support/ring-store/bed.ts'

describe('a put', () => {
  it('is told when W replicas have it on disk, and not before', () => {
    const bed = new Bed(3)
    const [first, second] = bed.list as [string, string, string]
    const told = bed.put(first, 'one', { acks: 2 })
    bed.deliver()
    expect(told()).toBeUndefined()
    expect(bed.sent('store')).toBe(0) // nobody hears of it before it is on the disk of the first
    bed.sync(first)
    bed.deliver()
    expect(told()).toBeUndefined()
    bed.sync(second)
    bed.deliver()
    expect(told()).toMatchObject({ kind: 'written', dot: { node: first, count: 1 } })
  })

  it('that comes to a node which does not hold the key is passed on to one that does', () => {
    const bed = new Bed(5)
    const stranger = bed.names.find((name) => !bed.list.includes(name)) as string
    const told = bed.put(stranger, 'one')
    bed.settle()
    expect(told()?.kind).toBe('written')
    expect(bed.values(stranger)).toEqual([])
    expect(bed.values(bed.list[2] as string)).toEqual(['one'])
  })

  it('ends as unavailable if too few replicas answer, though the write may live', () => {
    const bed = new Bed(5)
    const [first, second, third] = bed.list as [string, string, string]
    bed.down.add(second).add(third)
    const told = bed.put(first, 'one', { acks: 2 })
    bed.settle()
    bed.tick(REQUEST_TICKS)
    // Two hints are on other disks, and do not count.
    expect(told()).toEqual({ kind: 'unavailable', answered: 1, wanted: 2 })
    expect(bed.values(first)).toEqual(['one'])
  })

  it('is refused if it would make too many siblings', () => {
    const bed = new Bed(3)
    const [first] = bed.list as [string]
    let told: () => Outcome | undefined = () => undefined
    for (let i = 0; i <= 64; i++) {
      told = bed.put(first, `${i}`)
      bed.settle()
    }
    expect(told()).toMatchObject({ kind: 'refused' })
  })

  it.each([
    { replicas: 0, acks: 1 },
    { replicas: 4, acks: 1 },
    { replicas: 3, acks: 4 },
    { replicas: 3, acks: 0 },
    { replicas: 2.5, acks: 1 },
  ])('of %j is refused, whoever asks', (counts) => {
    const bed = new Bed(3)
    const [first, second] = bed.list as [string, string]
    expect(codeOf(() => bed.put(first, 'one', counts))).toBe('INVALID_INPUT')
    const put: Put = { key: KEY, value: undefined, context: NO_CONTEXT, writtenMs: 0, ...counts }
    const message: Message = { epoch: 1, era: 0, kind: 'put', request: { life: 1, number: 1 }, put }
    const [effect] = bed.node(first).step({ kind: 'message', from: second, message })
    expect(effect).toMatchObject({ kind: 'send', message: { kind: 'putEnded', outcome: { kind: 'refused' } } })
  })
})

describe('a get', () => {
  it('merges what R replicas know, and repairs those that know less', () => {
    const bed = new Bed(3)
    const [first, second, third] = bed.list as [string, string, string]
    bed.down.add(third)
    bed.put(first, 'one', { acks: 1 })
    bed.settle()
    bed.down.delete(third)
    expect(bed.values(third)).toEqual([])
    const told = bed.get(second, 3)
    bed.settle()
    expect(valuesOf(told())).toEqual(['one'])
    expect(bed.values(third)).toEqual(['one'])
  })

  it('is told however many wait for slower replicas to be repaired', () => {
    const bed = new Bed(3)
    const [first] = bed.list as [string]
    for (let i = 0; i <= MAX_REQUESTS; i++) expect(bed.get(first, 1)()?.kind).toBe('found')
    expect(bed.node(first).status.requests).toBe(MAX_REQUESTS)
    expect(bed.get(first, 2)()).toBeUndefined() // it waits, as it should
  })

  it('of a key that nobody wrote finds nothing', () => {
    const bed = new Bed(3)
    const told = bed.get(bed.list[0] as string, 2)
    bed.settle()
    expect(told()).toEqual({ kind: 'found', versions: NO_VERSIONS })
  })

  it('gives siblings until somebody writes what replaces them', () => {
    const bed = new Bed(3)
    const [first, second] = bed.list as [string, string]
    bed.put(first, 'one', { acks: 3 })
    bed.put(second, 'two', { acks: 3 })
    bed.settle()
    const told = bed.get(first, 3)
    bed.settle()
    expect(valuesOf(told())).toEqual(['one', 'two'])
    const siblings = (): number[] => bed.list.map((name) => bed.node(name).status.siblings)
    bed.tick(REQUEST_TICKS) // the trees, which count them, are built
    expect(siblings()).toEqual([1, 1, 1])
    const outcome = told() as Outcome & { kind: 'found' }
    bed.put(second, 'both', { context: outcome.versions.context })
    bed.settle()
    for (const name of bed.list) expect(bed.values(name)).toEqual(['both'])
    expect(siblings()).toEqual([0, 0, 0])
  })
})

describe('a hint', () => {
  it('keeps a write for a replica that is down, on another node, and is gone when it has arrived', () => {
    const bed = new Bed(4)
    const { absent, keeper } = bed.putHinted()
    expect(bed.node(keeper).status).toMatchObject({ hints: 1, hintsFor: { [absent]: 1 } })
    bed.crash(keeper) // it is on disk
    expect(bed.node(keeper).status.hints).toBe(1)
    bed.down.delete(absent)
    bed.tick(2 * REQUEST_TICKS)
    expect(bed.values(absent)).toEqual(['one'])
    expect(bed.node(keeper).status).toMatchObject({ hints: 0, hintsFor: {}, requests: 0 })
  })
})

describe('a write that is not on the disk of who named it', () => {
  it('is in no hint either, however long the disk takes', () => {
    const bed = new Bed(4)
    const [first] = bed.list as [string]
    bed.put(first, 'one')
    for (let i = 0; i < REQUEST_TICKS; i++) {
      bed.take(first, { kind: 'tick' })
      bed.deliver()
    }
    expect(bed.sent('store')).toBe(0)
  })
})

describe('a write that comes to the disk of who named it when nobody waits any more', () => {
  it('is sent and hinted to nobody, and comes to the others when trees are compared', () => {
    const bed = new Bed(4, { syncTicks: 5 })
    const [first, , third] = bed.list as [string, string, string]
    bed.down.add(third)
    const told = bed.put(first, 'one')
    for (let i = 0; told() === undefined; i++) {
      expect(i).toBeLessThan(2 * REQUEST_TICKS)
      bed.tickWithoutDisks()
    }
    expect(told()).toMatchObject({ kind: 'unavailable' })
    bed.sync(first)
    bed.settle()
    const hints = bed.names.map((name) => bed.node(name).status.hints)
    expect([bed.sent('store'), hints]).toEqual([0, [0, 0, 0, 0]])
    bed.down.clear()
    bed.tickUntil(() => bed.list.every((name) => bed.values(name).length > 0))
    expect(bed.sent('store')).toBe(0)
  })
})

describe('a crash', () => {
  it('that leaves notes which no node writes is told, and not built upon', () => {
    const notes: Record<string, unknown> = {
      ...{ ring: null, era: -1, writer: '', purged: 0.5, progress: { epoch: 1 } },
      register: { epoch: 2, promised: { number: '1', node: 'n1' } },
    }
    for (const [name, note] of Object.entries(notes)) {
      const bed = new Bed(3)
      const disk = bed.disk('n1')
      disk.notes = { ...disk.notes, [name]: note } as object
      expect(codeOf(() => bed.crash('n1'))).toBe('CORRUPTION')
    }
  })

  it('lets answers to an earlier life go to nobody', () => {
    const bed = new Bed(3)
    const [first, second] = bed.list as [string, string]
    const late: Message = { epoch: 1, era: 0, kind: 'stored', request: { life: 1, number: 1 }, hintFor: undefined }
    bed.crash(first)
    bed.down.add(second).add(bed.list[2] as string)
    const told = bed.put(first, 'one', { acks: 2 })
    bed.settle()
    bed.take(first, { kind: 'message', from: second, message: late })
    expect(told()).toBeUndefined()
  })

  it.each(['durable before send', 'durable before read'] as const)(
    'gives no name to two writes; without the rule "%s" it does',
    (rule) => {
      const story = rule === 'durable before send' ? sentTooEarly : readTooEarly
      expect(story(undefined)).toEqual(['second'])
      const mutant = { without: rule, applied: 0 }
      expect(story(mutant)).not.toEqual(['second'])
      expect(mutant.applied).toBeGreaterThan(0)
    },
  )
})

/** A node loses a write that others have heard of; the next one must not pass for the same. @returns What a replica has at last. */
function sentTooEarly(mutant: Mutant | undefined): string[] {
  const bed = new Bed(3, { mutant })
  const [first, second, third] = bed.list as [string, string, string]
  bed.put(first, 'first')
  bed.deliver()
  bed.sync(second)
  bed.crash(first)
  bed.down.add(third)
  bed.put(first, 'second', { acks: 1 })
  bed.settle()
  return bed.values(second)
}

/** A client reads a write that the node loses, and replaces what it has read elsewhere; meanwhile another write got the name. */
function readTooEarly(mutant: Mutant | undefined): string[] {
  const bed = new Bed(3, { mutant })
  const [first, second, third] = bed.list as [string, string, string]
  bed.put(first, 'first')
  const told = bed.get(first, 1, 1)
  bed.deliver()
  const outcome = told()
  const context = outcome?.kind === 'found' ? outcome.versions.context : NO_CONTEXT
  bed.crash(first)
  bed.put(first, 'second', { acks: 1 })
  bed.settle()
  if (context.size === 0) return bed.values(second)
  bed.put(third, 'third', { context })
  bed.settle()
  return bed.values(second).filter((value) => value !== 'third')
}
