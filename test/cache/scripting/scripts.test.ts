import { describe, expect, it } from 'vitest'
import { CacheBed, type Plain } from '../../support/cache.ts'

/** Every question takes a second: a script is interrupted when its hook has asked often enough. */
function slowClock(): () => number {
  let now = 0
  return () => {
    now += 1000
    return now
  }
}

function bedWith(options: ConstructorParameters<typeof CacheBed>[0] = {}) {
  const bed = new CacheBed(options)
  return {
    bed,
    run: (script: string, keys: readonly string[] = [], args: readonly string[] = []): Plain | undefined =>
      bed.call(['EVAL', script, String(keys.length), ...keys, ...args]),
  }
}

describe('a script', () => {
  it('gets its keys and arguments, and answers with what it returns', () => {
    const { run } = bedWith()
    expect(run('return {KEYS[1], KEYS[2], ARGV[1], #ARGV}', ['a', 'b'], ['\xff\0', 'y'])).toEqual([
      'a',
      'b',
      '\xff\0',
      2,
    ])
    expect(run('return {1, 2.9, "x", {true, false}, nil, "never seen"}')).toEqual([1, 2, 'x', [1, null]])
    expect(run('return redis.status_reply("fine")')).toBe('fine')
    expect(run('return {err="MINE is this"}')).toBe('Error: MINE is this')
    expect(run('return -2^63')).toBe(-(2n ** 63n))
  })

  it('that returns a table within itself is answered as deep as it can be', () => {
    const { bed } = bedWith()
    const session = bed.engine.connect()
    bed.engine.execute(session, ['EVAL', 'local a = {} a[1] = a return a', '0'], 1)
    const bytes = Buffer.from(session.reply.take()).toString()
    expect(bytes).toMatch(/^(?:\*1\r\n){1000,}-ERR reached lua stack limit\r\n$/)
  })

  it('runs commands, whose replies become values', () => {
    const { bed, run } = bedWith()
    expect(run('return redis.call("set", KEYS[1], 0.1)', ['k'])).toBe('OK')
    expect(bed.run('GET k')).toBe('0.10000000000000001')
    expect(run('return redis.call("get", "none") == false and 1')).toBe(1)
    expect(run('redis.call("rpush", "l", 1, 2, 3) return redis.call("lrange", "l", 0, -1)')).toEqual(['1', '2', '3'])
    expect(run('return redis.pcall("incr", "l").err')).toMatch(/^WRONGTYPE /)
    expect(run('redis.setresp(3) redis.call("hset", "h", "f", "v") return redis.call("hgetall", "h").map.f')).toBe('v')
  })

  it('that fails says where', () => {
    const { run } = bedWith()
    const sha1 = 'e51c24dd3a2d3e1c66bfb2bd1a04ba3d94d4b2fb'
    expect(run('\nerror("boom")')).toMatch(/^Error: ERR user_script:2: boom script: [0-9a-f]{40}, on @user_script:2\.$/)
    expect(run('return redis.call("nope")')).toMatch(/^Error: ERR Unknown Redis command called from script script: /)
    expect(run('x = = 1')).toMatch(
      /^Error: ERR Error compiling script \(new function\): user_script:1: unexpected symbol/,
    )
    expect(bedWith().bed.run(`EVALSHA ${sha1} 0`)).toBe('Error: NOSCRIPT No matching script. Please use EVAL.')
  })

  it('keeps the database that it selects to itself', () => {
    const { bed, run } = bedWith()
    bed.run('SET k zero')
    expect(run('redis.call("select", 1) redis.call("set", "k", "one") return redis.call("get", "k")')).toBe('one')
    expect(bed.run('GET k')).toBe('zero')
  })

  it('is found by its SHA-1 once it was loaded or run', () => {
    const { bed, run } = bedWith()
    const sha1 = bed.call(['SCRIPT', 'LOAD', 'return 7']) as string
    expect(bed.run(`EVALSHA ${sha1.toUpperCase()} 0`)).toBe(7)
    expect(bed.run(`SCRIPT EXISTS ${sha1} ${'0'.repeat(40)}`)).toEqual([1, 0])
    expect(run('return redis.sha1hex("return 7")')).toBe(sha1)
    bed.run('SCRIPT FLUSH')
    expect(bed.run(`EVALSHA ${sha1} 0`)).toMatch(/NOSCRIPT/)
    expect(run('return 7')).toBe(7)
  })

  it('that may only read cannot write', () => {
    const { bed, run } = bedWith()
    const refused = /^Error: ERR Write commands are not allowed from read-only scripts/
    expect(bed.call(['EVAL_RO', 'return redis.call("set", "k", 1)', '0'])).toMatch(refused)
    expect(run('#!lua flags=no-writes\nreturn redis.call("set", "k", 1)')).toMatch(refused)
    expect(bed.call(['EVAL_RO', '#!lua\nreturn 1', '0'])).toMatch(/with write flag using \*_ro command/)
    expect(run('#!lua flags=\nreturn 1')).toBe(1)
    expect(run('#!lua flags=no-writing\nreturn 1')).toBe('Error: ERR Unexpected flag in script shebang: no-writing')
    expect(bed.run('GET k')).toBeNull()
  })

  it('may do what its client may', () => {
    const { bed, run } = bedWith({
      refuse: (_, { name }) => (name === 'incr' ? 'MOVED 1 elsewhere' : undefined),
    })
    expect(run('return redis.call("incr", "k")')).toMatch(/^Error: MOVED 1 elsewhere script/)
    bed.run('ACL SETUSER default -set')
    expect(run('return redis.call("set", "k", 1)')).toMatch("can't run this command or subcommand")
    expect(run('return {redis.acl_check_cmd("set", "k", 1), redis.acl_check_cmd("get", "k")}')).toEqual([null, 1])
    expect(bed.run('GET k')).toBeNull()
  })

  it('is propagated as what it changed, in one transaction', () => {
    const { bed, run } = bedWith({ propagates: true })
    run('redis.call("set", "a", 1) redis.call("get", "a") redis.call("incr", "a")')
    expect(bed.propagated()).toEqual(['MULTI', 'set a 1', 'incr a', 'EXEC'])
    run('redis.call("set", "a", 1)')
    expect(bed.propagated()).toEqual(['set a 1'])
    run('redis.set_repl(redis.REPL_NONE) redis.call("set", "a", 1)')
    expect(bed.propagated()).toEqual([])
    run('redis.call("set", "a", 1) error("and yet it is done")')
    expect(bed.propagated()).toEqual(['set a 1'])
  })
})

