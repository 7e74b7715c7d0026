// What the console shows of a cache, one server or the nodes of a cluster, and the little that it changes. NODE counts from 0.
//
//   GET   nodes                                 {nodes: [{name, address, state}], hasFaults}
//   GET   NODE/keys/DB/CURSOR/TYPE/PATTERN      {cursor, databases: [{index, keys}], keys: [{id, name, type, ttlMs, bytes}]}
//   GET   NODE/key/DB/ID                        {type, encoding, ttlMs, bytes, size, rows}
//   GET   NODE/memory/DB                        {facts: [[name, value]], keyCount, sampledCount, largest: [{id, name, type, bytes}]}
//   GET   NODE/slowlog                          {entries} or {missing: true}
//   GET   cluster                               {isCluster, state, epoch, nodes: [...]}; see cluster-view.ts
//   POST  NODE/delete    {db, id}               {deleted}
//   POST  fault          {fault, node}          {}
//
// Names and values are bytes: `id` has one character of 0 to 255 a byte, what is shown is decoded as UTF-8.
import { BedplateError } from '../../base/errors.ts'
import type { MaybePage, Page } from '../../io/http.ts'
import { failurePage, jsonOf, jsonPage } from '../../service/index.ts'
import { shorten } from '../kit/text.ts'
import { ask, askEach, type CacheNode, type CacheView, NODE_FAULTS, type Plain } from './cache-node.ts'
import { clusterView } from './cluster-view.ts'

const KEYS_PER_PAGE = 100
/** A pattern that seldom matches makes SCAN come back with little: it is asked so often for one page, and no more. */
const SCANS_PER_PAGE = 20
const SCAN_COUNT = 200
const ROWS = 50
const SHOWN_CHARACTERS = 300
/** What is read of a string. */
const STRING_BYTES = 2048
/** Keys that are drawn to find large ones, and those that are shown of them. */
const SAMPLES = 500
const LARGEST = 20
const DATABASE = /^\d{1,4}$/
const CURSOR = /^\d{1,20}$/
const TYPES: ReadonlySet<string> = new Set(['string', 'list', 'set', 'zset', 'hash', 'stream'])

/** The pages of a cache, by the path after its name. */
export function cachePages(view: CacheView): (path: string) => Promise<Page | undefined> {
  return async (path) => {
    const [first = '', what, ...rest] = path.split('/').map(decoded)
    try {
      if (first === 'nodes') return jsonPage(nodesOf(view))
      if (first === 'cluster') return jsonPage(await clusterView(view))
      const node = nodeAt(view, first)
      return node === undefined ? undefined : await nodePage(node, what, rest)
    } catch (error) {
      return failurePage(error)
    }
  }
}

/** What is asked of it by POST. */
export function cacheChanges(view: CacheView): (path: string, body: Uint8Array) => MaybePage {
  return async (path, body) => {
    const [first = '', what] = path.split('/')
    try {
      if (first === 'fault') return jsonPage(await hurt(view, jsonOf(body)))
      const node = nodeAt(view, first)
      if (node === undefined || what !== 'delete') return undefined
      const { db, id } = jsonOf(body)
      if (typeof db !== 'number' || !DATABASE.test(String(db)) || typeof id !== 'string' || !isBytes(id)) {
        throw new BedplateError('INVALID_INPUT', 'delete wants {"db": 0, "id": "key"}')
      }
      const [deleted] = await ask(node, String(db), [['DEL', id]])
      return jsonPage({ deleted })
    } catch (error) {
      return failurePage(error)
    }
  }
}

function nodesOf({ nodes, fault }: CacheView): unknown {
  return {
    nodes: nodes().map(({ name, address, state }) => ({ name, address, state })),
    hasFaults: fault !== undefined,
  }
}

function nodeAt(view: CacheView, text: string): CacheNode | undefined {
  return /^\d{1,4}$/.test(text) ? view.nodes()[Number(text)] : undefined
}

