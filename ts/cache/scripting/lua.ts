// Lua 5.1 in WebAssembly: the interpreter of PUC-Rio itself, with the C interface of its reference manual (chapters 3 and 4) and
// nothing of the world outside. Memory is bounded, functions of ours can be called from Lua, and a hook counts instructions.
//
//   Lua calls a function of ours:  Lua -> trampoline (a C function of the table) -> #call -> handler(state) -> results on the stack
//   an error:                      handler throws LuaError -> lua_error -> unwinds to the nearest lua_pcall or lua_resume
//
// The program was compiled by Emscripten, so setjmp and longjmp are exceptions of JavaScript: longjmp throws Infinity, and
// `invoke_vii` catches it. No handler may hold that up.
import {
  compileWasm,
  readPackageFile,
  type WasmFunction,
  type WasmMemory,
  type WasmModule,
  type WasmTable,
} from '../../io/wasm.ts'

/** A `lua_State *`. */
export type State = number

/** Called from Lua with its arguments on the stack. @returns How many results lie on top of it. */
export type LuaFunction = (state: State) => number

/** What to do when so many instructions have run. */
export type HookAnswer = 'go on' | 'yield' | 'stop'

/** Raised in Lua as an error with the position of the caller in front, as `luaL_error` does. */
export class LuaError extends Error {}

/** The interpreter is beyond repair: it ran out of stack or memory where Lua cannot say so. Make another one. */
export class LuaCrash extends Error {}

export const TYPE = {
  nil: 0,
  boolean: 1,
  lightuserdata: 2,
  number: 3,
  string: 4,
  table: 5,
  function: 6,
  thread: 8,
} as const
const TYPE_NAMES = ['nil', 'boolean', 'userdata', 'number', 'string', 'table', 'function', 'userdata', 'thread']
export const REGISTRY = -10_000
export const GLOBALS = -10_002
const UPVALUE = -10_003
export const OK = 0
export const YIELDED = 1

const PACKAGE_FILE = 'wasmoon-lua5.1/dist/liblua5.1.wasm'
const PAGE_BYTES = 65_536
const COUNT_MASK = 8
const LINE_MASK = 4
/** ENOSYS, to every call of the system. */
const NO_SUCH_CALL = -52
/** What longjmp throws. */
const JUMP = Number.POSITIVE_INFINITY
/** `nCcalls` and `baseCcalls` in `struct lua_State` (lstate.h) for 32 bits. */
const C_CALLS = 52
const BASE_C_CALLS = 54
const FIRST_TEXT_BYTES = 4096
/** The place is made small again after longer texts. */
const KEPT_TEXT_BYTES = 256 * 1024
/** Text up to here is written by a loop, which is faster than a call into V8. */
const SHORT_TEXT = 24
/** `struct lua_Debug` (lua.h) for 32 bits. */
const DEBUG_BYTES = 100
const DEBUG_SOURCE = 16
const DEBUG_LINE = 20

/**
 * Two functions that are called from the program's table and hand over to JavaScript: `f(state) -> count`, a lua_CFunction, and
 * `h(state, debug)`, a lua_Hook. Section by section: types, imports `e.f` and `e.h`, the same as exports.
 */
const TRAMPOLINE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x0b, 0x02, 0x60, 0x01, 0x7f, 0x01, 0x7f, 0x60, 0x02, 0x7f, 0x7f, 0x00],
  ...[0x02, 0x0d, 0x02, 0x01, 0x65, 0x01, 0x66, 0x00, 0x00, 0x01, 0x65, 0x01, 0x68, 0x00, 0x01],
  ...[0x07, 0x09, 0x02, 0x01, 0x66, 0x00, 0x00, 0x01, 0x68, 0x00, 0x01],
)

