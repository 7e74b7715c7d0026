import { afterEach, describe, expect, it } from 'vitest'
import { LocalCluster } from '../../../ts/cli/partitioned-kv/cluster.ts'
import { findOrMakeCluster } from '../../../ts/cli/partitioned-kv/cluster-file.ts'
import type { Nodes } from '../../../ts/cli/partitioned-kv/local-nodes.ts'
import type { NodeData } from '../../../ts/cli/partitioned-kv/node-messages.ts'
import { CLUSTER_SETTINGS, SYSTEM, sharedData } from '../../../ts/cli/partitioned-kv/settings.ts'
import { listenHttp, type Page } from '../../../ts/io/http.ts'
import { type Listener, showAddress } from '../../../ts/io/network.ts'
import { parseSettingsFile, readSettings } from '../../../ts/service/index.ts'
import { jsonOf, jsonPage } from '../../../ts/service/json-pages.ts'
import { freePorts } from '../../support/ports.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** Nodes that have a ring in common and no data: a change streams until it is given up. */
class RingOnly implements Nodes {
  readonly asked: string[] = []
  /** Whether nothing is added now. */
  isBusy = false
  private readonly listeners = new Map<string, Listener>()
  private members: Record<string, string> = {}
  private next: string | undefined
  private epoch = 1
  private told: () => void = () => {}

  get running(): readonly string[] {
    return [...this.listeners.keys()]
  }

  pidOf(): undefined {
    return undefined
  }

  async start({ name, listen, joins }: NodeData): Promise<void> {
    if (!joins) this.members[name] = showAddress(listen)
    const listener = await listenHttp(listen, (path) => this.page(name, path), {
      change: (_, body) => this.change(jsonOf(body)),
    })
    this.listeners.set(name, listener)
  }

  async end(name: string): Promise<void> {
    this.listeners.get(name)?.close()
    this.listeners.delete(name)
    this.told()
  }

  async close(): Promise<void> {
    for (const name of this.running) await this.end(name)
  }

  /** Waits until something has been asked or ended that makes it so. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.told = resolve
      })
    }
  }

  private page(name: string, path: string): Page {
    const names = [...Object.keys(this.members), ...(this.next === undefined ? [] : [this.next])]
    if (path === '/ring') {
      return jsonPage({ epoch: this.epoch, nodes: Object.fromEntries(names.map((each) => [each, ''])) })
    }
    return jsonPage({ isMember: names.includes(name), isSwept: true, connected: this.running })
  }

  private change({ kind, name }: Record<string, unknown>): Page {
    const isRefused = kind === 'add' && (this.isBusy || this.next !== undefined)
    if (!isRefused) {
      this.next = kind === 'add' ? String(name) : undefined
      this.epoch++
    }
    this.asked.push(`${kind} ${name ?? ''}${isRefused ? ': not now' : ''}`)
    this.told()
    return isRefused ? jsonPage({ error: { code: 'CONFLICT' } }, 409) : jsonPage({ epoch: this.epoch })
  }
}

const ends: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

describe('a cluster on this machine', () => {
  it('lets a node that waits for its own change wait on, when the change before it is given up', async () => {
    const nodes = new RingOnly()
    const home = temporaryDirectory()
    ends.push(home.remove)
    const names = ['a', 'b', 'c']
    const defaults = { flags: {}, environment: {}, system: SYSTEM, file: parseSettingsFile('') }
    const cluster = new LocalCluster({
      ...{
        directory: home.path,
        cluster: findOrMakeCluster(home.path, names),
        control: { host: '127.0.0.1', port: 0 },
        host: '127.0.0.1',
      },
      ...{ ports: await freePorts(3), files: [], hasProcesses: false, nodes, onGone: () => {} },
      shared: sharedData(readSettings(CLUSTER_SETTINGS, defaults), names.length, false),
    })
    const control = `http://${showAddress(await cluster.start())}`
    ends.push(() => cluster.stop())
    const post = async (path: string, body: object): Promise<number> => {
      return (await fetch(control + path, { method: 'POST', body: JSON.stringify(body) })).status
    }

    expect(await post('/add-node', { name: 'd' })).toBe(200)
    const second = post('/add-node', { name: 'f' })
    const refusals = (): number => nodes.asked.filter((each) => each === 'add f: not now').length
    await nodes.until(() => refusals() === 1)
    nodes.isBusy = true
    expect(await post('/change', { kind: 'abort' })).toBe(200)
    await nodes.until(() => !nodes.running.includes('d')) // it came with what is given up
    const before = refusals()
    await nodes.until(() => refusals() >= before + 2)
    expect(nodes.running).toContain('f')
    nodes.isBusy = false
    expect(await second).toBe(200)
    expect(await post('/change', { kind: 'abort' })).toBe(200)
    await nodes.until(() => !nodes.running.includes('f'))
    expect(nodes.running).toEqual(names)
  })
})