async function hurt(view: CacheView, { fault, node }: Record<string, unknown>): Promise<unknown> {
  const known = NODE_FAULTS.find((each) => each === fault)
  if (known === undefined || typeof node !== 'number' || view.nodes()[node] === undefined) {
    throw new BedplateError('INVALID_INPUT', `a fault is one of ${NODE_FAULTS.join(', ')}, of a node that there is`)
  }
  if (view.fault === undefined) throw new BedplateError('NOT_SUPPORTED', 'there is one server here, and no cluster')
  await view.fault(known, node)
  return {}
}

async function nodePage(node: CacheNode, what: string | undefined, rest: readonly string[]): Promise<Page | undefined> {
  const [db = '', second = '', third = '', fourth = ''] = rest
  const hasDatabase = DATABASE.test(db)
  if (what === 'slowlog') return jsonPage(await slowlogPage(node))
  if (!hasDatabase) return undefined
  switch (what) {
    case 'keys':
      return CURSOR.test(second)
        ? jsonPage(await keysPage(node, { db, cursor: second, type: third, pattern: fourth }))
        : undefined
    case 'key':
      return isBytes(second) ? jsonPage(await keyPage(node, db, second)) : undefined
    case 'memory':
      return jsonPage(await memoryPage(node, db))
    default:
      return undefined
  }
}

interface Search {
  readonly db: string
  readonly cursor: string
  /** '' for all. */
  readonly type: string
  readonly pattern: string
}

async function keysPage(node: CacheNode, { db, cursor, type, pattern }: Search): Promise<unknown> {
  const bytes = Buffer.from(pattern === '' ? '*' : pattern).toString('latin1')
  const ofType = TYPES.has(type) ? ['TYPE', type] : []
  const found = new Set<string>()
  let next = cursor
  for (let scans = 0; scans < SCANS_PER_PAGE && found.size < KEYS_PER_PAGE; scans++) {
    const [reply] = await ask(node, db, [['SCAN', next, 'MATCH', bytes, 'COUNT', String(SCAN_COUNT), ...ofType]])
    const [after, keys] = reply as [string, string[]]
    for (const key of keys) found.add(key)
    next = after
    if (next === '0') break
  }
  return { cursor: next, databases: await databasesOf(node), keys: await describeKeys(node, db, [...found]) }
}

async function describeKeys(node: CacheNode, db: string, ids: readonly string[]): Promise<unknown[]> {
  const questions = ids.flatMap((id) => [
    ['TYPE', id],
    ['PTTL', id],
    ['MEMORY', 'USAGE', id],
  ])
  const answers = await askEach(node, db, questions) // a key may have gone meanwhile
  return ids.flatMap((id, i) => {
    const [type, ttlMs, bytes] = answers.slice(3 * i)
    return type === 'none' ? [] : [{ id, name: shown(id), type, ttlMs: ttlMs ?? null, bytes: bytes ?? null }]
  })
}

async function databasesOf(node: CacheNode): Promise<unknown[]> {
  const [info] = await ask(node, '0', [['INFO', 'keyspace']])
  return [...String(info ?? '').matchAll(/^db(\d+):keys=(\d+)/gm)].map(([, index, keys]) => ({
    index: Number(index),
    keys: Number(keys),
  }))
}

async function keyPage(node: CacheNode, db: string, key: string): Promise<unknown> {
  const [type] = await ask(node, db, [['TYPE', key]])
  if (typeof type !== 'string' || type === 'none') return { type: 'none' }
  const { size, elements } = elementsOf(type, key)
  const [encoding, ttlMs, bytes, count, reply] = await ask(node, db, [
    ['OBJECT', 'ENCODING', key],
    ['PTTL', key],
    ['MEMORY', 'USAGE', key],
    size,
    elements,
  ])
  return {
    ...{ type, encoding: encoding ?? null, ttlMs: ttlMs ?? null, bytes: bytes ?? null, size: count ?? null },
    rows: rowsOf(type, reply),
  }
}

