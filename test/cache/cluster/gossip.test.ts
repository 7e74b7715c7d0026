import { describe, expect, it } from 'vitest'
import type { GossipEffect } from '../../../ts/cache/cluster/context.ts'
import { NodeFlag } from '../../../ts/cache/cluster/types.ts'
import { planted } from '../../support/cluster/mutants.ts'
import { runSeed } from '../../support/cluster/run.ts'
import { nameOf, Story } from '../../support/cluster/scenarios.ts'
import { hunt } from '../../support/planted.ts'

function kinds(effects: readonly GossipEffect[]): string[] {
  return effects.map(({ kind }) => kind)
}

describe('a cluster under faults', () => {
  // Some of those of npm run test:simulation -- --suite cache-cluster.
  it.each([1, 2])('keeps its invariants and comes to rest (seed %d)', (seed) => {
    expect(runSeed(seed, { virtualMs: 1000 }).complaint).toBeUndefined()
  })

  it('does the same again for the same seed', () => {
    const [one, two] = [runSeed(5, { virtualMs: 1000 }), runSeed(5, { virtualMs: 1000 })]
    expect(one.digest).toBe(two.digest)
    expect(one.events).toBeGreaterThan(500)
  })

  it.each(['durable before send', 'one vote an epoch', 'no votes for the outdated'] as const)(
    'would be noticed to lack the rule "%s"',
    async (rule) => {
      const { missed } = await hunt(planted({ virtualMs: 1000 }), rule, { count: 0 })
      expect(missed?.seed).toBe('scenario')
    },
  )
})

describe('failure detection', () => {
  it('suspects a node that does not answer, and needs most masters to say that it has failed', () => {
    const story = new Story('a')
    story.wait(100)
    story.answer('b')
    story.answer('d')
    story.answer('e')
    for (let i = 0; i < 15; i++) {
      story.wait(100)
      for (const letter of ['b', 'd', 'e']) if (story.node(letter).pingSentMs > 0) story.answer(letter)
    }
    expect(story.node('c').flags & (NodeFlag.suspected | NodeFlag.failed)).toBe(NodeFlag.suspected)
    const entry = { ...story.node('c'), flags: NodeFlag.master | NodeFlag.suspected, name: nameOf('c') }
    // A replica's word does not count.
    story.hear('d', { kind: 'ping', gossip: [entry] })
    expect(story.node('c').flags & NodeFlag.failed).toBe(0)
    const effects = story.hear('b', { kind: 'ping', gossip: [entry] })
    expect(story.node('c').flags & NodeFlag.failed).not.toBe(0)
    expect(story.engine.failureReports(story.node('c'))).toBe(1)
    const sent = effects.flatMap((effect) => (effect.kind === 'send' ? [effect.message.body.kind] : []))
    expect(sent.filter((kind) => kind === 'fail').length).toBe(4)
  })

  it('lets a master that still owns its slots count again only after a while', () => {
    const story = new Story('a')
    story.wait(100)
    story.hear('b', { kind: 'fail', node: nameOf('c') })
    story.answer('c')
    expect(story.node('c').flags & NodeFlag.failed).not.toBe(0)
    story.wait(2200)
    story.answer('c')
    expect(story.node('c').flags & NodeFlag.failed).toBe(0)
  })
})

