import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseBytes } from '../../../ts/cache/index.ts'
import { realClock } from '../../../ts/io/clock.ts'
import { type RawClient, ServerBed } from '../../support/cache-server.ts'

let bed: ServerBed
let client: RawClient

beforeEach(async () => {
  bed = await ServerBed.start()
  client = bed.raw()
})

afterEach(() => bed.stop())

/** Sends each line and expects its reply. */
async function expectReplies(on: RawClient, ...script: readonly (readonly [string, string])[]): Promise<void> {
  for (const [line, reply] of script) {
    on.send(`${line}\r\n`)
    await on.expect(reply)
  }
}

/** The text of a bulk reply. */
async function textOf(on: RawClient, line: string): Promise<string> {
  on.send(`${line}\r\n`)
  await on.expect('$')
  for (;;) {
    const { length = '', text = '' } = /^(?<length>\d+)\r\n(?<text>.*)\r\n$/s.exec(on.received)?.groups ?? {}
    if (length !== '' && text.length === Number(length)) {
      on.received = ''
      return text
    }
    await new Promise((next) => setImmediate(next))
  }
}

/** Waits until so many clients are blocked. */
async function waitingClients(count: number): Promise<void> {
  while (!(await textOf(client, 'INFO clients')).includes(`blocked_clients:${count}\r\n`))
    await new Promise((next) => setImmediate(next))
}

describe('AUTH', () => {
  it('is refused where there is no password', async () => {
    client.send('AUTH x\r\n')
    await client.expect('-ERR AUTH <password> called without any password configured for the default user.')
  })

  it('lets in who knows the password, until RESET', async () => {
    await expectReplies(client, ['CONFIG SET requirepass secret', '+OK\r\n'])
    await expectReplies(
      bed.raw(),
      ['SET k v', '-NOAUTH Authentication required.\r\n'],
      ['AUTH wrong', '-WRONGPASS invalid username-password pair or user is disabled.\r\n'],
      ['AUTH other secret', '-WRONGPASS invalid username-password pair or user is disabled.\r\n'],
      ['AUTH default secret', '+OK\r\n'],
      ['SET k v', '+OK\r\n'],
      ['RESET', '+RESET\r\n'],
      ['GET k', '-NOAUTH Authentication required.\r\n'],
      ['HELLO 3 AUTH default wrong', '-WRONGPASS invalid username-password pair or user is disabled.\r\n'],
      ['HELLO 3 AUTH default secret', '%7\r\n'],
    )
  })
})

