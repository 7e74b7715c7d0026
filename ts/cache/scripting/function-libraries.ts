// Libraries of functions: what FUNCTION loads and FCALL calls (redis.io/docs/interact/programmability/functions-intro).
import { splitInline } from '../../wire/resp/index.ts'
import type { Call } from '../commands/call.ts'
import { fail } from '../commands/errors.ts'
import type { Host } from '../commands/host.ts'
import { type Lua, type LuaFunction, REGISTRY, type State, TYPE } from './lua.ts'
import { raiseError } from './redis-library.ts'
import { pushArray } from './replies.ts'
import { type Rights, ScriptRunner } from './runner.ts'
import { FLAG_NAMES } from './script-cache.ts'

/** A function that a library has registered. */
export interface RegisteredFunction {
  readonly name: string
  readonly description: string | undefined
  readonly flags: ReadonlySet<string>
  /** Where it lies in the registry of the interpreter. */
  readonly reference: number
}

export interface Library {
  readonly name: string
  /** As it was given, with its first line. */
  readonly code: string
  readonly functions: ReadonlyMap<string, RegisteredFunction>
}

/** How long a library may take to register its functions. */
const LOAD_LIMIT_MS = 500
const NAME = /^\w+$/
const BAD_NAME =
  'Library names can only contain letters, numbers, or underscores(_) and must be at least one character long'

/** One for each engine. */
export class FunctionLibraries {
  readonly runner: ScriptRunner
  #libraries = new Map<string, Library>()
  /** What is being loaded, and what it has registered. */
  #loading: Map<string, RegisteredFunction> | undefined
  /** The interpreter that the references belong to. */
  #generation = 0

  constructor(engine: Host) {
    this.runner = new ScriptRunner(engine, 'function', (lua) => ({
      register_function: (state) => this.#register(lua, state),
    }))
  }

  /** By name. */
  get libraries(): ReadonlyMap<string, Library> {
    return this.#libraries
  }

