// What `raft-node` answers over HTTP, on any member of the cluster: docs/systems/raft.md has the table.
import { BedplateError } from '../../../base/errors.ts'
import { checkOptions } from '../../../base/options.ts'
import { refuseForeignPage } from '../../../io/foreign-page.ts'
import type { Page } from '../../../io/http.ts'
import type { HttpRequest } from '../../../io/http-connections.ts'
import { type Address, parseAddress, showAddress } from '../../../io/network.ts'
import { jsonPage, statusOfError } from '../../../service/index.ts'
import type { RaftGroup, RaftHost, SessionPlace } from '../door.ts'
import { RaftError } from '../raft-error.ts'
import type { NodeId } from '../types.ts'
import { type CommandLog, numberOf } from './command-log.ts'

/** What is asked. */
export interface Node {
  readonly host: RaftHost
  readonly group: RaftGroup
  readonly log: CommandLog
}

type Json = Readonly<Record<string, unknown>>

interface Route {
  readonly method: 'GET' | 'POST'
  readonly answer: (node: Node, request: HttpRequest) => Promise<unknown>
}

/** Commands in one answer of /log. */
const MAX_LOG_COMMANDS = 1000
const MAX_LOG_BYTES = 4 * 1024 * 1024

const ROUTES: Readonly<Record<string, readonly Route[]>> = {
  '/append': [{ method: 'POST', answer: append }],
  '/session': [{ method: 'POST', answer: openSession }],
  '/get': [{ method: 'GET', answer: get }],
  '/log': [{ method: 'GET', answer: readLog }],
  '/status': [{ method: 'GET', answer: async (node) => statusOf(node) }],
  '/members': [
    { method: 'GET', answer: members },
    { method: 'POST', answer: changeMembers },
  ],
  '/transfer': [{ method: 'POST', answer: transfer }],
  '/snapshot': [{ method: 'POST', answer: snapshot }],
}

/** Answers a request; undefined if there is no such path. Never rejects. */
export async function answerRequest(node: Node, request: HttpRequest): Promise<Page | undefined> {
  const routes = ROUTES[request.path]
  if (routes === undefined) return undefined
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const route = routes.find((each) => each.method === method)
  try {
    if (route === undefined) {
      const known = routes.map((each) => each.method).join(' and ')
      return failure(new BedplateError('INVALID_INPUT', `${request.path} takes ${known}, not ${request.method}`), 405)
    }
    if (route.method === 'POST') refuseForeignPage(request.headers, 'this cluster')
    return jsonPage(await route.answer(node, request))
  } catch (error) {
    return failure(error instanceof BedplateError ? error : new BedplateError('INTERNAL', String(error)))
  }
}

async function append({ group }: Node, request: HttpRequest): Promise<Json> {
  const fields = { command: 'string', session: 'number', sequence: 'number', acknowledged: 'number' } as const
  const { command, ...place } = fieldsOf(request, fields) as { command?: string } & Partial<SessionPlace>
  if (command === undefined) throw refusal('/append wants {"command": "..."}')
  const bytes = Buffer.from(command)
  const { result } = await (isPlace(place) ? group.proposeIn(place, bytes) : group.propose(bytes))
  return { success: true, index: numberOf(result) }
}

/** @throws INVALID_INPUT for half of one */
function isPlace(place: Partial<SessionPlace>): place is SessionPlace {
  if (Object.keys(place).length === 0) return false
  if (place.session !== undefined && place.sequence !== undefined) return true
  throw refusal('a command of a session wants both "session", which /session gives, and "sequence", from 1')
}

async function openSession({ group }: Node, request: HttpRequest): Promise<Json> {
  fieldsOf(request, {})
  return { success: true, session: (await group.openSession()).id }
}

async function get({ group, log }: Node, { query }: HttpRequest): Promise<Json> {
  const key = query.get('key')
  if (key === null || key === '') throw refusal('/get wants ?key=')
  const value = await group.read(() => log.get(key), consistencyOf(query))
  if (value !== undefined) return { key, value }
  throw new BedplateError('NOT_FOUND', `there is no key ${JSON.stringify(key)}`, {
    hint: 'a command "SET key value" makes one',
  })
}

async function readLog({ group, log }: Node, { query }: HttpRequest): Promise<unknown> {
  const from = wholeNumber(query, 'from', 1)
  const limit = Math.min(wholeNumber(query, 'limit', MAX_LOG_COMMANDS), MAX_LOG_COMMANDS)
  return group.read(() => log.read(from, { limit, maxBytes: MAX_LOG_BYTES }), consistencyOf(query))
}

