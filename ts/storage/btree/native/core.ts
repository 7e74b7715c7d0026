// A native B-tree store, as everything that stands on it shares it.
import type { NativeBTree } from '../../../native/btree.ts'
import { NativeCore } from '../../ordered/native/core.ts'
import { LONG_KEY_HINT, maxKeyBytes } from '../types.ts'

export type BTreeCore = NativeCore<NativeBTree>

export function makeCore(raw: NativeBTree, path: string, readOnly: boolean): BTreeCore {
  return new NativeCore(raw, {
    path,
    readOnly,
    maxKeyBytes: maxKeyBytes(raw.pageSizeBytes),
    longKeyHint: LONG_KEY_HINT,
  })
}
