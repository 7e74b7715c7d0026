import { afterEach, beforeEach, expect, it } from 'vitest'
import { type RawClient, ServerBed } from '../../support/cache-server.ts'

let bed: ServerBed
let monitor: RawClient
let client: RawClient

beforeEach(async () => {
  bed = await ServerBed.start()
  monitor = bed.raw()
  client = bed.raw()
  monitor.send('MONITOR\r\n')
  await monitor.expect('+OK\r\n')
})

afterEach(() => bed.stop())

/** The lines that a monitor gets, with what differs from run to run left out. */
async function told(count: number): Promise<string[]> {
  const lines: string[] = []
  while (lines.length < count) {
    const end = monitor.received.indexOf('\r\n')
    if (end === -1) {
      await new Promise((next) => setImmediate(next))
      continue
    }
    lines.push(monitor.received.slice(0, end).replace(/^\+\d{10}\.\d{6} /, ''))
    monitor.received = monitor.received.slice(end + 2)
  }
  return lines.map((line) => line.replace(/127\.0\.0\.1:\d+/, 'client'))
}

// As redis-server 7.0.15 tells the same commands.
it('MONITOR tells of every command in its order: transactions before EXEC, scripts before what they call, no secrets', async () => {
  client.send('SET k "a\\"\\n\\x07\\xff"\r\nMULTI\r\nGET k\r\nEXEC\r\n')
  client.send(`EVAL "return redis.call('get',KEYS[1])" 1 k\r\nAUTH a b\r\nCONFIG GET maxmemory\r\nSELECT 2\r\nPING\r\n`)
  expect(await told(9)).toEqual([
    '[0 client] "SET" "k" "a\\"\\n\\a\\xff"',
    '[0 client] "MULTI"',
    '[0 client] "GET" "k"',
    '[0 client] "EXEC"',
    '[0 client] "EVAL" "return redis.call(\'get\',KEYS[1])" "1" "k"',
    '[0 lua] "get" "k"',
    '[0 client] "AUTH" "(redacted)" "(redacted)"',
    '[2 client] "SELECT" "2"',
    '[2 client] "PING"',
  ])
})

it('MONITOR tells of who waits once, not of what looks on from this process, and ends with RESET', async () => {
  client.send('BLPOP list 0\r\n')
  expect(await told(1)).toEqual(['[0 client] "BLPOP" "list" "0"'])
  bed.server.execute(['SET', 'from', 'here'])
  const other = bed.raw()
  other.send('LPUSH list x\r\n')
  expect(await told(1)).toEqual(['[0 client] "LPUSH" "list" "x"'])
  const { clients } = bed.server.inspect() as { readonly clients: readonly string[] }
  expect(clients.filter((line) => line.includes(' flags=O '))).toHaveLength(1)
  monitor.send('RESET\r\n')
  await monitor.expect('+RESET\r\n')
  other.send('SET after v\r\n')
  monitor.send('PING\r\n')
  await monitor.expect('+PONG\r\n')
  expect(monitor.received).toBe('')
})

it('MONITOR is refused where nothing may wait', async () => {
  client.send('MULTI\r\nMONITOR\r\nEXEC\r\n')
  await client.expect("+OK\r\n+QUEUED\r\n*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n")
})
