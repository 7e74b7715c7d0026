import { describe, expect, it } from 'vitest'
import { positionOf } from '../../../../ts/distributed/ring/index.ts'
import { beginLife, claim } from '../../../../ts/distributed/ring/store/identity.ts'
import { compareKeys, type Hint, type Versions } from '../../../../ts/distributed/ring/store/index.ts'
import { NodeStorage } from '../../../../ts/distributed/ring/store/storage.ts'
import { encodeVersions } from '../../../../ts/distributed/ring/store/versions-codec.ts'
import { seededRandom } from '../../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../../ts/io/simulated-disk.ts'
import { openBytes } from '../../../support/ring-store/host-bed.ts'

function versionsOf(count: number, text: string): Versions {
  const dot = { node: 'node1', count }
  return { context: new Map([['node1', count]]), siblings: [{ dot, value: Buffer.from(text), writtenMs: count }] }
}

const hintOf = (count: number, text: string): Hint => ({ versions: versionsOf(count, text), era: count })

const textOf = (versions: Versions | undefined): string | undefined => {
  const value = versions?.siblings[0]?.value
  return value === undefined ? undefined : Buffer.from(value).toString()
}

describe('the disk of a node', () => {
  it('has after a power cut at any moment what was acknowledged before, of keys, hints and notes', async () => {
    const disk = new SimulatedDisk()
    const storage = new NodeStorage(await openBytes(disk, '/node', true))
    /** What had been acknowledged when the disk had seen so many effects. */
    const promises: { at: number; key: string; count: number }[] = []
    const writes = Array.from({ length: 60 }, (_, i) => ({ key: `user:${i % 7}`, count: i + 1 }))
    const begun = new Map<string, number>()
    for (const { key, count } of writes) {
      const all = [
        storage.put(key, versionsOf(count, `${count}`)),
        storage.putHint('node2', key, hintOf(count, `hint ${count}`)),
        storage.putNote('life', count),
      ]
      begun.set(key, count)
      expect(textOf(storage.get(key))).toBe(`${count}`) // at once
      const told = Promise.all(all).then(() => promises.push({ at: disk.history.length, key, count }))
      if (count % 3 === 0) await told
    }
    await storage.putNote('end', true)
    const random = seededRandom(5)
    for (let cut = 0; cut < 40; cut++) {
      const point = Math.floor(((cut + 1) * disk.history.length) / 40)
      const variant = (['none', 'all', 'subset', 'sectors'] as const)[cut % 4]!
      const image = disk.crashImage(point, variant, random)
      const after = new NodeStorage(await openBytes(new SimulatedDisk({ image }), '/node', true, 2))
      const hints = after.hints().get('node2') ?? new Map<string, Hint>()
      for (const [key] of begun) {
        const acknowledged = Math.max(
          0,
          ...promises.filter((each) => each.key === key && each.at <= point).map(({ count }) => count),
        )
        expect(Number(textOf(after.get(key)) ?? 0)).toBeGreaterThanOrEqual(acknowledged)
        expect(Number(textOf(hints.get(key)?.versions)?.slice(5) ?? 0)).toBeGreaterThanOrEqual(acknowledged)
        expect(Number(after.note('life') ?? 0)).toBeGreaterThanOrEqual(acknowledged)
      }
    }
    expect(promises).toHaveLength(60)
  })

  it('ends a hint, and knows notes as they were put', async () => {
    const storage = new NodeStorage(await openBytes(new SimulatedDisk(), '/node', true))
    await storage.putHint('node2', 'k', hintOf(1, 'a'))
    await storage.putHint('nö', 'ключ', hintOf(2, 'b'))
    await storage.putHint('node2', 'k', undefined)
    expect([...storage.hints().keys()]).toEqual(['nö'])
    expect(storage.hints().get('nö')?.get('ключ')?.era).toBe(2)
    await storage.putNote('a', { b: [1, null] })
    expect(storage.note('a')).toEqual({ b: [1, null] })
    expect(storage.note('other')).toBeUndefined()
    expect(storage.get('k')).toBeUndefined()
  })

  it('reads the keys of a range in the order of their places, page by page', async () => {
    const storage = new NodeStorage(await openBytes(new SimulatedDisk(), '/node', true))
    const keys = Array.from({ length: 200 }, (_, i) => `user:${i}`).sort(compareKeys)
    for (const key of keys) await storage.put(key, versionsOf(1, key))
    await storage.put(keys[7]!, undefined)
    const [start, end] = [positionOf(keys[5]!), positionOf(keys[150]!)]
    const found: string[] = []
    for (;;) {
      const page = storage.scan({ start, end }, found.at(-1), 9)
      if (page.length === 0) break
      for (const { key, versions } of page) {
        expect(textOf(versions)).toBe(key)
        found.push(key)
      }
    }
    expect(found).toEqual(keys.slice(5, 150).filter((key) => key !== keys[7]))
    expect(storage.scan({ start: 0, end: 2 ** 53 }, undefined, 1000)).toHaveLength(199)
  })

  it('takes no row for a key that does not belong there: a scan would come round to it again', async () => {
    const lsm = await openBytes(new SimulatedDisk(), '/node', true)
    const storage = new NodeStorage(lsm)
    const everything = { start: 0, end: 2 ** 53 }
    await lsm.put(Buffer.from([0, 0, 0, 0, 0, 0, 0, 1, 107, 0xff]), encodeVersions(versionsOf(1, 'a')))
    expect(() => storage.scan(everything, undefined, 9)).toThrow(expect.objectContaining({ code: 'CORRUPTION' }))
    await lsm
      .tree('hints', { keyEncoding: 'buffer', valueEncoding: 'buffer' })
      .put(Buffer.from([0, 9, 107]), Buffer.alloc(9))
    expect(() => storage.hints()).toThrow(expect.objectContaining({ code: 'CORRUPTION' }))
    await storage.putNote('identity', null)
    const own = { clusterId: 'shop', name: 'node1', path: '/node', random: seededRandom(1) }
    await expect(claim(storage, own)).rejects.toThrow('/node does not say whose it is')
  })

  it('counts lives, and belongs to one node of one cluster', async () => {
    const disk = new SimulatedDisk()
    const own = { clusterId: 'shop', name: 'node1', path: '/node', random: seededRandom(1) }
    const storage = new NodeStorage(await openBytes(disk, '/node', true))
    const { incarnation } = await claim(storage, own)
    expect(await beginLife(storage)).toBe(1)
    const again = new NodeStorage(await openBytes(new SimulatedDisk({ image: disk.currentImage() }), '/node', false))
    expect(await claim(again, { ...own, random: seededRandom(2) })).toEqual({
      clusterId: 'shop',
      name: 'node1',
      incarnation,
    })
    expect(await beginLife(again)).toBe(2)
    await expect(claim(again, { ...own, name: 'node2' })).rejects.toThrow(
      '/node belongs to node1 of cluster "shop", not to node2 of cluster "shop"',
    )
    await expect(claim(again, { ...own, clusterId: 'other' })).rejects.toThrow('not to node1 of cluster "other"')
  })
})
