// Who a node is for as long as its data directory lives, and what it starts from: notes in its store (storage.ts), beside those of the
// engine (`Notes`).
//
//   identity   {"version":1,"cluster":"shop","name":"node1","incarnation":"5f0e61c2a94b7d83"}
//   life       how often the node was started: names its requests, so that an answer to an earlier life is nobody's
import { BedplateError } from '../../../base/errors.ts'
import type { Random } from '../../../io/random.ts'
import type { NodeStorage } from './storage.ts'
import type { Notes } from './types.ts'

export interface Identity {
  readonly clusterId: string
  readonly name: string
  /** Drawn when the directory was made: the others notice a node that comes back with another one. */
  readonly incarnation: string
}

const VERSION = 1
const INCARNATION_BYTES = 8

/**
 * Reads who the directory's node is, or makes it one.
 * @throws INVALID_INPUT that names both if it is another one's, or of another cluster; CORRUPTION, INCOMPATIBLE
 */
export async function claim(
  storage: NodeStorage,
  { clusterId, name, path, random }: { clusterId: string; name: string; path: string; random: Random },
): Promise<Identity> {
  const found = storage.note('identity')
  if (found === undefined) {
    const incarnation = Buffer.from(random.bytes(INCARNATION_BYTES)).toString('hex')
    await storage.putNote('identity', { version: VERSION, cluster: clusterId, name, incarnation })
    return { clusterId, name, incarnation }
  }
  const { version, cluster, name: theirs, incarnation } = (found ?? {}) as Record<string, unknown>
  if (typeof version === 'number' && version > VERSION) {
    throw new BedplateError('INCOMPATIBLE', `${path} has version ${version}, and ${VERSION} is known`, {
      hint: 'update bedplate',
    })
  }
  if (typeof cluster !== 'string' || typeof theirs !== 'string' || typeof incarnation !== 'string') {
    throw new BedplateError('CORRUPTION', `${path} does not say whose it is`)
  }
  if (cluster !== clusterId || theirs !== name) {
    throw new BedplateError(
      'INVALID_INPUT',
      `${path} belongs to ${theirs} of cluster "${cluster}", not to ${name} of cluster "${clusterId}"`,
      { hint: 'give each node of each cluster a directory of its own, or start the node that this one belongs to' },
    )
  }
  return { clusterId, name, incarnation }
}

/** Counts one life more. @returns Its number, once that is on disk. */
export async function beginLife(storage: NodeStorage): Promise<number> {
  const before = storage.note('life') ?? 0
  if (!Number.isSafeInteger(before) || (before as number) < 0) {
    throw new BedplateError('CORRUPTION', 'a node does not know how often it was started')
  }
  const life = (before as number) + 1
  await storage.putNote('life', life)
  return life
}

/** What the engine had on disk. Each is checked by the engine, or its own writing. @throws CORRUPTION, IO */
export function notesOf(storage: NodeStorage): Partial<Notes> {
  const names = ['ring', 'register', 'progress', 'writer', 'purged', 'era'] as const satisfies readonly (keyof Notes)[]
  return Object.fromEntries(
    names.flatMap((name) => {
      const note = storage.note(name)
      return note === undefined ? [] : [[name, note]]
    }),
  )
}
