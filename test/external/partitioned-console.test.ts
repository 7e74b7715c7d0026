// The page of a partitioned store in a real browser: the ring, a node that comes while the page draws what moves, hints for one that is away,
// siblings of two sides that did not hear each other.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCommand } from '../support/run-command.ts'
import type { Tab } from './browser/chromium.ts'
import { fitsNarrow, hasPictures, type OpenConsole, openConsole, picture } from './browser/console.ts'
import { requirePrograms } from './prerequisites.ts'

requirePrograms('chromium')

let opened: OpenConsole | undefined
let console: string
let url: string
let tab: Tab

beforeAll(async () => {
  const args = ['up', '--only=partitioned-kv', '--port-offset=any', '--json']
  opened = await openConsole(args, (line) => {
    const ready = JSON.parse(line)
    console = ready.console
    url = `http://127.0.0.1:${ready.servers[0].port}`
    return `${console}/#partitioned-kv`
  })
  tab = opened.tab
})
afterAll(() => opened?.close())

/** Waits until a row of a table says something. */
async function until(table: string, pattern: RegExp): Promise<void> {
  await tab.until(`[...document.querySelectorAll('${table} tbody tr')].some((row) => ${pattern}.test(row.innerText))`)
}

interface Choice {
  readonly key: string
  readonly value?: string
  readonly node?: string
  readonly w?: string
}

/** Fills the form, pushes a button of it, and waits for an answer. */
async function ask(button: string, { key, value = '', node = '', w = '' }: Choice, answer: RegExp): Promise<void> {
  const values = Object.entries({ key, value, node, w }).map(([name, text]) => `#ring-${name}=${text}`)
  await tab.evaluate(`(() => {
    for (const each of ${JSON.stringify(values)}) {
      const [id, text] = each.split('=')
      document.querySelector(id).value = text
    }
    document.querySelector('#ring-answer').innerText = ''
  })()`)
  await tab.push(button)
  await tab.until(`${answer}.test(document.querySelector('#ring-answer').innerText)`)
}

const SET = '#ring-form button'
const fault = (name: string, node: string): string => `#ring-faults [data-fault=${name}][data-node="${node}"]`

