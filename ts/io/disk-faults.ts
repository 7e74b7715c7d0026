// Planned failures of a simulated disk: the n-th call of a kind fails, once or for ever.

/** The calls of a disk and its files that can be made to fail. `open` and `create` are the modes of `Disk.open`. */
export type DiskOperation =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'syncDirectory'
  | 'rename'
  | 'link'
  | 'unlink'
  | 'mkdir'
  | 'rmdir'
  | 'list'

/** The system errors that a fault can raise. They come out as the real disk's would: DISK_FULL, PERMISSION, UNAVAILABLE or IO. */
export type FaultError = 'EIO' | 'ENOSPC' | 'EACCES' | 'EMFILE'

/** Which call fails, and how. */
export interface FaultSpec {
  /** The kind of call; any kind if left out. */
  operation?: DiskOperation
  /** Only calls on paths that match. */
  path?: RegExp
  /** The first call to fail, counted from 1 over the calls that match from now on. */
  nth: number
  error: FaultError
  /** Fails all matching calls after the first as well. Default false. */
  forever?: boolean
  /** A failing write first writes half of its bytes. Default false. */
  shortWrite?: boolean
  /**
   * What a failed sync does to the writes it was to cover. False (default): Linux marks the pages clean, so reads still
   * show them but no later sync ever writes them. True: they stay unsynced, may survive a crash, and a later sync can
   * write them.
   */
  keepUnsynced?: boolean
}

/** A fault in place. */
export interface PlannedFault {
  /** How many calls it has failed so far: 0 means that the test proved nothing. */
  readonly applied: number
  /** Ends it. */
  cancel(): void
}

/** The faults of one disk. */
export class FaultPlan {
  readonly #faults = new Set<Fault>()

  add(spec: FaultSpec): PlannedFault {
    const fault = new Fault(spec, () => this.#faults.delete(fault))
    this.#faults.add(fault)
    return fault
  }

  /** The fault that fails this call, if one does. Every fault counts the call. */
  next(operation: DiskOperation, path: string): FaultSpec | undefined {
    let failing: FaultSpec | undefined
    for (const fault of this.#faults) if (fault.hits(operation, path)) failing ??= fault.spec
    return failing
  }
}

class Fault implements PlannedFault {
  readonly spec: FaultSpec
  readonly cancel: () => void
  applied = 0
  #seen = 0

  constructor(spec: FaultSpec, cancel: () => void) {
    this.spec = spec
    this.cancel = cancel
  }

  hits(operation: DiskOperation, path: string): boolean {
    const { spec } = this
    if (spec.operation !== undefined && spec.operation !== operation) return false
    if (spec.path !== undefined && !spec.path.test(path)) return false
    this.#seen++
    const hit = spec.forever ? this.#seen >= spec.nth : this.#seen === spec.nth
    if (hit) this.applied++
    return hit
  }
}
