// What comes from outside may be anything: the server answers as Redis does or closes that connection, and serves the others.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { type RawClient, ServerBed } from '../../support/cache-server.ts'

let bed: ServerBed
let other: RawClient

beforeEach(async () => {
  bed = await ServerBed.start()
  other = bed.raw()
})

afterEach(() => bed.stop())

/** Somebody else is served as ever. */
async function expectService(): Promise<void> {
  other.send('PING\r\n')
  await other.expect('+PONG\r\n')
}

describe('a client', () => {
  it.each([
    ['*1\r\n+PING\r\n', "-ERR Protocol error: expected '$', got '+'\r\n"],
    ['*2147483648\r\n', '-ERR Protocol error: invalid multibulk length\r\n'],
    ['*1\r\n$99999999999\r\n', '-ERR Protocol error: invalid bulk length\r\n'],
    ['*1\r\n$-5\r\n', '-ERR Protocol error: invalid bulk length\r\n'],
    ['SET k "open\r\n', '-ERR Protocol error: unbalanced quotes in request\r\n'],
    ['x'.repeat(70_000), '-ERR Protocol error: too big inline request\r\n'],
  ])('that sends %j is told what is wrong, and closed', async (bytes, reply) => {
    const client = bed.raw()
    client.send('SET before 1\r\n')
    await client.expect('+OK\r\n')
    client.send(bytes)
    expect(await client.closed()).toBe(reply)
    await expectService()
  })

  it('may send a command byte by byte, or many at once', async () => {
    const client = bed.raw()
    for (const byte of '*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n') client.send(byte)
    await client.expect('$2\r\nhi\r\n')
    client.send('PING\r\n'.repeat(10_000))
    await client.expect('+PONG\r\n'.repeat(10_000))
  })

  it('that announces much and sends little costs little', async () => {
    const before = process.memoryUsage().arrayBuffers
    const clients = Array.from({ length: 50 }, () => bed.raw())
    for (const client of clients) client.send('PING\r\n*1000000\r\n$500000000\r\nabc')
    for (const client of clients) await client.expect('+PONG\r\n')
    await expectService()
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * 2 ** 20)
  })

  it('that goes in the middle of a command, or while it waits, leaves nothing behind', async () => {
    const half = bed.raw()
    half.send('PING\r\n*2\r\n$3\r\nGET\r\n')
    await half.expect('+PONG\r\n')
    const waiting = bed.raw()
    waiting.send('PING\r\nBLPOP list 0\r\n')
    await waiting.expect('+PONG\r\n')
    half.socket.destroy()
    waiting.socket.destroy()
    for (;;) {
      other.send('CLIENT LIST\r\n')
      await other.expect('$')
      while (!/user=default redir=-1 resp=2\n\r\n$/.test(other.received))
        await new Promise((next) => setImmediate(next))
      const count = other.received.split('\n').filter((line) => line.startsWith('id=')).length
      other.received = ''
      if (count === 1) break
    }
    other.send('RPUSH list a\r\nLLEN list\r\n')
    await other.expect(':1\r\n:1\r\n')
  })

  it('that does not read is not run any further, and slows nobody', async () => {
    const value = 'v'.repeat(1024 * 1024)
    other.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${value.length}\r\n${value}\r\n`)
    await other.expect('+OK\r\n')
    const slow = bed.raw()
    slow.socket.pause()
    slow.send('GET k\r\n'.repeat(100))
    for (let i = 0; i < 20; i++) await expectService()
    const { totals } = bed.server.inspect() as { totals: { bytesOut: number } }
    expect(totals.bytesOut).toBeLessThan(50 * value.length)
    slow.socket.resume()
    await slow.expect(`$${value.length}\r\n${value}\r\n`.repeat(100))
    await expectService()
  })

  it('that listens and does not read is closed', async () => {
    const slow = bed.raw()
    slow.send('SUBSCRIBE c\r\n')
    await slow.expect('*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n')
    slow.socket.pause()
    const message = 'm'.repeat(1024 * 1024)
    let count = 0
    for (; count < 200; count++) {
      other.send(`*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$${message.length}\r\n${message}\r\n`)
      await other.expect(':')
      while (!other.received.endsWith('\r\n')) await new Promise((next) => setImmediate(next))
      const listeners = other.received
      other.received = ''
      if (listeners === '0\r\n') break
    }
    expect(count).toBeLessThan(200)
    expect(bed.log.map(({ msg }) => msg)).toContain('client closed: it does not read')
    await expectService()
  })

  it('cannot take the turns of others with one long pipeline', async () => {
    const greedy = bed.raw()
    greedy.send('PING\r\n')
    await greedy.expect('+PONG\r\n')
    greedy.send('INCR n\r\n'.repeat(20_000))
    await expectService()
    while (greedy.received === '') await new Promise((next) => setImmediate(next))
    while (!greedy.received.endsWith(':20000\r\n')) await new Promise((next) => setImmediate(next))
  })

  it('without a password may send little', async () => {
    const locked = await ServerBed.start({ password: 'secret' })
    const client = locked.raw()
    client.send('GET k\r\n')
    await client.expect('-NOAUTH Authentication required.\r\n')
    client.send('*11\r\n')
    expect(await client.closed()).toBe('-ERR Protocol error: unauthenticated multibulk length\r\n')
    const long = locked.raw()
    long.send('*2\r\n$4\r\nAUTH\r\n$16385\r\n')
    expect(await long.closed()).toBe('-ERR Protocol error: unauthenticated bulk length\r\n')
    await locked.stop()
  })

  it('may send anything at all', async () => {
    const seed = Number(process.env['SEED'] ?? 1)
    const random = seededRandom(seed)
    const words = [
      '*3\r\n',
      '$3\r\n',
      'SET',
      'GET k',
      '\r\n',
      '"',
      '$-1\r\n',
      '*-1\r\n',
      '\0',
      'MULTI\r\n',
      'EXEC\r\n',
      'BLPOP l 1\r\n',
      '*1\r\n$4\r\nPING\r\n',
    ]
    for (let round = 0; round < 100; round++) {
      const client = bed.raw()
      for (let i = 0; i < 30; i++) {
        const isWord = random.next() < 0.7
        const word = words[Math.floor(random.next() * words.length)] as string
        client.send(isWord ? word : Buffer.from(random.bytes(8)).toString('latin1'))
      }
      client.socket.end()
      await client.closed()
    }
    await expectService()
    expect(bed.server.ready()).toBe(true)
  })
})
