// What reads give belongs to the caller, although small values share their memory with others.
import { MessageChannel } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BTree } from '../../../ts/storage/btree/index.ts'
import { ENGINES } from '../../support/engines.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const COUNT = 400
const KEYS = Array.from({ length: COUNT }, (_, i) => Buffer.from(`key${String(i).padStart(4, '0')}`))
const textOf = (i: number): string => `${i}:`.padEnd(i % 300, 'v')
const TEXTS = KEYS.map((_, i) => textOf(i))

describe.each(ENGINES)('values that were read (the $name engine)', ({ open }) => {
  let directory: ReturnType<typeof temporaryDirectory>
  let store: BTree<Uint8Array, Uint8Array>

  beforeEach(async () => {
    directory = temporaryDirectory()
    store = await open<Uint8Array, Uint8Array>(`${directory.path}/db`, {
      create: true,
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
    })
    await store.batch(KEYS.map((key, i) => ({ type: 'put', key, value: Buffer.from(textOf(i)) })))
  })
  afterEach(async () => {
    await store.close()
    directory.remove()
  })

  /** Every way to read them all. */
  const reads: Record<string, () => Uint8Array[]> = {
    get: () => KEYS.map((key) => store.get(key)!),
    getMany: () => store.getMany(KEYS) as Uint8Array[],
    'small ranges': () => KEYS.flatMap((gte) => [...store.range({ gte, limit: 1 })].map(([, value]) => value)),
    'one range': () => [...store.range()].map(([, value]) => value),
  }

  it.each(Object.keys(reads))('stay what they are when others are read and changed: %s', (way) => {
    const kept = reads[way]!()
    for (const read of Object.values(reads)) for (const value of read()) value.fill(0)
    expect(kept.map((value) => Buffer.from(value).toString())).toEqual(TEXTS)
    for (const [i, value] of kept.entries()) if (i % 2 === 0) value.fill(0)
    expect(kept.flatMap((value, i) => (i % 2 === 0 ? [] : [Buffer.from(value).toString()]))).toEqual(
      TEXTS.filter((_, i) => i % 2 === 1),
    )
    expect(KEYS.map((key) => Buffer.from(store.get(key)!).toString())).toEqual(TEXTS)
  })

  it.each(Object.keys(reads))('stay where they are when one of them is transferred: %s', (way) => {
    const kept = reads[way]!()
    const { port1, port2 } = new MessageChannel()
    try {
      port1.postMessage(kept[7], [kept[7]!.buffer as ArrayBuffer])
    } catch (error) {
      expect((error as Error).name).toBe('DataCloneError')
    } finally {
      port1.close()
      port2.close()
    }
    expect(kept.slice(8).map((value) => Buffer.from(value).toString())).toEqual(TEXTS.slice(8))
    expect(reads[way]!().map((value) => Buffer.from(value).toString())).toEqual(TEXTS)
  })
})
