// The lock service (system 15): the public names.
export { BedplateError, type ErrorCode } from '../../base/errors.ts'
export type { AutoCompaction } from './node.ts'
export { type LocksServiceOptions, openLocksService } from './open.ts'
