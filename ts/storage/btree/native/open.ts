// Opening a store with the native engine.
import type { NativeOpen, NativeOpenOptions } from '../../../native/btree.ts'
import { NativeDurability } from '../../../native/btree.ts'
import type { Durability } from '../../log/types.ts'
import { type EngineOptions, makeOrFind } from '../open.ts'
import { NativeCore } from './core.ts'
import { NativeEngine } from './engine.ts'
import { toError } from './errors.ts'

/** Opens (or makes) the store at `options.path`. Its own disk is the machine's, whatever `options.disk` is. */
export async function openNativeEngine(open: NativeOpen, options: EngineOptions): Promise<NativeEngine> {
  await makeOrFind(options)
  const { path, readOnly } = options
  let core: NativeCore | undefined
  const raw = await open(path, nativeOptions(options), () => core?.acknowledgements.update()).catch((error) => {
    throw toError(error)
  })
  core = new NativeCore(raw, path, readOnly)
  return new NativeEngine(core, options)
}

function nativeOptions(options: EngineOptions): NativeOpenOptions {
  const { cacheBytes, readOnly, durability, checkpointLogBytes, denseCloseBytes } = options
  const { firstSegmentBytes, maxSegmentBytes } = options
  return {
    cacheBytes,
    readOnly,
    durability: levelOf(durability),
    intervalMs: typeof durability === 'object' ? durability.intervalMs : 0,
    checkpointLogBytes,
    denseCloseBytes,
    firstSegmentBytes,
    maxSegmentBytes,
  }
}

function levelOf(durability: Durability): NativeOpenOptions['durability'] {
  return typeof durability === 'object' ? NativeDurability.interval : NativeDurability[durability]
}