/** What this node knows, without asking others. */
export function statusOf({ host, group, log }: Node): Json {
  const { id, role, term, leader, commitIndex, appliedIndex, lastIndex } = group.status
  return {
    ...{ id, cluster: host.clusterId, role, term, leader: leader ?? null },
    ...{ commit: commitIndex, applied: appliedIndex, logIndex: lastIndex, index: log.count },
    ...{ connected: host.connected, failure: group.failure?.message ?? null },
  }
}

async function members({ host, group }: Node): Promise<Json> {
  const { voters, outgoing, learners } = group.status.membership
  const addresses = [...host.addresses].map(([id, address]) => [id, showAddress(address)])
  return { voters, outgoing, learners, addresses: Object.fromEntries(addresses) }
}

/** One change of one member; what a joint membership still has of an earlier one is finished by Raft. */
async function changeMembers({ group }: Node, request: HttpRequest): Promise<Json> {
  const fields = { add: 'number', promote: 'number', remove: 'number', address: 'string' } as const
  const { add, promote, remove, address } = fieldsOf(request, fields) as Record<string, number> & { address?: string }
  const given = [add, promote, remove].filter((id) => id !== undefined)
  if (given.length !== 1 || (add === undefined) !== (address === undefined)) {
    throw refusal('/members wants one of {"add": 6, "address": "host:port"}, {"promote": 6} and {"remove": 6}')
  }
  const [id = 0] = given
  const without = (ids: readonly NodeId[]): NodeId[] => ids.filter((each) => each !== id)
  const logIndex = await group.reviseMembership(({ voters, learners }) => {
    const isMember = voters.includes(id) || learners.includes(id)
    if (add === undefined && !isMember) throw refusal(`node ${id} is no member`)
    if (add !== undefined && isMember) throw refusal(`node ${id} is a member already`)
    return {
      voters: promote === undefined ? without(voters) : [...without(voters), id],
      learners: add === undefined ? without(learners) : [...learners, id],
      addresses: new Map<NodeId, Address>(address === undefined ? [] : [[id, parseAddress(address)]]),
    }
  })
  return { success: true, logIndex }
}

async function transfer({ group }: Node, request: HttpRequest): Promise<Json> {
  const { to } = fieldsOf(request, { to: 'number' })
  if (to === undefined) throw refusal('/transfer wants {"to": 2}')
  await group.transfer(to as NodeId)
  return { success: true, to }
}

async function snapshot({ group }: Node, request: HttpRequest): Promise<Json> {
  fieldsOf(request, {})
  return { success: true, logIndex: await group.snapshot() }
}

/** @throws INVALID_INPUT for what is no JSON object, and for unknown names. An empty body is an empty object. */
function fieldsOf({ path, body }: HttpRequest, fields: Readonly<Record<string, 'string' | 'number'>>): Json {
  let value: unknown
  try {
    value = body.length === 0 ? {} : JSON.parse(Buffer.from(body).toString('utf8'))
  } catch (cause) {
    throw new BedplateError('INVALID_INPUT', `${path}: the body is no JSON: ${(cause as Error).message}`, {
      cause,
      hint: `such as: curl http://localhost:8001/append -d '{"command":"SET key1 value1"}'`,
    })
  }
  checkOptions(value, fields, path)
  return value as Json
}

function consistencyOf(query: URLSearchParams): { consistency: 'linearizable' | 'stale' } {
  return { consistency: query.has('stale') ? 'stale' : 'linearizable' }
}

function wholeNumber(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name)
  if (text === null) return fallback
  const value = /^\d{1,15}$/.test(text) ? Number(text) : 0
  if (value < 1)
    throw refusal(`?${name} must be a whole number of at least 1, got ${JSON.stringify(text.slice(0, 40))}`)
  return value
}

function refusal(message: string): BedplateError {
  return new BedplateError('INVALID_INPUT', message)
}

/** An error as it is answered, with the status that fits its code unless another is given. */
export function failure(error: BedplateError, status = statusOfError(error)): Page {
  const { code, message, hint } = error
  const outcome = error instanceof RaftError ? { outcome: error.outcome } : {}
  return jsonPage({ success: false, error: { code, message, hint, ...outcome } }, status)
}
