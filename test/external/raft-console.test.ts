// The pages of Raft in a real browser: a cluster of processes that is hurt by buttons, and stories that go forwards and back.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePorts } from '../support/ports.ts'
import type { Tab } from './browser/chromium.ts'
import { fitsNarrow, leaderOf, type OpenConsole, openConsole, picture } from './browser/console.ts'
import { requirePrograms } from './prerequisites.ts'

requirePrograms('chromium')

let opened: OpenConsole | undefined
let tab: Tab

beforeAll(async () => {
  const [control = 0, port = 0] = await freePorts(4)
  const args = ['raft', 'up', '--nodes=3', `--port=${port}`, `--control=${control}`]
  const url = `http://127.0.0.1:${control}`
  opened = await openConsole(args, (line) => (line === `console  ${url}` ? `${url}/` : undefined))
  tab = opened.tab
})
afterAll(() => opened?.close())

/** The node that leads, as the ring shows it. */
const leader = (): Promise<string> => leaderOf(tab, '#live-ring')

describe('the console of a Raft cluster', () => {
  it('shows roles, terms, logs and messages, and appends a command', async () => {
    const first = await leader()
    await tab.click('#append button')
    await tab.until(`/command 1 is committed/.test(document.querySelector('#appended').innerText)`)
    await tab.until(
      `[...document.querySelectorAll('#live-logs [data-log]')].every((log) => log.querySelectorAll('span:not(.open)').length >= 2)`,
    )
    await tab.until(`/SET x 1/.test(document.querySelector('#live-messages').innerText)`)
    expect(await tab.text('#live-messages')).toMatch(new RegExp(`${first} to \\d  \\d+: SET x 1 after \\d+, term \\d+`))
    await picture(tab, 'console-raft')
  })

  it('kills the leader and starts it again: the others elect one, it catches up', async () => {
    const first = await leader()
    await tab.push(`[data-fault=kill][data-node="${first}"]`)
    await tab.until(`document.querySelector('#live-ring .down.node-${first}')`)
    const second = await leader()
    expect(second).not.toBe(first)
    await tab.push(`[data-fault=start][data-node="${first}"]`)
    await tab.until(`document.querySelector('#live-ring .follower.node-${first}')`)
  })

  it('partitions the leader from the others, and heals', async () => {
    const first = await leader()
    await tab.push(`[data-side="${first}"]`)
    await tab.push('[data-fault=partition]')
    await tab.until(`document.querySelectorAll('#live-ring .way.cut').length === 2`)
    await tab.until(
      `[...document.querySelectorAll('#live-ring .leader')].some((each) => !each.classList.contains('node-${first}'))`,
    )
    await tab.until(`document.querySelector('#live-messages .lost')`)
    await tab.push('[data-fault=heal]')
    await tab.until(`document.querySelectorAll('#live-ring .way.cut').length === 0`)
    await tab.until(`document.querySelector('#live-ring .follower.node-${first}')`)
  })

  it('pauses a node and lets it go on', async () => {
    await leader()
    await tab.push('[data-fault=pause][data-node="2"]')
    await tab.until(`document.querySelector('#live-ring .paused.node-2')`)
    await tab.push('[data-fault=resume][data-node="2"]')
    await tab.until(`document.querySelector('#live-ring .node-2:not(.paused)')`)
    await leader()
  })

  it('tells a simulated election step by step, forwards and back, by mouse and by keyboard', async () => {
    await tab.click('nav a[href="#replay"]')
    await tab.until(`/^Step 1 of \\d+/.test(document.querySelector('#step-count').innerText)`)
    const ring = () => tab.evaluate<string>(`document.querySelector('#story-ring').getAttribute('aria-label')`)
    const start = await ring()
    expect(start).toBe('node 1 follower in term 0, node 2 follower in term 0, node 3 follower in term 0')
    await tab.click('#step')
    await tab.until(`/^Step 2 /.test(document.querySelector('#step-count').innerText)`)
    await tab.click('#back')
    await tab.evaluate('document.activeElement.blur()')
    for (let i = 0; i < 3; i++) await tab.press('ArrowRight')
    await tab.press('ArrowLeft')
    expect(await tab.text('#step-count')).toMatch(/^Step 3 /)
    await tab.evaluate(`(() => {
      const speed = document.querySelector('#speed')
      speed.value = '60'
    })()`)
    await tab.click('#play')
    await tab.until(`/leader/.test(document.querySelector('#story-ring').getAttribute('aria-label'))`)
    await tab.click('#play')
    expect(await ring()).toContain('node 1 leader in term 1')
    await picture(tab, 'console-replay')
    await tab.click('#last')
    expect(await ring()).toBe('node 1 down in term 1, node 2 leader in term 2, node 3 follower in term 2')
    await tab.click('#first')
    expect(await ring()).toBe(start)
  })

  it('fits a narrow screen, and complains of nothing', async () => {
    await fitsNarrow(tab, ['raft', 'replay'])
    expect(tab.complaints).toEqual([])
  })
})
