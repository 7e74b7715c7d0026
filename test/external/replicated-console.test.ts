// The page of a replicated store in a real browser: nodes of `replicated-kv up` that are hurt by buttons, while keys are written and read.
// PICTURES=1 writes what docs/ shows of it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePorts } from '../support/ports.ts'
import { binary, runCommand } from '../support/run-command.ts'
import { directoryInMemory } from '../support/temporary-directory.ts'
import { type Chromium, startChromium, type Tab } from './browser/chromium.ts'
import { requirePrograms } from './prerequisites.ts'

requirePrograms('chromium')

const PICTURES = fileURLToPath(new URL('../../docs/images/', import.meta.url))

const home = directoryInMemory()
let browser: Chromium
let cluster: ChildProcess
let control = 0
let tab: Tab

beforeAll(async () => {
  let port = 0
  ;[control = 0, port = 0] = await freePorts(4)
  const args = ['replicated-kv', 'up', '--nodes=3', `--port=${port}`, `--control=${control}`]
  cluster = spawn(process.execPath, [binary('bedplate'), ...args], {
    cwd: home.path,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: cluster.stdout as NodeJS.ReadableStream })
  for await (const line of lines) if (line.startsWith('Replicated store ready: ')) break
  cluster.stdout?.resume()
  browser = await startChromium()
  tab = await browser.open(`http://127.0.0.1:${control}/`)
})
afterAll(async () => {
  await browser?.close()
  const ended = once(cluster, 'exit')
  cluster.kill('SIGTERM')
  await ended
  home.remove()
})

async function picture(name: string): Promise<void> {
  if (process.env['PICTURES'] !== undefined) await tab.picture(`${PICTURES}${name}.png`)
}

/** The node that leads, as the ring shows it; waits until one does. */
async function leader(): Promise<string> {
  await tab.until(`document.querySelectorAll('#replica-ring .leader').length === 1`)
  const name = await tab.evaluate<string>(`document.querySelector('#replica-ring .leader').getAttribute('class')`)
  return /node-(\d)/.exec(name)?.[1] ?? ''
}

/** Waits until a cell of a node's row says something. */
async function until(table: string, node: string, pattern: RegExp): Promise<void> {
  const rows = `[...document.querySelectorAll('${table} tbody tr')]`
  const row = `${rows}.find((row) => row.cells[0].innerText === '${node}')`
  await tab.until(`[...${row}.cells].some((cell) => ${pattern}.test(cell.innerText))`)
}

async function set(key: string, value: string): Promise<void> {
  await tab.evaluate(`(() => {
    document.querySelector('#replica-key').value = '${key}'
    document.querySelector('#replica-value').value = '${value}'
  })()`)
  await tab.push('#replica-form button')
  await tab.until(`/: OK$/.test(document.querySelector('#replica-answer').innerText)`)
}

describe('the console of a replicated store', () => {
  it('shows who leads and who follows, offsets, lag, and what is in the logs', async () => {
    const first = await leader()
    const others = ['1', '2', '3'].filter((id) => id !== first)
    await set('user:1', 'Alice')
    await until('#replica-nodes', first, /^leads$/)
    for (const id of others) {
      await until('#replica-nodes', id, new RegExp(`^node ${first}$`))
      await until('#replica-nodes', id, /^none$/)
    }
    await tab.until(`/user:1 = Alice\\s+1, 2, 3\\s+yes/.test(document.querySelector('#replica-tail').innerText)`)
    await tab.until(`/\\d+: user:1 = Alice after/.test(document.querySelector('#replica-messages').innerText)`)
    await tab.push('#replica-get')
    await tab.until(`/^node \\d: Alice$/.test(document.querySelector('#replica-answer').innerText)`)
    await picture('console-replicated-kv')
  })

  it('pauses a follower: the leader shows that it falls behind, and it catches up', async () => {
    const first = await leader()
    const follower = first === '3' ? '2' : '3'
    await tab.push(`#replica-faults [data-fault=pause][data-node="${follower}"]`)
    await tab.until(`document.querySelector('#replica-ring .paused.node-${follower}')`)
    await set('user:2', 'Bob')
    await until('#replica-nodes', follower, /^[1-9]\d* entr/)
    await tab.push(`#replica-faults [data-fault=resume][data-node="${follower}"]`)
    await until('#replica-nodes', follower, /^none$/)
    await tab.until(`/user:2 = Bob\\s+1, 2, 3\\s+yes/.test(document.querySelector('#replica-tail').innerText)`)
  })

  it('cuts the leader off: another one leads, and it follows once it is healed', async () => {
    const first = await leader()
    await tab.push(`#replica-sides [data-side="${first}"]`)
    await tab.push('#replica-sides [data-fault=partition]')
    await tab.until(`document.querySelectorAll('#replica-ring .way.cut').length === 2`)
    await tab.until(
      `[...document.querySelectorAll('#replica-ring .leader')].some((each) => !each.classList.contains('node-${first}'))`,
    )
    await tab.until(`document.querySelector('#replica-messages .lost')`)
    await set('user:3', 'Carol')
    await tab.push('#replica-sides [data-fault=heal]')
    await tab.until(`document.querySelectorAll('#replica-ring .way.cut').length === 0`)
    await tab.until(`document.querySelector('#replica-ring .follower.node-${first}')`)
    await tab.until(`/user:3 = Carol\\s+1, 2, 3\\s+yes/.test(document.querySelector('#replica-tail').innerText)`)
  })

  it('kills the leader and starts it again, by button and by command', async () => {
    const first = await leader()
    await tab.push(`#replica-faults [data-fault=kill][data-node="${first}"]`)
    await tab.until(`document.querySelector('#replica-ring .down.node-${first}')`)
    expect(await leader()).not.toBe(first)
    const started = runCommand('replicated-kv', ['faults', 'start', first, `--control=${control}`])
    expect(started.stdout).toContain(`[Node ${first}] running, port `)
    await tab.until(`document.querySelector('#replica-ring .follower.node-${first}')`)
  })

  it.each(['light', 'dark'] as const)('fits a narrow screen, %s', async (scheme) => {
    await tab.prefer(scheme)
    await tab.resize(360, 740)
    expect(await tab.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
    await tab.resize(1200, 900)
    await tab.prefer('light')
  })

  it('has asked nobody else for anything, and complains of nothing', () => {
    expect([...tab.hosts]).toEqual([`127.0.0.1:${control}`])
    expect(tab.complaints).toEqual([])
  })
})