describe('CLIENT', () => {
  it('LIST and INFO tell of connections, KILL ends them', async () => {
    const other = bed.raw()
    await expectReplies(other, ['CLIENT SETNAME other', '+OK\r\n'])
    await expectReplies(client, ['CLIENT SETNAME me', '+OK\r\n'])
    const list = await textOf(client, 'CLIENT LIST')
    const names = list
      .trim()
      .split('\n')
      .map((line) => / name=(\w*) /.exec(line)?.[1])
    expect(names.sort()).toEqual(['me', 'other'])
    const mine = await textOf(client, 'CLIENT INFO')
    expect(mine).toContain(' name=me ')
    expect(mine).toContain(' cmd=client|info ')
    await expectReplies(
      client,
      ['CLIENT LIST TYPE odd', "-ERR Unknown client type 'odd'\r\n"],
      ['CLIENT KILL 1.2.3.4:5', '-ERR No such client\r\n'],
      ['CLIENT KILL TYPE pubsub', ':0\r\n'],
      ['CLIENT KILL TYPE normal', ':1\r\n'],
    )
    expect(await other.closed()).toBe('')
    client.send('CLIENT KILL TYPE normal SKIPME no\r\nPING\r\n')
    expect(await client.closed()).toBe(':1\r\n')
  })

  it('PAUSE WRITE holds writes until UNPAUSE, reads go on', async () => {
    const writer = bed.raw()
    await expectReplies(client, ['CLIENT PAUSE 100000 WRITE', '+OK\r\n'], ['GET k', '$-1\r\n'])
    writer.send('GET k\r\nSET k v\r\nGET k\r\n')
    await writer.expect('$-1\r\n')
    await expectReplies(client, ['GET k', '$-1\r\n'], ['CLIENT UNPAUSE', '+OK\r\n'])
    await writer.expect('+OK\r\n$1\r\nv\r\n')
  })

  it('of a script is the one that called it', async () => {
    await expectReplies(
      client,
      [`EVAL "return redis.acl_check_cmd('debug', 'sleep', '0')" 0`, ':1\r\n'],
      [`EVAL "return redis.call('client', 'list')" 0`, '-ERR This Redis command is not allowed from script'],
    )
  })

  it('PAUSE WRITE holds what could write: transactions and scripts by what is in them, and not what is no command', async () => {
    const others = [bed.raw(), bed.raw(), bed.raw(), bed.raw()]
    const [writes, reads, script, function_] = others as [RawClient, RawClient, RawClient, RawClient]
    await expectReplies(writes, ['MULTI', '+OK\r\n'], ['SET k v', '+QUEUED\r\n'])
    await expectReplies(reads, ['MULTI', '+OK\r\n'], ['GET k', '+QUEUED\r\n'])
    await expectReplies(client, ['SET old v PX 1', '+OK\r\n'], ['CLIENT PAUSE 100000 WRITE', '+OK\r\n'])
    await expectReplies(
      reads,
      ['EXEC', '*1\r\n$-1\r\n'],
      ['SET k', "-ERR wrong number of arguments for 'set' command\r\n"],
    )
    await expectReplies(
      client,
      ['EVAL_RO "return 1" 0', ':1\r\n'],
      ['EVAL "#!lua flags=no-writes\\nreturn 2" 0', ':2\r\n'],
    )
    writes.send('EXEC\r\n')
    script.send('EVAL "return 3" 0\r\n')
    function_.send('FCALL none 0\r\n')
    await waitingClients(3)
    await expectReplies(client, ['CLIENT UNPAUSE', '+OK\r\n'])
    await Promise.all([writes.expect('*1\r\n+OK\r\n'), script.expect(':3\r\n'), function_.expect('-ERR Function')])
  })

  it('PAUSE ends when its time is over', async () => {
    await expectReplies(client, ['CLIENT PAUSE 20', '+OK\r\n'], ['SET k v', '+OK\r\n'])
  })

  it('REPLY SKIP silences a command that waits, and the next one is answered', async () => {
    const other = bed.raw()
    client.send('CLIENT REPLY SKIP\r\nBLPOP list 0\r\nPING\r\n')
    for (;;) {
      const waiting = await textOf(other, 'CLIENT LIST')
      if (waiting.includes(' flags=b ')) break
    }
    await expectReplies(other, ['RPUSH list a', ':1\r\n'], ['LLEN list', ':0\r\n'])
    await client.expect('+PONG\r\n')
  })
})

describe('CONFIG and INFO', () => {
  it('take it that nothing is kept, and refuse to keep something where there is no directory', async () => {
    await expectReplies(
      client,
      ["CONFIG SET save '' appendonly no", '+OK\r\n'],
      [
        'CONFIG SET appendonly yes',
        "-ERR CONFIG SET failed (possibly related to argument 'appendonly') - this server keeps nothing on disk: start it with --dir\r\n",
      ],
    )
  })

  it('tell and change settings, all or none', async () => {
    await expectReplies(
      client,
      ['CONFIG GET maxclients', '*2\r\n$10\r\nmaxclients\r\n$4\r\n1000\r\n'],
      ['CONFIG GET nothing', '*0\r\n'],
      ['CONFIG SET hash-max-ziplist-entries 1', '+OK\r\n'],
      ['HSET small f v', ':1\r\n'],
      ['HSET large f v g w', ':2\r\n'],
      ['OBJECT ENCODING small', '$8\r\nlistpack\r\n'],
      ['OBJECT ENCODING large', '$9\r\nhashtable\r\n'],
      ['CONFIG GET hash-max-listpack-entries', '*2\r\n$25\r\nhash-max-listpack-entries\r\n$1\r\n1\r\n'],
      [
        'CONFIG SET list-max-listpack-size x',
        "-ERR CONFIG SET failed (possibly related to argument 'list-max-listpack-size') - argument couldn't be parsed into an integer\r\n",
      ],
      ['CONFIG SET notify-keyspace-events KEA', '+OK\r\n'],
      ['CONFIG GET notify-*', '*2\r\n$22\r\nnotify-keyspace-events\r\n$3\r\nAKE\r\n'],
      [
        'CONFIG SET notify-keyspace-events "" port 1',
        "-ERR CONFIG SET failed (possibly related to argument 'port') - this server takes it at its start alone\r\n",
      ],
      ['CONFIG GET notify-*', '*2\r\n$22\r\nnotify-keyspace-events\r\n$3\r\nAKE\r\n'],
      [
        'CONFIG SET daemonize yes',
        "-ERR CONFIG SET failed (possibly related to argument 'daemonize') - can't set immutable config\r\n",
      ],
      // What it is anyway may be set.
      ['CONFIG SET maxclients 1000 timeout 0 maxmemory-clients 0%', '+OK\r\n'],
      [
        'CONFIG SET maxmemory-clients 200%',
        "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - percentage argument must be less or equal to 100\r\n",
      ],
      ['CONFIG SET client-output-buffer-limit "normal 1073741824 0 0"', '+OK\r\n'],
      ['CONFIG SET odd 1', "-ERR Unknown option or number of arguments for CONFIG SET - 'odd'\r\n"],
      ['CONFIG SET save', "-ERR wrong number of arguments for 'config|set' command\r\n"],
    )
  })

  it('have sections', async () => {
    await expectReplies(client, ['SET k v EX 100', '+OK\r\n'])
    expect(await textOf(client, 'INFO keyspace')).toBe('# Keyspace\r\ndb0:keys=1,expires=1,avg_ttl=0\r\n')
    const all = await textOf(client, 'INFO')
    expect(all).toContain(`\r\ntcp_port:${bed.port}\r\n`)
    expect(all).toContain('\r\nconnected_clients:1\r\n')
  })

  it('work within a transaction', async () => {
    await expectReplies(client, ['MULTI', '+OK\r\n'], ['CONFIG GET port', '+QUEUED\r\n'])
    const port = String(bed.port)
    await expectReplies(client, ['EXEC', `*1\r\n*2\r\n$4\r\nport\r\n$${port.length}\r\n${port}\r\n`])
  })
})

