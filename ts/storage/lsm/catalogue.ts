// The trees of a store by name: a value that never changes, so that a snapshot keeps the one of its moment.
import { BedplateError } from '../../base/errors.ts'
import { MAX_TREE_NAME_BYTES } from '../ordered/types.ts'
import { FIRST_TREE_ID, MAX_TREE_ID } from './internal-key.ts'

/** Trees that a store may have at a time. */
export const MAX_TREES = 1_000_000

export interface Catalogue {
  /** The id of each tree by its name; the default tree's name is ''. */
  readonly ids: ReadonlyMap<string, number>
  /** The ids alone. */
  readonly known: ReadonlySet<number>
  /** No tree has this id or a larger one. */
  readonly nextTreeId: number
}

export const EMPTY_CATALOGUE = catalogueOf(new Map(), FIRST_TREE_ID)

/** With one tree more. @throws CORRUPTION if there cannot be a tree of that id and name: only a log record can say so. */
export function withTree({ ids, nextTreeId }: Catalogue, id: number, name: string): Catalogue {
  const isPossible = id >= nextTreeId && id < MAX_TREE_ID && !ids.has(name) && ids.size < MAX_TREES
  if (!isPossible || Buffer.byteLength(name) > MAX_TREE_NAME_BYTES)
    throw new BedplateError('CORRUPTION', `the log makes a tree ${id} named "${name}", which cannot be made`)
  return catalogueOf(new Map(ids).set(name, id), id + 1)
}

/** Without the tree of that id. */
export function withoutTree({ ids, nextTreeId }: Catalogue, id: number): Catalogue {
  return catalogueOf(new Map([...ids].filter(([, other]) => other !== id)), nextTreeId)
}

export function catalogueOf(ids: ReadonlyMap<string, number>, nextTreeId: number): Catalogue {
  return { ids, known: new Set(ids.values()), nextTreeId }
}

/** The error for a log record about a tree that does not exist. */
export function unknownTree(id: number): BedplateError {
  return new BedplateError('CORRUPTION', `the log writes to tree ${id}, which does not exist`)
}
