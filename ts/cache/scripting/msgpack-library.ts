// The `cmsgpack` library (lua-cmsgpack 0.4.0) as Redis carries it. Format: github.com/msgpack/msgpack, spec.md.
import { type Lua, LuaError, type LuaFunction, type State, TYPE } from './lua.ts'

/** Tables within tables; deeper ones are packed as nil. */
const MAX_NESTING = 16
const STACK_SLOTS = 8
const MISSING = 'Missing bytes in input.'
const BAD_FORMAT = 'Bad data format in input.'

/** The functions by name. */
export function msgpackLibrary(lua: Lua): Readonly<Record<string, LuaFunction>> {
  const { api } = lua

  /** Unpacks `limit` values, 0 for all, from `offset`. */
  function unpack(state: State, limit: number, offset: number): number {
    const text = lua.checkText(state, 1)
    if (offset < 0 || limit < 0) {
      throw new LuaError(`Invalid request to unpack with offset of ${offset} and limit of ${text.length}.`)
    }
    if (offset > text.length) throw new LuaError(`Start offset ${offset} greater than input length ${text.length}.`)
    const isAll = limit === 0 && offset === 0
    const unpacker = new Unpacker(lua, state, Buffer.from(text, 'latin1'), offset)
    let count = 0
    for (; !unpacker.isAtEnd && (isAll || count < limit); count++) {
      if (api.lua_checkstack(state, STACK_SLOTS) === 0) throw new LuaError('too many results to unpack')
      unpacker.value(0)
    }
    if (isAll) return count
    api.lua_pushnumber(state, unpacker.isAtEnd ? -1 : unpacker.at)
    api.lua_insert(state, -1 - count)
    return count + 1
  }

  return {
    pack(state) {
      const count = api.lua_gettop(state)
      if (count === 0) api.luaL_argerror(state, 0, lua.constant('MessagePack pack needs input.'))
      if (api.lua_checkstack(state, STACK_SLOTS) === 0) throw new LuaError('Too many arguments for MessagePack pack.')
      const packer = new Packer(lua, state)
      for (let i = 1; i <= count; i++) {
        api.lua_pushvalue(state, i)
        packer.value(0)
        lua.pop(state)
      }
      lua.pushText(state, packer.parts.join(''))
      return 1
    },
    unpack: (state) => unpack(state, 0, 0),
    unpack_one: (state) => unpack(state, 1, Math.trunc(api.luaL_optnumber(state, 2, 0))),
    unpack_limit(state) {
      const limit = Math.trunc(api.luaL_checknumber(state, 2))
      return unpack(state, limit, Math.trunc(api.luaL_optnumber(state, 3, 0)))
    },
  }
}

class Packer {
  readonly parts: string[] = []
  readonly #lua: Lua
  readonly #state: State

  constructor(lua: Lua, state: State) {
    this.#lua = lua
    this.#state = state
  }

