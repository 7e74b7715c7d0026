// Replies of commands as values of Lua, and values of Lua as replies (redis.io/docs/interact/programmability/lua-api, "Data type
// conversion").
import type { ReplyWriter } from '../../wire/resp/index.ts'
import { type Lua, type State, TYPE } from './lua.ts'

/** What one level of a value may have on Lua's stack. */
const STACK_SLOTS = 6
/** Tables within tables of a value; Lua's own stack would hold more, that of JavaScript would not. */
const MAX_DEPTH = 1500
const CR = 0x0d
const MIN_INT64 = -(2n ** 63n)
const MAX_INT64 = 2n ** 63n - 1n

/** Pushes the reply that begins at `at` of what our own writer wrote. @returns Where the next one begins. */
export function pushReply(lua: Lua, state: State, bytes: Buffer, at = 0): number {
  const { api } = lua
  const type = bytes[at] as number
  const end = bytes.indexOf(CR, at)
  const next = end + 2
  if (api.lua_checkstack(state, STACK_SLOTS) === 0) {
    api.lua_pushnil(state)
    return skipReply(bytes, at)
  }
  switch (String.fromCharCode(type)) {
    case '$': {
      const length = lengthAt(bytes, at, end)
      if (length < 0) {
        api.lua_pushboolean(state, 0)
        return next
      }
      lua.pushBytes(state, bytes, next, next + length)
      return next + length + 2
    }
    case ':':
      api.lua_pushnumber(state, Number(bytes.toString('latin1', at + 1, end)))
      return next
    case '+':
      pushField(lua, state, 'ok', () => lua.pushBytes(state, bytes, at + 1, end))
      return next
    case '-':
      pushCommandError(lua, state, bytes.toString('latin1', at + 1, end))
      return next
    case '*': {
      const count = lengthAt(bytes, at, end)
      if (count < 0) api.lua_pushboolean(state, 0)
      else return pushItems(lua, state, bytes, next, count)
      return next
    }
    case '_':
      api.lua_pushnil(state)
      return next
    case '#':
      api.lua_pushboolean(state, bytes[at + 1] === 0x74 ? 1 : 0)
      return next
    case ',': {
      const value = numberOf(bytes.toString('latin1', at + 1, end))
      pushField(lua, state, 'double', () => api.lua_pushnumber(state, value))
      return next
    }
    case '(':
      pushField(lua, state, 'big_number', () => lua.pushBytes(state, bytes, at + 1, end))
      return next
    case '=': {
      const length = lengthAt(bytes, at, end)
      pushField(lua, state, 'verbatim_string', () => {
        api.lua_createtable(state, 0, 2)
        lua.pushBytes(state, bytes, next, next + 3)
        lua.setField(state, -2, 'format')
        lua.pushBytes(state, bytes, next + 4, next + length)
        lua.setField(state, -2, 'string')
      })
      return next + length + 2
    }
    case '%':
      return pushPairs(lua, state, bytes, next, { name: 'map', count: lengthAt(bytes, at, end) })
    case '~':
      return pushPairs(lua, state, bytes, next, { name: 'set', count: lengthAt(bytes, at, end) })
    default:
      // What is said about a reply is not for scripts, and messages do not come here.
      return pushReply(lua, state, bytes, skipReply(bytes, at))
  }
}

function pushItems(lua: Lua, state: State, bytes: Buffer, start: number, count: number): number {
  lua.api.lua_createtable(state, count, 0)
  let at = start
  for (let i = 1; i <= count; i++) {
    at = pushReply(lua, state, bytes, at)
    lua.api.lua_rawseti(state, -2, i)
  }
  return at
}

/** A map, or a set: a map to true. */
function pushPairs(
  lua: Lua,
  state: State,
  bytes: Buffer,
  start: number,
  { name, count }: { name: 'map' | 'set'; count: number },
): number {
  let at = start
  pushField(lua, state, name, () => {
    lua.api.lua_createtable(state, 0, count)
    for (let i = 0; i < count; i++) {
      at = pushReply(lua, state, bytes, at)
      if (name === 'map') at = pushReply(lua, state, bytes, at)
      else lua.api.lua_pushboolean(state, 1)
      lua.api.lua_rawset(state, -3)
    }
  })
  return at
}

