import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { sha1Hex } from '../../../ts/cache/scripting/sha1.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { CacheBed } from '../../support/cache.ts'

const bed = new CacheBed()
const run = (script: string, ...args: string[]) => bed.call(['EVAL', script, '0', ...args])

it('sha1Hex agrees with OpenSSL for every length up to three blocks', () => {
  for (let length = 0; length < 200; length++) {
    const text = String.fromCharCode(...Array.from({ length }, (_, i) => (i * 7 + length) & 0xff))
    expect(sha1Hex(text)).toBe(createHash('sha1').update(text, 'latin1').digest('hex'))
  }
})

describe('cjson', () => {
  it('writes what it is given', () => {
    expect(run('return cjson.encode({1, 2.5, "a/\\"\\n\\127", {}, {x = cjson.null}, true, 1e20, 0.1})')).toBe(
      '[1,2.5,"a\\/\\"\\n\\u007f",{},{"x":null},true,1e+20,0.1]',
    )
    expect(run('return cjson.encode({[1] = 1, [100] = 1})')).toMatch(/excessively sparse array/)
    expect(run('return cjson.encode(0/0)')).toMatch(/must not be NaN or Inf/)
    expect(run('return cjson.encode(print == nil)')).toMatch(/nonexistent global/)
    expect(run('return cjson.encode(function() end)')).toMatch(/Cannot serialise function: type not supported/)
    expect(run('local t = {} t.t = t return cjson.encode(t)')).toMatch(/Cannot serialise, excessive depth \(1001\)/)
  })

  it('reads what it is given', () => {
    expect(run('return cjson.decode(ARGV[1])', '[1, "a\\u00e9\\ud83d\\ude00", [true, false], {"k": "v"}]')).toEqual([
      1,
      Buffer.from('aé😀').toString('latin1'),
      [1, null],
      [],
    ])
    expect(run('return table.concat(cjson.decode(ARGV[1]), " ")', '[0.0, -5e3, -1, 0.3e-3, 0e10]')).toBe(
      '0 -5000 -1 0.0003 0',
    )
    expect(run('return cjson.decode(ARGV[1]).k', ' {"k" : "v"} ')).toBe('v')
    expect(run('return cjson.decode(ARGV[1])', '[1,')).toMatch(/Expected value but found T_END at character 4/)
    expect(run('return cjson.decode(ARGV[1])', '"abc')).toMatch(/unexpected end of string/)
    expect(run('return cjson.decode(ARGV[1])', '['.repeat(2000))).toMatch(/too many nested data structures/)
  })
})

describe('cmsgpack', () => {
  it('packs what it unpacks', () => {
    const script = `
      local values = {1, -1, 127, 128, 255, 256, 65535, 65536, 2^32, 2^40, -32, -33, -128, -129, -32769, -2^40, 0.5, 0.1, 'x',
        ('y'):rep(40), ('z'):rep(300), true, false, {1, 2, 3}, {a = 1, b = {c = 2}}}
      local back = cmsgpack.unpack(cmsgpack.pack(values))
      return cjson.encode(back) == cjson.encode(values) and 1`
    expect(run(script)).toBe(1)
    expect(run('return cmsgpack.pack({1, "a", true}, -200, 0.1)')).toBe(
      '\x93\x01\xa1a\xc3\xd1\xff\x38\xcb?\xb9\x99\x99\x99\x99\x99\x9a',
    )
    expect(run('return {cmsgpack.unpack_one("\\1\\2\\3")}')).toEqual([1, 1])
    expect(run('return {cmsgpack.unpack_limit("\\1\\2\\3", 2, 1)}')).toEqual([-1, 2, 3])
    expect(run('return cmsgpack.unpack("\\147\\1")')).toMatch(/Missing bytes in input/)
  })

  it('and cjson bear any bytes', () => {
    const random = seededRandom(11)
    for (let i = 0; i < 500; i++) {
      const length = Math.floor(random.next() * 12)
      const bytes = Array.from({ length }, () => String.fromCharCode(Math.floor(random.next() * 256))).join('')
      run('pcall(cmsgpack.unpack, ARGV[1]) pcall(cjson.decode, ARGV[1]) pcall(struct.unpack, ARGV[1], ARGV[1])', bytes)
    }
    expect(run('return cmsgpack.unpack("\\221\\255\\255\\255\\255")')).toMatch(/Missing bytes|Bad data/)
    expect(run('return 1')).toBe(1)
  })
})

describe('struct', () => {
  it('packs and unpacks', () => {
    expect(run('return struct.pack(">I2i4sB", 1, -2, "abc", 255)')).toBe('\0\x01\xff\xff\xff\xfeabc\0\xff')
    expect(run('return {struct.unpack("<I2i4sB", "\\1\\0\\254\\255\\255\\255abc\\0\\7")}')).toEqual([
      1,
      -2,
      'abc',
      7,
      12,
    ])
    expect(run('return {struct.unpack("Bc0", "\\3abcd")}')).toEqual(['abc', 5])
    expect(run('return struct.size("!8bi8")')).toBe(16)
    expect(run('return struct.unpack("I4", "abc")')).toMatch(/data string too short/)
    expect(run('return struct.pack("!3i", 1)')).toMatch(/not a power of 2/)
    expect(run('return struct.pack("i99", 1)')).toMatch(/integral size 99 is larger than limit of 32/)
  })
})

describe('bit', () => {
  it('works on 32 bits', () => {
    expect(run('return {bit.band(0xff, 0x0f), bit.bor(1, 2, 4), bit.bxor(3, 1), bit.bnot(0)}')).toEqual([15, 7, 2, -1])
    expect(run('return {bit.lshift(1, 31), bit.rshift(-1, 28), bit.arshift(-16, 2), bit.rol(0x12345678, 4)}')).toEqual([
      -(2 ** 31),
      15,
      -4,
      0x23456781,
    ])
    expect(run('return {bit.tohex(255), bit.tohex(255, 4), bit.tohex(-1, -4), bit.bswap(1)}')).toEqual([
      '000000ff',
      '00ff',
      'FFFF',
      0x01000000,
    ])
    expect(run('return bit.tobit(2^32 + 5)')).toBe(5)
  })
})

describe('math.random', () => {
  it('gives the numbers of drand48', () => {
    expect(run('math.randomseed(0) return {tostring(math.random()), math.random(10), math.random(5, 6)}')).toEqual([
      expect.stringMatching(/^0\.17082803611/),
      8,
      5,
    ])
    expect(run('return math.random(0)')).toMatch(/interval is empty/)
  })
})
