// What a replica answers over HTTP, on any member of the cluster: docs/systems/replication.md has the table.
import { BedplateError } from '../../../base/errors.ts'
import { decodeUtf8 } from '../../../base/utf8.ts'
import { refuseForeignPage } from '../../../io/foreign-page.ts'
import type { Page } from '../../../io/http.ts'
import type { HttpRequest } from '../../../io/http-connections.ts'
import { parseAddress } from '../../../io/network.ts'
import { jsonPage, statusOfError } from '../../../service/index.ts'
import { checkSecret } from '../../link/index.ts'
import { RaftError } from '../../raft/index.ts'
import { isDrawnId } from './cluster-file.ts'
import { JOIN_PATH } from './joining.ts'
import type { KeyRange } from './records.ts'
import type { Replica } from './replica.ts'
import { describeStatus } from './status.ts'
import { CONSISTENCIES, type ReadOptions } from './types.ts'
import type { Write } from './write-list.ts'

interface Route {
  readonly methods: readonly string[]
  /** Pages of other origins may not ask for it, by whatever method. */
  readonly isChange: boolean
  readonly answer: (replica: Replica, request: HttpRequest) => Promise<Page>
}

/** Carries what a write or a read has seen. */
const SESSION_HEADER = 'bedplate-session'
const TEXT = 'text/plain; charset=utf-8'
const JSON_TYPE = 'application/json'
const DEFAULT_RANGE_LIMIT = 1000

const ROUTES: Readonly<Record<string, Route>> = {
  '/set': { methods: ['GET', 'POST', 'PUT'], isChange: true, answer: set },
  '/delete': { methods: ['GET', 'POST', 'DELETE'], isChange: true, answer: remove },
  '/batch': { methods: ['POST'], isChange: true, answer: batch },
  '/get': { methods: ['GET'], isChange: false, answer: get },
  '/range': { methods: ['GET'], isChange: false, answer: range },
  '/status': { methods: ['GET'], isChange: false, answer: async (replica) => jsonPage(describeStatus(replica)) },
  '/members': { methods: ['GET', 'POST'], isChange: true, answer: members },
  '/promote': { methods: ['POST'], isChange: true, answer: promote },
  [JOIN_PATH]: { methods: ['GET', 'POST'], isChange: true, answer: join },
}

/** Answers a request; undefined if there is no such path. Never rejects. @param secret - Asked of everybody, unless it is ''. */
export async function answerRequest(replica: Replica, request: HttpRequest, secret: string): Promise<Page | undefined> {
  const route = ROUTES[request.path]
  if (route === undefined) return undefined
  try {
    checkSecret(request.headers['authorization'], secret)
    if (!route.methods.includes(request.method === 'HEAD' ? 'GET' : request.method)) {
      const known = route.methods.join(', ')
      return failure(
        request,
        new BedplateError('INVALID_INPUT', `${request.path} takes ${known}, not ${request.method}`),
        405,
      )
    }
    if (route.isChange) refuseForeignPage(request.headers, 'this cluster')
    return await route.answer(replica, request)
  } catch (error) {
    return failure(request, error)
  }
}

// ---- Keys and values

async function set(replica: Replica, request: HttpRequest): Promise<Page> {
  const key = keyOf(request)
  const given = request.query.get('value')
  const hasBody = request.body.length > 0 || request.method === 'PUT'
  if (given === null && !hasBody) {
    throw new BedplateError('INVALID_INPUT', '/set wants a value: ?key=...&value=..., or the body of a POST', {
      hint: 'a shell cuts an unquoted URL at the &: quote it, as in curl "http://localhost:8001/set?key=user:1&value=Alice"',
    })
  }
  if (given !== null && hasBody) throw refusal('/set wants one value, in the URL or as the body')
  const { session } = await replica.write([{ key, value: given === null ? request.body : Buffer.from(given) }])
  return done(request, session)
}

