// The engines of the LSM store that can run here: tests of what both promise run on each.
import { loadNative } from '../../ts/native/loader.ts'
import { type Lsm, type LsmOptions, openLsm } from '../../ts/storage/lsm/index.ts'

/** One engine of the LSM store. */
export interface LsmEngineUnderTest {
  name: 'typescript' | 'native'
  /** The option that asks for it. */
  native: boolean
  open<K = string, V = string>(path: string, options?: LsmOptions): Promise<Lsm<K, V>>
}

const BOTH: readonly LsmEngineUnderTest[] = [false, true].map((native) => ({
  name: native ? 'native' : 'typescript',
  native,
  open: <K, V>(path: string, options?: LsmOptions) => openLsm<K, V>(path, { ...options, native }),
}))

const hasNative = loadNative()?.openLsm !== undefined

export const LSM_ENGINES: readonly LsmEngineUnderTest[] = BOTH.filter(({ native }) => hasNative || !native)
