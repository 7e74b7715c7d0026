// The engines of the LSM store that can run here: tests of what both promise run on each.
import { onTestFinished } from 'vitest'
import { realClock } from '../../ts/io/clock.ts'
import { realRandom } from '../../ts/io/random.ts'
import { realDisk } from '../../ts/io/real-disk.ts'
import { loadNative } from '../../ts/native/loader.ts'
import { type Lsm, type LsmOptions, openLsm } from '../../ts/storage/lsm/index.ts'
import { openNativeEngine } from '../../ts/storage/lsm/native/open.ts'
import { NativeLsmHandle } from '../../ts/storage/lsm/native/store.ts'
import { openEngine } from '../../ts/storage/lsm/open.ts'
import { LsmHandle } from '../../ts/storage/lsm/store.ts'
import { codecsOf } from '../../ts/storage/ordered/arguments.ts'
import { SMALL, type StoreSettings } from './lsm-crash/store.ts'
import { directoryInMemory } from './temporary-directory.ts'

/** One engine of the LSM store. */
export interface LsmEngineUnderTest {
  name: 'typescript' | 'native'
  /** The option that asks for it. */
  native: boolean
  open<K = string, V = string>(path: string, options?: LsmOptions): Promise<Lsm<K, V>>
  /** The same with everything small, or as `settings` say: a few dozen writes make tables on several levels. */
  openSmall<K = string, V = string>(path: string, options?: SmallOptions): Promise<Lsm<K, V>>
}

export interface SmallOptions {
  settings?: Partial<StoreSettings>
  readOnly?: boolean
  /** As those of `openLsm`. */
  encodings?: object
}

/** A place for stores on the real disk, which the test gives back when it ends. */
export interface LsmPlace {
  readonly path: string
  /** Names of tables that are there. */
  tables(): string[]
}

const openNative = loadNative()?.openLsm

const BOTH: readonly LsmEngineUnderTest[] = [false, true].map((native) => ({
  name: native ? 'native' : 'typescript',
  native,
  open: <K, V>(path: string, options?: LsmOptions) => openLsm<K, V>(path, { ...options, native }),
  async openSmall<K, V>(path: string, { settings = {}, readOnly = false, encodings = {} }: SmallOptions = {}) {
    const outside = { disk: realDisk, clock: realClock, random: realRandom }
    const options = { ...SMALL, ...settings, ...outside, path, create: !readOnly, readOnly }
    const codecs = codecsOf<K, V>(encodings)
    return native && openNative !== undefined
      ? new NativeLsmHandle<K, V>(await openNativeEngine(openNative, options), codecs)
      : new LsmHandle<K, V>(await openEngine(options), codecs)
  },
}))

export const LSM_ENGINES: readonly LsmEngineUnderTest[] = BOTH.filter(
  ({ native }) => openNative !== undefined || !native,
)

/** Makes a place for the time of the test that runs. */
export function placeForLsm(): LsmPlace {
  const { path: parent, remove } = directoryInMemory()
  onTestFinished(remove)
  const path = `${parent}/store`
  return { path, tables: () => realDisk.list(path).filter((name) => name.endsWith('.sst')) }
}

/** Lets others work until `isDone`, which must come. */
export async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setImmediate(resolve))
}