describe('the sandbox', () => {
  it.each([
    'redis = 1',
    'redis.call = 1',
    'string.rep = nil',
    'setmetatable(_G, {})',
    'getmetatable(_G).__index = nil',
    'getmetatable("").__index = {}',
    'rawset(math, "pi", 3)',
  ])('refuses %s', (script) => {
    expect(bedWith().run(script)).toMatch(/^Error: ERR .*Attempt to modify a readonly table script/)
  })

  it('has neither files nor the machine, and no undefined names', () => {
    const { run } = bedWith()
    for (const name of [
      'os',
      'io',
      'print',
      'dofile',
      'loadfile',
      'require',
      'debug',
      'getfenv',
      'newproxy',
      'nothing',
    ]) {
      expect(run(`return ${name}`)).toMatch(`Script attempted to access nonexistent global variable '${name}'`)
    }
  })

  it('takes compiled chunks for text', () => {
    const { run } = bedWith()
    expect(run('return tostring(loadstring(string.dump(function() return 1 end)))')).toBe('nil')
    expect(
      run(
        'local done; return tostring(load(function() if not done then done = true return string.dump(function() end) end end))',
      ),
    ).toBe('nil')
  })

  it('lets nothing that a script does to it reach the next one', () => {
    const { run } = bedWith()
    run('table.insert(_G, 5) table.insert(redis, 6) collectgarbage("stop")')
    expect(run('return {rawget(_G, 1) == nil, rawget(redis, 1) == nil}')).toEqual([1, 1])
  })

  it('stops a script that wants too much memory, and goes on', () => {
    const { run } = bedWith()
    expect(run('local s = "x" while true do s = s .. s end')).toMatch(/not enough memory|ran out of/)
    expect(run('return 1')).toBe(1)
  })

  it.each([
    'local function f() return f() + 1 end return f()',
    'local function f() return pcall(f) end return tostring(f())',
    'local function f() coroutine.wrap(f)() end f()',
    'local function f(s) return (s:gsub(".", f)) end return f("x")',
    'return (("a?"):rep(1e5)):find(("a?"):rep(1e5))',
    'return loadstring("return " .. ("("):rep(1e5))',
  ])('survives %s', (script) => {
    const { run } = bedWith()
    run(script)
    expect(run('return 1')).toBe(1)
  })
})