describe('failover', () => {
  it('makes a replica the master of its master’s slots, by the votes of most', () => {
    const story = new Story('d')
    story.wait(100)
    story.hear('a', { kind: 'fail', node: nameOf('c') })
    story.wait(1500)
    expect(story.engine.topology.currentEpoch).toBe(8)
    const before = story.node('d').slotCount
    story.hear('b', { kind: 'failoverAuthAck' }, { currentEpoch: 7 }) // of an earlier election
    story.hear('b', { kind: 'failoverAuthAck' })
    story.hear('b', { kind: 'failoverAuthAck' }) // said twice
    story.hear('e', { kind: 'failoverAuthAck' }) // no master
    expect([before, story.node('d').slotCount]).toEqual([0, 0])
    const effects = story.hear('a', { kind: 'failoverAuthAck' })
    expect(story.node('d').slotCount).toBe(5462)
    expect([story.node('d').configEpoch, story.node('c').slotCount]).toEqual([8, 0])
    expect(kinds(effects).indexOf('persist')).toBeLessThan(kinds(effects).indexOf('send'))
    expect(kinds(effects)).toContain('promote')
  })

  it('is not for a replica that has nothing of its master yet', () => {
    const story = new Story('d')
    story.isWhole = false
    story.wait(100)
    story.hear('a', { kind: 'fail', node: nameOf('c') })
    story.wait(3000)
    expect(story.engine.topology.currentEpoch).toBe(7)
    story.isWhole = true
    story.wait(2000)
    expect(story.engine.topology.currentEpoch).toBe(8)
  })

  it('makes nothing of the data of a replica that is told to follow another master', () => {
    const story = new Story('d')
    story.wait(100)
    const effects = story.step({ kind: 'order', order: { kind: 'replicate', node: nameOf('a') } })
    expect(effects).toContainEqual({ kind: 'follow', host: '10.0.0.a', port: 7000, isOther: true })
  })

  it('waits longer where another replica has more of the data', () => {
    const story = new Story('d')
    story.wait(100)
    story.hear('e', { kind: 'ping', gossip: [] }, { offset: 100 })
    story.hear('a', { kind: 'fail', node: nameOf('c') })
    story.wait(1400)
    expect(story.engine.topology.currentEpoch).toBe(7)
    story.wait(1000)
    expect(story.engine.topology.currentEpoch).toBe(8)
  })

  it('hands over when it is asked to: the master stops, and the replica waits for all that it had', () => {
    const master = new Story('c')
    master.wait(100)
    master.offset = 500
    const stopping = master.hear('d', { kind: 'mfstart' })
    expect(kinds(stopping)).toContain('pause')
    const ping = stopping.find((effect) => effect.kind === 'send')
    expect(ping?.kind === 'send' && ping.message.header).toMatchObject({ isPaused: true, offset: 500 })

    const replica = new Story('d')
    replica.wait(100)
    replica.offset = 400
    replica.step({ kind: 'order', order: { kind: 'failover', mode: 'ask' } })
    replica.hear('c', { kind: 'ping', gossip: [] }, { isPaused: true, offset: 500 })
    replica.wait(300)
    expect(replica.engine.topology.currentEpoch).toBe(7)
    replica.offset = 500
    replica.wait(100)
    expect(replica.engine.topology.currentEpoch).toBe(8)
    for (const letter of ['a', 'c']) replica.hear(letter, { kind: 'failoverAuthAck' })
    expect(replica.node('d').slotCount).toBe(5462)
  })

  it('does not say where the master has stopped while a script may still change something', () => {
    const story = new Story('c')
    story.wait(100)
    story.isChanging = true
    const isPaused = (effects: readonly GossipEffect[]): unknown[] =>
      effects.flatMap((effect) => (effect.kind === 'send' ? [effect.message.header.isPaused] : []))
    const stopping = story.hear('d', { kind: 'mfstart' })
    expect(kinds(stopping)).toContain('pause')
    expect(isPaused(stopping)).toEqual([false])
    story.isChanging = false
    expect(isPaused(story.step({ kind: 'tick' }))).toContain(true)
  })

  it('is given up if the replica does not come after in time', () => {
    const story = new Story('c')
    story.wait(100)
    story.hear('d', { kind: 'mfstart' })
    story.effects = []
    story.wait(5300)
    expect(kinds(story.effects)).toContain('resume')
  })

  it('follows who has replaced it when a master comes back', () => {
    const story = new Story('c')
    story.wait(100)
    const { slots } = story.headerOf('c')
    const effects = story.hear(
      'd',
      { kind: 'ping', gossip: [] },
      { master: undefined, flags: NodeFlag.master, configEpoch: 8, slots },
    )
    expect(effects).toContainEqual({ kind: 'follow', host: '10.0.0.d', port: 7000, isOther: false })
    expect(story.node('c').master).toBe(story.node('d'))
  })
})

