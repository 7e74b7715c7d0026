// The state machine of a group as it is replicated: the user's, and beside it the sessions of clients and where the members are
// reached. So the address of a member that is added travels the same way as its membership, and is there after every restart.
//
//   command    u8 0 | the command of the user's state machine
//              u8 1 | addresses: u32 count; each: u53 id | u32 length, host | u32 port
//              u8 2 | a command of a session: session-codec.ts, with the command of the user's state machine inside
//   snapshot   u8 version | addresses | version 2: u32 length, sessions: session-codec.ts, with no state behind them
//              | the snapshot of the user's state machine, to the end. Version 1 where there are no sessions.

import { ByteReader, ByteWriter } from '../../base/binary.ts'
import { BedplateError } from '../../base/errors.ts'
import type { Address } from '../../io/network.ts'
import type { Addresses } from './door.ts'
import { PieceReader } from './piece-reader.ts'
import {
  decodeCommand,
  decodeSnapshot,
  encodeCommand,
  encodeResult,
  RUN_HEADER_BYTES,
  type SessionCommand,
} from './session-codec.ts'
import { SessionTable } from './sessions.ts'
import type { PiecewiseState, StateMachine } from './state-machine.ts'
import type { Entry, LogIndex, NodeId, Term } from './types.ts'

const COMMAND = 0
const ADDRESSES = 1
const SESSION = 2
const VERSION = 1
const VERSION_WITH_SESSIONS = 2
/** Equal on all members. Sessions that were used longest ago go first. */
const SESSION_LIMITS = { maxSessions: 10_000, maxResultBytes: 64 * 1024 * 1024 }
/** What the table of so many sessions can take, and more. */
const MAX_TABLE_BYTES = 512 * 1024 * 1024
const MAX_HOST_BYTES = 255
const MAX_PORT = 65_535
/** Nodes that a group has ever had; what comes later is not kept. */
const MAX_ADDRESSES = 4096
const ADDRESS_MIN_BYTES = 16
const NO_RESULT = new Uint8Array(0)

/** What is added to a command of the user, at most. */
export const WRAPPING_BYTES: number = 1 + RUN_HEADER_BYTES

/** What a command of the user becomes in the log. Copies it. */
export function wrapCommand(command: Uint8Array): Uint8Array {
  return withKind(COMMAND, command)
}

/** What a command of a session becomes in the log. Copies it. @throws INVALID_INPUT for numbers that are out of range */
export function wrapSession(command: SessionCommand): Uint8Array {
  return withKind(SESSION, encodeCommand(command))
}

/** Whether it may be proposed again while it is not known what became of it. */
export function isOfSession(command: Uint8Array): boolean {
  return command[0] === SESSION
}

function withKind(kind: number, command: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + command.length)
  bytes[0] = kind
  bytes.set(command, 1)
  return bytes
}

/** The command that makes addresses known. @throws INVALID_INPUT for an address that cannot be */
export function addressCommand(addresses: Addresses): Uint8Array {
  if (addresses.size > MAX_ADDRESSES) {
    throw new BedplateError('INVALID_INPUT', `${addresses.size} addresses at once, and ${MAX_ADDRESSES} are allowed`)
  }
  for (const [id, { host, port }] of addresses) {
    const isHost = host !== '' && Buffer.byteLength(host) <= MAX_HOST_BYTES
    if (isHost && Number.isInteger(port) && port >= 1 && port <= MAX_PORT) continue
    throw new BedplateError('INVALID_INPUT', `node ${id} cannot be reached at ${host}:${port}`, {
      hint: `a host of at most ${MAX_HOST_BYTES} bytes and a port from 1 to ${MAX_PORT} are wanted`,
    })
  }
  return putAddresses(new ByteWriter().u8(ADDRESSES), addresses).finish()
}

/** The addresses that an entry makes known; none for most. @throws CORRUPTION */
export function addressesIn(entry: Entry): Addresses | undefined {
  if (entry.kind !== 'command' || entry.command[0] !== ADDRESSES) return undefined
  const reader = new ByteReader(entry.command.subarray(1), 'command')
  const addresses = takeAddresses(reader)
  reader.end()
  return addresses
}

