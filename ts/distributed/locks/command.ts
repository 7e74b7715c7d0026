// What changes the state, as values and as bytes: a command is what Raft replicates, its result what every replica gives.
import { BedplateError } from '../../base/errors.ts'
import {
  CompactionRequest,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  TxnRequest,
  TxnResponse,
} from '../../wire/etcd/messages.ts'
import { bool, type Decoded, id64, int64, list, message, nested, text, uid64, uint } from '../../wire/etcd/protobuf.ts'
import { AuthCommand } from './auth/command.ts'
import { Refusal } from './errors.ts'

const Grant = message({ id: id64(1), ttlSeconds: int64(2) })
/** With a term, the end of a lease by the clock of that term's leader: void in the log of another. */
const Revoke = message({ id: id64(1), term: uint(2) })
const SetAlarm = message({ alarm: uint(1), isOn: bool(2) })
/** What clients and other members are told of one; `wantsVote`: it is a learner only until it has the log. */
export const MemberRecord = message({ id: uid64(1), name: text(2), clientUrls: list(text(3)), wantsVote: bool(4) })
/** What clients and other members are told of one. */
export type MemberRecord = Decoded<typeof MemberRecord>
/** Somebody has logged in: a token that all members take. */
const Login = message({ user: text(1), token: text(2) })
/** A client, if it has to log in; without a token, `user` is empty. */
const From = message({ user: text(1) })

/** A command: exactly one of the fields is there, beside `authRevision` and `from`. */
export const Command = message({
  put: nested(1, () => PutRequest),
  deleteRange: nested(2, () => DeleteRangeRequest),
  txn: nested(3, () => TxnRequest),
  compact: nested(4, () => CompactionRequest),
  grant: nested(5, () => Grant),
  revoke: nested(6, () => Revoke),
  alarm: nested(7, () => SetAlarm),
  auth: nested(8, () => AuthCommand),
  /** The number of changes to users under which the caller was let through; 0 if nobody else can change them. */
  authRevision: uint(9),
  member: nested(10, () => MemberRecord),
  login: nested(11, () => Login),
  /** A member comes into being under this id; refused if there is, or was, one. */
  newMember: nested(12, () => MemberRecord),
  /** Who must be allowed to do it when it is applied. */
  from: nested(13, () => From),
})
/** A command: exactly one of the fields is there, beside `authRevision` and `from`. */
export type Command = Partial<Omit<Decoded<typeof Command>, 'revoke'>> & {
  readonly revoke?: { readonly id: bigint; readonly term?: number | undefined } | undefined
}

const Failure = message({ status: uint(1), text: text(2) })

/** What came of a command. A refusal is a result, too. */
export const Result = message({
  failure: nested(1, () => Failure),
  /** The main revision after it. */
  revision: int64(2),
  put: nested(3, () => PutResponse),
  deleteRange: nested(4, () => DeleteRangeResponse),
  txn: nested(5, () => TxnResponse),
  grant: nested(6, () => Grant),
})
/** What came of a command that was not refused. */
export type Result = Omit<Decoded<typeof Result>, 'failure'>

/** Makes a refusal a result. */
export function failed({ status, message: reason }: Refusal, revision: number): Uint8Array {
  return Result.encode({ failure: { status, text: reason }, revision })
}

/** The result that was made of it. @throws Refusal if that was one */
export function outcomeOf(bytes: Uint8Array): Result {
  const { failure, ...result } = Result.decode(bytes)
  if (failure !== undefined) throw new Refusal(failure.status, failure.text)
  return result
}

/** The command that the bytes of a log entry are. @throws CORRUPTION if they are none: every replica stops there */
export function decodeCommand(bytes: Uint8Array): Command {
  try {
    return Command.decode(bytes)
  } catch (cause) {
    throw new BedplateError('CORRUPTION', 'an entry of the log is no command of the lock service', { cause })
  }
}
