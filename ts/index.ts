// The names that every user of the package needs. Each system has a subpath of its own, such as `bedplate/btree`.
export { BedplateError, type ErrorCode, type ErrorDetails, isCode } from './base/errors.ts'
export { describeNative } from './native/describe.ts'
export type { AddonDescription, NativeAttempt, NativeReport } from './native/report.ts'
export { crc32c } from './storage/crc32c/index.ts'
