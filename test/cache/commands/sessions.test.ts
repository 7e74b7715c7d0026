import { describe, expect, it } from 'vitest'
import { CacheBed, expectReplies, SYNTAX_ERROR } from '../../support/cache.ts'

describe('a session', () => {
  it('gets the errors of Redis for what is no command', () => {
    expectReplies(
      new CacheBed(),
      ['FOO', "Error: ERR unknown command 'FOO', with args beginning with: "],
      ['FOO a "b c"', "Error: ERR unknown command 'FOO', with args beginning with: 'a' 'b c' "],
      [`FOO ${'x'.repeat(200)} y`, `Error: ERR unknown command 'FOO', with args beginning with: '${'x'.repeat(128)}' `],
      ['GET', "Error: ERR wrong number of arguments for 'get' command"],
      ['get a b', "Error: ERR wrong number of arguments for 'get' command"],
      ['CLIENT NONE', "Error: ERR unknown subcommand 'NONE'. Try CLIENT HELP."],
      ['CLIENT', "Error: ERR wrong number of arguments for 'client' command"],
      ['CLIENT SETNAME', "Error: ERR wrong number of arguments for 'client|setname' command"],
    )
  })

  it('greets, says who it is and switches protocols', () => {
    const bed = new CacheBed()
    expectReplies(
      bed,
      ['PING', 'PONG'],
      ['PING hi', 'hi'],
      ['ECHO hi', 'hi'],
      ['CLIENT ID', 1],
      ['CLIENT GETNAME', null],
      ['CLIENT SETNAME me', 'OK'],
      ['CLIENT GETNAME', 'me'],
      ['CLIENT SETNAME "a b"', 'Error: ERR Client names cannot contain spaces, newlines or special characters.'],
      ['HELLO 4', 'Error: NOPROTO unsupported protocol version'],
      ['HELLO x', 'Error: ERR Protocol version is not an integer or out of range'],
      ['HELLO 3 X', "Error: ERR Syntax error in HELLO option 'X'"],
      ['GET none', null],
      ['TIME', ['1700000000', '0']],
    )
    expect(bed.run('HELLO 3 SETNAME you')).toEqual([
      'server',
      'redis',
      'version',
      '7.0.15',
      'proto',
      3,
      'id',
      1,
      'mode',
      'standalone',
      'role',
      'master',
      'modules',
      [],
    ])
    expectReplies(bed, ['CLIENT GETNAME', 'you'], ['RESET', 'RESET'], ['CLIENT GETNAME', null])
    expect(bed.engine.execute(bed.engine.connect(), ['QUIT'], 0)).toMatchObject([{ kind: 'close' }])
  })

  it('may ask for silence', () => {
    expectReplies(
      new CacheBed(),
      ['CLIENT REPLY SKIP', undefined],
      ['PING', undefined],
      ['PING', 'PONG'],
      ['CLIENT REPLY SKIP', undefined],
      ['CLIENT REPLY ON', 'OK'],
      ['CLIENT REPLY OFF', undefined],
      ['PING', undefined],
      ['CLIENT REPLY ON', 'OK'],
      ['PING', 'PONG'],
    )
  })

  it('hears messages in its silence, its own among them', () => {
    const bed = new CacheBed()
    bed.run('HELLO 3')
    for (const how of ['OFF', 'SKIP']) {
      bed.run(`CLIENT REPLY ${how}`)
      expect(bed.run('SUBSCRIBE c')).toEqual(['subscribe', 'c', 1])
      bed.run(`CLIENT REPLY ${how}`)
      expect(bed.run('PUBLISH c hello')).toEqual(['message', 'c', 'hello'])
      bed.run(`CLIENT REPLY ${how}`)
      expect(bed.run('UNSUBSCRIBE')).toEqual(['unsubscribe', 'c', 0])
      expect(bed.run('CLIENT REPLY ON')).toBe('OK')
    }
    expect(bed.run('PING')).toBe('PONG')
  })

  it('is refused what the server does not allow, when it asks and when it executes', () => {
    const bed = new CacheBed({ refuse: (_, { flags }) => (flags.has('write') ? 'READONLY no' : undefined) })
    expectReplies(
      bed,
      ['SET a 1', 'Error: READONLY no'],
      ['GET a', null],
      ['MULTI', 'OK'],
      ['SET a 1', 'Error: READONLY no'],
      ['EXEC', 'Error: EXECABORT Transaction discarded because of previous errors.'],
    )
  })
})

