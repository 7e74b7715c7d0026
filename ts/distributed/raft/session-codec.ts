// Commands of sessions, and the table of sessions in a snapshot. Whole numbers are little-endian.
//
//   command   offset size
//             0      1     1: opens a session; nothing follows
//                          2: runs a command of a session
//             1      8     the session: a whole number below 2^53
//             9      4     sequence: from 1, rises by 1 with each command of the session
//             13     4     the client has the results of all commands up to this one, which is below `sequence`
//             17     ...   the command of the state machine
//
//   result    0      1     0 opened | 1 done | 2 expired | 3 forgotten | 4 too many results | 5 malformed
//             1      ...   opened: 8, the session; done: the result of the state machine
//
//   snapshot  0      4     "BPS1"
//             4      4     sessions, those that were used longest ago first; each:
//                            8 session, 4 acknowledged, 4 results; each: 4 sequence, 4 length, bytes
//             ...          the snapshot of the state machine, to the end
import { ByteReader, ByteWriter } from '../../base/binary.ts'
import { BedplateError } from '../../base/errors.ts'

/** A client's request, as it is proposed and logged. */
export type SessionCommand =
  | { readonly kind: 'open' }
  | {
      readonly kind: 'run'
      readonly session: number
      readonly sequence: number
      readonly acknowledged: number
      /** A view of the bytes it was decoded from. */
      readonly command: Uint8Array
    }

/** What became of a command. The same on every replica. */
export type SessionResult =
  | { readonly kind: 'opened'; readonly session: number }
  /** The result of the one time that the command was executed. */
  | { readonly kind: 'done'; readonly result: Uint8Array }
  /** The session is not known: it was not used for long, or never opened. Whether the command was executed is not known either. */
  | { readonly kind: 'expired' }
  /** The client does not want the result: if the command was executed it is kept no longer, and if not it never will be. */
  | { readonly kind: 'forgotten' }
  /** The client must first acknowledge results, which are too many or too large; the command was not executed. */
  | { readonly kind: 'too many results' }
  | { readonly kind: 'malformed' }

/** What a snapshot keeps of one session. */
export interface SessionRecord {
  readonly session: number
  readonly acknowledged: number
  readonly results: ReadonlyMap<number, Uint8Array>
}

/** What a session adds to a command. */
export const RUN_HEADER_BYTES = 17
/** Commands of one session whose results the client has not acknowledged. */
export const MAX_RESULTS = 1024
/** And their bytes: when there are so many, the client must acknowledge before it goes on. One result may be larger. */
export const MAX_RESULT_BYTES: number = 1024 * 1024

const RESULTS = ['opened', 'done', 'expired', 'forgotten', 'too many results', 'malformed'] as const

const OPEN = 1
const RUN = 2
const MAGIC = 0x31535042
const WORD = 2 ** 32
const MAX_SEQUENCE = WORD - 1
const SESSION_HEADER_BYTES = 16
const RESULT_HEADER_BYTES = 8

/** @throws INVALID_INPUT for numbers that are out of range. */
export function encodeCommand(command: SessionCommand): Uint8Array {
  if (command.kind === 'open') return Uint8Array.of(OPEN)
  const { session, sequence, acknowledged } = command
  if (!isSession(session) || !isSequence(sequence) || acknowledged < 0 || acknowledged >= sequence) {
    throw new BedplateError(
      'INVALID_INPUT',
      `a command of a session needs a session, a sequence from 1 and less acknowledged, not ${session}, ${sequence}, ${acknowledged}`,
    )
  }
  const bytes = new Uint8Array(RUN_HEADER_BYTES + command.command.length)
  const view = new DataView(bytes.buffer)
  bytes[0] = RUN
  putSession(view, 1, session)
  view.setUint32(9, sequence, true)
  view.setUint32(13, acknowledged, true)
  bytes.set(command.command, RUN_HEADER_BYTES)
  return bytes
}

/** @returns undefined for bytes that are no command. */
export function decodeCommand(bytes: Uint8Array): SessionCommand | undefined {
  if (bytes.length === 1 && bytes[0] === OPEN) return { kind: 'open' }
  if (bytes.length < RUN_HEADER_BYTES || bytes[0] !== RUN) return undefined
  const view = viewOf(bytes)
  const session = getSession(view, 1)
  const sequence = view.getUint32(9, true)
  const acknowledged = view.getUint32(13, true)
  if (!isSession(session) || !isSequence(sequence) || acknowledged >= sequence) return undefined
  return { kind: 'run', session, sequence, acknowledged, command: bytes.subarray(RUN_HEADER_BYTES) }
}

