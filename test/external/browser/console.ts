// The console of a cluster in a browser: a command that runs the cluster, and its page. PICTURES=1 writes what docs/ shows of it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { binary } from '../../support/run-command.ts'
import { directoryInMemory } from '../../support/temporary-directory.ts'
import { startChromium, type Tab } from './chromium.ts'

const PICTURES = fileURLToPath(new URL('../../../docs/images/', import.meta.url))
const NARROW = { width: 360, height: 740 }
const USUAL = { width: 1200, height: 900 }

export const hasPictures = process.env['PICTURES'] !== undefined

export interface OpenConsole {
  readonly tab: Tab
  /** Ends the command in order, and the browser. */
  readonly close: () => Promise<void>
}

/**
 * Runs `bedplate` with these arguments, in an empty directory, and opens its page.
 * @param urlOf - Where the page is, of the line that says that all is ready; undefined of every other line.
 */
export async function openConsole(
  args: readonly string[],
  urlOf: (line: string) => string | undefined,
): Promise<OpenConsole> {
  const home = directoryInMemory()
  const child = spawn(process.execPath, [binary('bedplate'), ...args], {
    cwd: home.path,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closing: (() => Promise<void> | void)[] = [home.remove, () => end(child)]
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).reverse()) await each()
  }
  try {
    const url = await readyUrl(child, urlOf)
    const browser = await startChromium()
    closing.push(() => browser.close())
    return { tab: await browser.open(url), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function readyUrl(child: ChildProcess, urlOf: (line: string) => string | undefined): Promise<string> {
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const url = urlOf(line)
    if (url === undefined) continue
    child.stdout?.resume()
    return url
  }
  throw new Error('the command has ended before all was ready')
}

/** One that has ended already says nothing more. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

/** For docs/images, if pictures are wanted. */
export async function picture(tab: Tab, name: string): Promise<void> {
  if (hasPictures) await tab.picture(`${PICTURES}${name}.png`)
}

/** The number of the node that leads, as a ring shows it; waits until one does alone. */
export async function leaderOf(tab: Tab, ring: string): Promise<string> {
  await tab.until(`document.querySelectorAll('${ring} .leader').length === 1`)
  const name = await tab.evaluate<string>(`document.querySelector('${ring} .leader').getAttribute('class')`)
  return /node-(\d)/.exec(name)?.[1] ?? ''
}

/** A page needs no more width than a telephone has. @param pages - Each of them, by its name in the navigation; else the one that is open. */
export async function fitsNarrow(tab: Tab, pages: readonly (string | undefined)[] = [undefined]): Promise<void> {
  await tab.resize(NARROW.width, NARROW.height)
  for (const page of pages) {
    if (page !== undefined) await tab.click(`nav a[href="#${page}"]`)
    expect(await tab.evaluate('document.documentElement.scrollWidth'), page).toBeLessThanOrEqual(NARROW.width)
  }
  await tab.resize(USUAL.width, USUAL.height)
}