describe('pcall and coroutines', () => {
  it('work as in Lua 5.1', () => {
    const { run } = bedWith()
    expect(run('local ok, e = pcall(error, "x", 0) return {tostring(ok), e}')).toEqual(['false', 'x'])
    expect(run('return {pcall(function(...) return ... end, 1, 2)}')).toEqual([1, 1, 2])
    expect(run('local ok, e = pcall(redis.call, "get") return e')).toMatch(/^ERR Wrong number of args/)
    expect(run('return {xpcall(function() error("q", 0) end, function(e) return "<" .. e .. ">" end)}')).toEqual([
      null,
      '<q>',
    ])
    const script = `
      local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end)
      local _, first = coroutine.resume(co, 1)
      local _, second = coroutine.resume(co, 5)
      return {first, second, coroutine.status(co)}`
    expect(run(script)).toEqual([2, 10, 'dead'])
  })
})

describe('a script that takes long', () => {
  const LOOPS = [
    'while true do end',
    'while true do redis.call("ping") end',
    'while true do pcall(function() while true do end end) end',
    'while true do pcall(error) end',
    'coroutine.wrap(function() while true do end end)()',
  ]

  it.each(LOOPS)('is interrupted for others and can be killed: %s', (script) => {
    const { bed, run } = bedWith({ monotonicMs: slowClock() })
    const other = bed.engine.connect()
    expect(run(script)).toBeUndefined()
    expect(bed.run('GET k', other)).toMatch(
      /^Error: BUSY Redis is busy running a script\. You can only call SCRIPT KILL/,
    )
    expect(bed.engine.nextTickMs()).toBe(0)
    bed.wait(1)
    bed.wait(1)
    expect(bed.run('SCRIPT KILL', other)).toBe('OK')
    expect(bed.received()).toEqual([expect.stringMatching(/^Error: ERR Script killed by user with SCRIPT KILL\./)])
    expect(bed.run('GET k', other)).toBeNull()
    expect(run('return 1')).toBe(1)
  })

  it('and has written cannot be killed, but ends by itself and is propagated whole', () => {
    const { bed, run } = bedWith({ monotonicMs: slowClock(), propagates: true })
    const other = bed.engine.connect()
    expect(run('redis.call("set", "k", 1) for i = 1, 2e6 do end redis.call("incr", "k") return "done"')).toBeUndefined()
    expect(bed.propagated()).toEqual([])
    expect(bed.run('SCRIPT KILL', other)).toMatch(/^Error: UNKILLABLE /)
    for (let i = 0; i < 100 && bed.engine.paused !== undefined; i++) bed.wait(1)
    expect(bed.propagated()).toEqual(['MULTI', 'set k 1', 'incr k', 'EXEC'])
    expect(bed.received()).toEqual(['done'])
  })

  it('goes on when its client has gone', () => {
    const { bed } = bedWith({ monotonicMs: slowClock() })
    const gone = bed.engine.connect()
    bed.call(['EVAL', 'redis.call("set", "k", 1) for i = 1, 2e6 do end redis.call("incr", "k")', '0'], gone)
    bed.engine.disconnect(gone)
    for (let i = 0; i < 100 && bed.engine.paused !== undefined; i++) bed.wait(1)
    expect(bed.run('GET k')).toBe('2')
  })

  it('is stopped where it cannot be interrupted', () => {
    const { bed, run } = bedWith({ monotonicMs: slowClock() })
    const stopped = /ERR .*the script takes too long where it cannot be interrupted/
    expect(run('string.gsub("x", "x", function() while true do end end)')).toMatch(stopped)
    expect(run('redis.call("set", "k", 1) table.sort({1, 2, 3}, function() while true do end end)')).toMatch(stopped)
    bed.run('MULTI')
    run('while true do end')
    expect(bed.run('EXEC')).toEqual([expect.stringMatching(stopped)])
    expect(run('return 1')).toBe(1)
  })

  it('is left alone without a clock, and NOTBUSY is what SCRIPT KILL says then', () => {
    const { bed, run } = bedWith()
    expect(run('for i = 1, 3e6 do end return 1')).toBe(1)
    expect(bed.run('SCRIPT KILL')).toBe('Error: NOTBUSY No scripts in execution right now.')
  })
})