/** A result as it is answered to the member that asks. */
export function encodeResult(result: SessionResult): Uint8Array {
  const writer = new ByteWriter().u8(RESULTS.indexOf(result.kind))
  if (result.kind === 'opened') writer.u53(result.session)
  if (result.kind === 'done') writer.raw(result.result)
  return writer.finish()
}

/** A result of the machine is a view of the bytes. @throws CORRUPTION */
export function decodeResult(bytes: Uint8Array): SessionResult {
  const reader = new ByteReader(bytes, 'result of a session')
  const kind = RESULTS[reader.choice(RESULTS.length)] as (typeof RESULTS)[number]
  if (kind === 'done') return { kind, result: reader.rest() }
  const result: SessionResult = kind === 'opened' ? { kind, session: reader.u53() } : { kind }
  reader.end()
  return result
}

export function encodeSnapshot(sessions: readonly SessionRecord[], state: Uint8Array): Uint8Array {
  let size = 8 + state.length
  for (const { results } of sessions) {
    size += SESSION_HEADER_BYTES
    for (const result of results.values()) size += RESULT_HEADER_BYTES + result.length
  }
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, sessions.length, true)
  let at = 8
  for (const { session, acknowledged, results } of sessions) {
    putSession(view, at, session)
    view.setUint32(at + 8, acknowledged, true)
    view.setUint32(at + 12, results.size, true)
    at += SESSION_HEADER_BYTES
    for (const [sequence, result] of results) {
      view.setUint32(at, sequence, true)
      view.setUint32(at + 4, result.length, true)
      bytes.set(result, at + RESULT_HEADER_BYTES)
      at += RESULT_HEADER_BYTES + result.length
    }
  }
  bytes.set(state, at)
  return bytes
}

/**
 * Reads a snapshot; results and state are views of `bytes`.
 * @param maxSessions - More are refused.
 * @throws CORRUPTION for bytes that no replica of this configuration has written.
 */
export function decodeSnapshot(
  bytes: Uint8Array,
  maxSessions: number,
): { sessions: Map<number, SessionRecord>; state: Uint8Array } {
  const view = viewOf(bytes)
  const need = (at: number, count: number): void => {
    if (count > bytes.length - at) throw corrupt(at, `${count} bytes are missing`)
  }
  need(0, 8)
  if (view.getUint32(0, true) !== MAGIC) throw corrupt(0, 'it does not begin like one')
  const count = view.getUint32(4, true)
  if (count > maxSessions) throw corrupt(4, `it has ${count} sessions, and ${maxSessions} are allowed`)
  const sessions = new Map<number, SessionRecord>()
  let at = 8
  for (let i = 0; i < count; i++) {
    need(at, SESSION_HEADER_BYTES)
    const session = getSession(view, at)
    const acknowledged = view.getUint32(at + 8, true)
    const resultCount = view.getUint32(at + 12, true)
    if (!isSession(session) || sessions.has(session) || resultCount > MAX_RESULTS) {
      throw corrupt(at, `session ${session} with ${resultCount} results cannot be`)
    }
    at += SESSION_HEADER_BYTES
    const results = new Map<number, Uint8Array>()
    for (let j = 0; j < resultCount; j++) {
      need(at, RESULT_HEADER_BYTES)
      const sequence = view.getUint32(at, true)
      const length = view.getUint32(at + 4, true)
      if (sequence <= acknowledged || results.has(sequence)) throw corrupt(at, `result ${sequence} cannot be`)
      need(at + RESULT_HEADER_BYTES, length)
      at += RESULT_HEADER_BYTES + length
      results.set(sequence, bytes.subarray(at - length, at))
    }
    sessions.set(session, { session, acknowledged, results })
  }
  return { sessions, state: bytes.subarray(at) }
}

function isSession(session: number): boolean {
  return Number.isSafeInteger(session) && session >= 1
}

function isSequence(sequence: number): boolean {
  return Number.isInteger(sequence) && sequence >= 1 && sequence <= MAX_SEQUENCE
}

function putSession(view: DataView, at: number, session: number): void {
  view.setUint32(at, session % WORD, true)
  view.setUint32(at + 4, Math.floor(session / WORD), true)
}

function getSession(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * WORD
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function corrupt(offset: number, what: string): BedplateError {
  return new BedplateError('CORRUPTION', `snapshot of sessions, offset ${offset}: ${what}`)
}
