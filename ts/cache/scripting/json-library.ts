// The `cjson` library (lua-cjson 2.1.0, kyne.com.au/~mark/software/lua-cjson-manual.html) as Redis carries it.
import { formatDouble } from '../../wire/resp/index.ts'
import { type Lua, LuaError, type LuaFunction, type State, TYPE } from './lua.ts'

/** What scripts may set; it holds for all scripts that follow, as in Redis. */
interface Settings {
  convertsSparse: boolean
  sparseRatio: number
  sparseSafe: number
  encodeDepth: number
  decodeDepth: number
  precision: number
  invalidNumbers: 'refused' | 'allowed' | 'null'
  decodesInvalidNumbers: boolean
  keepsBuffer: boolean
}

/** What one step of encoding or decoding may have on Lua's stack. */
const STACK_SLOTS = 8
const MAX_DEPTH = 2 ** 31 - 1
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '/': '\\/',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
}
/** What must not stand in a string of JSON as it is, and what lua-cjson escapes beside that. */
const UNSAFE = /["\\/\u007f]|[^ -\u00ff]/g
const UNESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  t: '\t',
  n: '\n',
  f: '\f',
  r: '\r',
}

/** The functions by name, beside the constants `null`, `_NAME` and `_VERSION`. */
export function jsonLibrary(lua: Lua): Readonly<Record<string, LuaFunction>> {
  const { api } = lua
  const settings: Settings = {
    convertsSparse: false,
    sparseRatio: 2,
    sparseSafe: 10,
    encodeDepth: 1000,
    decodeDepth: 1000,
    precision: 14,
    invalidNumbers: 'refused',
    decodesInvalidNumbers: true,
    keepsBuffer: true,
  }

  /** An optional integer argument; what it is after. */
  function integerSetting(name: 'encodeDepth' | 'decodeDepth' | 'precision', low: number, high: number): LuaFunction {
    return (state) => {
      if (api.lua_gettop(state) > 1) api.luaL_argerror(state, 2, lua.constant('found too many arguments'))
      if (!isNil(state, 1)) settings[name] = integerArgument(state, 1, low, high)
      api.lua_pushnumber(state, settings[name])
      return 1
    }
  }

  function integerArgument(state: State, index: number, low: number, high: number): number {
    const value = Math.trunc(api.luaL_checknumber(state, index))
    if (value < low || value > high) {
      api.luaL_argerror(state, index, lua.constant(`expected integer between ${low} and ${high}`))
    }
    return value
  }

  function isNil(state: State, index: number): boolean {
    return api.lua_type(state, index) <= TYPE.nil
  }

  return {
    encode(state) {
      if (api.lua_gettop(state) !== 1) api.luaL_argerror(state, 1, lua.constant('expected 1 argument'))
      const parts: string[] = []
      new Encoder(lua, state, settings, parts).value(0)
      lua.pushText(state, parts.join(''))
      return 1
    },
    decode(state) {
      if (api.lua_gettop(state) !== 1) api.luaL_argerror(state, 1, lua.constant('expected 1 argument'))
      const text = lua.checkText(state, 1)
      if (text.length >= 2 && (text.charCodeAt(0) === 0 || text.charCodeAt(1) === 0)) {
        throw new LuaError('JSON parser does not support UTF-16 or UTF-32')
      }
      new Decoder(lua, state, settings, text).document()
      return 1
    },
    encode_sparse_array(state) {
      if (!isNil(state, 1)) settings.convertsSparse = api.lua_toboolean(state, 1) !== 0
      if (!isNil(state, 2)) settings.sparseRatio = integerArgument(state, 2, 0, MAX_DEPTH)
      if (!isNil(state, 3)) settings.sparseSafe = integerArgument(state, 3, 0, MAX_DEPTH)
      api.lua_pushboolean(state, settings.convertsSparse ? 1 : 0)
      api.lua_pushnumber(state, settings.sparseRatio)
      api.lua_pushnumber(state, settings.sparseSafe)
      return 3
    },
    encode_max_depth: integerSetting('encodeDepth', 1, MAX_DEPTH),
    decode_max_depth: integerSetting('decodeDepth', 1, MAX_DEPTH),
    encode_number_precision: integerSetting('precision', 1, 14),
    encode_keep_buffer(state) {
      if (!isNil(state, 1)) settings.keepsBuffer = api.lua_toboolean(state, 1) !== 0
      api.lua_pushboolean(state, settings.keepsBuffer ? 1 : 0)
      return 1
    },
    encode_invalid_numbers(state) {
      if (!isNil(state, 1)) {
        const isNull = api.lua_type(state, 1) === TYPE.string && lua.text(state, 1) === 'null'
        if (isNull) settings.invalidNumbers = 'null'
        else settings.invalidNumbers = api.lua_toboolean(state, 1) === 0 ? 'refused' : 'allowed'
      }
      if (settings.invalidNumbers === 'null') lua.pushText(state, 'null')
      else api.lua_pushboolean(state, settings.invalidNumbers === 'allowed' ? 1 : 0)
      return 1
    },
    decode_invalid_numbers(state) {
      if (!isNil(state, 1)) settings.decodesInvalidNumbers = api.lua_toboolean(state, 1) !== 0
      api.lua_pushboolean(state, settings.decodesInvalidNumbers ? 1 : 0)
      return 1
    },
    new(state) {
      // Redis gives a library with settings of its own; what nobody misses is the same one again.
      lua.rawField(state, -10_000, 'cjson')
      return 1
    },
  }
}

