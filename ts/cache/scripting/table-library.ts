// The functions of Lua's base library that tell a table in front of another one (prelude.ts) from what is behind it.
import { type Lua, LuaError, type LuaFunction, REGISTRY, type State, TYPE } from './lua.ts'

const REFUSED = 'Attempt to modify a readonly table'

/** `next`, `pairs`, `rawget`, `rawset` and `setmetatable`, and `fronts`, which takes the table of what is behind which front. */
export function tableLibrary(lua: Lua): Readonly<Record<string, LuaFunction>> {
  const { api } = lua
  let fronts = 0
  let nextReference = 0

  /** Pushes what is behind the table at index 1. @returns False, and pushes nothing, if that is no front. */
  function pushReal(state: State): boolean {
    api.luaL_checktype(state, 1, TYPE.table)
    api.lua_rawgeti(state, REGISTRY, fronts)
    api.lua_pushvalue(state, 1)
    api.lua_rawget(state, -2)
    const isFront = api.lua_type(state, -1) === TYPE.table
    if (isFront) api.lua_insert(state, -2)
    lua.pop(state, isFront ? 1 : 2)
    return isFront
  }

  /** Puts what is behind a front in its place. */
  function openFront(state: State): void {
    if (!pushReal(state)) return
    api.lua_pushvalue(state, -1)
    api.lua_replace(state, 1)
    lua.pop(state)
  }

  function refuseFront(state: State): void {
    if (!pushReal(state)) return
    lua.pushText(state, REFUSED)
    api.lua_error(state)
  }

  const next: LuaFunction = (state) => {
    api.lua_settop(state, 2)
    openFront(state)
    if (api.lua_next(state, 1) !== 0) return 2
    api.lua_pushnil(state)
    return 1
  }

  return {
    fronts(state) {
      api.lua_pushvalue(state, 1)
      fronts = api.luaL_ref(state, REGISTRY)
      lua.pushFunction(state, next)
      nextReference = api.luaL_ref(state, REGISTRY)
      return 0
    },
    next,
    pairs(state) {
      api.lua_settop(state, Math.max(1, api.lua_gettop(state)))
      openFront(state)
      api.lua_rawgeti(state, REGISTRY, nextReference)
      api.lua_pushvalue(state, 1)
      api.lua_pushnil(state)
      return 3
    },
    rawget(state) {
      openFront(state)
      api.luaL_checkany(state, 2)
      api.lua_settop(state, 2)
      api.lua_rawget(state, 1)
      return 1
    },
    rawset(state) {
      refuseFront(state)
      api.luaL_checkany(state, 2)
      api.luaL_checkany(state, 3)
      api.lua_settop(state, 3)
      api.lua_rawset(state, 1)
      return 1
    },
    setmetatable(state) {
      refuseFront(state)
      const type = api.lua_type(state, 2)
      if (type !== TYPE.nil && type !== TYPE.table) api.luaL_argerror(state, 2, lua.constant('nil or table expected'))
      if (api.luaL_getmetafield(state, 1, lua.constant('__metatable')) !== 0) {
        throw new LuaError('cannot change a protected metatable')
      }
      api.lua_settop(state, 2)
      api.lua_setmetatable(state, 1)
      return 1
    },
  }
}
