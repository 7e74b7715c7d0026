import { expect } from 'vitest'
import { type LsmStats, MAX_KEY_BYTES } from '../../../ts/storage/lsm/types.ts'
import { LSM_ENGINES } from '../../support/lsm-engines.ts'
import { describeOrderedStore } from '../../support/ordered-store-conformance.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

for (const engine of LSM_ENGINES) {
  describeOrderedStore(`the ${engine.name} LSM store`, () => {
    const { path, remove } = temporaryDirectory()
    let opened: { stats(): LsmStats } | undefined
    return {
      async open<K, V>(encodings: object) {
        const store = await engine.open<K, V>(path, {
          ...encodings,
          create: true,
          memtableBytes: 64 * 1024,
          memoryBytes: 1024 * 1024,
          maxOpenFiles: 16,
        })
        opened = store
        return store
      },
      maxKeyBytes: MAX_KEY_BYTES,
      assertIdle() {
        expect(opened?.stats()).toMatchObject({ engine: engine.name, snapshots: { open: 0 } })
      },
      cleanUp: remove,
    }
  })

  describeOrderedStore(`the ${engine.name} LSM store with everything small`, () => {
    const { path, remove } = temporaryDirectory()
    let opened: { stats(): LsmStats } | undefined
    return {
      async open<K, V>(encodings: object) {
        const store = await engine.openSmall<K, V>(path, { encodings })
        opened = store
        return store
      },
      maxKeyBytes: MAX_KEY_BYTES,
      assertIdle() {
        expect(opened?.stats()).toMatchObject({ snapshots: { open: 0 } })
      },
      cleanUp: remove,
    }
  })
}
