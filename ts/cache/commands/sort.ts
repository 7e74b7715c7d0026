// SORT key [BY pattern] [LIMIT offset count] [GET pattern]... [ASC | DESC] [ALPHA] [STORE destination]
import type { Database } from '../keyspace/database.ts'
import { List } from '../keyspace/list.ts'
import { scanDouble } from '../keyspace/numbers.ts'
import { isString, textOf, type Value } from '../keyspace/values.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR, WRONG_TYPE } from './errors.ts'
import { mayReadEverything } from './rights.ts'

export const SORT_COMMANDS: Handlers = {
  sort: (call, args) => sort(call, args, false),
  sort_ro: (call, args) => sort(call, args, true),
}

/** More results in one reply would only fill the memory. */
const MAX_OUTPUT = 2 ** 26

interface SortOptions {
  isDescending: boolean
  isAlphabetic: boolean
  offset: number
  limit: number
  by: string | undefined
  destination: string | undefined
  readonly gets: string[]
}

interface Weighed {
  readonly element: string
  readonly score: number
  /** Undefined, for what BY does not find, comes first. */
  readonly text: string | undefined
}

function sort(call: Call, args: readonly string[], isReadOnly: boolean): void {
  const options = parseOptions(call, args, isReadOnly)
  const { by, destination, gets, isDescending } = options
  const value = call.db.use(args[1] as string)?.value
  const elements = elementsOf(value)
  // A pattern without a star is the same for all: nothing is sorted. A set has no order to keep, so it is sorted if it is stored, or
  // read by a script.
  const keepsOrder = by !== undefined && !by.includes('*')
  const isSet = typeof value === 'object' && 'type' in value && value.type === 'set'
  let sorted: string[]
  if (!keepsOrder) sorted = sortElements(call, elements, options)
  else if (isSet && (destination !== undefined || call.session.isScript)) {
    sorted = sortElements(call, elements, { ...options, by: undefined, isAlphabetic: true })
  } else sorted = isDescending && !isSet ? elements.reverse() : elements
  const start = Math.min(Math.max(0, options.offset), sorted.length)
  const end = options.limit < 0 ? sorted.length : Math.min(sorted.length, start + options.limit)
  const shown = sorted.slice(start, end)
  if (shown.length * gets.length > MAX_OUTPUT) fail('ERR value is out of range')
  const output =
    gets.length === 0 ? shown : shown.flatMap((element) => gets.map((get) => lookUp(call.db, get, element)))
  if (destination === undefined) {
    call.reply.array(output.length)
    for (const each of output) call.reply.bulkOrNil(each)
    return
  }
  const list = new List()
  for (const each of output) list.push(each ?? '')
  call.store(destination, list.length === 0 ? undefined : list, 'l', 'sortstore')
  call.reply.integer(list.length)
}

function parseOptions(call: Call, args: readonly string[], isReadOnly: boolean): SortOptions {
  const options: SortOptions = {
    isDescending: false,
    isAlphabetic: false,
    offset: 0,
    limit: -1,
    by: undefined,
    destination: undefined,
    gets: [],
  }
  for (let i = 2; i < args.length; i++) {
    const left = args.length - i - 1
    if (isWord(args[i], 'ASC')) options.isDescending = false
    else if (isWord(args[i], 'DESC')) options.isDescending = true
    else if (isWord(args[i], 'ALPHA')) options.isAlphabetic = true
    else if (isWord(args[i], 'LIMIT') && left >= 2) {
      options.offset = call.position(args[++i] as string)
      options.limit = call.position(args[++i] as string)
    } else if (!isReadOnly && isWord(args[i], 'STORE') && left >= 1) options.destination = args[++i] as string
    else if (isWord(args[i], 'BY') && left >= 1) options.by = args[++i] as string
    else if (isWord(args[i], 'GET') && left >= 1) options.gets.push(args[++i] as string)
    else fail(SYNTAX_ERROR)
  }
  const patterns = [...(options.by?.includes('*') === true ? ['BY'] : []), ...(options.gets.length > 0 ? ['GET'] : [])]
  if (patterns.length > 0 && !mayReadEverything(call.engine, call.session, call.command, args)) {
    fail(`ERR ${patterns[0]} option of SORT denied due to insufficient ACL permissions.`)
  }
  // What a pattern leads to may lie on another node.
  if (call.engine.cluster !== undefined) {
    if (options.by?.includes('*') === true) fail('ERR BY option of SORT denied in cluster mode.')
    if (options.gets.length > 0) fail('ERR GET option of SORT denied in cluster mode.')
  }
  return options
}

/** A list of its own. */
function elementsOf(value: Value | undefined): string[] {
  if (value === undefined) return []
  if (isString(value)) fail(WRONG_TYPE)
  switch (value.type) {
    case 'list':
      return value.slice()
    case 'set':
      return [...value.members()]
    case 'zset':
      value.encoding = 'skiplist' // as Redis does it, to be asked for scores
      return value.slice(0, value.size)
    default:
      return fail(WRONG_TYPE)
  }
}

function sortElements(call: Call, elements: readonly string[], options: SortOptions): string[] {
  const { by, isAlphabetic, isDescending } = options
  const weighed = elements.map((element): Weighed => {
    const text = by === undefined ? element : lookUp(call.db, by, element)
    if (isAlphabetic) return { element, score: 0, text }
    const score = text === undefined ? 0 : scanDouble(text)
    if (score === undefined) fail("ERR One or more scores can't be converted into double")
    return { element, score, text: undefined }
  })
  const order = isAlphabetic ? compareTexts : compareScores
  weighed.sort((a, b) => (isDescending ? order(b, a) : order(a, b)))
  return weighed.map(({ element }) => element)
}

function compareTexts({ text: a }: Weighed, { text: b }: Weighed): number {
  if (a === undefined || b === undefined) return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1)
  return a < b ? -1 : a > b ? 1 : 0
}

/** Equal scores come in the order of their elements, so that the result depends on nothing else. */
function compareScores(a: Weighed, b: Weighed): number {
  if (a.score !== b.score) return a.score - b.score
  return a.element < b.element ? -1 : a.element > b.element ? 1 : 0
}

/** The string that a pattern finds for an element: `#` itself, `prefix*suffix` a key, `key*->field` a field of a hash. */
function lookUp(database: Database, pattern: string, element: string): string | undefined {
  if (pattern === '#') return element
  const star = pattern.indexOf('*')
  if (star === -1) return undefined
  const arrow = pattern.indexOf('->', star + 1)
  const hasField = arrow !== -1 && arrow + 2 < pattern.length
  const key = pattern.slice(0, star) + element + pattern.slice(star + 1, hasField ? arrow : undefined)
  const value = database.use(key)?.value
  if (value === undefined) return undefined
  if (!hasField) return isString(value) ? textOf(value) : undefined
  if (isString(value) || value.type !== 'hash') return undefined
  return value.fields.get(pattern.slice(arrow + 2))
}