/** The functions that are used, under their own names. Arguments and results are numbers: addresses, indexes, doubles. */
const FUNCTIONS = [
  ...['luaL_newstate', 'lua_newthread', 'lua_resume', 'lua_yield', 'lua_pcall', 'lua_call', 'lua_error'],
  ...['luaL_loadbuffer', 'lua_gettop', 'lua_settop', 'lua_pushvalue', 'lua_insert', 'lua_replace'],
  ...['lua_type', 'lua_tolstring', 'lua_tonumber', 'lua_toboolean', 'lua_topointer', 'lua_objlen', 'lua_checkstack'],
  ...[
    'lua_pushnil',
    'lua_pushnumber',
    'lua_pushlstring',
    'lua_pushboolean',
    'lua_pushcclosure',
    'lua_pushlightuserdata',
  ],
  ...[
    'lua_createtable',
    'lua_rawget',
    'lua_rawgeti',
    'lua_rawset',
    'lua_rawseti',
    'lua_getfield',
    'lua_setfield',
    'lua_next',
  ],
  ...['luaL_getmetafield', 'lua_setmetatable', 'lua_setfenv', 'lua_gc', 'lua_sethook', 'lua_getstack', 'lua_getinfo'],
  ...['luaL_checknumber', 'luaL_optnumber', 'luaL_checklstring', 'luaL_checktype', 'luaL_checkany', 'luaL_argerror'],
  ...[
    'luaL_where',
    'luaL_ref',
    'luaL_unref',
    'lua_concat',
    'luaopen_base',
    'luaopen_table',
    'luaopen_string',
    'luaopen_math',
  ],
  ...['malloc', 'free', 'stackSave', 'stackRestore', 'setThrew', '__wasm_call_ctors'],
] as const

type Functions = Readonly<Record<(typeof FUNCTIONS)[number], WasmFunction>>

let compiled: { readonly lua: WasmModule; readonly trampoline: WasmModule } | undefined

/** One interpreter. Strings are one character of 0 to 255 a byte. */
export class Lua {
  /** The C interface. Indexes, types and results as the manual has them. */
  readonly api: Functions
  /** The first thread. */
  readonly main: State
  /** Asked every so many instructions; may be changed at any time. */
  hook: (state: State) => HookAnswer = () => 'go on'
  /** The error of a script that the hook stops. */
  stopText = 'stopped'
  readonly #memory: WasmMemory
  readonly #memoryBytes: number
  readonly #handlers: LuaFunction[] = []
  readonly #cFunction: number
  readonly #cHook: number
  readonly #names = new Map<string, number>()
  #bytes: Buffer = Buffer.alloc(0)
  #words = new Uint32Array(0)
  /** A place for texts on their way in, and for a length on its way out. */
  #text: number
  #textBytes = FIRST_TEXT_BYTES
  readonly #length: number
  readonly #debug: number
  readonly #table: WasmTable

