// The engines that can run here: tests of what both promise run on each. Without a native core that is one.
import { describeNative } from '../../ts/native/describe.ts'
import { loadNative } from '../../ts/native/loader.ts'
import { type BTree, type BTreeOptions, openBTree } from '../../ts/storage/btree/index.ts'

/** One engine of the B-tree store. */
export interface EngineUnderTest {
  name: 'typescript' | 'native'
  /** The option that asks for it. */
  native: boolean
  open<K = string, V = string>(path: string, options?: BTreeOptions): Promise<BTree<K, V>>
}

const BOTH: readonly EngineUnderTest[] = [false, true].map((native) => ({
  name: native ? 'native' : 'typescript',
  native,
  open: <K, V>(path: string, options?: BTreeOptions) => openBTree<K, V>(path, { ...options, native }),
}))

const hasNative = loadNative()?.openBTree !== undefined

export const ENGINES: readonly EngineUnderTest[] = BOTH.filter(({ native }) => hasNative || !native)

// A native core that was built and cannot be loaded must not pass for none.
const { reason, attempts } = describeNative()
if (reason !== undefined && attempts.some(({ outcome }) => outcome !== 'no such file')) throw new Error(reason)