/** Refuses what no node proposes: in the log it would end every member. @throws CORRUPTION */
export function checkCommand(command: Uint8Array): void {
  if (command[0] === COMMAND || addressesIn({ kind: 'command', index: 0, term: 0, command }) !== undefined) return
  if (isOfSession(command) && decodeCommand(command.subarray(1)) !== undefined) return
  throw new BedplateError('CORRUPTION', 'another node proposes a command of a kind that is not known')
}

/** What a snapshot has of the group itself. */
interface Taken {
  readonly addresses: Addresses
  /** As bytes; undefined for none. */
  readonly sessions: Uint8Array | undefined
}

/** What the driver of a group sees. */
export class HostedMachine implements StateMachine {
  private readonly inner: StateMachine
  private readonly learned: (addresses: Addresses) => void
  private readonly addresses = new Map<NodeId, Address>()
  private readonly sessions = new SessionTable(SESSION_LIMITS)
  /** Of a snapshot that came in pieces and is not adopted yet. */
  private taken: Taken = { addresses: new Map(), sessions: undefined }

  /** @param learned - Is told of addresses as they become certain. */
  constructor(inner: StateMachine, learned: (addresses: Addresses) => void) {
    this.inner = inner
    this.learned = learned
  }

  /** @throws INCOMPATIBLE for a command of a later version: this node must not go on without it. */
  apply(command: Uint8Array, index: LogIndex, term: Term): Uint8Array {
    const inside = command.subarray(1)
    if (command[0] === COMMAND) return this.inner.apply(inside, index, term)
    if (command[0] === SESSION) {
      return encodeResult(this.sessions.apply(inside, index, (own) => this.inner.apply(own, index, term)))
    }
    const addresses = addressesIn({ kind: 'command', index, term: 0, command })
    if (addresses === undefined) {
      throw new BedplateError('INCOMPATIBLE', `entry ${index} is of a kind that this bedplate does not know`, {
        hint: 'update bedplate on this node',
      })
    }
    this.merge(addresses)
    return NO_RESULT
  }

  /** @throws NOT_SUPPORTED if the user's state machine has no place for what is not committed. */
  show(command: Uint8Array, index: LogIndex, term: Term): Uint8Array {
    // Addresses count as soon as they are in the log; sessions are refused where entries are shown.
    if (command[0] !== COMMAND) return NO_RESULT
    if (this.inner.show === undefined) throw showsNothing('show')
    return this.inner.show(command.subarray(1), index, term)
  }

  /** @throws NOT_SUPPORTED */
  hide(from: LogIndex): void {
    if (this.inner.hide === undefined) throw showsNothing('hide')
    this.inner.hide(from)
  }

  /** Of the user's state machine, if it has any; what is not the user's comes before its first piece. */
  get pieces(): PiecewiseState | undefined {
    const inner = this.inner.pieces
    if (inner === undefined) return undefined
    return {
      snapshot: () => {
        const head = this.head().finish()
        const { pieces, close } = inner.snapshot()
        return { pieces: chained(head, pieces), close }
      },
      take: async (pieces, index) => {
        const reader = new PieceReader(pieces, 'snapshot')
        const version = await reader.u8()
        checkVersion(version)
        const addresses = await takeAddressPieces(reader)
        const sessions = version === VERSION ? undefined : await reader.blob(MAX_TABLE_BYTES)
        if (sessions !== undefined) checkSessions(sessions)
        await inner.take(reader.rest(), index)
        this.taken = { addresses, sessions }
      },
      adopt: () => {
        this.begin(this.taken)
        inner.adopt()
      },
    }
  }

  /** @throws NOT_SUPPORTED if the user's state machine has none */
  snapshot(): Uint8Array {
    if (this.inner.snapshot === undefined) throw hasNoSnapshots()
    return this.head().raw(this.inner.snapshot()).finish()
  }