describe('COMMAND', () => {
  it.each(['CLIENT', 'CONFIG', 'PUBSUB', 'XGROUP', 'XINFO', 'MODULE', 'ACL', 'COMMAND'])(
    'has a HELP of %s that names each subcommand',
    (name) => {
      const bed = new CacheBed()
      const lines = bed.run(`${name} HELP`) as string[]
      expect(lines[0]).toBe(`${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`)
      const told = new Set(
        lines.flatMap((line) => (line.startsWith(' ') ? [] : [(line.split(' ')[0] as string).toLowerCase()])),
      )
      const known = [...(bed.engine.commands.get(name.toLowerCase())?.subcommands.keys() ?? [])]
      const isRefused = /^(?:load|loadex|unload)$/
      const missing = known.filter((each) => !told.has(each) && !(name === 'MODULE' && isRefused.test(each)))
      expect(missing).toEqual([])
    },
  )

  it('describes commands and finds their keys', () => {
    const range = ['type', 'range', 'spec', ['lastkey', 0, 'keystep', 1, 'limit', 0]]
    const begin = ['type', 'index', 'spec', ['index', 1]]
    const readsFirst = ['flags', ['RO', 'access'], 'begin_search', begin, 'find_keys', range]
    const bed = new CacheBed()
    expect(bed.run('COMMAND INFO get nothing')).toEqual([
      ['get', 2, ['readonly', 'fast'], 1, 1, 1, ['@read', '@string', '@fast'], [], [readsFirst], []],
      null,
    ])
    expect(bed.run('COMMAND COUNT')).toBe(bed.engine.commands.size)
    expect(bed.run('COMMAND LIST FILTERBY PATTERN zrange*')).toContain('zrangestore')
    expect(bed.run('COMMAND LIST FILTERBY ACLCAT geo')).not.toContain('get')
    expectReplies(
      bed,
      ['COMMAND GETKEYS MSET a 1 b 2', ['a', 'b']],
      ['COMMAND GETKEYS ZUNIONSTORE d 2 a b WEIGHTS 1 2', ['d', 'a', 'b']],
      ['COMMAND GETKEYS SORT l BY w STORE d', ['l', 'd']],
      ['COMMAND GETKEYS XREAD COUNT 1 STREAMS a b 0 0', ['a', 'b']],
      ['COMMAND GETKEYS LMPOP 2 a b LEFT', ['a', 'b']],
      ['COMMAND GETKEYS EVAL x 0', []],
      ['COMMAND GETKEYSANDFLAGS SET k v GET', [['k', ['RW', 'access', 'update']]]],
      ['COMMAND GETKEYS PING hi', 'Error: ERR The command has no key arguments'],
      ['COMMAND GETKEYS NOTHING a', 'Error: ERR Invalid command specified'],
      ['COMMAND INFO get|key config|set|x', [null, null]],
      ['COMMAND GETKEYS GET a b', 'Error: ERR Invalid number of arguments specified for command'],
    )
  })
})

