// Opening a store with the native engine.
import type { NativeLsm, NativeLsmOptions, NativeOpenLsm } from '../../../native/lsm.ts'
import { NativeCore } from '../../ordered/native/core.ts'
import { durabilityLevel, intervalOf } from '../../ordered/native/durability.ts'
import { toError } from '../../ordered/native/errors.ts'
import { type EngineOptions, makeOrFind } from '../open.ts'
import { MAX_KEY_BYTES } from '../types.ts'
import { NativeLsmEngine } from './engine.ts'

/** Opens (or makes) the store at `options.path`. Its own disk is the machine's, whatever `options.disk` is. */
export async function openNativeEngine(open: NativeOpenLsm, options: EngineOptions): Promise<NativeLsmEngine> {
  await makeOrFind(options)
  const { path, readOnly } = options
  let engine: NativeLsmEngine | undefined
  const raw = await open(path, nativeOptions(options), () => engine?.onProgress()).catch((error) => {
    throw toError(error)
  })
  engine = new NativeLsmEngine(
    new NativeCore<NativeLsm>(raw, { path, readOnly, maxKeyBytes: MAX_KEY_BYTES, longKeyHint: '' }),
    options,
  )
  return engine
}

function nativeOptions(options: EngineOptions): NativeLsmOptions {
  const { readOnly, durability, memtableBytes, memoryBytes, maxOpenFiles, tableBytes } = options
  const { level0Tables, levelBytes, firstSegmentBytes, maxSegmentBytes } = options
  return {
    readOnly,
    durability: durabilityLevel(durability),
    intervalMs: intervalOf(durability),
    memtableBytes,
    memoryBytes,
    maxOpenFiles,
    tableBytes,
    level0Tables,
    levelBytes,
    firstSegmentBytes,
    maxSegmentBytes,
  }
}
