// The web console in a real browser: what a person sees and does. PICTURES=1 writes what docs/ shows of it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient } from '../support/cache-server.ts'
import { binary } from '../support/run-command.ts'
import { type Chromium, startChromium, type Tab } from './browser/chromium.ts'
import { picture } from './browser/console.ts'
import { requirePrograms } from './prerequisites.ts'

requirePrograms('chromium')

/** Markup as a key and as a value: it must be seen as it is, and do nothing. */
const MARKUP = `<img src=x onerror="document.title='harmed'">`

interface Up {
  readonly child: ChildProcess
  readonly console: string
  readonly cache: { readonly host: string; readonly port: number }
}

let browser: Chromium
const running: ChildProcess[] = []

beforeAll(async () => {
  browser = await startChromium()
})
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL')
  await browser.close()
})

async function up(...args: string[]): Promise<Up> {
  const line = [binary('bedplate'), 'up', '--json', '--memory', '--port-offset', 'any', ...args]
  const child = spawn(process.execPath, line, { stdio: ['ignore', 'pipe', 'inherit'] })
  running.push(child)
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const ended = once(lines, 'close').then(() => {
    throw new Error('bedplate up ended before it was ready')
  })
  const [first] = await Promise.race([once(lines, 'line'), ended])
  const { console: url, servers } = JSON.parse(first)
  return { child, console: url, cache: servers[0] }
}

async function go(tab: Tab, page: string): Promise<void> {
  await tab.click(`nav a[href="#${page}"]`)
  await tab.until(`!document.querySelector('[data-page=${page}]').hidden`)
}