describe('transactions', () => {
  it('run what was queued, at once', () => {
    const bed = new CacheBed({ propagates: true })
    expectReplies(
      bed,
      ['MULTI', 'OK'],
      ['MULTI', 'Error: ERR MULTI calls can not be nested'],
      ['SET a 1', 'QUEUED'],
      ['LPUSH a x', 'QUEUED'],
      ['INCR a', 'QUEUED'],
      ['BLPOP none 0', 'QUEUED'],
      ['EXEC', ['OK', 'Error: WRONGTYPE Operation against a key holding the wrong kind of value', 2, null]],
    )
    expect(bed.propagated()).toEqual(['MULTI', 'SET a 1', 'INCR a', 'EXEC'])
    expectReplies(bed, ['EXEC', 'Error: ERR EXEC without MULTI'], ['DISCARD', 'Error: ERR DISCARD without MULTI'])
  })

  it('are discarded, by will or by a command that cannot be queued', () => {
    expectReplies(
      new CacheBed(),
      ['MULTI', 'OK'],
      ['SET a 1', 'QUEUED'],
      ['DISCARD', 'OK'],
      ['MULTI', 'OK'],
      ['NOTHING', "Error: ERR unknown command 'NOTHING', with args beginning with: "],
      ['SET a 1', 'QUEUED'],
      ['EXEC', 'Error: EXECABORT Transaction discarded because of previous errors.'],
      ['EXISTS a', 0],
    )
  })

  it('notice on a replica, which deletes nothing by itself, that the time of a watched key has come', () => {
    const bed = new CacheBed()
    bed.run('SET a 1 PX 10')
    for (const database of bed.engine.databases) database.deletesExpired = false
    expectReplies(bed, ['WATCH a none', 'OK'], ['MULTI', 'OK'])
    bed.now += 11
    expectReplies(bed, ['PING', 'QUEUED'], ['EXEC', null])
    // A key that was gone when WATCH was called is none that goes later.
    expectReplies(bed, ['WATCH a', 'OK'], ['MULTI', 'OK'], ['PING', 'QUEUED'], ['EXEC', ['PONG']])
  })

  it('are given up where EXEC itself is refused', () => {
    const bed = new CacheBed()
    expectReplies(
      bed,
      ['MULTI', 'OK'],
      ['EXEC now', "Error: EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"],
      ['PING', 'PONG'],
    )
  })

  it('do nothing if a watched key was changed', () => {
    const bed = new CacheBed()
    const other = bed.engine.connect()
    const attempt = (change: string): unknown => {
      bed.run('SET a 1')
      bed.run('WATCH a b')
      bed.run(change, other)
      bed.run('MULTI')
      bed.run('PING')
      return bed.run('EXEC')
    }
    expect(attempt('GET a')).toEqual(['PONG'])
    expect(attempt('SET c 1')).toEqual(['PONG'])
    for (const change of ['SET a 1', 'EXPIRE a 100', 'DEL a', 'RENAME a c', 'FLUSHALL', 'LPUSH b x', 'SWAPDB 0 1']) {
      expect([change, attempt(change)]).toEqual([change, null])
      bed.run('FLUSHALL')
    }
    expectReplies(
      bed,
      ['SET a 1 PX 10', 'OK'],
      ['WATCH a', 'OK'],
      ['MULTI', 'OK'],
      ['WATCH a', 'Error: ERR WATCH inside MULTI is not allowed'],
    )
    bed.now += 100
    expectReplies(bed, ['PING', 'QUEUED'], ['EXEC', null])
    bed.run('WATCH a')
    bed.run('UNWATCH')
    bed.run('SET a 2', other)
    expectReplies(bed, ['MULTI', 'OK'], ['EXEC', []])
  })

  it('do not take what has expired for a key that SWAPDB brings', () => {
    const bed = new CacheBed()
    bed.run('SET x 1 PX 10')
    bed.now += 100
    expectReplies(bed, ['SELECT 1', 'OK'], ['WATCH x', 'OK'], ['SWAPDB 0 1', 'OK'], ['MULTI', 'OK'], ['EXEC', []])
  })
})