describe('the end', () => {
  it('QUIT is answered, and what comes behind it is not run', async () => {
    client.send('QUIT\r\nSET k v\r\n')
    expect(await client.closed()).toBe('+OK\r\n')
    await expectReplies(bed.raw(), ['EXISTS k', ':0\r\n'])
  })

  it('draining answers what was sent and closes, those who wait too', async () => {
    const waiting = bed.raw()
    await expectReplies(waiting, ['PING', '+PONG\r\n'])
    waiting.send('BLPOP list 0\r\n')
    await expectReplies(client, ['PING', '+PONG\r\n'])
    await bed.server.drain()
    expect(await client.closed()).toBe('')
    expect(await waiting.closed()).toBe('')
    expect(bed.server.ready()).toBe(false)
  })

  it('figures are there for Prometheus', async () => {
    await expectReplies(client, ['SET k v', '+OK\r\n'])
    const figures = new Map(bed.server.metrics().map(({ name, samples }) => [name, samples[0]?.value]))
    expect(figures.get('bedplate_cache_commands_total')).toBe(1)
    expect(figures.get('bedplate_cache_keys')).toBe(1)
    expect(figures.get('bedplate_cache_sent_bytes_total')).toBe(5)
  })
})

describe('memory', () => {
  it('is bounded by CONFIG, and INFO says what is used', async () => {
    const invalid =
      "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value"
    await expectReplies(
      client,
      ['CONFIG GET maxmemory', '*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n'],
      ['CONFIG SET maxmemory lots', `${invalid}\r\n`],
      ['CONFIG SET maxmemory 1kb maxmemory-policy allkeys-lru maxmemory-samples 7', '+OK\r\n'],
      ['CONFIG GET maxmemory', '*2\r\n$9\r\nmaxmemory\r\n$4\r\n1024\r\n'],
      ['CONFIG GET maxmemory-policy', '*2\r\n$16\r\nmaxmemory-policy\r\n$11\r\nallkeys-lru\r\n'],
      ['CONFIG GET maxmemory-samples', '*2\r\n$17\r\nmaxmemory-samples\r\n$1\r\n7\r\n'],
      ['CONFIG SET maxmemory-samples 0', '-ERR CONFIG SET failed'],
    )
    client.received = ''
    const other = bed.raw()
    for (let i = 0; i < 10; i++) await expectReplies(other, [`SET key:${i} value`, '+OK\r\n'])
    expect(await textOf(other, 'INFO stats')).toMatch(/\r\nevicted_keys:[3-9]\r\n/)
    expect(await textOf(other, 'INFO memory')).toMatch(
      /\r\nmaxmemory:1024\r\nmaxmemory_human:1.00K\r\nmaxmemory_policy:allkeys-lru/,
    )
  })

  it('cannot be bounded beyond what the process can hold, and that bounds it in any case', async () => {
    const memory = { maxBytes: 0, policy: 'noeviction', samples: 5, ceilingBytes: 500 } as const
    const small = await ServerBed.start({ memory })
    const other = small.raw()
    await expectReplies(other, [
      'CONFIG SET maxmemory 501',
      "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - 501 bytes are more",
    ])
    other.send('SET a 1\r\nSET b 1\r\nSET c 1\r\nSET d 1\r\nSET e 1\r\nPING\r\n')
    await new Promise((next) => setImmediate(next))
    expect(() => small.server.metrics()).not.toThrow()
    other.send('QUIT\r\n')
    expect(await other.closed()).toMatch(
      /\+OK\r\n-OOM command not allowed when used memory > 'maxmemory'\.\r\n\+PONG\r\n\+OK\r\n$/,
    )
    await small.stop()
  })

  it('is read as redis.conf has it', () => {
    const sizes = {
      '1': 1,
      '2b': 2,
      '1k': 1000,
      '1Kb': 1024,
      '3m': 3e6,
      '100mb': 104_857_600,
      '1g': 1e9,
      '2GB': 2 ** 31,
    }
    for (const [text, bytes] of Object.entries(sizes)) expect([text, parseBytes(text)]).toEqual([text, bytes])
    for (const text of ['', 'mb', '-1', '1.5gb', '1tb', '1 kb', '999999999999999gb'])
      expect(parseBytes(text)).toBeUndefined()
  })
})

