import { afterEach, describe, expect, it } from 'vitest'
import { isCode } from '../../../../ts/base/errors.ts'
import type { PartitionedNodeOptions } from '../../../../ts/distributed/ring/store/host.ts'
import type { RingChange } from '../../../../ts/distributed/ring/store/index.ts'
import type { Address } from '../../../../ts/io/network.ts'
import { HostBed } from '../../../support/ring-store/host-bed.ts'

const NAMES = ['node1', 'node2', 'node3']
let bed: HostBed

async function open(options: Partial<PartitionedNodeOptions> = {}): Promise<HostBed> {
  bed = new HostBed(NAMES, options)
  return bed.open()
}

/** Asks for a change until its time has come: all are heard, and know the ring. */
async function changed(name: string, change: RingChange, where?: Address): Promise<number> {
  for (;;) {
    try {
      return await bed.ended(bed.node(name).change(change, where === undefined ? {} : { where }))
    } catch (error) {
      if (!isCode(error, 'CONFLICT')) throw error
      await bed.clock.turn()
      bed.clock.advance(50)
    }
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text)
const texts = (values: readonly Uint8Array[]): string[] => values.map((value) => Buffer.from(value).toString())

afterEach(() => bed.close())

describe('nodes of the store', () => {
  it('read on any node what was written on any other, with siblings where nobody had read', async () => {
    const { network: _network, ...all } = await open()
    const [one, two, three] = NAMES.map((name) => all.nodes.get(name)!)
    const { context } = await bed.ended(one!.put('k', bytes('a')))
    expect(texts((await bed.ended(two!.get('k'))).values)).toEqual(['a'])
    await bed.ended(three!.put('k', bytes('b'), { context }))
    expect(texts((await bed.ended(one!.get('k'))).values)).toEqual(['b'])
    bed.clock.advance(1)
    await bed.ended(two!.put('k', bytes('c')))
    const both = await bed.ended(one!.get('k', { r: 3 }))
    expect(texts(both.values).sort()).toEqual(['b', 'c'])
    expect(texts([both.last!])).toEqual(['c'])
    await bed.ended(one!.delete('k', { context: both.context }))
    expect((await bed.ended(three!.get('k'))).values).toEqual([])
  })

  it('lose nothing that was acknowledged when each loses its power in turn', async () => {
    await open()
    const keys = Array.from({ length: 12 }, (_, i) => `user:${i}`)
    for (const [index, key] of keys.entries()) {
      await bed.ended(bed.node(NAMES[index % 3]!).put(key, bytes(key)))
    }
    for (const name of NAMES) {
      await bed.crash(name)
      await bed.start(name)
      await bed.until(() => bed.node(name).status.connected.length === 2)
      expect(bed.node(name).status.life).toBe(2)
      for (const key of keys) expect(texts((await bed.ended(bed.node(name).get(key))).values)).toEqual([key])
    }
  })

  it('keep hints for one that is down, and bring them when it is back', async () => {
    await open()
    await bed.stop('node3')
    await bed.ended(bed.node('node1').put('k', bytes('v')))
    await bed.until(() => bed.node('node1').status.hints + bed.node('node2').status.hints > 0)
    await bed.start('node3')
    await bed.until(() => bed.node('node1').status.hints + bed.node('node2').status.hints === 0)
    await bed.stop('node1')
    await bed.stop('node2')
    expect(texts((await bed.ended(bed.node('node3').get('k', { r: 1 }))).values)).toEqual(['v'])
    await expect(bed.ended(bed.node('node3').get('k'))).rejects.toThrow('2 replicas were to answer, and in time 1 did')
    await expect(bed.ended(bed.node('node3').put('k', bytes('w')))).rejects.toThrow(
      expect.objectContaining({ code: 'UNAVAILABLE', hint: expect.stringContaining('may have happened') }),
    )
  })

  it('find each other with a secret, and let in nobody who does not know it', async () => {
    await open({ secret: 'open sesame' })
    await bed.stop('node3')
    await bed.start('node3', { secret: 'open barley' })
    await bed.until(() =>
      bed.troubles.some((text) => text === 'node1: node node3 does not know the secret of the cluster'),
    )
    expect(bed.node('node3').status.connected).toEqual([])
    expect(bed.node('node1').status.connected).toEqual(['node2'])
  })

  it('refuse a node of another cluster, and one that has lost its disk', async () => {
    await open()
    await bed.stop('node3')
    bed.disks.delete('node3')
    await bed.start('node3', { clusterId: 'other' })
    await bed.until(() =>
      bed.troubles.some((text) => text.includes('disagree on the cluster id: default here, other there')),
    )
    await bed.stop('node3')
    bed.disks.delete('node3')
    await bed.start('node3')
    await bed.until(() => bed.troubles.some((text) => text.includes('comes with another data directory than before')))
    expect(bed.node('node1').status.connected).toEqual(['node2'])
  })

  it('refuse what cannot be, and say what can', async () => {
    const node = (await open()).node('node1')
    const refused = async (request: Promise<unknown>): Promise<string> =>
      request.then(
        () => 'it was taken',
        (error: Error) => error.message,
      )
    expect(await refused(node.put('', bytes('v')))).toBe('a key is text of at least one character')
    expect(await refused(node.put('k'.repeat(1025), bytes('v')))).toBe(
      'a key has at most 1024 bytes, and this one 1025',
    )
    expect(await refused(node.get('\ud800'))).toBe('a key must be whole characters')
    expect(await refused(node.put('k', new Uint8Array(1024 * 1024 + 1)))).toMatch(/a value has at most 1048576 bytes/)
    expect(await refused(node.put('k', bytes('v'), { w: 4 }))).toMatch(/^w must be a whole number from 1 to 3/)
    expect(await refused(node.get('k', { n: 9 }))).toMatch(/^n must be a whole number from 1 to 3/)
    expect(await refused(node.put('k', bytes('v'), { context: 'x' }))).toMatch(/that is no context/)
  })

  it('take in another one while requests go on, and let one go', async () => {
    await open()
    const keys = Array.from({ length: 30 }, (_, i) => `user:${i}`)
    for (const key of keys) await bed.ended(bed.node('node1').put(key, bytes(key)))
    const where = { host: 'h', port: 9 }
    const nodes = { ...Object.fromEntries(NAMES.map((name, i) => [name, { host: 'h', port: 1 + i }])), 'a-new': where }
    await bed.start('a-new', { nodes, joins: true })
    await expect(bed.node('a-new').get('k')).rejects.toThrow('a-new has not been added to a cluster yet')
    const isDone = (epoch: number): boolean =>
      [...bed.nodes.values()].every(({ record }) => record.epoch >= epoch && record.phase === 'stable')
    const began = await changed('node2', { kind: 'add', node: { name: 'a-new' } }, where)
    await bed.ended(bed.node('node3').put('meanwhile', bytes('m')))
    await bed.until(() => isDone(began + 1))
    expect(bed.node('node1').status).toMatchObject({ phase: 'stable', down: [] })
    expect(bed.node('node1').addresses['a-new']).toBe('h:9')
    const left = await changed('a-new', { kind: 'remove', name: 'node2' })
    await bed.until(() => isDone(left + 1) && bed.node('node2').status.isSwept)
    await bed.stop('node2')
    for (const name of ['node1', 'node3', 'a-new']) {
      for (const key of keys) expect(texts((await bed.ended(bed.node(name).get(key))).values)).toEqual([key])
    }
    expect(texts((await bed.ended(bed.node('a-new').get('meanwhile'))).values)).toEqual(['m'])
    await expect(bed.ended(bed.node('node1').change({ kind: 'remove', name: 'node3' }))).rejects.toThrow(
      '3 replicas need as many nodes, and 2 would be left',
    )
  })
})
