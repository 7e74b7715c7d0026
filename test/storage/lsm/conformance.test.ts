import { expect } from 'vitest'
import { realClock } from '../../../ts/io/clock.ts'
import { realRandom } from '../../../ts/io/random.ts'
import { realDisk } from '../../../ts/io/real-disk.ts'
import { openEngine } from '../../../ts/storage/lsm/open.ts'
import { LsmHandle } from '../../../ts/storage/lsm/store.ts'
import { type LsmStats, MAX_KEY_BYTES } from '../../../ts/storage/lsm/types.ts'
import { codecsOf } from '../../../ts/storage/ordered/arguments.ts'
import { SMALL } from '../../support/lsm-crash/store.ts'
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
}

describeOrderedStore('the LSM store with everything small', () => {
  const { path, remove } = temporaryDirectory()
  let opened: { stats(): LsmStats } | undefined
  return {
    async open<K, V>(encodings: object) {
      const outside = { disk: realDisk, clock: realClock, random: realRandom }
      const engine = await openEngine({ ...SMALL, ...outside, path, create: true, readOnly: false })
      const store = new LsmHandle<K, V>(engine, codecsOf<K, V>(encodings))
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