describe('SLOWLOG and LATENCY', () => {
  it('keep the commands that took long, without their secrets', async () => {
    await expectReplies(
      client,
      ['CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 3', '+OK\r\n'],
      ['SLOWLOG RESET', '+OK\r\n'],
      ['AUTH default secret', '+OK\r\n'],
      [`SET key ${'x'.repeat(200)}`, '+OK\r\n'],
      ['SLOWLOG LEN', ':3\r\n'],
      ['SLOWLOG GET -2', '-ERR count should be greater than or equal to -1\r\n'],
      ['CONFIG SET slowlog-log-slower-than -1', '+OK\r\n'],
    )
    client.send('SLOWLOG GET 10\r\nPING\r\n')
    while (!client.received.includes('+PONG\r\n')) await new Promise((next) => setImmediate(next))
    expect(client.received).toMatch(/^\*3\r\n\*6\r\n/)
    expect(client.received).not.toContain('secret')
    client.received = ''
    await expectReplies(client, ['SLOWLOG RESET', '+OK\r\n'], ['SLOWLOG LEN', ':0\r\n'])
  })

  it('keep what a transaction, a script and somebody who waited ran, in place of EXEC', async () => {
    const other = bed.raw()
    await expectReplies(client, ['CLIENT SETNAME me', '+OK\r\n'], ['CONFIG SET slowlog-log-slower-than 0', '+OK\r\n'])
    await expectReplies(other, ['PING', '+PONG\r\n'])
    other.send('BLPOP l 0\r\n')
    await waitingClients(1)
    await expectReplies(client, ['SLOWLOG RESET', '+OK\r\n'], ['MULTI', '+OK\r\n'], ['LPUSH l x', '+QUEUED\r\n'])
    await expectReplies(client, ['EXEC', '*1\r\n:1\r\n'], ["EVAL \"return redis.call('get','k')\" 0", '$-1\r\n'])
    client.send('SLOWLOG GET 4\r\nPING\r\n')
    while (!client.received.includes('+PONG\r\n')) await new Promise((next) => setImmediate(next))
    const told = [...client.received.matchAll(/\*\d\r\n\$\d+\r\n([A-Za-z]+)\r\n/g)].map(([, name]) => name)
    expect(told).toEqual(['EVAL', 'get', 'BLPOP', 'LPUSH'])
    expect(client.received.match(/\$2\r\nme\r\n/g)).toHaveLength(3)
  })

  it('sample what is slower than the threshold, and count how long each command took', async () => {
    let now = 0
    const clock = { ...realClock, monotonic: () => (now += 5e6) }
    const slow = await ServerBed.start({ clock })
    const other = slow.raw()
    await expectReplies(other, ['LATENCY LATEST', '*0\r\n'], ['CONFIG SET latency-monitor-threshold 5', '+OK\r\n'])
    expect(await textOf(other, 'LATENCY DOCTOR')).toContain('* command: 1 samples, 5 ms on average, 5 ms at worst.')
    expect(await textOf(other, 'LATENCY GRAPH command')).toContain('command - high 5 ms, low 5 ms')
    await expectReplies(
      other,
      ['LATENCY RESET', ':1\r\n'],
      [
        'LATENCY HISTOGRAM config',
        '*2\r\n$10\r\nconfig|set\r\n*4\r\n$5\r\ncalls\r\n:1\r\n$14\r\nhistogram_usec\r\n*2\r\n:8192\r\n:1\r\n',
      ],
    )
    await slow.stop()
  })
})
