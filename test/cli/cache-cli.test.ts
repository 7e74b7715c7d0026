import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashOf, slotOf } from '../../ts/cache/cluster/slots.ts'
import { wordsOf } from '../../ts/cli/kit/words.ts'
import { ServerBed } from '../support/cache-server.ts'
import { binary } from '../support/run-command.ts'

const TRANSCRIPT = new URL('transcripts/cache.txt', import.meta.url)
/** Three keys of a few characters with values of a few, or two that expire, and not one more. */
const ROOM_BYTES = 560

let bed: ServerBed

beforeEach(async () => {
  bed = await ServerBed.start({
    memory: { maxBytes: ROOM_BYTES, policy: 'allkeys-lru', samples: 5, ceilingBytes: 1e9 },
  })
})

afterEach(() => bed.stop())

/** Runs cache-cli while the server of this process serves it. */
async function cli(args: readonly string[], input = '', env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [binary('cache-cli'), '-p', String(bed.port), ...args], {
    env: { ...process.env, ...env },
  })
  const said = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text))
  child.stdin.end(input)
  const [status] = (await once(child, 'close')) as [number]
  return { status, ...said }
}

describe('cache-cli', () => {
  it('prints what the transcript shows', async () => {
    const lines = readFileSync(TRANSCRIPT, 'utf8').trimEnd().split('\n')
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i] as string
      const [sign, , ...args] = line.startsWith('#') ? ['#'] : wordsOf(line)
      if (sign !== '$' && sign !== '+') continue
      const { stdout, status } = await cli(args)
      expect(status).toBe(0)
      if (sign === '$') expect([line, stdout]).toEqual([line, `${lines[++i]}\n`])
    }
  })

  it('shows every kind of reply, for people and as JSON, one command a line', async () => {
    await cli(['config', 'set', 'maxmemory', '0'])
    const script = [
      'set k "a\\nb"',
      'get k',
      'incr n',
      'rpush l a b c',
      'lrange l 0 -1',
      'hset h f 1 g "x\\xff"',
      'hgetall h',
      'lrange none 0 -1',
      'zadd z 1.5 m',
      'zscore z m',
      'get none',
      'lpush k x',
      'nonsense',
    ].join('\n')
    const people = await cli([], script)
    expect(people).toEqual({
      status: 1,
      stderr: '',
      stdout: `OK
a
b
(integer) 1
(integer) 3
1) a
2) b
3) c
(integer) 2
f: 1
g: x\\xff
(empty)
(integer) 1
(double) 1.5
(nil)
(error) WRONGTYPE Operation against a key holding the wrong kind of value
(error) ERR unknown command 'nonsense', with args beginning with:${' '}
`,
    })
    const machines = await cli(['--json'], script)
    expect(
      machines.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { reply: 'OK' },
      { reply: 'a\nb' },
      { reply: 2 },
      { reply: 6 },
      { reply: ['a', 'b', 'c', 'a', 'b', 'c'] },
      { reply: 0 },
      { reply: { f: '1', g: { base64: 'eP8=' } } },
      { reply: [] },
      { reply: 0 },
      { reply: 1.5 },
      { reply: null },
      { error: { code: 'INVALID_INPUT', message: expect.stringContaining('WRONGTYPE') } },
      { error: { code: 'NOT_SUPPORTED', message: expect.stringContaining('unknown command') } },
    ])
  })

  it('tells of evicted keys as JSON, too', async () => {
    for (const key of ['key:1', 'key:2', 'key:3']) await cli(['set', key, 'value'])
    expect(JSON.parse((await cli(['set', 'key:4', 'value', '--json'])).stdout)).toEqual({
      reply: 'OK',
      evicted: ['key:1'],
    })
  })

  it('says who asks, by flags, by URL and from the environment', async () => {
    await cli(['config', 'set', 'requirepass', 'grün'])
    expect(await cli(['get', 'k'])).toMatchObject({ status: 1, stderr: expect.stringMatching(/NOAUTH/) })
    expect(await cli(['get', 'k', '-a', 'wrong'])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/WRONGPASS/),
    })
    expect(await cli(['get', 'k', '-a', 'grün'])).toMatchObject({ status: 0, stdout: '(nil)\n' })
    expect(await cli(['set', 'k', 'v', '-n', '3'], '', { BEDPLATE_CACHE_PASSWORD: 'grün' })).toMatchObject({
      status: 0,
    })
    const url = `redis://:${encodeURIComponent('grün')}@127.0.0.1:${bed.port}/3`
    expect(await cli(['--url', url, 'get', 'k'])).toMatchObject({ status: 0, stdout: 'v\n' })
  })

  it('prints messages of channels as they come', async () => {
    const child = spawn(process.execPath, [binary('cache-cli'), '-p', String(bed.port), 'subscribe', 'news', '--json'])
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    expect(JSON.parse((await lines.next()).value as string)).toEqual({ push: ['subscribe', 'news', 1] })
    await cli(['publish', 'news', 'hello'])
    expect(JSON.parse((await lines.next()).value as string)).toEqual({ push: ['message', 'news', 'hello'] })
    child.kill('SIGKILL')
    await once(child, 'close')
  })

  it.each([
    [['get', 'k', '--ttl=5'], 2, /--ttl is for set alone/],
    [['set', 'k', 'v', '--ttl=soon'], 2, /--ttl must be a whole number of seconds, got "soon"/],
    [['--url', 'http://x', 'get', 'k'], 2, /--url must be like redis:\/\//],
    [['-p', '70000', 'get', 'k'], 2, /--port must be a whole number/],
    [['get', 'k', '--cluster'], 1, /--cluster: ERR /],
    [['get'], 1, /wrong number of arguments for 'get' command/],
  ])('refuses %j', async (args, status, message) => {
    expect(await cli(args)).toMatchObject({ status, stderr: expect.stringMatching(message) })
  })

  it('says that nobody answers, or nobody who speaks Redis', async () => {
    const port = bed.port
    await bed.stop()
    expect(await cli(['get', 'k'])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/cannot connect.*\nhint: is a server running/),
    })
    const stranger = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    stranger.listen(port, '127.0.0.1')
    await once(stranger, 'listening')
    expect(await cli(['get', 'k'])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/does not speak Redis's protocol/),
    })
    stranger.close()
  })
})

describe('the hash of a key', () => {
  it('is the CRC16 of the cluster specification, of the tag alone where there is one', () => {
    expect(hashOf('123456789')).toBe(0x31c3)
    expect(hashOf('a{123456789}b')).toBe(0x31c3)
    expect(hashOf('{}123')).not.toBe(hashOf(''))
    expect(slotOf('foo')).toBe(12182)
  })
})
