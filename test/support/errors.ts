import { BedplateError } from '../../ts/base/errors.ts'

/** The error that `call` throws, `undefined` if it succeeds. Anything but a BedplateError fails the test. */
export function errorOf(call: () => unknown): BedplateError | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return asBedplateError(error)
  }
}

/** Its code. */
export function codeOf(call: () => unknown): string | undefined {
  return errorOf(call)?.code
}

/** The error that `promise` rejects with, `undefined` if it resolves. */
export async function errorOfAsync(promise: Promise<unknown>): Promise<BedplateError | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    return asBedplateError(error)
  }
}

/** Its code. */
export async function codeOfAsync(promise: Promise<unknown>): Promise<string | undefined> {
  return (await errorOfAsync(promise))?.code
}

function asBedplateError(error: unknown): BedplateError {
  if (error instanceof BedplateError) return error
  throw new Error(`not a BedplateError: ${error}`, { cause: error })
}

/** The message of whatever `work` throws, `undefined` if it succeeds: so the checks of heavy suites say what is wrong. */
export async function complaintOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