describe('the console of one cache', () => {
  let server: Up
  let client: RawClient
  let tab: Tab

  beforeAll(async () => {
    server = await up()
    client = new RawClient(createConnection(server.cache))
    const items = Array.from({ length: 40 }, (_, i) => `SET item:${i} ${'v'.repeat(20 + 11 * i)} EX ${900 + 7 * i}`)
    const commands = [
      `SET "${MARKUP.replaceAll('"', '\\"')}" "${MARKUP.replaceAll('"', '\\"')}"`,
      ...items,
      'HSET user:1 name Ada city London born 1815',
      'ZADD board 31.5 Ada 27 Grace 12 Edsger',
      'RPUSH queue first second third',
      'XADD events 1-1 kind login user 1',
      'SADD tags red green blue',
      'CONFIG SET slowlog-log-slower-than 0',
    ]
    client.send(commands.map((command) => `${command}\r\n`).join(''))
    await client.expect(`${'+OK\r\n'.repeat(41)}:3\r\n:3\r\n:3\r\n$3\r\n1-1\r\n:3\r\n+OK\r\n`)
    tab = await browser.open(server.console)
  })
  afterAll(() => client.socket.destroy())

  it('lists the server with its address, connection strings to be copied, and charts that move', async () => {
    const { port } = server.cache
    await tab.until(`document.querySelectorAll('figure').length > 5`)
    const text = await tab.text('main')
    expect(text).toContain(`REDIS_URL=redis://127.0.0.1:${port}`)
    expect(text).toContain(`redis-cli -h 127.0.0.1 -p ${port}`)
    expect(text).toMatch(/Redis-compatible cache at 127\.0\.0\.1:\d+ ready/)
    const commands = `[...document.querySelectorAll('figure')].find((each) => /Commands that were run/.test(each.innerText))`
    await tab.until(`${commands}.querySelector('polyline').getAttribute('points').split(' ').length >= 2`)
    client.send('PING\r\n'.repeat(5000))
    await tab.until(`parseFloat(${commands}.querySelector('strong').innerText) > 1`)
    await client.expect('+PONG\r\n'.repeat(5000))
    await tab.until(`${commands}.querySelector('polyline').getAttribute('points').split(' ').length >= 6`)
    await picture(tab, 'console-servers')
  })

  it('copies a connection string', async () => {
    await tab.send('Page.bringToFront')
    const { origin } = new URL(server.console)
    await browser.send('Browser.grantPermissions', {
      origin,
      permissions: ['clipboardReadWrite', 'clipboardSanitizedWrite'],
    })
    await tab.click('article button')
    await tab.until(`document.querySelector('article button').innerText === 'Copied'`)
    expect(await tab.evaluate('navigator.clipboard.readText()')).toBe(
      `REDIS_URL=redis://127.0.0.1:${server.cache.port}`,
    )
  })

  it('shows keys with type, expiry and memory, by pattern and type, and a value of each type', async () => {
    await go(tab, 'keys')
    await tab.until(`/46 keys/.test(document.querySelector('#key-count').innerText)`)
    await tab.click('#pattern')
    await tab.evaluate(`document.querySelector('#pattern').select()`)
    await tab.type('item:1*')
    await tab.press('Enter')
    await tab.until(`/11 keys/.test(document.querySelector('#key-count').innerText)`)
    expect(await tab.text('#key-list tbody tr')).toMatch(/^item:1\d?\s+string\s+in 1\d min\s+[\d.]+ (?:B|KiB)$/)
    await tab.evaluate(`document.querySelector('#pattern').value = '*'`)
    const seen: Record<string, string> = {}
    for (const type of ['hash', 'zset', 'list', 'stream', 'set']) {
      await tab.evaluate(`(() => {
        const select = document.querySelector('#type')
        select.value = '${type}'
        select.dispatchEvent(new Event('change'))
      })()`)
      await tab.until(
        `document.querySelector('#key-list tbody')?.innerText.includes('${type}') && /^1 key$/.test(document.querySelector('#key-count').innerText)`,
      )
      await tab.click('#key-list tbody button')
      await tab.until(`document.querySelector('#value').innerText.includes('${type},')`)
      seen[type] = await tab.text('#value')
    }
    expect(seen['hash']).toMatch(/city\s+London/)
    expect(seen['zset']).toMatch(/Grace\s+27/)
    expect(seen['list']).toMatch(/0\s+first\s+1\s+second/)
    expect(seen['stream']).toMatch(/1-1\s+kind: login, user: 1/)
    expect(seen['set']).toContain('green')
    await tab.evaluate(`(() => {
      const select = document.querySelector('#type')
      select.value = ''
      select.dispatchEvent(new Event('change'))
    })()`)
    await tab.until(`document.querySelector('#key-count').innerText === '46 keys'`)
    await tab.push('[data-id=board]')
    await tab.until(`document.querySelector('#value').innerText.includes('zset,')`)
    await picture(tab, 'console-keys')
  })

  it('shows markup as text, deletes it only when that is confirmed, and works by keyboard alone', async () => {
    await tab.evaluate(`(() => {
      document.querySelector('#type').value = 'string'
      document.querySelector('#pattern').value = '<img*'
      document.querySelector('#pattern').focus()
    })()`)
    await tab.press('Enter')
    await tab.until(`/^1 key$/.test(document.querySelector('#key-count').innerText)`)
    for (let i = 0; i < 4; i++) await tab.press('Tab') // type, database, search, and then the key
    expect(await tab.evaluate('document.activeElement.innerText')).toBe(MARKUP)
    await tab.press('Enter')
    await tab.until(`document.querySelector('#text')?.innerText.includes('onerror')`)
    expect(await tab.evaluate(`document.querySelectorAll('main img').length`)).toBe(0)
    const deletes = async (): Promise<void> => {
      await tab.evaluate(`document.querySelector('#delete').focus()`)
      await tab.press('Enter')
      await tab.until(`document.querySelector('dialog[open]')`)
    }
    await deletes()
    await tab.press('Enter') // Cancel is what has the focus
    await tab.until(`!document.querySelector('dialog')`)
    client.send('DBSIZE\r\n')
    await client.expect(':46\r\n')
    await deletes()
    await tab.press('Tab')
    await tab.press('Enter')
    await tab.until(`/No key matches/.test(document.querySelector('#key-count').innerText)`)
    client.send('DBSIZE\r\n')
    await client.expect(':45\r\n')
    expect(await tab.evaluate('document.title')).not.toBe('harmed')
  })

  it('shows memory with the largest keys, and what was slow', async () => {
    await go(tab, 'memory')
    await tab.until(`document.querySelectorAll('#largest tbody tr').length === 20`)
    expect(await tab.text('#largest')).toMatch(/item:39\s+string/)
    expect(await tab.text('#memory-facts')).toMatch(/maxmemory_policy\s+noeviction/)
    await go(tab, 'slowlog')
    await tab.until(`document.querySelectorAll('#slow-commands tbody tr').length > 5`)
    await go(tab, 'cluster')
    await tab.until(`/This cache is one server/.test(document.querySelector('main').innerText)`)
  })

  it.each(['light', 'dark'] as const)('fits a narrow screen, %s, and can be read there', async (scheme) => {
    await tab.resize(360, 740)
    await tab.prefer(scheme)
    for (const page of ['servers', 'keys', 'memory', 'slowlog', 'cluster']) {
      await go(tab, page)
      expect(await tab.evaluate('document.documentElement.scrollWidth'), page).toBeLessThanOrEqual(360)
    }
    const contrast = await tab.evaluate<number>(`(() => {
      const { color, backgroundColor } = getComputedStyle(document.body)
      const light = (text) => {
        const parts = text.match(/\\d+/g).slice(0, 3).map((part) => part / 255)
        const [r, g, b] = parts.map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
      }
      const [a, b] = [light(color), light(backgroundColor)].sort((x, y) => y - x)
      return (a + 0.05) / (b + 0.05)
    })()`)
    expect(contrast).toBeGreaterThan(7) // WCAG 2.2, 1.4.6
    await tab.resize(1200, 900)
    await tab.prefer('light')
  })

  it('has asked nobody else for anything, and has complained of nothing', () => {
    expect([...tab.hosts]).toEqual([new URL(server.console).host])
    expect(tab.complaints).toEqual([])
  })
})

