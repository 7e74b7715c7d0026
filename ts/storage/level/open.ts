// What Level says of databases that are there or are not, in the words of our stores.
import { BedplateError, isCode } from '../../base/errors.ts'

/** What abstract-level gives `_open`: options of its own, of the store, and of whoever else. */
export interface LevelOpening {
  createIfMissing: boolean
  errorIfExists: boolean
  readOnly?: boolean
}

/**
 * Opens the store in `location` as the options say.
 * @param open - Opens it with options of its own, `create` among them.
 * @throws NOT_FOUND, ALREADY_EXISTS, and what `open` throws
 */
export async function openAsLevel<Store extends { close(): Promise<void> }>(
  location: string,
  { createIfMissing, errorIfExists, ...own }: LevelOpening,
  open: (options: object) => Promise<Store>,
): Promise<Store> {
  const mayCreate = createIfMissing && own.readOnly !== true
  const create = mayCreate && errorIfExists ? 'new' : mayCreate
  let store: Store
  try {
    store = await open({ ...own, create, keyEncoding: 'buffer', valueEncoding: 'buffer' })
  } catch (error) {
    throw create === false && isCode(error, 'NOT_FOUND') ? missing(location, error) : error
  }
  if (!errorIfExists || create === 'new') return store
  await store.close()
  throw new BedplateError('ALREADY_EXISTS', `${location} exists already, and errorIfExists is true`)
}

function missing(location: string, cause: unknown): BedplateError {
  return new BedplateError('NOT_FOUND', `${location} does not exist`, {
    cause,
    hint: 'createIfMissing has it made, unless it is opened with readOnly',
  })
}