  /** The function of that name in whatever case. */
  find(name: string): RegisteredFunction | undefined {
    const wanted = name.toLowerCase()
    for (const { functions } of this.#libraries.values()) {
      const found = functions.get(name) ?? [...functions.values()].find((each) => each.name.toLowerCase() === wanted)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Loads a library. @returns Its name. @throws CommandError, and all is as it was. */
  load(code: string, replaces: boolean): string {
    const { name, body } = readLibrary(code)
    const old = this.#libraries.get(name)
    if (old !== undefined && !replaces) fail(`ERR Library '${name}' already exists`)
    this.#renew()
    const functions = this.#run(body)
    const taken = [...functions.keys()].find((each) => !old?.functions.has(each) && this.find(each) !== undefined)
    if (taken !== undefined) {
      this.#release(functions)
      fail(`ERR Function ${taken} already exists`)
    }
    if (old !== undefined) this.#release(old.functions)
    this.#libraries.set(name, { name, code, functions })
    return name
  }

  /** @returns False if there is none. */
  delete(name: string): boolean {
    const library = this.#libraries.get(name)
    if (library === undefined) return false
    this.#libraries.delete(name)
    this.#release(library.functions)
    return true
  }

  clear(): void {
    this.#libraries = new Map()
    this.runner.reset()
  }

  /** Loads several libraries or none. @throws CommandError */
  restore(codes: readonly string[], policy: 'flush' | 'append' | 'replace'): void {
    const names = codes.map((code) => readLibrary(code).name)
    const taken = policy === 'append' ? names.find((name) => this.#libraries.has(name)) : undefined
    if (taken !== undefined) fail(`ERR Library ${taken} already exists`)
    const before = this.#libraries
    this.#libraries = policy === 'flush' ? new Map() : new Map(before)
    try {
      for (const code of codes) this.load(code, policy === 'replace')
    } catch (error) {
      // What was loaded in between is in another interpreter soon: all of it is loaded again when it is needed.
      this.#libraries = before
      this.runner.reset()
      throw error
    }
    if (policy === 'flush') for (const { functions } of before.values()) this.#release(functions)
  }

  /** Calls a function with its keys and arguments. */
  call(
    { session, command, mayBlock, now }: Call,
    name: string,
    args: readonly string[],
    { keys, rest, ...rights }: Rights & { keys: readonly string[]; rest: readonly string[] },
  ): void {
    this.#renew()
    const { reference } = this.find(name) ?? fail('ERR Function not found')
    const push = (lua: Lua, state: State): number => {
      lua.api.lua_rawgeti(state, REGISTRY, reference)
      pushArray(lua, state, keys)
      pushArray(lua, state, rest)
      return 2
    }
    this.runner.start(session, command, { name, ...rights, mayPause: mayBlock, args, push }, now)
  }

  /** Loads everything again where a script has broken the interpreter. */
  #renew(): void {
    const { runner } = this
    runner.lua // makes one where there is none
    if (runner.generation === this.#generation) return
    this.#generation = runner.generation
    for (const library of this.#libraries.values()) {
      const functions = this.#run(readLibrary(library.code).body)
      this.#libraries.set(library.name, { ...library, functions })
    }
  }

  /** Runs the code of a library. @returns What it registers, at least one function. */
  #run(body: string): Map<string, RegisteredFunction> {
    const chunk = this.runner.compile(body, '@user_function')
    if (typeof chunk === 'string') fail(`ERR Error compiling function: ${chunk}`)
    const functions = new Map<string, RegisteredFunction>()
    this.#loading = functions
    const problem = this.runner.load(chunk, LOAD_LIMIT_MS)
    this.#loading = undefined
    this.runner.release(chunk)
    if (problem !== undefined) {
      this.#release(functions)
      fail(`ERR Error registering functions: ${problem}`)
    }
    if (functions.size === 0) fail('ERR No functions registered')
    return functions
  }

  #release(functions: ReadonlyMap<string, RegisteredFunction>): void {
    if (this.runner.generation !== this.#generation) return
    for (const { reference } of functions.values()) this.runner.release(reference)
  }

  /** redis.register_function(name, callback), or with a table of named arguments. */
  #register(lua: Lua, state: State): ReturnType<LuaFunction> {
    const { api } = lua
    const loading = this.#loading
    if (loading === undefined) {
      return raiseError(lua, state, 'redis.register_function can only be called on FUNCTION LOAD command')
    }
    const count = api.lua_gettop(state)
    if (count < 1 || count > 2) {
      return raiseError(lua, state, 'wrong number of arguments to redis.register_function')
    }
    const given = count === 1 ? readNamed(lua, state) : readPositional(lua, state)
    if (typeof given === 'string') return raiseError(lua, state, given)
    if (!NAME.test(given.name)) return raiseError(lua, state, BAD_NAME)
    if (loading.has(given.name)) return raiseError(lua, state, 'Function already exists in the library')
    // The function lies on top.
    loading.set(given.name, { ...given, reference: api.luaL_ref(state, REGISTRY) })
    return 0
  }
}

type Given = Omit<RegisteredFunction, 'reference'>

/** @returns What is wrong as a text; otherwise the function lies on top of the stack. */
function readPositional(lua: Lua, state: State): Given | string {
  const { api } = lua
  const name = lua.text(state, 1)
  if (name === undefined) return 'first argument to redis.register_function must be a string'
  if (api.lua_type(state, 2) !== TYPE.function) return 'second argument to redis.register_function must be a function'
  return { name, description: undefined, flags: new Set() }
}

function readNamed(lua: Lua, state: State): Given | string {
  const { api } = lua
  if (api.lua_type(state, 1) !== TYPE.table) {
    return 'calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).'
  }
  let name: string | undefined
  let description: string | undefined
  let flags: ReadonlySet<string> = new Set()
  let hasCallback = false
  api.lua_pushnil(state)
  while (api.lua_next(state, 1) !== 0) {
    const isText = api.lua_type(state, -2) === TYPE.string
    if (!isText) return 'named argument key given to redis.register_function is not a string'
    const key = (lua.text(state, -2) as string).toLowerCase()
    if (key === 'function_name') {
      name = lua.text(state, -1)
      if (name === undefined) return 'function_name argument given to redis.register_function must be a string'
    } else if (key === 'description') {
      description = lua.text(state, -1)
      if (description === undefined) return 'description argument given to redis.register_function must be a string'
    } else if (key === 'callback') {
      if (api.lua_type(state, -1) !== TYPE.function) {
        return 'callback argument given to redis.register_function must be a function'
      }
      hasCallback = true
    } else if (key === 'flags') {
      if (api.lua_type(state, -1) !== TYPE.table) {
        return 'flags argument to redis.register_function must be a table representing function flags'
      }
      const read = readFlags(lua, state)
      if (read === undefined) return 'unknown flag given'
      flags = read
    } else return 'unknown argument given to redis.register_function'
    lua.pop(state)
  }
  if (name === undefined) return 'redis.register_function must get a function name argument'
  if (!hasCallback) return 'redis.register_function must get a callback argument'
  // Found under whatever case its key has.
  api.lua_pushnil(state)
  while (api.lua_next(state, 1) !== 0) {
    if ((lua.text(state, -2) as string).toLowerCase() === 'callback') break
    lua.pop(state)
  }
  return { name, description, flags }
}

/** The array of flags on top of the stack; undefined if one is unknown. */
function readFlags(lua: Lua, state: State): ReadonlySet<string> | undefined {
  const flags = new Set<string>()
  for (let i = 1; ; i++) {
    lua.api.lua_rawgeti(state, -1, i)
    const isEnd = lua.api.lua_type(state, -1) === TYPE.nil
    const flag = lua.text(state, -1)?.toLowerCase() ?? ''
    lua.pop(state)
    if (isEnd) return flags
    if (!FLAG_NAMES.has(flag)) return undefined
    flags.add(flag)
  }
}

/** The first line of a library, `#!lua name=mylib`, and what follows it. @throws CommandError */
function readLibrary(code: string): { name: string; body: string } {
  if (!code.startsWith('#!')) fail('ERR Missing library metadata')
  const length = code.indexOf('\n')
  const [engine, ...options] = (length === -1 ? undefined : splitInline(code.slice(0, length))) ?? []
  if (engine === undefined) fail('ERR Invalid library metadata')
  let name: string | undefined
  for (const option of options) {
    if (!/^name=/i.test(option)) fail(`ERR Invalid metadata value given: ${option}`)
    if (name !== undefined) fail('ERR Invalid metadata value, name argument was given multiple times')
    name = option.slice('name='.length)
  }
  if (name === undefined) fail('ERR Library name was not given')
  if (!NAME.test(name)) fail(`ERR ${BAD_NAME}`)
  if (engine.toLowerCase() !== '#!lua') fail(`ERR Engine '${engine.slice(2)}' not found`)
  return { name, body: code.slice(length) }
}
