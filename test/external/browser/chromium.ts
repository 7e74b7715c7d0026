// A headless Chromium that a test drives over the DevTools protocol: https://chromedevtools.github.io/devtools-protocol/.
//
// Over a pipe (--remote-debugging-pipe: JSON between zero bytes, in on descriptor 3, out on 4) that is a page of code. The package for
// it, puppeteer-core, wants Node 22 and brings seven more; what it does beyond this page is not needed here.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

type Json = Record<string, unknown>

interface Waiting {
  readonly resolve: (result: Json) => void
  readonly reject: (error: Error) => void
}

const LOOK_AGAIN_MS = 20

/** Starts a browser. Close it, whatever happens. */
export async function startChromium(): Promise<Chromium> {
  const profile = temporaryDirectory()
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars']
  const child = spawn(
    'chromium',
    [...flags, `--user-data-dir=${profile.path}`, '--remote-debugging-pipe', 'about:blank'],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      detached: true, // leads a group, which ends as one
    },
  )
  await once(child, 'spawn')
  return new Chromium(child, profile.remove)
}

export class Chromium {
  private readonly child: ChildProcess
  private readonly clean: () => void
  private readonly waiting = new Map<number, Waiting>()
  private readonly listeners = new Set<(event: { method: string; params: Json; sessionId?: string }) => void>()
  private nextId = 1
  private rest = ''

  constructor(child: ChildProcess, clean: () => void) {
    this.child = child
    this.clean = clean
    const out = child.stdio[4] as Readable
    out.setEncoding('utf8').on('data', (text: string) => this.arrived(text))
    for (const pipe of [out, child.stdio[3] as Writable]) pipe.on('error', () => {}) // its end tells those who wait
    child.once('exit', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('chromium has ended'))
    })
  }

  /** Opens a page, of so many pixels. */
  async open(url: string, { width = 1200, height = 900 } = {}): Promise<Tab> {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true })
    const tab = new Tab(this, sessionId as string)
    await tab.start()
    await tab.resize(width, height)
    await tab.send('Page.navigate', { url })
    return tab
  }

  async close(): Promise<void> {
    const gone = once(this.child, 'exit')
    process.kill(-(this.child.pid as number), 'SIGKILL')
    await gone
    this.clean()
  }

  send(method: string, params: Json = {}, sessionId?: string): Promise<Json> {
    return new Promise((resolve, reject) => {
      const id = this.nextId++
      this.waiting.set(id, { resolve, reject })
      const message = { id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }
      ;(this.child.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`)
    })
  }

  onEvent(listen: (event: { method: string; params: Json; sessionId?: string }) => void): void {
    this.listeners.add(listen)
  }

  private arrived(text: string): void {
    const messages = (this.rest + text).split('\0')
    this.rest = messages.pop() ?? ''
    for (const message of messages) {
      const { id, result, error, ...event } = JSON.parse(message) as Json
      const waiting = this.waiting.get(id as number)
      this.waiting.delete(id as number)
      if (error !== undefined) waiting?.reject(new Error((error as { message: string }).message))
      else if (waiting !== undefined) waiting.resolve(result as Json)
      else for (const listen of this.listeners) listen(event as { method: string; params: Json; sessionId?: string })
    }
  }
}

/** One page. */
export class Tab {
  /** What the page has complained of: exceptions, refusals of the content security policy, and what else goes to its console as an error. */
  readonly complaints: string[] = []
  /** Hosts that it has asked for anything. */
  readonly hosts = new Set<string>()
  private readonly browser: Chromium
  private readonly session: string

  constructor(browser: Chromium, session: string) {
    this.browser = browser
    this.session = session
    browser.onEvent(({ method, params, sessionId }) => {
      if (sessionId === session) this.heard(method, params)
    })
  }

  send(method: string, params: Json = {}): Promise<Json> {
    return this.browser.send(method, params, this.session)
  }

  async start(): Promise<void> {
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await this.send(`${domain}.enable`)
  }

  async resize(width: number, height: number): Promise<void> {
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false })
  }

  async prefer(scheme: 'light' | 'dark'): Promise<void> {
    await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
  }

  /** Gives the value of an expression in the page; of a promise, what it resolves to. @throws What it throws. */
  async evaluate<T>(expression: string): Promise<T> {
    const params = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', params)
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return (result as { value: T }).value
  }

  /** Waits until an expression is true in the page, which is asked again and again: what it waits for has no end of its own. */
  async until(expression: string): Promise<void> {
    while (!(await this.evaluate<boolean>(`Boolean(${expression})`))) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
    }
  }

  /** Clicks in the middle of an element, as a mouse does. It has to be there, and to be seen. */
  async click(selector: string): Promise<void> {
    const [x, y] = await this.evaluate<[number, number]>(`(() => {
      const found = document.querySelector(${JSON.stringify(selector)})
      found.scrollIntoView({ block: 'center' })
      const { left, top, width, height } = found.getBoundingClientRect()
      return [left + width / 2, top + height / 2]
    })()`)
    for (const type of ['mouseMoved', 'mousePressed', 'mouseReleased']) {
      await this.send('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount: 1 })
    }
  }

  /** Clicks on an element that may move while it is looked at, and does not go by where it is. */
  async push(selector: string): Promise<void> {
    await this.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`)
  }

  async type(text: string): Promise<void> {
    await this.send('Input.insertText', { text })
  }

  /** Presses a key, such as Tab, Enter or ArrowDown. */
  async press(key: string): Promise<void> {
    const windowsVirtualKeyCode = { Tab: 9, Enter: 13, ArrowUp: 38, ArrowDown: 40, ArrowLeft: 37, ArrowRight: 39 }[key]
    const params = { key, code: key, windowsVirtualKeyCode }
    const text = key === 'Enter' ? { text: '\r' } : {}
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', ...params, ...text })
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...params })
  }

  text(selector: string): Promise<string> {
    return this.evaluate<string>(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ''`)
  }

  /** Writes a picture of what is seen. */
  async picture(path: string): Promise<void> {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' })
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, Buffer.from(data as string, 'base64'))
  }

  private heard(method: string, params: Json): void {
    if (method === 'Runtime.exceptionThrown') this.complaints.push(JSON.stringify(params))
    if (method === 'Log.entryAdded') {
      const { level, text, url } = params['entry'] as { level: string; text: string; url?: string }
      if (level === 'error') this.complaints.push(`${text} ${url ?? ''}`)
    }
    if (method === 'Network.requestWillBeSent') {
      const { url } = params['request'] as { url: string }
      if (/^https?:/.test(url)) this.hosts.add(new URL(url).host)
    }
  }
}
