// The page of a replicated store in a real browser: nodes of `replicated-kv up` that are hurt by buttons, while keys are written and read.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePorts } from '../support/ports.ts'
import { runCommand } from '../support/run-command.ts'
import type { Tab } from './browser/chromium.ts'
import { fitsNarrow, leaderOf, type OpenConsole, openConsole, picture } from './browser/console.ts'
import { requirePrograms } from './prerequisites.ts'

requirePrograms('chromium')

let opened: OpenConsole | undefined
let control = 0
let tab: Tab

beforeAll(async () => {
  let port = 0
  ;[control = 0, port = 0] = await freePorts(4)
  const args = ['replicated-kv', 'up', '--nodes=3', `--port=${port}`, `--control=${control}`]
  opened = await openConsole(args, (line) => {
    return line.startsWith('Replicated store ready: ') ? `http://127.0.0.1:${control}/` : undefined
  })
  tab = opened.tab
})
afterAll(() => opened?.close())

/** The node that leads, as the ring shows it. */
const leader = (): Promise<string> => leaderOf(tab, '#replica-ring')

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
    await picture(tab, 'console-replicated-kv')
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
    await fitsNarrow(tab)
    await tab.prefer('light')
  })

  it('has asked nobody else for anything, and complains of nothing', () => {
    expect([...tab.hosts]).toEqual([`127.0.0.1:${control}`])
    expect(tab.complaints).toEqual([])
  })
})