  /** @throws CORRUPTION, INCOMPATIBLE */
  restore(snapshot: Uint8Array, index: LogIndex): void {
    const reader = new ByteReader(snapshot, 'snapshot')
    const version = reader.u8()
    checkVersion(version)
    if (this.inner.restore === undefined) throw hasNoSnapshots()
    const addresses = takeAddresses(reader)
    const sessions = version === VERSION ? undefined : reader.blob(MAX_TABLE_BYTES)
    if (sessions !== undefined) checkSessions(sessions)
    this.begin({ addresses, sessions })
    this.inner.restore(reader.rest(), index)
  }

  /** What a snapshot has before the user's state. */
  private head(): ByteWriter {
    const hasSessions = this.sessions.sessionCount > 0
    const writer = new ByteWriter().u8(hasSessions ? VERSION_WITH_SESSIONS : VERSION)
    putAddresses(writer, this.addresses)
    return hasSessions ? writer.blob(this.sessions.snapshot(new Uint8Array(0))) : writer
  }

  private begin({ addresses, sessions }: Taken): void {
    this.addresses.clear()
    this.merge(addresses)
    if (sessions === undefined) this.sessions.forgetAll()
    else this.sessions.restore(sessions)
  }

  private merge(addresses: Addresses): void {
    for (const [id, address] of addresses) {
      const isKept = this.addresses.has(id) || this.addresses.size < MAX_ADDRESSES
      if (isKept) this.addresses.set(id, address)
    }
    if (addresses.size > 0) this.learned(addresses)
  }
}

/** What a state machine is told that has neither snapshots in one piece nor in several. */
export function hasNoSnapshots(): BedplateError {
  return new BedplateError('NOT_SUPPORTED', 'the state machine gives and takes no snapshots', {
    hint: 'implement snapshot and restore, or pieces',
  })
}

/** What a state machine is told that must show entries and cannot. */
export function showsNothing(method: 'show' | 'hide'): BedplateError {
  return new BedplateError(
    'NOT_SUPPORTED',
    `the state machine has no ${method}, and the engine shows what is not committed`,
    {
      hint: 'implement show and hide, or take an engine that applies committed entries only',
    },
  )
}

function putAddresses(writer: ByteWriter, addresses: Addresses): ByteWriter {
  return writer.list([...addresses], ([id, { host, port }]) => writer.u53(id).text(host).u32(port))
}

function takeAddresses(reader: ByteReader): Addresses {
  const pairs = reader.list({ most: MAX_ADDRESSES, itemBytes: ADDRESS_MIN_BYTES }, () => {
    return checkedAddress(reader, { id: reader.u53(), host: reader.text(MAX_HOST_BYTES), port: reader.u32() })
  })
  return new Map(pairs)
}

async function takeAddressPieces(reader: PieceReader): Promise<Addresses> {
  const pairs = await reader.list(MAX_ADDRESSES, async () => {
    const id = await reader.u53()
    const host = await reader.text(MAX_HOST_BYTES)
    return checkedAddress(reader, { id, host, port: await reader.u32() })
  })
  return new Map(pairs)
}

function checkedAddress(
  reader: Pick<ByteReader, 'corrupt'>,
  { id, host, port }: { id: NodeId; host: string; port: number },
): [NodeId, Address] {
  if (id < 1 || host === '' || port < 1 || port > MAX_PORT) throw reader.corrupt('has an address that cannot be')
  return [id, { host, port }]
}

/** @throws CORRUPTION */
function checkSessions(bytes: Uint8Array): void {
  if (decodeSnapshot(bytes, SESSION_LIMITS.maxSessions).state.length === 0) return
  throw new BedplateError('CORRUPTION', 'the snapshot has something behind its sessions')
}

function checkVersion(version: number): void {
  if (version === VERSION || version === VERSION_WITH_SESSIONS) return
  throw new BedplateError(
    'INCOMPATIBLE',
    `a snapshot has version ${version}, and ${VERSION_WITH_SESSIONS} is the last that is known`,
    { hint: 'update bedplate' },
  )
}

function* chained(head: Uint8Array, pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  yield head
  yield* pieces
}
