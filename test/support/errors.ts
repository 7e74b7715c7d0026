import { BedplateError } from '../../ts/base/errors.ts'

/** The code that `call` throws, `undefined` if it succeeds. Anything but a BedplateError fails the test. */
export function codeOf(call: () => unknown): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return asBedplateError(error).code
  }
}

/** The same for a promise. */
export async function codeOfAsync(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    return asBedplateError(error).code
  }
}

function asBedplateError(error: unknown): BedplateError {
  if (error instanceof BedplateError) return error
  throw new Error(`not a BedplateError: ${error}`, { cause: error })
}
