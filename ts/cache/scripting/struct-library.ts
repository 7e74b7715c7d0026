// The `struct` library (Roberto Ierusalimschy, struct 0.2, www.inf.puc-rio.br/~roberto/struct) as Redis carries it, for a machine
// of 64 bits that has the low byte first.
//
//   < >    the low byte first, the high byte first; at the beginning the low one     !n   alignment, 8 without n
//   b B h H l L T i I   integers, signed and unsigned, of 1, 2, 8, 8 and 4 bytes; i and I may say how many, up to 32
//   f d    floats     s   a string that ends with a zero     cn   n bytes, all if n is 0     x   a zero     a space means nothing
import { type Lua, LuaError, type LuaFunction, type State } from './lua.ts'

const MAX_INTEGER_BYTES = 32
const LONG_BYTES = 8
const INT_BYTES = 4
const MAX_ALIGNMENT = 8
const MAX_SIZE = 2 ** 31 - 1

/** One item of a format with where its bytes begin relative to the whole. */
interface Item {
  readonly code: string
  readonly size: number
  readonly padding: number
  readonly isLittle: boolean
}

/** The functions by name. */
export function structLibrary(lua: Lua): Readonly<Record<string, LuaFunction>> {
  const { api } = lua
  return {
    pack(state) {
      const format = new Format(lua, state)
      const parts: string[] = []
      let argument = 2
      for (let item = format.next(); item !== undefined; item = format.next()) {
        parts.push('\0'.repeat(item.padding))
        const packed = packItem(lua, state, item, argument)
        parts.push(packed)
        format.total += item.padding + packed.length
        if (item.code !== 'x' && item.code !== ' ') argument++
      }
      lua.pushText(state, parts.join(''))
      return 1
    },

    unpack(state) {
      const format = new Format(lua, state)
      const bytes = Buffer.from(lua.checkText(state, 2), 'latin1')
      const position = Math.trunc(api.luaL_optnumber(state, 3, 1)) - 1
      if (position < 0) api.luaL_argerror(state, 3, lua.constant('offset must be 1 or greater'))
      api.lua_settop(state, 2)
      format.total = position
      let results = 0
      for (let item = format.next(); item !== undefined; item = format.next()) {
        format.total += item.padding
        if (item.size > bytes.length || format.total > bytes.length - item.size) {
          api.luaL_argerror(state, 2, lua.constant('data string too short'))
        }
        if (api.lua_checkstack(state, 4) === 0) throw new LuaError('too many results')
        const [used, isResult, isCount] = unpackItem(lua, state, item, bytes, format.total, results)
        format.total += used
        if (isCount) results--
        if (isResult) results++
      }
      api.lua_pushnumber(state, format.total + 1)
      return results + 1
    },

    size(state) {
      const format = new Format(lua, state)
      for (let item = format.next(); item !== undefined; item = format.next()) {
        if (item.code === 's') api.luaL_argerror(state, 1, lua.constant("option 's' has no fixed size"))
        if (item.code === 'c' && item.size === 0) {
          api.luaL_argerror(state, 1, lua.constant("option 'c0' has no fixed size"))
        }
        format.total += item.padding + item.size
        if (format.total > MAX_SIZE) api.luaL_argerror(state, 1, lua.constant('size too large'))
      }
      api.lua_pushnumber(state, format.total)
      return 1
    },
  }
}

/** Reads a format item by item. */
class Format {
  /** Bytes so far: alignment counts from the first one. */
  total = 0
  readonly #lua: Lua
  readonly #state: State
  readonly #text: string
  #at = 0
  #isLittle = true
  #alignment = 1

  constructor(lua: Lua, state: State) {
    this.#lua = lua
    this.#state = state
    // As C reads it.
    this.#text = lua.checkText(state, 1).split('\0', 1)[0] ?? ''
  }

  next(): Item | undefined {
    while (this.#at < this.#text.length) {
      const code = this.#text[this.#at++] as string
      if (code === '<') this.#isLittle = true
      else if (code === '>') this.#isLittle = false
      else if (code === '!') this.#align()
      else if (code !== ' ') return this.#item(code)
    }
    return undefined
  }