  /** @param memoryBytes - The most that it may hold, at least 17 MiB; beyond it scripts get "not enough memory". */
  constructor(memoryBytes: number) {
    compiled ??= { lua: compileWasm(readPackageFile(PACKAGE_FILE)), trampoline: compileWasm(TRAMPOLINE) }
    this.#memoryBytes = memoryBytes
    const exports = compiled.lua.instantiate(this.#imports(compiled.lua))
    this.#memory = exports['memory'] as WasmMemory
    this.api = Object.fromEntries(FUNCTIONS.map((name) => [name, exports[name] as WasmFunction])) as Functions
    this.#refresh()
    this.api.__wasm_call_ctors()
    const table = exports['__indirect_function_table'] as WasmTable
    this.#table = table
    const e = { f: (state: State) => this.#call(state), h: (state: State) => this.#hooked(state) }
    const trampoline = compiled.trampoline.instantiate({ e })
    this.#cFunction = table.grow(2)
    this.#cHook = this.#cFunction + 1
    table.set(this.#cFunction, trampoline['f'])
    table.set(this.#cHook, trampoline['h'])
    this.#text = this.#allocate(FIRST_TEXT_BYTES)
    this.#length = this.#allocate(4)
    this.#debug = this.#allocate(DEBUG_BYTES)
    this.main = this.api.luaL_newstate()
    for (const open of ['luaopen_base', 'luaopen_table', 'luaopen_string', 'luaopen_math'] as const) {
      this.pushFunction(this.main, (state) => this.api[open](state))
      this.api.lua_call(this.main, 0, 0)
    }
    this.#handlers.length = 0
  }

  // Values.

  /** The text of a string, or of a number, which becomes a string; undefined for anything else. */
  text(state: State, index: number): string | undefined {
    const at = this.api.lua_tolstring(state, index, this.#length)
    return at === 0 ? undefined : this.#read(at)
  }

  /** An argument that must be a string. */
  checkText(state: State, index: number): string {
    return this.#read(this.api.luaL_checklstring(state, index, this.#length))
  }

  pushText(state: State, text: string): void {
    this.api.lua_pushlstring(state, this.#write(text), text.length)
    if (this.#textBytes > KEPT_TEXT_BYTES) this.#makeRoom(FIRST_TEXT_BYTES)
  }

  pushBytes(state: State, bytes: Buffer, start: number, end: number): void {
    const length = end - start
    if (length > this.#textBytes) this.#makeRoom(length)
    bytes.copy(this.#bytes, this.#text, start, end)
    this.api.lua_pushlstring(state, this.#text, length)
    if (this.#textBytes > KEPT_TEXT_BYTES) this.#makeRoom(FIRST_TEXT_BYTES)
  }

  pushFunction(state: State, handler: LuaFunction): void {
    this.api.lua_pushnumber(state, this.#handlers.push(handler) - 1)
    this.api.lua_pushcclosure(state, this.#cFunction, 1)
  }

  /** Sets a field of the table at `index` to what lies on top, and takes that away. @param name - Known beforehand: it is kept for ever. */
  setField(state: State, index: number, name: string): void {
    this.api.lua_setfield(state, index, this.constant(name))
  }

  /** Pushes a field of the table at `index`, asking no metatable. */
  rawField(state: State, index: number, name: string): number {
    const { api } = this
    const at = index < 0 && index > REGISTRY ? index - 1 : index
    api.lua_pushlstring(state, this.constant(name), name.length)
    api.lua_rawget(state, at)
    return api.lua_type(state, -1)
  }

  /** The name of a type. */
  typeName(type: number): string {
    return TYPE_NAMES[type] ?? 'no value'
  }

  pop(state: State, count = 1): void {
    this.api.lua_settop(state, -1 - count)
  }

  // Running.

  /** Compiles a chunk and pushes it. @returns What is wrong with it; undefined if it was pushed. */
  load(state: State, source: string, name: string): string | undefined {
    // A compiled chunk could do anything: what begins as one is read as text.
    const text = source.startsWith('\x1b') ? ` ${source}` : source
    const status = this.api.luaL_loadbuffer(state, this.#write(text), text.length, this.constant(name))
    if (status === OK) return undefined
    const message = this.text(state, -1) ?? 'not enough memory'
    this.pop(state)
    return message
  }

  /** Counts instructions of this thread and of those that it will make. @param count - 0 counts none. */
  setHook(state: State, count: number): void {
    this.api.lua_sethook(state, this.#cHook, count === 0 ? 0 : COUNT_MASK, count)
  }

  /** True if the thread could yield now: no C function waits on its stack for what it runs. */
  canYield(state: State): boolean {
    return this.#bytes.readUInt16LE(state + C_CALLS) === this.#bytes.readUInt16LE(state + BASE_C_CALLS)
  }

  /** Where the thread is, or was when it failed: the innermost line of a script. */
  position(state: State): { readonly source: string; readonly line: number } | undefined {
    for (let level = 0; this.api.lua_getstack(state, level, this.#debug) !== 0; level++) {
      this.api.lua_getinfo(state, this.constant('Sl'), this.#debug)
      const source = this.#zeroEnded(this.#bytes.readInt32LE(this.#debug + DEBUG_SOURCE))
      if (source.startsWith('@')) return { source, line: this.#bytes.readInt32LE(this.#debug + DEBUG_LINE) }
    }
    return undefined
  }

  /** Bytes that were taken from the machine. */
  get memoryBytes(): number {
    return this.#memory.buffer.byteLength
  }

  /** Bytes that Lua has in use, garbage among them. */
  get usedBytes(): number {
    return this.api.lua_gc(this.main, 3, 0) * 1024 + this.api.lua_gc(this.main, 4, 0)
  }

  /** Runs a call of the interface from outside of Lua. @throws LuaCrash if there was no way to go on. */
  guard<T>(run: () => T): T {
    try {
      return run()
    } catch (error) {
      if (error === JUMP || error instanceof RangeError || isTrap(error)) {
        throw new LuaCrash('the interpreter ran out of stack or memory', { cause: error })
      }
      throw error
    }
  }

  // What the program calls.

  #imports(module: WasmModule): Record<string, Record<string, unknown>> {
    const ours: Readonly<Record<string, unknown>> = {
      invoke_vii: (index: number, a: number, b: number) => this.#invoke(index, a, b),
      _emscripten_throw_longjmp: () => {
        throw JUMP
      },
      emscripten_resize_heap: (bytes: number) => this.#grow(bytes >>> 0),
      emscripten_memcpy_js: (to: number, from: number, count: number) => {
        this.#view().copyWithin(to, from, from + count)
      },
      emscripten_date_now: () => 0,
      exit: () => {
        throw new LuaCrash('the interpreter gave up')
      },
    }
    const imports: Record<string, Record<string, unknown>> = {}
    for (const { module: from, name } of module.imports) {
      imports[from] ??= {}
      ;(imports[from] as Record<string, unknown>)[name] = ours[name] ?? (() => NO_SUCH_CALL)
    }
    return imports
  }

  /** A call within setjmp: a longjmp comes back to it. */
  #invoke(index: number, a: number, b: number): void {
    const { api } = this
    const stack = api.stackSave()
    try {
      ;(this.#table.get(index) as WasmFunction)(a, b)
    } catch (error) {
      if (error !== JUMP) throw error
      api.stackRestore(stack)
      api.setThrew(1, 0)
    }
  }

  #grow(bytes: number): number {
    const now = this.#memory.buffer.byteLength
    if (bytes > this.#memoryBytes) return 0
    const wanted = Math.min(Math.max(bytes, now + now / 4), this.#memoryBytes)
    try {
      this.#memory.grow(Math.ceil((wanted - now) / PAGE_BYTES))
    } catch {
      return 0 // the machine has no more
    }
    this.#refresh()
    return 1
  }

  #call(state: State): number {
    const handler = this.#handlers[this.api.lua_tonumber(state, UPVALUE)] as LuaFunction
    try {
      return handler(state)
    } catch (error) {
      if (!(error instanceof LuaError)) throw error
      this.api.luaL_where(state, 1)
      this.pushText(state, error.message)
      this.api.lua_concat(state, 2)
    }
    return this.api.lua_error(state)
  }

  #hooked(state: State): number {
    const answer = this.hook(state)
    if (answer === 'yield') this.api.lua_yield(state, 0)
    else if (answer === 'stop') {
      // From now on after every line, so that no pcall of the script goes on for long.
      this.api.lua_sethook(state, this.#cHook, LINE_MASK, 0)
      this.pushText(state, this.stopText)
      this.api.lua_error(state)
    }
    return 0
  }

  // Bytes.

  #refresh(): void {
    this.#bytes = Buffer.from(this.#memory.buffer)
    this.#words = new Uint32Array(this.#memory.buffer)
  }

  #view(): Buffer {
    if (this.#bytes.buffer !== this.#memory.buffer) this.#refresh()
    return this.#bytes
  }

  #allocate(bytes: number): number {
    const at = this.api.malloc(bytes)
    if (at === 0) throw new LuaCrash('not enough memory')
    return at
  }

  /** The text at `at`, as long as the word at `#length` says. */
  #read(at: number): string {
    return this.#bytes.toString('latin1', at, at + (this.#words[this.#length >>> 2] as number))
  }

  #zeroEnded(at: number): string {
    return this.#bytes.toString('latin1', at, this.#bytes.indexOf(0, at))
  }

  #write(text: string): number {
    const { length } = text
    if (length > this.#textBytes) this.#makeRoom(length)
    const bytes = this.#bytes
    const at = this.#text
    if (length > SHORT_TEXT) bytes.write(text, at, 'latin1')
    else for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i)
    return at
  }

  /** @throws LuaError if so much cannot be had; there is always room for a short text. */
  #makeRoom(bytes: number): void {
    this.api.free(this.#text)
    this.#textBytes = bytes
    this.#text = this.api.malloc(bytes)
    if (this.#text !== 0) return
    this.#textBytes = FIRST_TEXT_BYTES
    this.#text = this.#allocate(FIRST_TEXT_BYTES)
    throw new LuaError('not enough memory')
  }

  /** A text that ends with a zero and stays where it is: for names and messages, of which there are few. */
  constant(text: string): number {
    let at = this.#names.get(text)
    if (at === undefined) {
      at = this.#allocate(text.length + 1)
      this.#bytes.write(`${text}\0`, at, 'latin1')
      this.#names.set(text, at)
    }
    return at
  }
}

function isTrap(error: unknown): boolean {
  return error instanceof Error && error.name === 'RuntimeError'
}