class Encoder {
  readonly #lua: Lua
  readonly #state: State
  readonly #settings: Settings
  readonly #parts: string[]

  constructor(lua: Lua, state: State, settings: Settings, parts: string[]) {
    this.#lua = lua
    this.#state = state
    this.#settings = settings
    this.#parts = parts
  }

  /** The value on top of the stack, which stays there. */
  value(depth: number): void {
    const { api } = this.#lua
    const type = api.lua_type(this.#state, -1)
    if (type === TYPE.string) this.#string(this.#lua.text(this.#state, -1) as string)
    else if (type === TYPE.number) this.#number(api.lua_tonumber(this.#state, -1))
    else if (type === TYPE.boolean) this.#parts.push(api.lua_toboolean(this.#state, -1) === 0 ? 'false' : 'true')
    else if (type === TYPE.table) this.#table(depth + 1)
    else if (type === TYPE.nil || isNull(this.#lua, this.#state)) this.#parts.push('null')
    else throw new LuaError(`Cannot serialise ${this.#lua.typeName(type)}: type not supported`)
  }

  #table(depth: number): void {
    const { api } = this.#lua
    if (depth > this.#settings.encodeDepth || api.lua_checkstack(this.#state, STACK_SLOTS) === 0) {
      throw new LuaError(`Cannot serialise, excessive depth (${depth})`)
    }
    const length = this.#arrayLength()
    if (length > 0) this.#array(length, depth)
    else this.#object(depth)
  }

  #array(length: number, depth: number): void {
    const { api } = this.#lua
    this.#parts.push('[')
    for (let i = 1; i <= length; i++) {
      if (i > 1) this.#parts.push(',')
      api.lua_rawgeti(this.#state, -1, i)
      this.value(depth)
      this.#lua.pop(this.#state)
    }
    this.#parts.push(']')
  }

  #object(depth: number): void {
    const { api } = this.#lua
    this.#parts.push('{')
    let isFirst = true
    api.lua_pushnil(this.#state)
    while (api.lua_next(this.#state, -2) !== 0) {
      if (!isFirst) this.#parts.push(',')
      isFirst = false
      const type = api.lua_type(this.#state, -2)
      if (type === TYPE.number) {
        this.#parts.push('"')
        this.#number(api.lua_tonumber(this.#state, -2))
        this.#parts.push('"')
      } else if (type === TYPE.string) this.#string(this.#lua.text(this.#state, -2) as string)
      else throw new LuaError('Cannot serialise table: table key must be a number or string')
      this.#parts.push(':')
      this.value(depth)
      this.#lua.pop(this.#state)
    }
    this.#parts.push('}')
  }

  /** How long the table is as an array; 0 if it is none. */
  #arrayLength(): number {
    const { api } = this.#lua
    let [max, items] = [0, 0]
    api.lua_pushnil(this.#state)
    while (api.lua_next(this.#state, -2) !== 0) {
      const key = api.lua_type(this.#state, -2) === TYPE.number ? api.lua_tonumber(this.#state, -2) : Number.NaN
      if (!(key >= 1 && Math.floor(key) === key)) {
        this.#lua.pop(this.#state, 2)
        return 0
      }
      max = Math.max(max, key)
      items++
      this.#lua.pop(this.#state)
    }
    const { sparseRatio, sparseSafe, convertsSparse } = this.#settings
    if (sparseRatio > 0 && max > items * sparseRatio && max > sparseSafe) {
      if (!convertsSparse) throw new LuaError('Cannot serialise table: excessively sparse array')
      return 0
    }
    return max
  }

  #number(value: number): void {
    const { invalidNumbers, precision } = this.#settings
    if (Number.isFinite(value)) this.#parts.push(formatDouble(value, precision))
    else if (invalidNumbers === 'refused') throw new LuaError('Cannot serialise number: must not be NaN or Inf')
    else if (invalidNumbers === 'null') this.#parts.push('null')
    else this.#parts.push(Number.isNaN(value) ? '-nan' : formatDouble(value, precision))
  }

  #string(text: string): void {
    const escaped = text.replace(UNSAFE, (character) => {
      return ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
    })
    this.#parts.push('"', escaped, '"')
  }
}

const NUMBER =
  /-?(?:0[xX][\dA-Fa-f]+(?:\.[\dA-Fa-f]*)?|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN])/y
const PLAIN = /[^"\\]*/y

class Decoder {
  readonly #lua: Lua
  readonly #state: State
  readonly #settings: Settings
  readonly #text: string
  #at = 0

  constructor(lua: Lua, state: State, settings: Settings, text: string) {
    this.#lua = lua
    this.#state = state
    this.#settings = settings
    this.#text = text
  }

  document(): void {
    this.#value(0)
    this.#skip()
    if (this.#at < this.#text.length) this.#fail('the end')
  }

  #value(depth: number): void {
    const { api } = this.#lua
    this.#skip()
    const character = this.#text[this.#at]
    if (character === '"') this.#lua.pushText(this.#state, this.#string())
    else if (character === '{') this.#object(depth + 1)
    else if (character === '[') this.#array(depth + 1)
    else if (this.#word('true')) api.lua_pushboolean(this.#state, 1)
    else if (this.#word('false')) api.lua_pushboolean(this.#state, 0)
    else if (this.#word('null')) api.lua_pushlightuserdata(this.#state, 0)
    else this.#number()
  }

  #array(depth: number): void {
    const { api } = this.#lua
    this.#enter(depth)
    this.#skip()
    if (this.#take(']')) return
    for (let i = 1; ; i++) {
      this.#value(depth)
      api.lua_rawseti(this.#state, -2, i)
      this.#skip()
      if (this.#take(']')) return
      if (!this.#take(',')) this.#fail('comma or array end')
    }
  }

  #object(depth: number): void {
    const { api } = this.#lua
    this.#enter(depth)
    this.#skip()
    if (this.#take('}')) return
    for (;;) {
      this.#skip()
      if (this.#text[this.#at] !== '"') this.#fail('object key string')
      this.#lua.pushText(this.#state, this.#string())
      this.#skip()
      if (!this.#take(':')) this.#fail('colon')
      this.#value(depth)
      api.lua_rawset(this.#state, -3)
      this.#skip()
      if (this.#take('}')) return
      if (!this.#take(',')) this.#fail('comma or object end')
    }
  }

  #enter(depth: number): void {
    const { api } = this.#lua
    if (depth > this.#settings.decodeDepth || api.lua_checkstack(this.#state, STACK_SLOTS) === 0) {
      throw new LuaError(`Found too many nested data structures (${depth})`)
    }
    this.#at++
    api.lua_createtable(this.#state, 0, 0)
  }

  #number(): void {
    NUMBER.lastIndex = this.#at
    const found = NUMBER.exec(this.#text)?.[0]
    if (found === undefined) this.#fail('value')
    const digits = found.replace(/^-/, '').toLowerCase()
    const isOdd = /^(?:0[\dx]|inf|nan)/.test(digits)
    if (isOdd && !this.#settings.decodesInvalidNumbers) this.#fail('value')
    let value = Number(digits)
    if (digits.startsWith('inf')) value = Number.POSITIVE_INFINITY
    this.#at += found.length
    this.#lua.api.lua_pushnumber(this.#state, found.startsWith('-') ? -value : value)
  }

  #string(): string {
    const start = this.#at++
    let result = ''
    for (;;) {
      PLAIN.lastIndex = this.#at
      const plain = (PLAIN.exec(this.#text) as RegExpExecArray)[0]
      result += plain
      this.#at += plain.length
      if (this.#take('"')) return result
      if (this.#at >= this.#text.length) this.#fail('value', 'unexpected end of string', start)
      result += this.#escape()
    }
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? ''
    const simple = UNESCAPES[letter]
    if (simple !== undefined) {
      this.#at += 2
      return simple
    }
    const first = letter === 'u' ? this.#unit(this.#at + 2) : undefined
    if (first === undefined)
      return this.#fail('value', letter === 'u' ? 'invalid unicode escape code' : 'invalid escape code')
    if (first < 0xd800 || first > 0xdfff) {
      this.#at += 6
      return utf8(first)
    }
    const second = this.#text.startsWith('\\u', this.#at + 6) ? this.#unit(this.#at + 8) : undefined
    if (first >= 0xdc00 || second === undefined || second < 0xdc00 || second > 0xdfff) {
      return this.#fail('value', 'invalid unicode escape code')
    }
    this.#at += 12
    return utf8(0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff))
  }

  #unit(at: number): number | undefined {
    const digits = this.#text.slice(at, at + 4)
    return /^[\dA-Fa-f]{4}$/.test(digits) ? Number.parseInt(digits, 16) : undefined
  }

  #skip(): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? '.')) this.#at++
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #word(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false
    this.#at += word.length
    return true
  }

  #fail(expected: string, found = this.#found(), at = this.#at): never {
    throw new LuaError(`Expected ${expected} but found ${found} at character ${at + 1}`)
  }

  /** What stands here, by the names of lua-cjson's tokens. */
  #found(): string {
    const rest = this.#text.slice(this.#at, this.#at + 8)
    if (rest === '') return 'T_END'
    const tokens: readonly (readonly [RegExp, string])[] = [
      [/^\{/, 'T_OBJ_BEGIN'],
      [/^\}/, 'T_OBJ_END'],
      [/^\[/, 'T_ARR_BEGIN'],
      [/^\]/, 'T_ARR_END'],
      [/^"/, 'T_STRING'],
      [/^-?\d/, 'T_NUMBER'],
      [/^(?:true|false)/, 'T_BOOLEAN'],
      [/^null/, 'T_NULL'],
      [/^:/, 'T_COLON'],
      [/^,/, 'T_COMMA'],
    ]
    return tokens.find(([pattern]) => pattern.test(rest))?.[1] ?? 'invalid token'
  }
}

/** True if the null of JSON lies on top: a light userdata of address 0. */
function isNull({ api }: Lua, state: State): boolean {
  return api.lua_type(state, -1) === TYPE.lightuserdata && api.lua_topointer(state, -1) === 0
}

function utf8(point: number): string {
  return Buffer.from(String.fromCodePoint(point)).toString('latin1')
}
