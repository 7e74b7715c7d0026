// The `bit` library of LuaBitOp 1.0.2 (bitop.luajit.org/semantics.html): numbers of 32 bits, results signed.
import type { Lua, LuaFunction, State } from './lua.ts'

/** Added to a number, it leaves the number's low 32 bits in the low word of the double, rounded to even. */
const TO_BITS = 2 ** 52 + 2 ** 51

const double = new Float64Array(1)
const words = new Int32Array(double.buffer)

/** The functions by name. */
export function bitLibrary(lua: Lua): Readonly<Record<string, LuaFunction>> {
  const { api } = lua

  function bits(state: State, index: number): number {
    double[0] = api.luaL_checknumber(state, index) + TO_BITS
    return words[0] as number
  }

  const unary =
    (change: (value: number) => number): LuaFunction =>
    (state) => {
      api.lua_pushnumber(state, change(bits(state, 1)))
      return 1
    }

  const folding =
    (fold: (a: number, b: number) => number): LuaFunction =>
    (state) => {
      let value = bits(state, 1)
      const count = api.lua_gettop(state)
      for (let i = 2; i <= count; i++) value = fold(value, bits(state, i))
      api.lua_pushnumber(state, value)
      return 1
    }

  const shifting =
    (shift: (value: number, by: number) => number): LuaFunction =>
    (state) => {
      const value = bits(state, 1)
      api.lua_pushnumber(state, shift(value, bits(state, 2) & 31) | 0)
      return 1
    }

  return {
    tobit: unary((value) => value),
    bnot: unary((value) => ~value),
    bswap: unary((value) => {
      const reversed = ((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)
      return reversed | 0
    }),
    band: folding((a, b) => a & b),
    bor: folding((a, b) => a | b),
    bxor: folding((a, b) => a ^ b),
    lshift: shifting((value, by) => value << by),
    rshift: shifting((value, by) => value >>> by),
    arshift: shifting((value, by) => value >> by),
    rol: shifting((value, by) => (value << by) | (by === 0 ? 0 : value >>> (32 - by))),
    ror: shifting((value, by) => (by === 0 ? value : (value >>> by) | (value << (32 - by)))),
    tohex(state) {
      const value = bits(state, 1) >>> 0
      const wanted = api.lua_gettop(state) < 2 ? 8 : bits(state, 2)
      const digits = Math.min(8, Math.abs(wanted))
      const text = value
        .toString(16)
        .padStart(8, '0')
        .slice(8 - digits)
      lua.pushText(state, wanted < 0 ? text.toUpperCase() : text)
      return 1
    },
  }
}
