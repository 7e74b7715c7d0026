// The `redis` table, and the chance of `math.random`, as scripts of Redis 7.0 see them.
import { formatDouble } from '../../wire/resp/index.ts'
import { type Lua, LuaError, type LuaFunction, type State, TYPE } from './lua.ts'
import { pushError } from './replies.ts'
import { sha1Hex } from './sha1.ts'

/** What the functions need of whoever runs the scripts. */
export interface ScriptHost {
  /** A script is running: most functions are for scripts alone, not for libraries that are loaded. */
  readonly isRunning: boolean
  /** Runs a command and pushes its reply. @returns False if the reply is an error. */
  call(state: State, args: readonly string[]): boolean
  /** Whether the user who runs the script may run a command; undefined if there is none. */
  mayRun(args: readonly string[]): boolean | undefined
  setProtocol(protocol: 2 | 3): void
  setReplication(flags: number): void
  log(level: number, text: string): void
}

/** The version of Redis whose behaviour this is. */
const VERSION = '7.0.15'
const VERSION_NUMBER = 0x07000f
const LOG_LEVELS = { LOG_DEBUG: 0, LOG_VERBOSE: 1, LOG_NOTICE: 2, LOG_WARNING: 3 }
const REPLICATION = { REPL_NONE: 0, REPL_AOF: 1, REPL_SLAVE: 2, REPL_REPLICA: 2, REPL_ALL: 3 }

const MULTIPLIER = 0x5deece66dn
const RANDOM_MAX = 2 ** 31 - 1

/** The functions that only a script may call. */
export function redisLibrary(lua: Lua, host: ScriptHost): Readonly<Record<string, LuaFunction | string | number>> {
  const { api } = lua

  const raise = (state: State, text: string): number => raiseError(lua, state, text)

  function needRun(state: State, name: string): void {
    if (!host.isRunning) raise(state, `${name} can only be called inside a script invocation`)
  }

  /** The arguments of a command; a text is what is wrong with them. */
  function argumentsOf(state: State): string[] | string {
    const count = api.lua_gettop(state)
    if (count === 0) return 'Please specify at least one argument for this redis lib call'
    const args: string[] = []
    for (let i = 1; i <= count; i++) {
      const type = api.lua_type(state, i)
      if (type === TYPE.number) args.push(formatDouble(api.lua_tonumber(state, i)))
      else if (type === TYPE.string) args.push(lua.text(state, i) as string)
      else return 'Lua redis lib command arguments must be strings or integers'
    }
    api.lua_settop(state, 0)
    return args
  }

  const calling =
    (raises: boolean): LuaFunction =>
    (state) => {
      needRun(state, 'redis.call/pcall')
      const args = argumentsOf(state)
      if (typeof args === 'string') {
        pushError(lua, state, `ERR ${args}`)
        return raises ? api.lua_error(state) : 1
      }
      const isFine = host.call(state, args)
      return isFine || !raises ? 1 : api.lua_error(state)
    }

  return {
    call: calling(true),
    pcall: calling(false),
    ...logLibrary(lua, host),

    setresp(state) {
      needRun(state, 'redis.setresp')
      if (api.lua_gettop(state) !== 1) return raise(state, 'redis.setresp() requires one argument.')
      const protocol = Math.trunc(api.lua_tonumber(state, 1))
      if (protocol !== 2 && protocol !== 3) return raise(state, 'RESP version must be 2 or 3.')
      host.setProtocol(protocol)
      return 0
    },

    sha1hex(state) {
      if (api.lua_gettop(state) !== 1) return raise(state, 'wrong number of arguments')
      lua.pushText(state, sha1Hex(lua.text(state, 1) ?? ''))
      return 1
    },

    error_reply(state) {
      if (api.lua_gettop(state) !== 1 || api.lua_type(state, 1) !== TYPE.string) {
        pushError(lua, state, 'ERR wrong number or type of arguments')
        return 1
      }
      const text = (lua.text(state, 1) as string).replace(/^-/, '')
      const space = text.indexOf(' ')
      const message = space === -1 ? text : text.slice(space + 1)
      pushError(
        lua,
        state,
        `${space === -1 ? 'ERR' : text.slice(0, space)} ${message.replace(/^[\r\n]+|[\r\n]+$/g, '')}`,
      )
      return 1
    },

    status_reply(state) {
      if (api.lua_gettop(state) !== 1 || api.lua_type(state, 1) !== TYPE.string) {
        pushError(lua, state, 'ERR wrong number or type of arguments')
        return 1
      }
      api.lua_createtable(state, 0, 1)
      api.lua_pushvalue(state, 1)
      lua.setField(state, -2, 'ok')
      return 1
    },

    set_repl(state) {
      needRun(state, 'redis.set_repl')
      if (api.lua_gettop(state) !== 1) return raise(state, 'redis.set_repl() requires two arguments.')
      const flags = Math.trunc(api.lua_tonumber(state, 1))
      if ((flags & ~REPLICATION.REPL_ALL) !== 0) {
        return raise(state, 'Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.')
      }
      host.setReplication(flags)
      return 0
    },

    acl_check_cmd(state) {
      needRun(state, 'redis.acl_check_cmd')
      const args = argumentsOf(state)
      if (typeof args === 'string') return raise(state, args)
      const mayRun = host.mayRun(args)
      if (mayRun === undefined) return raise(state, 'Invalid command passed to redis.acl_check_cmd()')
      api.lua_pushboolean(state, mayRun ? 1 : 0)
      return 1
    },
    ...REPLICATION,
  }
}