async function remove(replica: Replica, request: HttpRequest): Promise<Page> {
  const { session } = await replica.write([{ key: keyOf(request), value: undefined }])
  return done(request, session)
}

/** `[["user:1","Alice"],["user:2",null]]`: all of it or nothing. */
async function batch(replica: Replica, request: HttpRequest): Promise<Page> {
  const value = parseBody(request)
  const isFit = Array.isArray(value) && value.length > 0 && value.every(isPair)
  if (!isFit) throw refusal('/batch wants [["key","value"],["key to delete",null]]')
  const writes = (value as [string, string | null][]).map(([key, text]): Write => {
    return { key: Buffer.from(key), value: text === null ? undefined : Buffer.from(text) }
  })
  const { session } = await replica.write(writes)
  return done(request, session)
}

function isPair(value: unknown): value is [string, string | null] {
  if (!Array.isArray(value) || value.length !== 2) return false
  const [key, text] = value as unknown[]
  return typeof key === 'string' && (text === null || typeof text === 'string')
}

async function get(replica: Replica, request: HttpRequest): Promise<Page> {
  const key = keyOf(request)
  const { value, session } = await replica.get(key, readOptionsOf(request))
  const headers = { [SESSION_HEADER]: session }
  if (value === undefined) {
    const missing = new BedplateError('NOT_FOUND', `there is no key ${JSON.stringify(request.query.get('key'))}`)
    return { ...failure(request, missing), headers }
  }
  if (wantsJson(request)) {
    const name = request.query.get('key')
    return { ...jsonPage({ key: name, value: Buffer.from(value).toString(), session }), headers }
  }
  if (request.query.has('raw')) return { status: 200, type: 'application/octet-stream', body: value, headers }
  return { status: 200, type: TEXT, body: Buffer.concat([value, Buffer.from('\n')]), headers }
}

async function range(replica: Replica, request: HttpRequest): Promise<Page> {
  const { query } = request
  const limit = wholeNumber(query, 'limit') ?? DEFAULT_RANGE_LIMIT
  const { entries, isCut, session } = await replica.range(rangeOf(query), { ...readOptionsOf(request), limit })
  const headers = { [SESSION_HEADER]: session }
  const texts = entries.map((entry) => entry.map((bytes) => Buffer.from(bytes).toString()) as [string, string])
  if (wantsJson(request)) {
    const shown = texts.map(([key, value]) => ({ key, value }))
    const last = isCut ? entries.at(-1) : undefined
    return { ...jsonPage({ entries: shown, next: last && nextOf(last[0]), session }), headers }
  }
  return { status: 200, type: TEXT, body: texts.map(([key, value]) => `${key}\t${value}\n`).join(''), headers }
}

/** Where the next page goes on. @throws NOT_SUPPORTED: a key of Redis's protocol may be any bytes, and as text it would be another one */
function nextOf(key: Uint8Array): string {
  const text = decodeUtf8(key)
  if (text !== undefined) return text
  throw new BedplateError('NOT_SUPPORTED', 'the last key of the page is no UTF-8, and no page could go on behind it', {
    hint: 'ask with another limit',
  })
}

function rangeOf(query: URLSearchParams): KeyRange {
  const given = (['gt', 'gte', 'lt', 'lte', 'prefix'] as const).filter((name) => query.has(name))
  const lower = given.filter((name) => name === 'gt' || name === 'gte').length
  const upper = given.filter((name) => name === 'lt' || name === 'lte').length
  if (lower > 1 || upper > 1 || (given.includes('prefix') && given.length > 1)) {
    throw refusal('/range takes one of gt and gte, one of lt and lte, or prefix alone')
  }
  return Object.fromEntries(given.map((name) => [name, Buffer.from(query.get(name) ?? '')]))
}

// ---- The cluster