describe('blocked commands', () => {
  it('are served in the order in which they came', () => {
    const bed = new CacheBed({ propagates: true })
    const [first, second] = [bed.engine.connect(), bed.engine.connect()]
    expect(bed.run('BLPOP a b 0', first)).toBeUndefined()
    expect(bed.effects).toEqual([{ kind: 'block', session: first, untilMs: undefined }])
    expect(bed.run('BRPOP b 0', second)).toBeUndefined()
    expect(bed.run('RPUSH b 1 2 3')).toBe(3)
    expect(bed.effects.filter(({ kind }) => kind === 'reply')).toEqual([
      { kind: 'reply', session: first },
      { kind: 'reply', session: second },
    ])
    expect(bed.propagated()).toEqual(['RPUSH b 1 2 3', 'LPOP b', 'RPOP b'])
    expect(bed.received(first)).toEqual([['b', '1']])
    expect(bed.received(second)).toEqual([['b', '3']])
    expect(bed.run('LRANGE b 0 -1')).toEqual(['2'])
  })

  it('give up when their time is over', () => {
    const bed = new CacheBed()
    const waiting = bed.engine.connect()
    bed.run('BLPOP a 0.5', waiting)
    expect(bed.engine.nextTickMs()).toBe(bed.now + 500)
    bed.wait(499)
    expect(bed.received(waiting)).toEqual([])
    bed.wait(1)
    expect(bed.received(waiting)).toEqual([null])
    expect(bed.run('RPUSH a 1')).toBe(1)
    expect(bed.received(waiting)).toEqual([])
    expectReplies(
      bed,
      ['BLPOP x -1', 'Error: ERR timeout is negative'],
      ['BLPOP x y', 'Error: ERR timeout is not a float or out of range'],
      ['BLPOP a 0', ['a', '1']],
    )
  })

  it('pass elements along chains of waiting clients', () => {
    const bed = new CacheBed()
    const [first, second, third] = [bed.engine.connect(), bed.engine.connect(), bed.engine.connect()]
    bed.run('BLMOVE b c LEFT RIGHT 0', second)
    bed.run('BRPOPLPUSH a b 0', first)
    bed.run('BLPOP c 0', third)
    bed.run('RPUSH a x')
    expect(bed.received(first)).toEqual(['x'])
    expect(bed.received(second)).toEqual(['x'])
    expect(bed.received(third)).toEqual([['c', 'x']])
    expect(bed.run('DBSIZE')).toBe(0)
  })

  it('are served with the key that was written first, after the transaction', () => {
    const bed = new CacheBed()
    const [list, zset, stream] = [bed.engine.connect(), bed.engine.connect(), bed.engine.connect()]
    bed.run('BLPOP a b 0', list)
    bed.run('BZMPOP 0 2 c d MIN', zset)
    bed.run('XREAD BLOCK 0 STREAMS e f 0 0', stream)
    for (const line of [
      'MULTI',
      'RPUSH b 1',
      'RPUSH a 2',
      'ZADD d 1 x',
      'ZADD c 1 y',
      'XADD f 1-1 k v',
      'XADD e 1-1 k v',
    ]) {
      bed.run(line)
      expect([list, zset, stream].map((session) => bed.received(session))).toEqual([[], [], []])
    }
    bed.run('EXEC')
    expect(bed.received(list)).toEqual([['b', '1']])
    expect(bed.received(zset)).toEqual([['d', [['x', '1']]]])
    expect(bed.received(stream)).toEqual([[['f', [['1-1', ['k', 'v']]]]]])
  })

  it('find and delete what has expired among the keys that SWAPDB brings', () => {
    const bed = new CacheBed({ propagates: true })
    bed.engine.expiresActively = false
    const waiting = bed.engine.connect()
    bed.run('RPUSH a 1')
    bed.run('RPUSH b 2')
    bed.run('PEXPIRE a 10')
    bed.run('SELECT 1', waiting)
    bed.run('BRPOP a b 0', waiting)
    bed.received(waiting)
    bed.now += 100
    bed.run('SWAPDB 0 1')
    expect(bed.received(waiting)).toEqual([['b', '2']])
    expect(bed.propagated()).toEqual(['SWAPDB 0 1', 'DEL a', 'RPOP b'])
    expect(bed.run('DBSIZE', waiting)).toBe(0)
  })

  it('are told when a stream or a group that they read from is gone', () => {
    const bed = new CacheBed()
    const waiting = bed.engine.connect()
    for (const [end, text] of [
      ['XGROUP DESTROY x g', 'Error: NOGROUP the consumer group this client was blocked on no longer exists'],
      ['DEL x', 'Error: UNBLOCKED the stream key no longer exists'],
      ['SET x text', 'Error: UNBLOCKED the stream key no longer exists'],
    ]) {
      bed.run('DEL x')
      bed.run('XGROUP CREATE x g $ MKSTREAM')
      bed.run('XREADGROUP GROUP g me BLOCK 0 STREAMS x >', waiting)
      bed.run(end as string)
      expect(bed.received(waiting)).toEqual([text])
    }
  })

  it('are not woken by what is gone again or of another type', () => {
    const bed = new CacheBed()
    const waiting = bed.engine.connect()
    bed.run('BLPOP a 0', waiting)
    for (const line of ['MULTI', 'RPUSH a 1', 'DEL a', 'EXEC', 'SET a 1', 'DEL a', 'ZADD a 1 m', 'DEL a']) bed.run(line)
    expect(bed.received(waiting)).toEqual([])
    bed.run('RPUSH other x')
    bed.run('RENAME other a')
    expect(bed.received(waiting)).toEqual([['a', 'x']])
  })

  it('wait for sorted sets as well', () => {
    const bed = new CacheBed()
    const [first, second] = [bed.engine.connect(), bed.engine.connect()]
    bed.run('BZPOPMAX z 0', first)
    bed.run('BZMPOP 0 1 z MIN COUNT 2', second)
    bed.run('ZADD z 1 a 2 b 3 c 4 d')
    expect(bed.received(first)).toEqual([['z', 'd', '4']])
    expect(bed.received(second)).toEqual([
      [
        'z',
        [
          ['a', '1'],
          ['b', '2'],
        ],
      ],
    ])
  })

  it('are freed by others, and forgotten when they disconnect', () => {
    const bed = new CacheBed()
    const waiting = bed.engine.connect()
    bed.run('BLPOP a 0', waiting)
    expect(bed.run(`CLIENT UNBLOCK ${waiting.id}`)).toBe(1)
    expect(bed.received(waiting)).toEqual([null])
    expect(bed.run(`CLIENT UNBLOCK ${waiting.id}`)).toBe(0)
    bed.run('BLPOP a 0', waiting)
    bed.run(`CLIENT UNBLOCK ${waiting.id} ERROR`)
    expect(bed.received(waiting)).toEqual(['Error: UNBLOCKED client unblocked via CLIENT UNBLOCK'])
    bed.run('BLPOP a 0', waiting)
    bed.engine.disconnect(waiting)
    expect(bed.run('RPUSH a 1')).toBe(1)
    expect(bed.run('LLEN a')).toBe(1)
  })
})

