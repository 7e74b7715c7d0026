import { BedplateError, type ErrorCode } from '../../../base/errors.ts'
import type { NativeError } from '../../../native/store.ts'

/** An error of the native core as everybody knows it; its codes are ours. */
export function toError({ code, message, hint }: NativeError): BedplateError {
  return new BedplateError(code as ErrorCode, message, hint === undefined ? {} : { hint })
}