describe('the console of a partitioned store', () => {
  it('draws the ring by the first node of each part, and says where a key lies', async () => {
    await tab.until(`document.querySelectorAll('#key-ring path').length > 100`)
    expect(await tab.evaluate(`document.querySelector('#key-ring').getAttribute('aria-label')`)).toMatch(
      /^The ring, by the first node of each part: node1 33\.\d %, node2 33\.\d %, node3 33\.\d %$/,
    )
    await ask(SET, { key: 'user:1', value: 'Alice' }, /^node\d: stored, on node\d, node\d, node\d; hash 0x7701\.\.\.$/)
    await tab.until(`document.querySelector('#key-ring circle.key-at')`)
    await ask('#ring-get', { key: 'user:1' }, /^node\d: Alice, on /)
    await ask('#ring-get', { key: 'user:2' }, /^node\d: no such key, on /)
  })

  it('adds a node, and draws the ranges that are on their way to it and those that are there', async () => {
    // While a node stands still that it copies from, the change cannot be over before anybody has looked.
    await tab.push(fault('pause', 'node2'))
    await until('#ring-faults', /node2\s+paused/)
    await tab.push('#ring-add button')
    await until('#ring-nodes', /node4.* of \d+ ranges/)
    await tab.until(`document.querySelector('#key-ring path.coming') && document.querySelector('#key-ring path.arc-3')`)
    if (hasPictures) await until('#ring-nodes', /node4.* 1\d\d of 2\d\d ranges/)
    await picture(tab, 'console-partitioned-kv')
    await tab.push(fault('resume', 'node2'))
    await until('#ring-faults', /node2\s+running/)
    await tab.until(`/node4 25\\.\\d %$/.test(document.querySelector('#key-ring').getAttribute('aria-label'))`)
    await tab.until(`/stable/.test(document.querySelector('#key-ring').textContent)`)
    expect(await tab.evaluate(`document.querySelectorAll('#key-ring path.coming').length`)).toBe(0)
  })

  it('keeps hints for a node that is killed until it is there again', async () => {
    await tab.push(fault('kill', 'node2'))
    await until('#ring-faults', /node2\s+down/)
    await tab.until(`document.querySelector('#key-ring path.away')`)
    const keys = Array.from({ length: 8 }, (_, i) => `hinted:${i}`)
    for (const key of keys) await ask(SET, { key, value: 'Bob', node: 'node1' }, /^node1: stored/)
    await until('#ring-nodes', /\d+ for node2/)
    await until('#ring-nodes', /does not hear node2/)
    await tab.push(fault('start', 'node2'))
    await until('#ring-faults', /node2\s+running/)
    await tab.until(`!/ for node2/.test(document.querySelector('#ring-nodes').innerText)`)
    expect(await tab.text('#ring-log')).toMatch(/keeps hints for node2/)
  })

  it('shows the siblings that two sides of a partition have written', async () => {
    await ask(SET, { key: 'cut', value: 'before' }, /: stored/)
    await tab.push('#ring-sides [data-side=node1]')
    await tab.push('#ring-sides [data-side=node2]')
    await tab.push('#ring-sides [data-fault=partition]')
    await until('#ring-faults', /node1\s+running, cut from node3, node4/)
    await ask('#ring-beside', { key: 'cut', value: 'here', node: 'node1', w: '1' }, /^node1: stored/)
    await ask('#ring-beside', { key: 'cut', value: 'there', node: 'node4', w: '1' }, /^node4: stored/)
    await tab.push('#ring-sides [data-fault=heal]')
    await tab.until(`!/cut from/.test(document.querySelector('#ring-faults').innerText)`)
    await tab.push('#ring-repair')
    await tab.until(`/^compared \\d+ ranges/.test(document.querySelector('#ring-answer').innerText)`)
    await ask('#ring-get', { key: 'cut' }, /3 siblings, .*(?=.*here)(?=.*there)/)
    await until('#ring-nodes', /node\d\s+\d+\.\d %\s+0\s+1\s/)
    await ask(SET, { key: 'cut', value: 'both' }, /: stored/)
    await ask('#ring-get', { key: 'cut' }, /: both, on /)
    await tab.until(`!/ %\\s+\\d+\\s+[1-9]/.test(document.querySelector('#ring-nodes').innerText)`)
  })

  it('pauses a node by command and lets it go on by button, and removes one when that is confirmed', async () => {
    expect(runCommand('partitioned-kv', ['faults', 'pause', 'node3', `--url=${url}`]).stdout).toContain(
      'node3 paused, ',
    )
    await until('#ring-faults', /node3\s+paused/)
    await ask(SET, { key: 'user:3', value: 'Carol' }, /: stored/)
    await tab.push(fault('resume', 'node3'))
    await until('#ring-faults', /node3\s+running/)
    await tab.push('[data-remove=node4]')
    await tab.until(`document.querySelector('dialog[open]')`)
    await tab.push('dialog .danger')
    await tab.until(`/^node4 goes$/.test(document.querySelector('#ring-answer').innerText)`)
    await tab.until(`!/node4/.test(document.querySelector('#ring-faults').innerText)`)
    await ask('#ring-get', { key: 'user:3' }, /: Carol, on /)
  })

  it.each(['light', 'dark'] as const)('fits a narrow screen, %s', async (scheme) => {
    await tab.prefer(scheme)
    await fitsNarrow(tab)
    await tab.prefer('light')
  })

  it('has asked nobody else for anything, and complains of nothing', () => {
    expect([...tab.hosts]).toEqual([new URL(console).host])
    expect(tab.complaints).toEqual([])
  })
})
