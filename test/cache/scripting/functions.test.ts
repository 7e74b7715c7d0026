import { describe, expect, it } from 'vitest'
import { loadFunctions, sealed } from '../../../ts/cache/persistence/dump.ts'
import { RdbWriter } from '../../../ts/cache/persistence/rdb-writer.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { CacheBed, type Plain } from '../../support/cache.ts'

const GREETER = `#!lua name=greeter
local count = 0
redis.register_function('greet', function(keys, args) count = count + 1 return {keys[1], args[1], count} end)
redis.register_function{function_name='read', callback=function(keys) return redis.call('get', keys[1]) end,
  flags={'no-writes'}, description='reads'}`

/** What redis-server 7.0.15 gives for FUNCTION DUMP of one library. */
const REDIS_PAYLOAD =
  '9cNAY0BxHyMhbHVhIG5hbWU9YQpyZWRpcy5yZWdpc3Rlcl9mdW5jCXRpb24oImYiLCDgAA0Ta2V5cywgYXJncykgcmV0dXJuIHtAEwJbMV2AFmAIgEsRY2FsbCgicGluZyIpfSBlbmQpCgC5cNu8iARp7A=='

function bedWith(...libraries: string[]): { bed: CacheBed; load: (code: string) => Plain | undefined } {
  const bed = new CacheBed({ propagates: true })
  const load = (code: string): Plain | undefined => bed.call(['FUNCTION', 'LOAD', code])
  for (const code of libraries) load(code)
  return { bed, load }
}

describe('a library', () => {
  it('registers functions, which share its locals', () => {
    const { bed, load } = bedWith()
    expect(load(GREETER)).toBe('greeter')
    expect(bed.propagated()).toEqual([`FUNCTION LOAD ${GREETER}`])
    expect(bed.run('FCALL greet 1 k v')).toEqual(['k', 'v', 1])
    expect(bed.run('FCALL greet 1 k v')).toEqual(['k', 'v', 2])
    bed.run('SET k value')
    expect(bed.run('FCALL_RO read 1 k')).toBe('value')
    expect(bed.run('FCALL GREET 1 k v')).toEqual(['k', 'v', 3])
    expect(bed.run('FCALL_RO greet 0')).toMatch(/with write flag using \*_ro command/)
    expect(bed.run('FCALL nobody 0')).toBe('Error: ERR Function not found')
  })

  it('is listed, counted, replaced and deleted', () => {
    const { bed, load } = bedWith(GREETER)
    expect(bed.run('FUNCTION LIST LIBRARYNAME GREET*')).toEqual([
      [
        ...['library_name', 'greeter', 'engine', 'LUA', 'functions'],
        [
          ['name', 'greet', 'description', null, 'flags', []],
          ['name', 'read', 'description', 'reads', 'flags', ['no-writes']],
        ],
      ],
    ])
    expect(bed.run('FUNCTION STATS')).toEqual([
      ...['running_script', null, 'engines', ['LUA', ['libraries_count', 1, 'functions_count', 2]]],
    ])
    expect(load(GREETER)).toBe("Error: ERR Library 'greeter' already exists")
    expect(load('#!lua name=other\nredis.register_function("greet", function() end)')).toMatch(/greet already exists/)
    const code = '#!lua name=greeter\nredis.register_function("bye", function() return "bye" end)'
    expect(bed.call(['FUNCTION', 'LOAD', 'REPLACE', code])).toBe('greeter')
    expect(bed.run('FCALL bye 0')).toBe('bye')
    expect(bed.run('FCALL greet 0')).toMatch(/Function not found/)
    expect(bed.run('FUNCTION DELETE greeter')).toBe('OK')
    expect(bed.run('FUNCTION LIST')).toEqual([])
  })

  it('that fails leaves everything as it was', () => {
    const { bed, load } = bedWith(GREETER)
    expect(load('#!lua name=a\nx = = 1')).toMatch(/^Error: ERR Error compiling function: user_function:2:/)
    expect(load('#!lua name=a\nredis.call("ping")')).toMatch(
      /Error registering functions: .*nonexistent global variable 'call'/,
    )
    expect(load('#!lua name=a\nlocal x = 1')).toBe('Error: ERR No functions registered')
    expect(load('#!lua name=a\nredis.register_function("b c", function() end)')).toMatch(/names can only contain/)
    expect(load('#!lua name=a\nredis.register_function{function_name="f"}')).toMatch(/must get a callback argument/)
    expect(load('name=a')).toBe('Error: ERR Missing library metadata')
    expect(load('#!tcl name=a\n')).toBe("Error: ERR Engine 'tcl' not found")
    expect(bed.run('FCALL greet 1 k v')).toEqual(['k', 'v', 1])
  })

  it('that registers for too long is stopped', () => {
    let now = 0
    const bed = new CacheBed({
      monotonicMs: () => {
        now += 100
        return now
      },
    })
    expect(bed.call(['FUNCTION', 'LOAD', '#!lua name=a\nwhile true do end'])).toMatch(/FUNCTION LOAD timeout/)
    expect(bed.call(['FUNCTION', 'LOAD', GREETER])).toBe('greeter')
  })

  it('outlives a function that breaks the interpreter', () => {
    const { bed } = bedWith(
      GREETER,
      '#!lua name=bad\nredis.register_function("bad", function() coroutine.wrap(function() local function f() coroutine.wrap(f)() end f() end)() local s = "x" while true do s = s .. s end end)',
    )
    bed.run('FCALL greet 1 k v')
    bed.run('FCALL bad 0')
    expect(bed.run('FCALL greet 1 k v')).toEqual(['k', 'v', expect.any(Number)])
  })
})

