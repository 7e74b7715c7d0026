// What the console shows of a cache: keys by pattern, one key, and its slow log. It only reads.
//
//   keys/CURSOR/PATTERN   {cursor, keys: [{id, name}]}      a page of SCAN
//   key/ID                {type, encoding, ttlMs, bytes, rows}
//   slowlog               {entries} or {missing: true}
//
// Names and values are bytes: `id` has one character of 0 to 255 a byte, what is shown is decoded as UTF-8.
import type { Page } from '../../../io/http.ts'
import { type Reply, ReplyDecoder } from '../../../wire/resp/index.ts'
import { shorten } from '../../kit/text.ts'

type Plain = string | number | null | Plain[]

const KEYS_PER_PAGE = 100
const ROWS = 50
const SHOWN_CHARACTERS = 300
/** What is read of a string. */
const STRING_BYTES = 2048

/** @param execute - Runs a command and gives the bytes of the reply. */
export function cachePages(execute: (args: readonly string[]) => Uint8Array): (path: string) => Page | undefined {
  const run = (...args: string[]): Plain | undefined => {
    const decoder = new ReplyDecoder()
    decoder.push(execute(args))
    return plainOf(decoder.next())
  }
  return (path) => {
    const [what, first = '', second = ''] = path.split('/').map(decoded)
    switch (what) {
      case 'keys':
        return /^\d{1,20}$/.test(first) ? json(keysPage(run, first, second)) : undefined
      case 'key':
        return isBytes(first) ? json(keyPage(run, first)) : undefined
      case 'slowlog':
        return json(slowlogPage(run))
      default:
        return undefined
    }
  }
}

type Run = (...args: string[]) => Plain | undefined

function keysPage(run: Run, cursor: string, pattern: string): unknown {
  const bytes = Buffer.from(pattern === '' ? '*' : pattern).toString('latin1')
  const reply = run('SCAN', cursor, 'MATCH', bytes, 'COUNT', String(KEYS_PER_PAGE))
  if (!Array.isArray(reply)) return { cursor: '0', keys: [] }
  const [next, keys] = reply as [string, string[]]
  return { cursor: next, keys: keys.map((id) => ({ id, name: shown(id) })) }
}

function keyPage(run: Run, key: string): unknown {
  const type = run('TYPE', key)
  if (typeof type !== 'string' || type === 'none') return { type: 'none' }
  return {
    type,
    encoding: run('OBJECT', 'ENCODING', key) ?? null,
    ttlMs: run('PTTL', key) ?? null,
    bytes: run('MEMORY', 'USAGE', key) ?? null,
    rows: rowsOf(run, type, key),
  }
}

/** The first elements, as rows of cells. */
function rowsOf(run: Run, type: string, key: string): string[][] {
  const last = String(ROWS - 1)
  switch (type) {
    case 'string':
      return [[shown(run('GETRANGE', key, '0', String(STRING_BYTES - 1)))]]
    case 'list':
      return list(run('LRANGE', key, '0', last)).map((item, index) => [String(index), shown(item)])
    case 'set':
      return list(list(run('SSCAN', key, '0', 'COUNT', last))[1]).map((item) => [shown(item)])
    case 'hash':
      return pairs(list(list(run('HSCAN', key, '0', 'COUNT', last))[1]))
    case 'zset':
      return pairs(list(run('ZRANGE', key, '0', last, 'WITHSCORES')))
    case 'stream':
      return list(run('XRANGE', key, '-', '+', 'COUNT', String(ROWS))).map((entry) => {
        const [id, fields] = list(entry)
        return [shown(id), ...list(fields).map(shown)]
      })
    default:
      return []
  }
}

function slowlogPage(run: Run): unknown {
  const entries = run('SLOWLOG', 'GET', '20')
  if (!Array.isArray(entries)) return { missing: true }
  return {
    entries: entries.map((entry) => {
      const [id, atSeconds, micros, args] = list(entry)
      return { id, atSeconds, micros, command: list(args).map(shown).join(' ') }
    }),
  }
}

function list(value: Plain | undefined): Plain[] {
  return Array.isArray(value) ? value.slice(0, 2 * ROWS) : []
}

function pairs(flat: readonly Plain[]): string[][] {
  return Array.from({ length: Math.floor(flat.length / 2) }, (_, i) => [shown(flat[2 * i]), shown(flat[2 * i + 1])])
}

function shown(value: Plain | undefined): string {
  if (typeof value !== 'string') return String(value ?? '')
  return shorten(Buffer.from(value, 'latin1').toString(), SHOWN_CHARACTERS)
}

/** Undefined for errors: what a command does not know, the console does not show. */
function plainOf(reply: Reply | undefined): Plain | undefined {
  switch (reply?.kind) {
    case 'simple':
    case 'bulk':
      return reply.text
    case 'integer':
      return Number(reply.value)
    case 'null':
      return null
    case 'array':
      return reply.items.map((item) => plainOf(item) ?? null)
    default:
      return undefined
  }
}

/** What the engine takes for a key. */
function isBytes(text: string): boolean {
  return Buffer.from(text, 'latin1').toString('latin1') === text
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function json(value: unknown): Page {
  return { status: 200, type: 'application/json', body: `${JSON.stringify(value)}\n` }
}
