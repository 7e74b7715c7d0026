// The lock service (system 15): what users import as `bedplate/locks`.
export { BedplateError, type ErrorCode } from '../../base/errors.ts'
export { openLocks } from './client/locks.ts'
export type { AcquireOptions, Lock, Locks, LocksOptions, TlsOptions } from './client/types.ts'
