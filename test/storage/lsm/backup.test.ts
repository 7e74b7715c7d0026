import { describe, expect, it } from 'vitest'
import { BedplateError } from '../../../ts/base/errors.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { codeOfAsync } from '../../support/errors.ts'
import { openStore, SMALL, STORE_PATH } from '../../support/lsm-crash/store.ts'

describe('a backup', () => {
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
})

async function make(): Promise<Awaited<ReturnType<typeof openStore>> & { disk: SimulatedDisk }> {
  const disk = new SimulatedDisk()
  return { ...(await openStore(disk, SMALL, { create: true })), disk }
}

function key(i: number): string {
  return `key ${String(i).padStart(4, '0')}`
}