describe('publishing', () => {
  it('reaches channels and patterns', () => {
    const bed = new CacheBed()
    const listener = bed.engine.connect()
    expect(bed.call(['SUBSCRIBE', 'a', 'b'], listener)).toEqual(['subscribe', 'a', 1])
    bed.call(['PSUBSCRIBE', 'a*'], listener)
    bed.received(listener)
    expect(bed.run('PUBLISH a hi')).toBe(2)
    expect(bed.effects.map(({ kind }) => kind)).toEqual(['reply', 'reply'])
    expect(bed.received(listener)).toEqual([
      ['message', 'a', 'hi'],
      ['pmessage', 'a*', 'a', 'hi'],
    ])
    expectReplies(
      bed,
      ['PUBLISH none hi', 0],
      ['PUBSUB CHANNELS', ['a', 'b']],
      ['PUBSUB CHANNELS b*', ['b']],
      ['PUBSUB NUMSUB a none', ['a', 1, 'none', 0]],
      ['PUBSUB NUMPAT', 1],
    )
    expect(bed.run('GET x', listener)).toMatch(/^Error: ERR Can't execute 'get': only/)
    expect(bed.run('PING', listener)).toEqual(['pong', ''])
    bed.call(['UNSUBSCRIBE'], listener)
    expect(bed.call(['PUNSUBSCRIBE', 'a*'], listener)).toEqual(['punsubscribe', 'a*', 0])
    expect(bed.call(['UNSUBSCRIBE'], listener)).toEqual(['unsubscribe', null, 0])
    expect(bed.run('PING', listener)).toBe('PONG')
    expect(bed.run('PUBLISH a hi')).toBe(0)
  })

  it('keeps sharded channels apart', () => {
    const bed = new CacheBed()
    const listener = bed.engine.connect()
    expect(bed.call(['SSUBSCRIBE', 'a'], listener)).toEqual(['ssubscribe', 'a', 1])
    expectReplies(bed, ['PUBLISH a hi', 0], ['SPUBLISH a hi', 1], ['PUBSUB SHARDCHANNELS', ['a']])
    expect(bed.received(listener)).toEqual([['smessage', 'a', 'hi']])
    expect(bed.call(['SUNSUBSCRIBE'], listener)).toEqual(['sunsubscribe', 'a', 0])
  })

  it('tells of changes of keys to those who asked for it', () => {
    const bed = new CacheBed()
    const listener = bed.engine.connect()
    bed.call(['PSUBSCRIBE', '__key*'], listener)
    bed.received(listener)
    bed.run('SET a 1')
    expect(bed.received(listener)).toEqual([])
    bed.engine.notifiedEvents = 'KEA'
    bed.run('SET a 1 PX 10')
    bed.wait(20)
    expect(bed.received(listener).map((message) => (message as string[]).slice(2))).toEqual([
      ['__keyspace@0__:a', 'set'],
      ['__keyevent@0__:set', 'a'],
      ['__keyspace@0__:a', 'expire'],
      ['__keyevent@0__:expire', 'a'],
      ['__keyspace@0__:a', 'expired'],
      ['__keyevent@0__:expired', 'a'],
    ])
  })
})

describe('events that must be asked for by name', () => {
  it('tell of keys that are new and of keys that reads have missed', () => {
    const bed = new CacheBed()
    const listener = bed.engine.connect()
    bed.call(['PSUBSCRIBE', '__keyevent*'], listener)
    bed.received(listener)
    bed.engine.notifiedEvents = 'Emn'
    for (const line of ['GET a', 'SET a 1', 'SET a 2', 'EXISTS a b', 'RENAME a c', 'DEL none', 'OBJECT ENCODING none'])
      bed.run(line)
    expect(bed.received(listener).map((message) => (message as string[]).slice(2))).toEqual([
      ['__keyevent@0__:keymiss', 'a'],
      ['__keyevent@0__:new', 'a'],
      ['__keyevent@0__:keymiss', 'b'],
      ['__keyevent@0__:new', 'c'],
    ])
  })
})

it('CLIENT REPLY takes three words', () => {
  expectReplies(new CacheBed(), ['CLIENT REPLY MAYBE', SYNTAX_ERROR])
})
