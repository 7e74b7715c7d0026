// Rules of the store that random runs hardly ever need, each with the story that does; and the same story without the rule.
import { describe, expect, it } from 'vitest'
import type { Mutant, Rule } from '../../../../ts/distributed/ring/store/mutant.ts'
import { Bed, valuesOf } from '../../../support/ring-store/bed.ts'

/** Tells a story with a rule and without it. */
function tells<T>(rule: Rule, story: (mutant: Mutant | undefined) => T, [kept, broken]: readonly [T, T]): void {
  expect(story(undefined)).toEqual(kept)
  const mutant = { without: rule, applied: 0 }
  expect(story(mutant)).toEqual(broken)
  expect(mutant.applied).toBeGreaterThan(0)
}

/** A ring of three and two more nodes, all of whom know each other. */
function bedOf(mutant: Mutant | undefined): Bed {
  const bed = new Bed(3, { mutant, spares: 2 })
  bed.tickUntil(() => bed.names.every((name) => bed.node('n1').members().get(name)?.facts.swept === 1))
  return bed
}

describe('a write that was told', () => {
  it('is on the disks of W replicas, whoever crashes then', () => {
    const story = (mutant: Mutant | undefined): string[] | undefined => {
      const bed = new Bed(3, { mutant })
      const [first, second, third] = bed.list as [string, string, string]
      const told = bed.put(first, 'one', { acks: 2 })
      bed.deliver()
      bed.sync(first)
      bed.deliver()
      if (told() === undefined) return ['not told yet']
      bed.crash(second)
      bed.crash(third)
      bed.down.add(first)
      const read = bed.get(second, 2)
      bed.settle()
      return valuesOf(read())
    }
    tells('durable before ack', story, [['not told yet'], []])
  })

  it('is on W replicas, not on one that says so twice', () => {
    const story = (mutant: Mutant | undefined): string | undefined => {
      const bed = new Bed(3, { mutant })
      const [first, second, third] = bed.list as [string, string, string]
      bed.down.add(third)
      const told = bed.put(first, 'one', { acks: 3 })
      bed.sync(first)
      bed.deliver()
      bed.sync(second)
      bed.repeat('stored')
      bed.deliver()
      return told()?.kind
    }
    tells('answers count once', story, [undefined, 'written'])
  })

  it('is on W replicas of the ring that is coming too', () => {
    const story = (mutant: Mutant | undefined): string | undefined => {
      const bed = bedOf(mutant)
      bed.change('n1', { kind: 'replace', name: 'n3', node: { name: 'n4' } })
      bed.settle()
      bed.down.add('n4')
      const told = bed.put('n1', 'one', { acks: 3 })
      bed.settle()
      return told()?.kind
    }
    tells('newcomers are written', story, [undefined, 'written'])
  })
})

describe('a ring that a node says it has', () => {
  it('is on its disk: no crash takes it away again', () => {
    const story = (mutant: Mutant | undefined): boolean => {
      const bed = bedOf(mutant)
      bed.change('n1', { kind: 'replace', name: 'n3', node: { name: 'n4' } })
      // The disk of n3 takes nothing: two others decide.
      for (let i = 0; i < 100; i++) {
        for (const name of bed.names) bed.take(name, { kind: 'tick' })
        bed.deliver()
        for (const name of ['n1', 'n2', 'n4']) bed.sync(name)
      }
      const said = bed.node('n1').members().get('n3')?.facts.epoch
      bed.crash('n3')
      return said === bed.node('n3').status.epoch
    }
    tells('durable before adopting', story, [true, false])
  })
})

describe('nodes with different rings', () => {
  it('do not count for each other: a read asks those who hold the key now', () => {
    const story = (mutant: Mutant | undefined): string[] | undefined => {
      const bed = bedOf(mutant)
      bed.put('n1', 'one', { acks: 3 })
      bed.settle()
      // n5 hears nothing of the change, and asks n3 then, which has let go of the key.
      bed.down.add('n5')
      bed.change('n1', { kind: 'replace', name: 'n3', node: { name: 'n4' } })
      bed.tickUntil(() => bed.node('n3').status.epoch === 4 && bed.node('n3').status.isSwept)
      bed.down.add('n1').add('n2').delete('n5')
      const read = bed.get('n5', 1)
      bed.settle()
      return valuesOf(read())
    }
    tells('one epoch', story, [['one'], []])
  })
})