/** What Redis gives to the scripts of EVAL alone. */
export function evalLibrary(lua: Lua): Readonly<Record<string, LuaFunction>> {
  const answer =
    (value: 0 | 1): LuaFunction =>
    (state) => {
      lua.api.lua_pushboolean(state, value)
      return 1
    }
  return { breakpoint: answer(0), debug: () => 0, replicate_commands: answer(1) }
}

/** redis.log and the constants that are there while a library is loaded, too. */
export function logLibrary(lua: Lua, host: ScriptHost): Readonly<Record<string, LuaFunction | string | number>> {
  const { api } = lua
  return {
    ...LOG_LEVELS,
    REDIS_VERSION: VERSION,
    REDIS_VERSION_NUM: VERSION_NUMBER,
    log(state) {
      const count = api.lua_gettop(state)
      if (count < 2) return raiseError(lua, state, 'redis.log() requires two arguments or more.')
      if (Number.isNaN(Number(lua.text(state, 1) ?? Number.NaN))) {
        return raiseError(lua, state, 'First argument must be a number (log level).')
      }
      const level = Math.trunc(api.lua_tonumber(state, 1))
      if (level < LOG_LEVELS.LOG_DEBUG || level > LOG_LEVELS.LOG_WARNING)
        return raiseError(lua, state, 'Invalid debug level.')
      const parts: string[] = []
      for (let i = 2; i <= count; i++) parts.push(lua.text(state, i) ?? '')
      host.log(level, parts.join(' '))
      return 0
    },
  }
}

/** Raises an error as a table, without a position. */
export function raiseError(lua: Lua, state: State, text: string): number {
  pushError(lua, state, `ERR ${text}`)
  return lua.api.lua_error(state)
}

/** math.random and math.randomseed on the generator of Redis, which is drand48's: the same numbers on every machine. */
export function randomLibrary(lua: Lua): Readonly<Record<string, LuaFunction>> {
  const { api } = lua
  let seed = 0x1234abcd330en

  function next(): number {
    seed = BigInt.asUintN(48, seed * MULTIPLIER + 0xbn)
    return (Number(seed >> 17n) % RANDOM_MAX) / RANDOM_MAX
  }

  function integer(state: State, index: number): number {
    return Math.trunc(api.luaL_checknumber(state, index)) | 0
  }

  return {
    random(state) {
      const chance = next()
      const count = api.lua_gettop(state)
      if (count > 2) throw new LuaError('wrong number of arguments')
      if (count === 0) api.lua_pushnumber(state, chance)
      else {
        const low = count === 1 ? 1 : integer(state, 1)
        const high = integer(state, count)
        if (low > high) api.luaL_argerror(state, count, lua.constant('interval is empty'))
        api.lua_pushnumber(state, Math.floor(chance * (high - low + 1)) + low)
      }
      return 1
    },
    randomseed(state) {
      seed = (BigInt.asUintN(32, BigInt(integer(state, 1))) << 16n) + 0x330en
      return 0
    },
  }
}
