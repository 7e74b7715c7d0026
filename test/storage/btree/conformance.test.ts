import { expect } from 'vitest'
import type { BTree } from '../../../ts/storage/btree/index.ts'
import { maxKeyBytes } from '../../../ts/storage/btree/types.ts'
import { ENGINES } from '../../support/engines.ts'
import { MAX_MEMORY_KEY_BYTES, MemoryStore, SortedMap } from '../../support/memory-store.ts'
import { describeOrderedStore } from '../../support/ordered-store-conformance.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

describeOrderedStore('the memory store', () => {
  const content = new SortedMap()
  return {
    open: async (encodings) => new MemoryStore(content, encodings),
    maxKeyBytes: MAX_MEMORY_KEY_BYTES,
    assertIdle() {},
    cleanUp() {},
  }
})

for (const engine of ENGINES) {
  for (const pageSizeBytes of [4096, 16 * 1024, 64 * 1024]) {
    describeOrderedStore(`the ${engine.name} B-tree with pages of ${pageSizeBytes / 1024} KiB`, () => {
      const { path, remove } = temporaryDirectory()
      let opened: Pick<BTree, 'stats'> | undefined
      return {
        async open(encodings) {
          // A cache of the least size: pages are evicted and read back all the time.
          const options = { ...encodings, create: true, pageSizeBytes, cacheBytes: 0 }
          const store = await engine.open<never, never>(path, options)
          opened = store
          return store
        },
        maxKeyBytes: maxKeyBytes(pageSizeBytes),
        assertIdle() {
          expect(opened?.stats()).toMatchObject({ engine: engine.name, snapshots: { open: 0 } })
        },
        cleanUp: remove,
      }
    })
  }
}