describe('a function that takes long', () => {
  it('is told by FUNCTION STATS and ended by FUNCTION KILL', () => {
    let now = 0
    const monotonicMs = (): number => {
      now += 1000
      return now
    }
    const bed = new CacheBed({ monotonicMs })
    const other = bed.engine.connect()
    bed.call(['FUNCTION', 'LOAD', '#!lua name=a\nredis.register_function("loop", function() while true do end end)'])
    expect(bed.run('FCALL loop 1 k')).toBeUndefined()
    expect(bed.run('PING', other)).toMatch(/^Error: BUSY .* FUNCTION KILL/)
    expect(bed.run('SCRIPT KILL', other)).toMatch(/^Error: BUSY .* FUNCTION KILL/)
    const stats = bed.run('FUNCTION STATS', other) as Plain[]
    expect(stats[1]).toEqual([
      'name',
      'loop',
      'command',
      ['FCALL', 'loop', '1', 'k'],
      'duration_ms',
      expect.any(Number),
    ])
    expect(bed.run('FUNCTION KILL', other)).toBe('OK')
    expect(bed.received()).toEqual([expect.stringMatching(/Script killed by user/)])
  })
})

describe('FUNCTION DUMP', () => {
  it('is what FUNCTION RESTORE takes', () => {
    const { bed } = bedWith(GREETER)
    const payload = bed.run('FUNCTION DUMP') as string
    bed.run('FUNCTION FLUSH')
    expect(bed.call(['FUNCTION', 'RESTORE', payload])).toBe('OK')
    expect(bed.run('FCALL greet 1 k v')).toEqual(['k', 'v', 1])
    expect(bed.call(['FUNCTION', 'RESTORE', payload])).toMatch(/already exists/)
    expect(bed.call(['FUNCTION', 'RESTORE', payload, 'REPLACE'])).toBe('OK')
    expect(bed.call(['FUNCTION', 'RESTORE', payload, 'FLUSH'])).toBe('OK')
    expect(bed.call(['FUNCTION', 'RESTORE', `${payload.slice(0, -1)}x`])).toMatch(/version or checksum are wrong/)
    expect(bed.run('FCALL greet 1 k v')).toEqual(['k', 'v', 1])
  })

  it('of redis-server is read, compressed as it is', () => {
    const code =
      '#!lua name=a\nredis.register_function("f", function(keys, args) return {keys[1], args[1], redis.call("ping")} end)'
    expect(loadFunctions(Buffer.from(REDIS_PAYLOAD, 'base64'))).toEqual([code])
  })

  it('survives any bytes', () => {
    const random = seededRandom(3)
    const payload = Buffer.from(REDIS_PAYLOAD, 'base64')
    for (let i = 0; i < 2000; i++) {
      const body = Buffer.from(payload.subarray(0, -10))
      for (let j = 0; j < 3; j++) body[Math.floor(random.next() * body.length)] = Math.floor(random.next() * 256)
      // With a checksum that is right, so that what is behind it is read.
      const writer = new RdbWriter()
      writer.bytes(body.subarray(0, Math.floor(random.next() * body.length)))
      const read = loadFunctions(sealed(writer))
      expect(typeof read === 'string' || Array.isArray(read)).toBe(true)
    }
  })
})
