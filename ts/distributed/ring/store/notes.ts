// The notes of a node as its disk has them: small things that everything it does next is built on, so they are looked at before it begins.
import { BedplateError } from '../../../base/errors.ts'
import { MAX_COUNTED, MAX_WRITER_LENGTH } from './limits.ts'
import { readRecord } from './ring-state.ts'
import type { AcceptedRecord, Ballot, Notes, Progress } from './types.ts'
import { MAX_COUNT } from './versions.ts'

type Given = Record<string, unknown>

/** @param given - What JSON gave. @throws CORRUPTION naming the note that no node has left behind. */
export function readNotes(given: { readonly [K in keyof Notes]?: unknown }): Partial<Notes> {
  const { ring, register, progress, writer, purged, era } = given
  return {
    ...(ring === undefined ? {} : { ring: readRecord(ring).record }),
    ...(register === undefined ? {} : { register: registerOf(register) }),
    ...(progress === undefined ? {} : { progress: progressOf(progress) }),
    ...(writer === undefined ? {} : { writer: textOf('writer', writer, MAX_WRITER_LENGTH) }),
    ...(purged === undefined ? {} : { purged: countOf('purged', purged, MAX_COUNT) }),
    ...(era === undefined ? {} : { era: countOf('era', era) }),
  }
}

function registerOf(given: unknown): Notes['register'] {
  const { epoch, promised, accepted } = objectOf('register', given)
  return {
    epoch: countOf('register', epoch),
    promised: ballotOf(promised),
    accepted: accepted === undefined ? undefined : acceptedOf(accepted),
  }
}

function acceptedOf(given: unknown): AcceptedRecord {
  const { ballot, record } = objectOf('register', given)
  return { ballot: ballotOf(ballot), record: readRecord(record).record }
}

function ballotOf(given: unknown): Ballot {
  const { number, node } = objectOf('register', given)
  // Who has promised nothing has the ballot of nobody.
  return { number: countOf('register', number), node: node === '' ? node : textOf('register', node, MAX_WRITER_LENGTH) }
}

function progressOf(given: unknown): Progress {
  const { epoch, leg, after, keys, bytes } = objectOf('progress', given)
  if (after !== undefined && typeof after !== 'string') throw broken('progress')
  const [wholeEpoch, wholeLeg] = [countOf('progress', epoch), countOf('progress', leg)]
  return {
    ...{ epoch: wholeEpoch, leg: wholeLeg, after },
    ...{ keys: countOf('progress', keys), bytes: countOf('progress', bytes) },
  }
}

function countOf(note: keyof Notes, value: unknown, most = MAX_COUNTED): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most) return value as number
  throw broken(note)
}

function textOf(note: keyof Notes, value: unknown, most: number): string {
  if (typeof value === 'string' && value !== '' && value.length <= most) return value
  throw broken(note)
}

function objectOf(note: keyof Notes, value: unknown): Given {
  if (typeof value === 'object' && value !== null) return value as Given
  throw broken(note)
}

function broken(note: keyof Notes): BedplateError {
  return new BedplateError('CORRUPTION', `the note "${note}" of a node is none that a node writes`, {
    hint: 'replace the node by one with another name and an empty directory',
  })
}