function pushField(lua: Lua, state: State, name: string, push: () => void): void {
  lua.api.lua_createtable(state, 0, 1)
  push()
  lua.setField(state, -2, name)
}

/** The field of an error that was counted when a command told it. */
export const COUNTED = 'ignore_error_stats_update'

/** The error of a command: a table with its text in `err`. */
function pushCommandError(lua: Lua, state: State, text: string): void {
  pushError(lua, state, text)
  lua.api.lua_pushboolean(state, 1)
  lua.setField(state, -2, COUNTED)
}

/** An error as redis.pcall gives it. @param text - With its code in front. */
export function pushError(lua: Lua, state: State, text: string): void {
  pushField(lua, state, 'err', () => lua.pushText(state, text))
}

function skipReply(bytes: Buffer, start: number): number {
  const end = bytes.indexOf(CR, start)
  const kind = String.fromCharCode(bytes[start] as number)
  if (kind === '$' || kind === '=') return end + 2 + Math.max(-2, lengthAt(bytes, start, end)) + 2
  if (!'*~%>|'.includes(kind)) return end + 2
  let left = lengthAt(bytes, start, end) * (kind === '%' || kind === '|' ? 2 : 1)
  let at = end + 2
  for (; left > 0; left--) at = skipReply(bytes, at)
  return at
}

function lengthAt(bytes: Buffer, at: number, end: number): number {
  if (bytes[at + 1] === 0x2d) return -1
  let length = 0
  for (let i = at + 1; i < end; i++) length = length * 10 + (bytes[i] as number) - 0x30
  return length
}

function numberOf(text: string): number {
  if (text === 'inf') return Number.POSITIVE_INFINITY
  return text === '-inf' ? Number.NEGATIVE_INFINITY : Number(text)
}

/**
 * Writes the value on top of the stack as a reply, and takes it away. Metatables are not asked.
 * @param protocol - What the script chose with redis.setresp: it decides on booleans.
 */
export function writeValue(lua: Lua, state: State, reply: ReplyWriter, protocol: 2 | 3): void {
  const { api } = lua
  const isTooDeep = api.lua_gettop(state) > MAX_DEPTH || api.lua_checkstack(state, STACK_SLOTS) === 0
  if (isTooDeep) reply.error('ERR reached lua stack limit')
  else {
    switch (api.lua_type(state, -1)) {
      case TYPE.string:
        reply.bulk(lua.text(state, -1) as string)
        break
      case TYPE.number:
        reply.integer(integerOf(api.lua_tonumber(state, -1)))
        break
      case TYPE.boolean:
        if (protocol === 3) reply.boolean(api.lua_toboolean(state, -1) !== 0)
        else if (api.lua_toboolean(state, -1) === 0) reply.nil()
        else reply.integer(1)
        break
      case TYPE.table:
        writeTable(lua, state, reply, protocol)
        break
      default:
        reply.nil()
    }
  }
  lua.pop(state)
}

function writeTable(lua: Lua, state: State, reply: ReplyWriter, protocol: 2 | 3): void {
  const isWritten =
    writeText(lua, state, 'err', (text) => reply.error(zeroEnded(text))) ||
    writeText(lua, state, 'ok', (text) => reply.simple(oneLine(zeroEnded(text)))) ||
    writeDouble(lua, state, reply) ||
    writeText(lua, state, 'big_number', (text) => reply.bigNumberText(oneLine(text))) ||
    writeVerbatim(lua, state, reply) ||
    writePairs(lua, state, reply, { name: 'map', protocol }) ||
    writePairs(lua, state, reply, { name: 'set', protocol })
  if (!isWritten) writeArray(lua, state, reply, protocol)
}