async function members(replica: Replica, request: HttpRequest): Promise<Page> {
  if (request.method === 'POST') {
    const { remove: id } = fieldsOf(request)
    if (!isId(id)) throw refusal('/members wants {"remove": 3}; a node is added by starting it with --follower')
    await replica.members.remove(id)
  }
  return jsonPage({ members: replica.members.list() })
}

async function promote(replica: Replica, request: HttpRequest): Promise<Page> {
  const id = wholeNumber(request.query, 'to') ?? replica.id
  await replica.promote(id)
  return wantsJson(request) ? jsonPage({ ok: true, leader: id }) : { status: 200, type: TEXT, body: 'OK\n' }
}

async function join(replica: Replica, request: HttpRequest): Promise<Page> {
  if (request.method === 'POST') {
    const { id, joinId, address } = fieldsOf(request)
    if (!isId(id) || !isDrawnId(joinId) || typeof address !== 'string') {
      throw refusal(`${JOIN_PATH} is for nodes: replicated-kv --follower --leader-addr=host:port asks it`)
    }
    await replica.members.admit({ id, joinId, address: parseAddress(address) })
  }
  const { cluster, mode, founders, members } = replica.joinInfo
  return jsonPage({ cluster, mode, founders: Object.fromEntries(founders), members: Object.fromEntries(members) })
}

// ---- What is asked, and how it is answered

function keyOf({ path, query }: HttpRequest): Uint8Array {
  const key = query.get('key')
  if (key === null || key === '') throw refusal(`${path} wants ?key=`)
  return Buffer.from(key)
}

function readOptionsOf({ query, headers }: HttpRequest): ReadOptions {
  const named = query.get('consistency')
  const consistency = CONSISTENCIES.find((each) => each === named)
  if (named !== null && consistency === undefined) {
    throw refusal(`?consistency is ${CONSISTENCIES.join(', ')}, not ${JSON.stringify(named.slice(0, 40))}`)
  }
  const header = headers[SESSION_HEADER]
  const session = query.get('session') ?? (typeof header === 'string' ? header : undefined)
  const maxStalenessMs = wholeNumber(query, 'max-staleness-ms', 0)
  return { consistency, session, maxStalenessMs }
}

function fieldsOf(request: HttpRequest): Readonly<Record<string, unknown>> {
  const value = parseBody(request)
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function parseBody({ path, body }: HttpRequest): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8'))
  } catch (cause) {
    throw new BedplateError('INVALID_INPUT', `${path}: the body is no JSON: ${(cause as Error).message}`, { cause })
  }
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

function wholeNumber(query: URLSearchParams, name: string, least = 1): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least) return value
  throw refusal(`?${name} must be a whole number of at least ${least}, got ${JSON.stringify(text.slice(0, 40))}`)
}

function wantsJson({ query, headers }: HttpRequest): boolean {
  return query.has('json') || String(headers['accept'] ?? '').includes(JSON_TYPE)
}

function done(request: HttpRequest, session: string): Page {
  const headers = { [SESSION_HEADER]: session }
  if (wantsJson(request)) return { ...jsonPage({ ok: true, session }), headers }
  return { status: 200, type: TEXT, body: 'OK\n', headers }
}

function refusal(message: string): BedplateError {
  return new BedplateError('INVALID_INPUT', message)
}

/** An error as it is answered: in words, or to programs as JSON. */
export function failure(request: HttpRequest, error: unknown, status?: number): Page {
  const known = error instanceof BedplateError ? error : new BedplateError('INTERNAL', String(error))
  const { code, message, hint } = known
  const outcome = error instanceof RaftError ? { outcome: error.outcome } : {}
  const shown = status ?? statusOfError(known)
  if (wantsJson(request) || request.path === JOIN_PATH) {
    return jsonPage({ ok: false, error: { code, message, hint, ...outcome } }, shown)
  }
  const advice = hint === undefined ? '' : `hint: ${hint}\n`
  return { status: shown, type: TEXT, body: `error: ${message}\n${advice}` }
}
