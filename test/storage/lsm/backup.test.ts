import { describe, expect, it } from 'vitest'
import { BedplateError } from '../../../ts/base/errors.ts'
import { realDisk } from '../../../ts/io/real-disk.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { openLsm } from '../../../ts/storage/lsm/index.ts'
import { codeOfAsync } from '../../support/errors.ts'
import { openStore, SMALL, STORE_PATH } from '../../support/lsm-crash/store.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

describe('a backup', () => {
  it('opens as a store of its own, while the other one goes its way', async () => {
    const { store, disk } = await make()
    for (let i = 0; i < 200; i++) void store.put(key(i), `value ${i}`)
    void store.tree('other').put('o', 'x')
    const writes = [store.backup('/copy')]
    for (let i = 0; i < 200; i++) writes.push(store.put(key(i), 'changed meanwhile'))
    await Promise.all(writes)
    const copy = await openStore(disk, SMALL, { path: '/copy' })
    const changed = copy.store.position - 201 // what was written during it is in it up to some moment
    expect(changed).toBeGreaterThanOrEqual(0)
    expect([...copy.store.range()]).toEqual(
      Array.from({ length: 200 }, (_, i) => [key(i), i < changed ? 'changed meanwhile' : `value ${i}`]),
    )
    expect(copy.store.tree('other').get('o')).toBe('x')
    await copy.store.clear()
    await copy.store.put('only', 'here')
    await copy.store.compact()
    await store.compact()
    expect([store.get(key(7)), store.get('only')]).toEqual(['changed meanwhile', undefined])
    expect(await store.verify()).toMatchObject({ ok: true })
    expect([...copy.store.range()]).toEqual([['only', 'here']])
    await copy.store.close()
    await store.close()
    const again = await openStore(disk, SMALL, { path: '/copy' })
    expect([[...again.store.range()], await again.store.verify()]).toMatchObject([[['only', 'here']], { ok: true }])
    await again.store.close()
  })

  it('takes no more space where files can have two names, and is a copy where they cannot', async () => {
    for (const canLink of [true, false]) {
      const { store, disk } = await make()
      for (let i = 0; i < 500; i++) void store.put(key(i), 'v'.repeat(60))
      await store.compact()
      if (!canLink) {
        disk.link = () => {
          throw new BedplateError('NOT_SUPPORTED', 'no links here')
        }
      }
      const [before, { tableBytes }] = [disk.usedBytes, store.stats()]
      await store.backup('/copy')
      const taken = disk.usedBytes - before
      expect(canLink ? taken < 0.8 * tableBytes : taken > tableBytes).toBe(true)
      await store.close()
      const copy = await openStore(disk, SMALL, { path: '/copy' })
      expect([[...copy.store.range()].length, await copy.store.verify()]).toMatchObject([500, { ok: true }])
      await copy.store.close()
    }
  })

  it('of a store that holds nothing is one', async () => {
    const { store, disk } = await make()
    await store.backup('/copy')
    await store.close()
    const copy = await openStore(disk, SMALL, { path: '/copy' })
    expect([...copy.store.range()]).toEqual([])
    await copy.store.close()
  })

  it('needs a place, and leaves nothing where it fails', async () => {
    const { store, disk } = await make()
    await store.put('k', 'v')
    expect(await codeOfAsync(store.backup(STORE_PATH))).toBe('ALREADY_EXISTS')
    for (const wrong of ['', 'a\0b', 7, undefined])
      expect(await codeOfAsync(store.backup(wrong as string))).toBe('INVALID_INPUT')
    expect(await codeOfAsync(store.backup('/no/such/place'))).toBe('NOT_FOUND')
    const before = disk.list('/')
    for (const operation of ['link', 'sync', 'rename', 'create', 'write'] as const) {
      await store.flush()
      const fault = disk.failAt({ operation, nth: 1, error: 'EIO', path: /creating|copy/ })
      if (operation === 'link') fault.cancel()
      const linking = disk.failAt({ operation: 'link', nth: 1, error: 'EIO' })
      if (operation !== 'link') linking.cancel()
      expect([operation, await codeOfAsync(store.backup('/copy'))]).toEqual([operation, 'IO'])
      fault.cancel()
      linking.cancel()
      expect([operation, disk.list('/')]).toEqual([operation, before])
    }
    await store.put('k', 'goes on')
    await store.backup('/copy')
    expect(await codeOfAsync(store.backup('/copy'))).toBe('ALREADY_EXISTS')
    await store.close()
    expect(await codeOfAsync(store.backup('/another'))).toBe('CLOSED')
  })

  it('is made on the real disk, of hard links', async () => {
    const { path, remove } = temporaryDirectory()
    const store = await openLsm(`${path}/store`, { create: true })
    for (let i = 0; i < 1000; i++) void store.put(key(i), `value ${i}`)
    await store.backup(`${path}/copy`)
    await store.close()
    const tables = (name: string): string[] => realDisk.list(`${path}/${name}`).filter((each) => each.endsWith('.sst'))
    expect([tables('copy').length > 0, tables('copy')]).toEqual([true, tables('store')])
    const copy = await openLsm(`${path}/copy`)
    expect([...copy.range()].length).toBe(1000)
    await copy.close()
    remove()
  })
})

async function make(): Promise<Awaited<ReturnType<typeof openStore>> & { disk: SimulatedDisk }> {
  const disk = new SimulatedDisk()
  return { ...(await openStore(disk, SMALL, { create: true })), disk }
}

function key(i: number): string {
  return `key ${String(i).padStart(4, '0')}`
}
