// The Level databases of ours that can run here: each adapter on each of its engines.
import { loadNative } from '../../../ts/native/loader.ts'
import type { BTree } from '../../../ts/storage/btree/index.ts'
import { BTreeLevel, type BTreeLevelOptions, LsmLevel, type LsmLevelOptions } from '../../../ts/storage/level/index.ts'
import type { Lsm } from '../../../ts/storage/lsm/index.ts'

/** Either adapter, as one type: a union of the two could not be called. */
export type LevelUnderTest = LsmLevel
/** What both take. */
export type LevelUnderTestOptions = BTreeLevelOptions & LsmLevelOptions

/** One adapter on one engine. */
export interface LevelSetting {
  name: string
  Level: new (location: string, options?: LevelUnderTestOptions) => LevelUnderTest
}

/** The engine is chosen where the store is opened: hooks are shown the options, and the published suite looks at them. */
class TypeScriptBTreeLevel extends BTreeLevel {
  protected override openStore(location: string, options: object): Promise<BTree<Uint8Array, Uint8Array>> {
    return super.openStore(location, { ...options, native: false })
  }
}

class NativeBTreeLevel extends BTreeLevel {
  protected override openStore(location: string, options: object): Promise<BTree<Uint8Array, Uint8Array>> {
    return super.openStore(location, { ...options, native: true })
  }
}

class TypeScriptLsmLevel extends LsmLevel {
  protected override openStore(location: string, options: object): Promise<Lsm<Uint8Array, Uint8Array>> {
    return super.openStore(location, { ...options, native: false })
  }
}

class NativeLsmLevel extends LsmLevel {
  protected override openStore(location: string, options: object): Promise<Lsm<Uint8Array, Uint8Array>> {
    return super.openStore(location, { ...options, native: true })
  }
}

const native = loadNative()

export const LEVELS: readonly LevelSetting[] = [
  { name: 'BTreeLevel on TypeScript', Level: asEither(TypeScriptBTreeLevel) },
  ...(native?.openBTree ? [{ name: 'BTreeLevel on the native engine', Level: asEither(NativeBTreeLevel) }] : []),
  { name: 'LsmLevel on TypeScript', Level: asEither(TypeScriptLsmLevel) },
  ...(native?.openLsm ? [{ name: 'LsmLevel on the native engine', Level: asEither(NativeLsmLevel) }] : []),
]

/** Whether a subclass of the one has the type of the other, or its own, depends on what the compiler looked at before. */
function asEither(Level: unknown): LevelSetting['Level'] {
  return Level as LevelSetting['Level']
}