/** Up to the first element that is nil. */
function writeArray(lua: Lua, state: State, reply: ReplyWriter, protocol: 2 | 3): void {
  const { api } = lua
  let count = 0
  for (;;) {
    api.lua_rawgeti(state, -1, count + 1)
    const isEnd = api.lua_type(state, -1) === TYPE.nil
    lua.pop(state)
    if (isEnd) break
    count++
  }
  reply.array(count)
  for (let i = 1; i <= count; i++) {
    api.lua_rawgeti(state, -1, i)
    writeValue(lua, state, reply, protocol)
  }
}

function writeText(lua: Lua, state: State, name: string, write: (text: string) => void): boolean {
  const text = textField(lua, state, name)
  if (text !== undefined) write(text)
  return text !== undefined
}

function writeDouble(lua: Lua, state: State, reply: ReplyWriter): boolean {
  const isDouble = lua.rawField(state, -1, 'double') === TYPE.number
  if (isDouble) reply.double(lua.api.lua_tonumber(state, -1))
  lua.pop(state)
  return isDouble
}

function writeVerbatim(lua: Lua, state: State, reply: ReplyWriter): boolean {
  const isTable = lua.rawField(state, -1, 'verbatim_string') === TYPE.table
  const format = isTable ? textField(lua, state, 'format') : undefined
  const text = isTable ? textField(lua, state, 'string') : undefined
  lua.pop(state)
  if (format === undefined || text === undefined) return false
  reply.verbatim(zeroEnded(format).padEnd(3).slice(0, 3), text)
  return true
}

/** A table in the field of that name as a map, or its keys as a set. */
function writePairs(
  lua: Lua,
  state: State,
  reply: ReplyWriter,
  { name, protocol }: { name: 'map' | 'set'; protocol: 2 | 3 },
): boolean {
  const { api } = lua
  if (lua.rawField(state, -1, name) !== TYPE.table) {
    lua.pop(state)
    return false
  }
  let count = 0
  eachKey(lua, state, () => count++)
  if (name === 'map') reply.map(count)
  else reply.set(count)
  eachKey(lua, state, () => {
    // Here lie table, key and value; the key has to stay, and must not be turned into a string.
    api.lua_pushvalue(state, -2)
    writeValue(lua, state, reply, protocol)
    if (name === 'set') return
    api.lua_pushvalue(state, -1)
    writeValue(lua, state, reply, protocol)
  })
  lua.pop(state)
  return true
}

/** Goes through the table on top of the stack. */
function eachKey(lua: Lua, state: State, each: () => void): void {
  const { api } = lua
  api.lua_pushnil(state)
  while (api.lua_next(state, -2) !== 0) {
    each()
    lua.pop(state)
  }
}

/** A field of the table on top of the stack that is a string; the stack stays as it was. */
export function textField(lua: Lua, state: State, name: string): string | undefined {
  const text = lua.rawField(state, -1, name) === TYPE.string ? lua.text(state, -1) : undefined
  lua.pop(state)
  return text
}

/** Pushes an array of strings. */
export function pushArray(lua: Lua, state: State, items: readonly string[]): void {
  lua.api.lua_createtable(state, items.length, 0)
  for (const [index, item] of items.entries()) {
    lua.pushText(state, item)
    lua.api.lua_rawseti(state, -2, index + 1)
  }
}

/** A double as C makes it a long long: towards zero, and the smallest where it does not fit. */
function integerOf(value: number): number | bigint {
  if (Number.isSafeInteger(value)) return value === 0 ? 0 : value
  if (Number.isNaN(value) || !Number.isFinite(value)) return MIN_INT64
  const whole = BigInt(Math.trunc(value))
  if (whole < MIN_INT64 || whole > MAX_INT64) return MIN_INT64
  return whole
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]/g, ' ')
}

function zeroEnded(text: string): string {
  const zero = text.indexOf('\0')
  return zero === -1 ? text : text.slice(0, zero)
}