  /** The value on top of the stack, which stays there. */
  value(depth: number): void {
    const { api } = this.#lua
    const type = api.lua_type(this.#state, -1)
    if (type === TYPE.string) this.#string(this.#lua.text(this.#state, -1) as string)
    else if (type === TYPE.boolean) this.parts.push(api.lua_toboolean(this.#state, -1) === 0 ? '\xc2' : '\xc3')
    else if (type === TYPE.number) this.#number(api.lua_tonumber(this.#state, -1))
    else if (type === TYPE.table && depth < MAX_NESTING) this.#table(depth)
    else this.parts.push('\xc0')
  }

  #table(depth: number): void {
    const { api } = this.#lua
    if (api.lua_checkstack(this.#state, STACK_SLOTS) === 0) throw new LuaError('Too deep for MessagePack pack.')
    const { isArray, count } = this.#shape()
    this.#head(count, isArray ? 0x90 : 0x80, isArray ? 0xdc : 0xde)
    if (isArray) {
      for (let i = 1; i <= count; i++) {
        api.lua_rawgeti(this.#state, -1, i)
        this.value(depth + 1)
        this.#lua.pop(this.#state)
      }
      return
    }
    api.lua_pushnil(this.#state)
    while (api.lua_next(this.#state, -2) !== 0) {
      api.lua_pushvalue(this.#state, -2)
      this.value(depth + 1)
      this.#lua.pop(this.#state)
      this.value(depth + 1)
      this.#lua.pop(this.#state)
    }
  }

  /** An array has the keys from 1 to their number. */
  #shape(): { isArray: boolean; count: number } {
    const { api } = this.#lua
    let [count, max, isArray] = [0, 0, true]
    api.lua_pushnil(this.#state)
    while (api.lua_next(this.#state, -2) !== 0) {
      this.#lua.pop(this.#state)
      const key = api.lua_type(this.#state, -1) === TYPE.number ? api.lua_tonumber(this.#state, -1) : Number.NaN
      if (!(key >= 1 && Math.floor(key) === key)) isArray = false
      max = Math.max(max, key)
      count++
    }
    return { isArray: isArray && max === count, count }
  }

  /** A short head up to 15, then with 16 and with 32 bits. */
  #head(count: number, short: number, long: number): void {
    if (count <= 15) this.#bytes(short | count)
    else if (count <= 0xffff) this.#bytes(long, count >>> 8, count)
    else this.#bytes(long + 1, count >>> 24, count >>> 16, count >>> 8, count)
  }

  #string(text: string): void {
    const { length } = text
    if (length < 32) this.#bytes(0xa0 | length)
    else if (length <= 0xff) this.#bytes(0xd9, length)
    else if (length <= 0xffff) this.#bytes(0xda, length >>> 8, length)
    else this.#bytes(0xdb, length >>> 24, length >>> 16, length >>> 8, length)
    this.parts.push(text)
  }

  #number(value: number): void {
    if (!Number.isInteger(value) || Math.abs(value) >= 2 ** 63) this.#double(value)
    else if (value >= 0) {
      if (value <= 0x7f) this.#bytes(value)
      else if (value <= 0xff) this.#bytes(0xcc, value)
      else if (value <= 0xffff) this.#bytes(0xcd, value >>> 8, value)
      else if (value <= 0xffffffff) this.#bytes(0xce, value >>> 24, value >>> 16, value >>> 8, value)
      else this.#wide(0xcf, value)
    } else if (value >= -32) this.#bytes(value)
    else if (value >= -128) this.#bytes(0xd0, value)
    else if (value >= -32_768) this.#bytes(0xd1, value >> 8, value)
    else if (value >= -(2 ** 31)) this.#bytes(0xd2, value >> 24, value >> 16, value >> 8, value)
    else this.#wide(0xd3, value)
  }

  #wide(head: number, value: number): void {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64BE(BigInt(value))
    this.#bytes(head, ...bytes)
  }

  #double(value: number): void {
    const isSingle = Math.fround(value) === value
    const bytes = Buffer.alloc(isSingle ? 4 : 8)
    if (isSingle) bytes.writeFloatBE(value)
    else bytes.writeDoubleBE(value)
    this.#bytes(isSingle ? 0xca : 0xcb, ...bytes)
  }

  #bytes(...bytes: number[]): void {
    this.parts.push(String.fromCharCode(...bytes.map((byte) => byte & 0xff)))
  }
}

/** Numbers by their first byte. */
const NUMBERS: Readonly<
  Record<number, { readonly size: number; readonly from: (bytes: Buffer, at: number) => number }>
> = {
  202: { size: 4, from: (bytes, at) => bytes.readFloatBE(at) },
  203: { size: 8, from: (bytes, at) => bytes.readDoubleBE(at) },
  204: { size: 1, from: (bytes, at) => bytes.readUInt8(at) },
  205: { size: 2, from: (bytes, at) => bytes.readUInt16BE(at) },
  206: { size: 4, from: (bytes, at) => bytes.readUInt32BE(at) },
  207: { size: 8, from: (bytes, at) => Number(bytes.readBigUInt64BE(at)) },
  208: { size: 1, from: (bytes, at) => bytes.readInt8(at) },
  209: { size: 2, from: (bytes, at) => bytes.readInt16BE(at) },
  210: { size: 4, from: (bytes, at) => bytes.readInt32BE(at) },
  211: { size: 8, from: (bytes, at) => Number(bytes.readBigInt64BE(at)) },
}

class Unpacker {
  at: number
  readonly #lua: Lua
  readonly #state: State
  readonly #bytes: Buffer

  constructor(lua: Lua, state: State, bytes: Buffer, at: number) {
    this.#lua = lua
    this.#state = state
    this.#bytes = bytes
    this.at = at
  }

  get isAtEnd(): boolean {
    return this.at >= this.#bytes.length
  }

  /** Pushes the next value. */
  value(depth: number): void {
    const { api } = this.#lua
    if (api.lua_checkstack(this.#state, STACK_SLOTS) === 0 || depth > 1000) throw new LuaError(BAD_FORMAT)
    const head = this.#bytes[this.#take(1)] as number
    if (head < 0x80) api.lua_pushnumber(this.#state, head)
    else if (head < 0x90) this.#map(head & 0x0f, depth)
    else if (head < 0xa0) this.#array(head & 0x0f, depth)
    else if (head < 0xc0) this.#string(head & 0x1f)
    else if (head >= 0xe0) api.lua_pushnumber(this.#state, head - 0x100)
    else this.#other(head, depth)
  }

  #other(head: number, depth: number): void {
    const { api } = this.#lua
    const bytes = this.#bytes
    if (head === 0xc0) api.lua_pushnil(this.#state)
    else if (head === 0xc2 || head === 0xc3) api.lua_pushboolean(this.#state, head - 0xc2)
    else if (head >= 0xc4 && head <= 0xc6) this.#string(this.#length(1 << (head - 0xc4)))
    else if (head >= 0xd9 && head <= 0xdb) this.#string(this.#length(1 << (head - 0xd9)))
    else if (head === 0xdc || head === 0xdd) this.#array(this.#length(2 << (head - 0xdc)), depth)
    else if (head === 0xde || head === 0xdf) this.#map(this.#length(2 << (head - 0xde)), depth)
    else {
      const read = NUMBERS[head]
      if (read === undefined) throw new LuaError(BAD_FORMAT)
      api.lua_pushnumber(this.#state, read.from(bytes, this.#take(read.size)))
    }
  }

  #array(count: number, depth: number): void {
    const { api } = this.#lua
    api.lua_createtable(this.#state, 0, 0)
    for (let i = 1; i <= count; i++) {
      this.value(depth + 1)
      api.lua_rawseti(this.#state, -2, i)
    }
  }

  #map(count: number, depth: number): void {
    const { api } = this.#lua
    api.lua_createtable(this.#state, 0, 0)
    for (let i = 0; i < count; i++) {
      this.value(depth + 1)
      const isKey = api.lua_type(this.#state, -1) !== TYPE.nil && !this.#isNaN()
      this.value(depth + 1)
      if (!isKey) throw new LuaError(BAD_FORMAT)
      api.lua_rawset(this.#state, -3)
    }
  }

  #isNaN(): boolean {
    const { api } = this.#lua
    return api.lua_type(this.#state, -1) === TYPE.number && Number.isNaN(api.lua_tonumber(this.#state, -1))
  }

  #string(length: number): void {
    const start = this.#take(length)
    this.#lua.pushBytes(this.#state, this.#bytes, start, start + length)
  }

  #length(bytes: number): number {
    return this.#bytes.readUIntBE(this.#take(bytes), bytes)
  }

  #take(count: number): number {
    const start = this.at
    if (start + count > this.#bytes.length) throw new LuaError(MISSING)
    this.at += count
    return start
  }
}
