import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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
    expect(mine).toContain(' cmd=client ')
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
        "-ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config\r\n",
      ],
      ['CONFIG GET notify-*', '*2\r\n$22\r\nnotify-keyspace-events\r\n$3\r\nAKE\r\n'],
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
