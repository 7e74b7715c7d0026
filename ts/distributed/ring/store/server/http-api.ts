// What a node of the partitioned store answers over HTTP: docs/systems/ring.md has the table. Any node takes any request.
import { BedplateError } from '../../../../base/errors.ts'
import { checkOptions } from '../../../../base/options.ts'
import { refuseForeignPage } from '../../../../io/foreign-page.ts'
import type { Page } from '../../../../io/http.ts'
import type { HttpRequest } from '../../../../io/http-connections.ts'
import { parseAddress } from '../../../../io/network.ts'
import { failurePage, jsonPage } from '../../../../service/json-pages.ts'
import { checkSecret } from '../../../link/index.ts'
import { type Found, hashDigits, type PartitionedNode } from '../host.ts'
import type { RingChange } from '../types.ts'

const KEYS = '/kv/'
/** Nodes that one change calls lost. */
const MAX_LOST = 1000

/** Answers a request; undefined if there is no such path. Never rejects. @param secret - Asked of everybody, unless it is ''. */
export async function answerRequest(
  node: PartitionedNode,
  request: HttpRequest,
  secret: string,
): Promise<Page | undefined> {
  try {
    checkSecret(request.headers['authorization'], secret)
    return await answer(node, request)
  } catch (error) {
    return failurePage(error)
  }
}

async function answer(node: PartitionedNode, request: HttpRequest): Promise<Page | undefined> {
  const { path } = request
  if (path.startsWith(KEYS)) return answerKey(node, request, keyOf(path.slice(KEYS.length)))
  if (path === '/change' || path === '/repair') {
    if (request.method !== 'POST') return wrongMethod(request, 'POST')
    refuseForeignPage(request.headers, 'this store')
    return jsonPage(path === '/repair' ? await node.repair() : await change(node, request.body))
  }
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  if (path !== '/status' && path !== '/ring') return undefined
  if (!isRead) return wrongMethod(request, 'GET')
  return jsonPage(path === '/status' ? node.status : ringOf(node))
}

async function answerKey(node: PartitionedNode, request: HttpRequest, key: string): Promise<Page> {
  const { query } = request
  const { record, ring } = node
  const [n, r, w] = [count(query, 'n'), count(query, 'r'), count(query, 'w')]
  const context = query.get('context') ?? undefined
  const where = {
    key,
    node: ring.nodeOf(key),
    hash: `0x${hashDigits(key)}`,
    replicas: ring.preferenceList(key, n ?? record.replicas),
    epoch: record.epoch,
  }
  switch (request.method) {
    case 'GET':
    case 'HEAD': {
      const found = await node.get(key, { n, r })
      const values = valuesOf(found, query.get('lww') === 'true')
      return jsonPage({ ...where, values, context: found.context }, values.length > 0 ? 200 : 404)
    }
    case 'PUT':
    case 'POST':
      refuseForeignPage(request.headers, 'this store')
      return jsonPage({ ...where, ...(await node.put(key, request.body, { n, w, context })) })
    case 'DELETE':
      refuseForeignPage(request.headers, 'this store')
      return jsonPage({ ...where, ...(await node.delete(key, { n, w, context })) })
    default:
      return wrongMethod(request, 'GET, PUT and DELETE')
  }
}

/** `{"kind": "add", "name": "node4", "address": "host:port"}` and so on: see `bodyOf`. */
async function change(node: PartitionedNode, body: Uint8Array): Promise<unknown> {
  const { kind, name, by, weight, address, lost = [] } = bodyOf(body)
  const where = address === undefined ? undefined : parseAddress(address)
  const options = { lost, ...(where === undefined ? {} : { where }) }
  const added = (given: string): { name: string; weight?: number } => ({
    name: given,
    ...(weight === undefined ? {} : { weight }),
  })
  const wanted = ((): RingChange | undefined => {
    if (kind === 'abort') return { kind }
    if (name === undefined) return undefined
    if (kind === 'add') return { kind, node: added(name) }
    if (kind === 'replace') return by === undefined ? undefined : { kind, name, node: added(by) }
    return kind === 'remove' || kind === 'lose' ? { kind, name } : undefined
  })()
  if (wanted === undefined) {
    throw new BedplateError('INVALID_INPUT', 'that is no change of a ring', {
      hint: '{"kind":"add","name":"node4","address":"host:port"}, or remove, lose with a name, replace with name and by, abort',
    })
  }
  return { epoch: await node.change(wanted, options) }
}

interface ChangeBody {
  readonly kind?: string
  readonly name?: string
  /** The new node of a replacement. */
  readonly by?: string
  readonly weight?: number
  readonly address?: string
  readonly lost?: readonly string[]
}

/** @throws INVALID_INPUT for what is no JSON object, for unknown names and other types. */
function bodyOf(body: Uint8Array): ChangeBody {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(body).toString())
  } catch (cause) {
    throw new BedplateError('INVALID_INPUT', '/change wants a JSON object', { cause })
  }
  const types = {
    kind: 'string',
    name: 'string',
    by: 'string',
    weight: 'number',
    address: 'string',
    lost: 'any',
  } as const
  checkOptions(value, types, '/change')
  const { lost = [] } = value as ChangeBody
  if (Array.isArray(lost) && lost.length <= MAX_LOST && lost.every((name) => typeof name === 'string'))
    return value as ChangeBody
  throw new BedplateError('INVALID_INPUT', '/change: lost must be a list of names')
}

function valuesOf({ values, last }: Found, isLastOnly: boolean): unknown[] {
  const shown = isLastOnly ? (last === undefined ? [] : [last]) : values
  return shown.map(valueAsJson)
}

/** Text as it is; what is no UTF-8 as `{"base64": "..."}`. */
function valueAsJson(value: Uint8Array): unknown {
  const bytes = Buffer.from(value)
  const text = bytes.toString()
  return Buffer.from(text).equals(bytes) ? text : { base64: bytes.toString('base64') }
}

/** What clients need to find the nodes of a key by themselves; with what the ring becomes, if it changes. */
function ringOf(node: PartitionedNode): unknown {
  const { epoch, phase, replicas, ring, next, lost } = node.record
  const { reads, writes, clusterId } = node.status
  return { clusterId, epoch, phase, replicas, reads, writes, nodes: node.addresses, ring, next, lost }
}

function keyOf(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new BedplateError('INVALID_INPUT', 'the key in the path is not encoded as URLs are', { cause })
  }
}

function count(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new BedplateError('INVALID_INPUT', `?${name} must be a whole number, got ${JSON.stringify(text.slice(0, 40))}`)
}

function wrongMethod({ path, method }: HttpRequest, known: string): Page {
  const shown = path.length > 80 ? `${path.slice(0, 80)}...` : path
  return jsonPage({ error: { code: 'INVALID_INPUT', message: `${shown} takes ${known}, not ${method}` } }, 405)
}