  #item(code: string): Item {
    const size = this.#sizeOf(code)
    let padding = 0
    if (size > 0 && code !== 'c' && code !== 's' && code !== 'x') {
      const alignment = Math.min(size, this.#alignment)
      if (alignment > 1) padding = (alignment - (this.total % alignment)) % alignment
    }
    return { code, size, padding, isLittle: this.#isLittle }
  }

  #sizeOf(code: string): number {
    if (code === 'b' || code === 'B' || code === 'x') return 1
    if (code === 'h' || code === 'H') return 2
    if (code === 'l' || code === 'L' || code === 'T') return LONG_BYTES
    if (code === 'f') return 4
    if (code === 'd') return 8
    if (code === 's') return 0
    if (code === 'c') return this.#number(1)
    if (code !== 'i' && code !== 'I') return this.#refuse(code)
    const size = this.#number(INT_BYTES)
    if (size > MAX_INTEGER_BYTES) {
      throw new LuaError(`integral size ${size} is larger than limit of ${MAX_INTEGER_BYTES}`)
    }
    return size
  }

  #refuse(code: string): number {
    const byte = code.charCodeAt(0) // one of 256 texts
    const message = this.#lua.constant(`invalid format option '${String.fromCharCode(byte)}'`)
    return this.#lua.api.luaL_argerror(this.#state, 1, message)
  }

  #align(): void {
    const alignment = this.#number(MAX_ALIGNMENT)
    if (alignment === 0 || (alignment & (alignment - 1)) !== 0)
      throw new LuaError(`alignment ${alignment} is not a power of 2`)
    this.#alignment = alignment
  }

  #number(otherwise: number): number {
    const digits = /^\d+/.exec(this.#text.slice(this.#at, this.#at + 16))?.[0]
    if (digits === undefined) return otherwise
    this.#at += digits.length
    const value = Number(digits)
    if (value > MAX_SIZE) throw new LuaError('integral size overflow')
    return value
  }
}

function packItem(lua: Lua, state: State, { code, size, isLittle }: Item, argument: number): string {
  const { api } = lua
  if (code === 'x') return '\0'
  if (code === 's' || code === 'c') {
    const text = lua.checkText(state, argument)
    if (code === 's') return `${text}\0`
    const length = size === 0 ? text.length : size
    if (text.length < length) api.luaL_argerror(state, argument, lua.constant('string too short'))
    return text.slice(0, length)
  }
  const value = api.luaL_checknumber(state, argument)
  const bytes = Buffer.alloc(size)
  if (code === 'f') isLittle ? bytes.writeFloatLE(value) : bytes.writeFloatBE(value)
  else if (code === 'd') isLittle ? bytes.writeDoubleLE(value) : bytes.writeDoubleBE(value)
  else {
    let rest = BigInt.asIntN(64, wholeOf(value))
    for (let i = 0; i < size; i++) {
      bytes[isLittle ? i : size - 1 - i] = Number(rest & 0xffn)
      rest >>= 8n
      // Redis shifts an unsigned long: there are zeros beyond its 64 bits.
      if (i === 7) rest = 0n
    }
  }
  return bytes.toString('latin1')
}

/** @returns How many bytes it took, whether a result was pushed, and whether the one before it was a count and was taken away. */
function unpackItem(
  lua: Lua,
  state: State,
  { code, size, isLittle }: Item,
  bytes: Buffer,
  at: number,
  results: number,
): [number, boolean, boolean] {
  const { api } = lua
  if (code === 'x') return [1, false, false]
  if (code === 's') {
    const end = bytes.indexOf(0, at)
    if (end === -1) throw new LuaError('unfinished string in data')
    lua.pushBytes(state, bytes, at, end)
    return [end + 1 - at, true, false]
  }
  if (code === 'c') {
    let length = size
    if (size === 0) {
      if (results === 0 || api.lua_type(state, -1) !== 3) throw new LuaError("format 'c0' needs a previous size")
      length = Math.trunc(api.lua_tonumber(state, -1))
      lua.pop(state)
      if (!(length >= 0 && at + length <= bytes.length))
        api.luaL_argerror(state, 2, lua.constant('data string too short'))
    }
    lua.pushBytes(state, bytes, at, at + length)
    return [length, true, size === 0]
  }
  if (code === 'f') api.lua_pushnumber(state, isLittle ? bytes.readFloatLE(at) : bytes.readFloatBE(at))
  else if (code === 'd') api.lua_pushnumber(state, isLittle ? bytes.readDoubleLE(at) : bytes.readDoubleBE(at))
  else {
    let value = 0n
    for (let i = 0; i < size; i++) {
      value = (value << 8n) | BigInt(bytes[isLittle ? at + size - 1 - i : at + i] as number)
    }
    value = BigInt.asUintN(64, value)
    const isSigned = code === code.toLowerCase()
    api.lua_pushnumber(state, Number(isSigned ? BigInt.asIntN(Math.min(64, 8 * size), value) : value))
  }
  return [size, true, false]
}

/** A double as an integer of 64 bits, as C makes it. */
function wholeOf(value: number): bigint {
  return Number.isFinite(value) ? BigInt(Math.trunc(value)) : -(2n ** 63n)
}