/** How much there is of a value, and its first elements. */
function elementsOf(type: string, key: string): { size: string[]; elements: string[] } {
  const last = String(ROWS - 1)
  switch (type) {
    case 'list':
      return { size: ['LLEN', key], elements: ['LRANGE', key, '0', last] }
    case 'set':
      return { size: ['SCARD', key], elements: ['SSCAN', key, '0', 'COUNT', last] }
    case 'hash':
      return { size: ['HLEN', key], elements: ['HSCAN', key, '0', 'COUNT', last] }
    case 'zset':
      return { size: ['ZCARD', key], elements: ['ZRANGE', key, '0', last, 'WITHSCORES'] }
    case 'stream':
      return { size: ['XLEN', key], elements: ['XRANGE', key, '-', '+', 'COUNT', String(ROWS)] }
    default:
      return { size: ['STRLEN', key], elements: ['GETRANGE', key, '0', String(STRING_BYTES - 1)] }
  }
}

/** The first elements, as rows of cells. */
function rowsOf(type: string, reply: Plain | undefined): string[][] {
  switch (type) {
    case 'string':
      return [[shown(reply, STRING_BYTES)]]
    case 'list':
      return list(reply).map((item, index) => [String(index), shown(item)])
    case 'set':
      return list(list(reply)[1]).map((item) => [shown(item)])
    case 'hash':
      return pairs(list(list(reply)[1]))
    case 'zset':
      return pairs(list(reply))
    case 'stream':
      return list(reply).map((entry) => {
        const [id, fields] = list(entry)
        return [shown(id), ...list(fields).map((field) => shown(field))]
      })
    default:
      return []
  }
}

async function memoryPage(node: CacheNode, db: string): Promise<unknown> {
  const [info, keyCount] = await ask(node, db, [['INFO', 'memory'], ['DBSIZE']])
  const facts = [...String(info ?? '').matchAll(/^([a-z_]+):(.*?)\r?$/gm)].map(([, name, value]) => [name, value])
  const draws = Array.from({ length: keyCount === 0 ? 0 : SAMPLES }, () => ['RANDOMKEY'])
  const drawn = await ask(node, db, draws)
  const ids = [...new Set(drawn.filter((id) => typeof id === 'string'))]
  const [sizes, types] = [
    await ask(
      node,
      db,
      ids.map((id) => ['MEMORY', 'USAGE', id]),
    ),
    await ask(
      node,
      db,
      ids.map((id) => ['TYPE', id]),
    ),
  ]
  const largest = ids
    .map((id, i) => ({ id, name: shown(id), type: types[i] ?? '', bytes: Number(sizes[i] ?? 0) }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, LARGEST)
  return { facts, keyCount: keyCount ?? 0, sampledCount: ids.length, largest }
}

async function slowlogPage(node: CacheNode): Promise<unknown> {
  const [entries] = await askEach(node, '0', [['SLOWLOG', 'GET', '50']])
  if (!Array.isArray(entries)) return { missing: true }
  return {
    entries: entries.map((entry) => {
      const [id, atSeconds, micros, args, client] = list(entry)
      const command = list(args).map((arg) => shown(arg))
      return { id, atSeconds, micros, command: command.join(' '), client: shown(client) }
    }),
  }
}

/** A part of a path; as it is if it was not encoded as it should be. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function list(value: Plain | undefined): Plain[] {
  return Array.isArray(value) ? value.slice(0, 2 * ROWS) : []
}

function pairs(flat: readonly Plain[]): string[][] {
  return Array.from({ length: Math.floor(flat.length / 2) }, (_, i) => [shown(flat[2 * i]), shown(flat[2 * i + 1])])
}

function shown(value: Plain | undefined, characters = SHOWN_CHARACTERS): string {
  if (typeof value !== 'string') return String(value ?? '')
  return shorten(Buffer.from(value, 'latin1').toString(), characters)
}

/** What the engine takes for a key. */
function isBytes(text: string): boolean {
  return Buffer.from(text, 'latin1').toString('latin1') === text
}
