// What every ordered store does, whatever is below it. Run on the reference in memory and on each engine.
import { afterEach, beforeEach, describe } from 'vitest'
import type { OrderedStore } from '../../ts/storage/ordered-store.ts'
import type { Encodings } from './memory-store.ts'
import { describeLifetime } from './ordered-store/lifetime.ts'
import { describePoints } from './ordered-store/points.ts'
import { describeRanges } from './ordered-store/ranges.ts'
import { BYTES, type Session } from './ordered-store/session.ts'

/** A place for one store, empty at first, for one test. */
export interface StoreUnderTest {
  /** Opens the store at that place; makes it the first time. Only one handle is open at a time. */
  open<K = string, V = string>(encodings: Encodings): Promise<OrderedStore<K, V>>
  /** The most bytes that a key may have. */
  readonly maxKeyBytes: number
  /** Fails if the store that is open keeps anything for readers that have ended. */
  assertIdle(): void
  /** Removes what the test left behind. The store is closed. */
  cleanUp(): void
}

/** Registers the suite for one kind of store. */
export function describeOrderedStore(name: string, make: () => StoreUnderTest): void {
  describe(`${name}, as an ordered store`, () => {
    let setting: StoreUnderTest
    let current: { close(): Promise<void> } | undefined

    const session: Session = {
      get maxKeyBytes() {
        return setting.maxKeyBytes
      },
      async open<K, V>(encodings: Encodings = {}) {
        const store = await setting.open<K, V>(encodings)
        current = store
        return store
      },
      async reopen<K, V>(encodings: Encodings = {}) {
        await session.close()
        return await session.open<K, V>(encodings)
      },
      async close() {
        await current?.close()
        current = undefined
      },
      openBytes: () => session.open<Uint8Array, Uint8Array>(BYTES),
      async openWith(keys) {
        const store = await session.open()
        await store.batch(Array.from(keys, (key) => ({ type: 'put', key, value: `value of ${key}` })))
        return store
      },
    }

    beforeEach(() => {
      setting = make()
    })
    afterEach(async () => {
      if (current !== undefined) setting.assertIdle()
      await session.close()
      setting.cleanUp()
    })

    describePoints(session)
    describeRanges(session)
    describeLifetime(session)
  })
}