describe('orders', () => {
  const refusal = (effects: readonly GossipEffect[]): string | undefined => {
    const [first] = effects
    return first?.kind === 'refuse' ? first.text : undefined
  }

  it('are refused whole, in the words of Redis', () => {
    const story = new Story('a')
    const order = (order: Parameters<Story['step']>[0] & { kind: 'order' }): string | undefined =>
      refusal(story.step(order))
    expect(order({ kind: 'order', order: { kind: 'addSlots', slots: [1] } })).toBe('ERR Slot 1 is already busy')
    expect(order({ kind: 'order', order: { kind: 'forget', node: 'x' } })).toBe('ERR Unknown node x')
    expect(order({ kind: 'order', order: { kind: 'failover', mode: 'ask' } })).toMatch('to a replica')
    expect(order({ kind: 'order', order: { kind: 'setConfigEpoch', epoch: 9 } })).toMatch('any other node')
    expect(order({ kind: 'order', order: { kind: 'replicate', node: nameOf('b') } })).toMatch('without assigned slots')
    story.keyCount = 1
    expect(order({ kind: 'order', order: { kind: 'reset', isHard: true } })).toMatch('containing keys')
    const move = { kind: 'setSlot', slot: 0, to: 'node', node: nameOf('b') } as const
    expect(order({ kind: 'order', order: move })).toMatch('I still hold keys')
  })

  it('move a slot by hand, with an epoch that all believe', () => {
    const story = new Story('b')
    story.wait(100)
    expect(
      refusal(story.step({ kind: 'order', order: { kind: 'setSlot', slot: 0, to: 'importing', node: nameOf('a') } })),
    ).toBeUndefined()
    // What others claim meanwhile does not end it.
    story.hear('a', { kind: 'ping', gossip: [] }, { configEpoch: 50 })
    expect(story.engine.topology.importing.size).toBe(1)
    story.step({ kind: 'order', order: { kind: 'setSlot', slot: 0, to: 'node', node: nameOf('b') } })
    expect(story.engine.topology.ownerOf(0)).toBe(story.node('b'))
    expect(story.node('b').configEpoch).toBe(51)
    expect(story.engine.topology.importing.size).toBe(0)
  })

  it('give a slot that its owner claims no more to who does, in whatever epoch', () => {
    const story = new Story('a')
    story.wait(100)
    const slots = Buffer.from(story.headerOf('c').slots)
    const slot = slots.length * 8 - 1
    const more = Buffer.from(story.headerOf('b').slots)
    more[more.length - 1] = 0x80
    // The claim of b comes first: c has the higher epoch, and seems to hold on to its slot.
    story.hear('b', { kind: 'ping', gossip: [] }, { slots: more, configEpoch: 2 })
    expect(story.engine.topology.ownerOf(slot)).toBe(story.node('c'))
    slots[slots.length - 1] = 0x7f
    story.hear('c', { kind: 'ping', gossip: [] }, { slots })
    expect(story.engine.topology.ownerOf(slot)).toBe(story.node('c'))
    story.hear('b', { kind: 'ping', gossip: [] }, { slots: more, configEpoch: 2 })
    expect(story.engine.topology.ownerOf(slot)).toBe(story.node('b'))
  })

  it('say in the words that redis-cli knows that a replica gives no slots away', () => {
    // A master becomes a replica with its last slot, before the tool tells it that the slot is gone.
    const order = { kind: 'setSlot', slot: 0, to: 'node', node: nameOf('a') } as const
    const story = new Story('d')
    story.wait(100)
    expect(refusal(story.step({ kind: 'order', order }))).toBe('ERR Please use SETSLOT only with masters.')
  })

  it('forget a node, which gossip does not bring back for a minute', () => {
    const story = new Story('a')
    story.wait(100)
    const entry = { ...story.node('e'), flags: NodeFlag.replica }
    story.step({ kind: 'order', order: { kind: 'forget', node: nameOf('e') } })
    story.hear('b', { kind: 'ping', gossip: [entry] })
    expect(() => story.node('e')).toThrow('there is no node e')
    story.nowMs += 61_000
    story.hear('b', { kind: 'ping', gossip: [entry] })
    expect(story.node('e').flags).toBe(NodeFlag.replica)
  })

  it('start a node anew', () => {
    const story = new Story('d')
    story.wait(100)
    const effects = story.step({ kind: 'order', order: { kind: 'reset', isHard: true } })
    expect(kinds(effects)).toEqual(expect.arrayContaining(['promote', 'dropKeys', 'persist']))
    const { topology } = story.engine
    expect([topology.nodes.size, topology.currentEpoch, topology.assignedCount]).toEqual([1, 0, 0])
    expect(topology.myself.name).not.toBe(nameOf('d'))
  })
})
