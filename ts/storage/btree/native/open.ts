// Opening a store with the native engine.
import type { NativeOpen, NativeOpenOptions } from '../../../native/btree.ts'
import { durabilityLevel, intervalOf } from '../../ordered/native/durability.ts'
import { toError } from '../../ordered/native/errors.ts'
import { type EngineOptions, makeOrFind } from '../open.ts'
import { type BTreeCore, makeCore } from './core.ts'
import { NativeEngine } from './engine.ts'

/** Opens (or makes) the store at `options.path`. Its own disk is the machine's, whatever `options.disk` is. */
export async function openNativeEngine(open: NativeOpen, options: EngineOptions): Promise<NativeEngine> {
  await makeOrFind(options)
  const { path, readOnly } = options
  let core: BTreeCore | undefined
  const raw = await open(path, nativeOptions(options), () => core?.acknowledgements.update()).catch((error) => {
    throw toError(error)
  })
  core = makeCore(raw, path, readOnly)
  return new NativeEngine(core, options)
}

function nativeOptions(options: EngineOptions): NativeOpenOptions {
  const { cacheBytes, readOnly, durability, checkpointLogBytes, denseCloseBytes } = options
  const { firstSegmentBytes, maxSegmentBytes } = options
  return {
    cacheBytes,
    readOnly,
    durability: durabilityLevel(durability),
    intervalMs: intervalOf(durability),
    checkpointLogBytes,
    denseCloseBytes,
    firstSegmentBytes,
    maxSegmentBytes,
  }
}
