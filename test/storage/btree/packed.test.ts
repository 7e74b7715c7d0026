import { describe, expect, it } from 'vitest'
import { BTreeHandle } from '../../../ts/storage/btree/store.ts'
import { PackedOperations } from '../../../ts/storage/ordered/packed-operations.ts'
import { BEDS } from '../../support/store-bed.ts'

const TREES = ['', 'other']

describe.each(BEDS)('packed operations (the $name engine)', ({ make }) => {
  it('are applied as a batch is, and their memory may be used again', async () => {
    const place = make()
    const store = (await place.open({ create: true, valueEncoding: 'utf8' })) as unknown as BTreeHandle<string, string>
    expect(store).toBeInstanceOf(BTreeHandle)
    const packed = new PackedOperations(Buffer.alloc(16)) // too small for anything
    const source = Buffer.from(`.key.${'v'.repeat(100)}.`)
    packed.put(0, source, 1, 3, 5, 100)
    packed.putPair(1, Buffer.from('a'), Buffer.from('1'))
    packed.put(1, source, 1, 1, 5, 2)
    await store.applyPacked(TREES, packed)
    packed.restart(32)
    packed.bytes.fill(0xff)
    packed.delete(1, source, 1, 1)
    await store.applyPacked(TREES, packed)
    expect([...store.range()]).toEqual([['key', 'v'.repeat(100)]])
    expect([...store.tree<string, string>('other').range()]).toEqual([['a', '1']])
    await store.close()
    place.remove()
  })
})
