// Making a database, or the copy of one, of whatever engine.
import { BedplateError, isCode } from '../../base/errors.ts'

/** Runs `make`, which makes a store at `path` and fails if something is there. */
export async function createNew<S>(path: string, make: () => Promise<S>): Promise<S> {
  try {
    return await make()
  } catch (error) {
    if (!isCode(error, 'ALREADY_EXISTS')) throw error
    throw new BedplateError('ALREADY_EXISTS', `${path} exists already`, { cause: error, hint: 'choose another name' })
  }
}