describe('the console of a cluster', () => {
  it('shows slots by node, and how a replica takes over when a master stands still, dies, or is asked', async () => {
    const { console: url } = await up('--cluster')
    const tab = await browser.open(`${url}/#cluster`)
    const dot = (slot: number): Promise<string> =>
      tab.evaluate(`(() => {
        const [x, y] = [${slot} % 128, Math.floor(${slot} / 128)]
        return [...document.querySelector('#slots').getContext('2d').getImageData(x, y, 1, 1).data].join(' ')
      })()`)
    const row = (name: string): string =>
      `[...document.querySelectorAll('#cluster-nodes tbody tr')].find((each) => each.innerText.replace(/\\s/g, ' ').trim().startsWith('${name}'))?.innerText`
    await tab.until(`document.querySelectorAll('#cluster-nodes tbody tr').length === 6`)
    expect(await tab.text('#cluster-state')).toMatch(/^State: ok/)
    expect(new Set([await dot(0), await dot(8000), await dot(16_383)]).size).toBe(3)
    expect(await dot(5460)).toBe(await dot(0))
    const whole = await dot(1)
    await tab.push('[data-fault=pause][data-node=node1]')
    await tab.until(`/paused, failed, say the others/.test(${row('node1 ')})`)
    await tab.until(`/master\\s+0-5460/.test(${row('node4 ')})`)
    await tab.until(`/^State: ok/.test(document.querySelector('#cluster-state').innerText)`)
    expect(await dot(1)).not.toBe(whole)
    await picture(tab, 'console-cluster')
    await tab.push('[data-fault=resume][data-node=node1]')
    await tab.until(`/replica of node4\\s+running/.test(${row('node1 ')})`)
    await tab.until(`document.querySelector('[data-fault=failover][data-node=node1]')`)
    await tab.push('[data-fault=failover][data-node=node1]')
    await tab.until(`/master\\s+0-5460/.test(${row('node1 ')})`)
    await tab.until(`/replica of node1/.test(${row('node4 ')})`)
    expect(await dot(1)).toBe(whole)
    await tab.push('[data-fault=kill][data-node=node2]')
    await tab.until(`/master\\s+5461-10921/.test(${row('node5 ')})`)
    await tab.push('[data-fault=start][data-node=node2]')
    await tab.until(`/replica of node5\\s+running/.test(${row('node2 ')})`)
    expect(await tab.text('#cluster-log')).toMatch(/node1: pause/)
    await go(tab, 'keys')
    await tab.until(`document.querySelectorAll('[data-page=keys] select.node option').length === 6`)
    expect(tab.complaints).toEqual([])
  })
})
