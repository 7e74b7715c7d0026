// The SCAN family. How a cursor misses nothing stands in keyspace/indexed-map.ts. What Redis keeps in a compact encoding it
// gives back in one step, whatever COUNT says.
import { formatDouble } from '../../wire/resp/index.ts'
import { Glob } from '../keyspace/glob.ts'
import { typeOf } from '../keyspace/values.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'

const DEFAULT_COUNT = 10

interface ScanOptions {
  readonly cursor: number
  readonly count: number
  readonly glob: Glob
  readonly type: string | undefined
}

export const SCAN_COMMANDS: Handlers = {
  scan(call, args) {
    const { cursor, count, glob, type } = parseOptions(call, args, 1, parseCursor(args[1] as string))
    const keys: string[] = []
    const next = call.db.scan(cursor, count, (entry) => keys.push(entry.key))
    const found = keys.filter((key) => {
      const entry = glob.matches(key) ? call.db.find(key) : undefined
      return entry !== undefined && (type === undefined || typeOf(entry.value) === type)
    })
    answer(call, next, found)
  },

  hscan(call, args) {
    const cursorGiven = parseCursor(args[2] as string)
    const hash = call.hash(args[1] as string)
    if (hash === undefined) return answer(call, 0, [])
    const { cursor, count, glob } = parseOptions(call, args, 2, cursorGiven)
    const { fields, encoding } = hash
    const found: string[] = []
    const visit = (position: number): void => {
      const field = fields.keyAt(position)
      if (glob.matches(field)) found.push(field, fields.valueAt(position))
    }
    if (encoding === 'hashtable') return answer(call, fields.scan(cursor, count, visit), found)
    for (let i = 0; i < fields.size; i++) visit(i)
    answer(call, 0, found)
  },

  sscan(call, args) {
    const cursorGiven = parseCursor(args[2] as string)
    const set = call.set(args[1] as string)
    if (set === undefined) return answer(call, 0, [])
    const { cursor, count, glob } = parseOptions(call, args, 2, cursorGiven)
    if (set.encoding === 'intset')
      return answer(
        call,
        0,
        set.members().filter((member) => glob.matches(member)),
      )
    const found: string[] = []
    const next = set.scan(cursor, count, (position) => found.push(set.at(position)))
    answer(
      call,
      next,
      found.filter((member) => glob.matches(member)),
    )
  },

  zscan(call, args) {
    const cursorGiven = parseCursor(args[2] as string)
    const zset = call.zset(args[1] as string)
    if (zset === undefined) return answer(call, 0, [])
    const { cursor, count, glob } = parseOptions(call, args, 2, cursorGiven)
    let members: string[] = []
    let next = 0
    if (zset.encoding === 'listpack') members = zset.slice(0, zset.size)
    else next = zset.scan(cursor, count, (position) => members.push(zset.memberAt(position)))
    const found = members.filter((member) => glob.matches(member))
    call.reply.array(2)
    call.reply.bulk(String(next))
    call.reply.array(2 * found.length)
    // Texts in RESP3 as well: what scans give are strings.
    for (const member of found) {
      call.reply.bulk(member)
      call.reply.bulk(formatDouble(zset.score(member) as number))
    }
  },
}

/** As C's strtoul reads it, which takes nothing for 0. What is beyond 2^53 is beyond every table. */
function parseCursor(text: string): number {
  const isValid = text === '' || (/^[+-]?\d{1,20}$/.test(text) && Math.abs(Number(text)) < 2 ** 64)
  const cursor = isValid ? Number(text) : fail('ERR invalid cursor')
  return cursor < 0 ? Number.MAX_SAFE_INTEGER : cursor
}

/** [MATCH pattern] [COUNT count] [TYPE type] behind the cursor, which is at index `first`; TYPE is for SCAN alone. */
function parseOptions(call: Call, args: readonly string[], first: number, cursor: number): ScanOptions {
  let count = DEFAULT_COUNT
  let pattern = '*'
  let type: string | undefined
  for (let i = first + 1; i < args.length; i += 2) {
    const value = args[i + 1]
    if (value === undefined) fail(SYNTAX_ERROR)
    if (isWord(args[i], 'COUNT')) {
      count = call.position(value)
      if (count < 1) fail(SYNTAX_ERROR)
    } else if (isWord(args[i], 'MATCH')) pattern = value
    else if (first === 1 && isWord(args[i], 'TYPE')) type = value.toLowerCase()
    else fail(SYNTAX_ERROR)
  }
  return { cursor, count, glob: new Glob(pattern), type }
}

function answer({ reply }: Call, next: number, found: readonly string[]): void {
  reply.array(2)
  reply.bulk(String(next))
  reply.bulks(found)
}
