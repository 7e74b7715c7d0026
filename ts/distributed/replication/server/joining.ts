// How a node finds its cluster: it asks a member over HTTP of what cluster that is, and later to be let in. The member's side is
// members.ts.
import { BedplateError, type ErrorCode } from '../../../base/errors.ts'
import { HttpClient } from '../../../io/http-client.ts'
import { type Address, showAddress, type TlsFiles } from '../../../io/network.ts'
import { bearer } from '../../link/index.ts'
import type { NodeId } from '../../raft/index.ts'
import { MODES } from '../types.ts'
import { addressesOf, isDrawnId } from './cluster-file.ts'
import type { JoinInfo } from './types.ts'

/** Who wants to be let in. */
export interface JoinRequest {
  readonly id: NodeId
  readonly joinId: string
  /** Where the others reach it. */
  readonly address: Address
}

/** How a node comes in. */
interface Entrance {
  readonly tls?: TlsFiles | undefined
  readonly secret?: string | undefined
}

/** The path that both ends know. */
export const JOIN_PATH = '/join'
const CALL_MS = 3000
const MAX_ANSWER_BYTES = 64 * 1024

/** Asks a member of what cluster it is. @throws UNAVAILABLE if it does not answer, and whatever it refuses with */
export async function askCluster(member: Address, entrance: Entrance): Promise<JoinInfo> {
  return infoOf(member, await call(member, entrance, undefined))
}

function infoOf(member: Address, { cluster, mode, founders, members }: Record<string, unknown>): JoinInfo {
  const known = MODES.find((each) => each === mode)
  if (!isDrawnId(cluster) || known === undefined) throw notOurs(member)
  try {
    return { cluster, mode: known, founders: addressesOf(founders), members: addressesOf(members) }
  } catch {
    throw notOurs(member)
  }
}

/** Asks a member to let a node in. Twice is as good as once. @returns What the cluster is then. @throws as `askCluster` */
export async function askToJoin(member: Address, entrance: Entrance, request: JoinRequest): Promise<JoinInfo> {
  const body = JSON.stringify({ ...request, address: showAddress(request.address) })
  return infoOf(member, await call(member, entrance, body))
}

async function call(member: Address, { tls, secret = '' }: Entrance, body: string | undefined) {
  const client = new HttpClient({ tls })
  const { status, body: bytes } = await client
    .ask({
      url: `${tls === undefined ? 'http' : 'https'}://${showAddress(member)}${JOIN_PATH}`,
      ...(body === undefined ? {} : { method: 'POST', body: Buffer.from(body) }),
      ...{ headers: bearer(secret), timeoutMs: CALL_MS, maxReplyBytes: MAX_ANSWER_BYTES },
    })
    .finally(() => client.close())
  const answer = parse(Buffer.from(bytes).toString())
  if (answer === undefined) throw notOurs(member)
  if (status === 200) return answer
  const { code, message, hint } = (answer['error'] ?? {}) as Record<string, string | undefined>
  if (message === undefined) throw notOurs(member)
  const details = hint === undefined ? {} : { hint }
  throw new BedplateError((code ?? 'UNAVAILABLE') as ErrorCode, `${showAddress(member)}: ${message}`, details)
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function notOurs(member: Address): BedplateError {
  return new BedplateError('INVALID_INPUT', `${showAddress(member)} answers, and is no replicated-kv`, {
    hint: '--leader-addr is the address of any node of the cluster',
  })
}
