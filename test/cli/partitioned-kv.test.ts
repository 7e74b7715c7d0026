import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parse } from '@swc/core'
import { afterAll, describe, expect, it } from 'vitest'
import { drawRing } from '../../ts/cli/partitioned-kv/look.ts'
import { NODE_SETTINGS, nodeDataOf } from '../../ts/cli/partitioned-kv/settings.ts'
import { buildRing } from '../../ts/distributed/ring/index.ts'
import { readSettings } from '../../ts/service/index.ts'
import { binary, type Ended, runCommand } from '../support/run-command.ts'
import { directoryInMemory } from '../support/temporary-directory.ts'

const home = directoryInMemory()
const children = new Set<ChildProcess>()

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  home.remove()
})

interface View {
  readonly epoch: number
  readonly phase: string
  readonly owners: readonly (readonly [count: number, owner: number])[]
  readonly nodes: readonly {
    readonly id: string
    readonly share: number
    readonly siblings?: number
    readonly down?: readonly string[]
    readonly isMember?: boolean
  }[]
}

interface Running {
  readonly child: ChildProcess
  readonly lines: string[]
}

/** A cluster, once it has printed so many lines. */
async function start(args: readonly string[], lineCount: number): Promise<Running> {
  const child = spawn(process.execPath, [binary('partitioned-kv'), ...args, '--port=0', '--log-level=error'], {
    cwd: home.path,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  const lines: string[] = []
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => {
    errors += bytes
  })
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  while (lines.length < lineCount) {
    if (child.exitCode !== null) throw new Error(errors)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return { child, lines }
}

async function end({ child }: Running): Promise<unknown[]> {
  children.delete(child)
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  return ended
}

function ask(url: string, ...words: string[]): Ended {
  return runCommand('partitioned-kv', words, { cwd: home.path, env: { PARTITIONED_KV_URL: url } })
}

/** Why the control port refuses what it is sent. */
async function refusalOf(url: string, body: object): Promise<string | undefined> {
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  return ((await answer.json()) as { error?: { message: string } }).error?.message
}

/** A command whose end is waited for later. */
async function begin(url: string, ...words: string[]): Promise<Ended> {
  const environment = { ...process.env, PARTITIONED_KV_URL: url }
  const child = spawn(process.execPath, [binary('partitioned-kv'), ...words], { cwd: home.path, env: environment })
  children.add(child)
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (bytes: Buffer) => {
    said.stdout += bytes
  })
  child.stderr.on('data', (bytes: Buffer) => {
    said.stderr += bytes
  })
  const [status] = (await once(child, 'close')) as [number]
  children.delete(child)
  return { status, ...said }
}

describe('partitioned-kv', () => {
  it('prints what the transcript shows, and keeps its data for the next start', async () => {
    const steps = readFileSync(new URL('transcripts/partitioned-kv.txt', import.meta.url), 'utf8')
      .split('\n')
      .slice(2, -1)
    const cluster = await start(['--nodes=node1,node2,node3', '--vnodes=128'], 6)
    const url = /http:\S+$/.exec(cluster.lines[5]!)![0]
    const printed = [steps[0], cluster.lines[0]]
    for (const step of steps.slice(2)) {
      if (!step.startsWith('$')) continue
      const { stdout, stderr } = ask(url, ...step.split(' ').slice(2))
      printed.push(step, ...`${stdout}${stderr}`.trimEnd().split('\n'))
    }
    expect(printed).toEqual(steps)
    expect(cluster.lines[1]).toBe('N=3, R=2, W=2: each key on 3 nodes, a read asks 2 of them, a write waits for 2')

    // Two who have not read each other's value, and one who has.
    expect(ask(url, 'set', 'user:1', 'Carol', '--context', '').status).toBe(0)
    const both = ask(url, 'get', 'user:1', '--r', '3')
    expect(both.stdout).toMatch(/^Alice\nCarol\n$/)
    expect(both.stderr).toMatch(/^2 values were written without knowledge of each other/)
    expect(JSON.parse(ask(url, 'get', 'user:1', '--json').stdout)).toMatchObject({
      values: ['Alice', 'Carol'],
    })
    expect(ask(url, 'set', 'user:1', 'Dora').status).toBe(0)
    expect(ask(url, 'get', 'user:1').stdout).toBe('Dora\n')
    expect(ask(url, 'delete', 'user:2').stdout).toMatch(/^Deleted on node\d \(hash: 0x7127\.\.\.\)\n$/)
    expect(ask(url, 'get', 'user:2')).toEqual({
      status: 1,
      stdout: '',
      stderr: 'partitioned-kv: there is no key "user:2"\nhint: partitioned-kv set user:2 VALUE makes one\n',
    })
    expect(ask(url, 'remove-node', 'node9')).toEqual({
      status: 1,
      stdout: '',
      stderr: 'partitioned-kv: there is no node "node9"\nhint: the ring has node1, node3, node4\n',
    })
    expect(ask(url, 'status').stdout).toMatch(
      /^cluster [\da-f]{16}, ring \d+, N=3, R=2, W=2\nnode1 {2}127\.0\.0\.1:\d+ +33\.\d% /,
    )
    const ring = ask(url, 'ring').stdout.split('\n')
    expect(ring).toHaveLength(17 + 3 + 2)
    expect(ring[17]).toMatch(/^1 {2}node1 {3}33\.\d% {2}127\.0\.0\.1:\d+$/)
    expect(await end(cluster)).toEqual([0, null])

    const again = await start([], 6)
    expect(again.lines[0]).toBe('Cluster started with 3 nodes')
    expect(ask(/http:\S+$/.exec(again.lines[5]!)![0], 'get', 'user:1').stdout).toBe('Dora\n')
    expect(await end(again)).toEqual([0, null])
    const other = runCommand('partitioned-kv', ['--nodes=node1,node2', '--port=0'], { cwd: home.path })
    expect(other.status).toBe(1)
    expect(other.stderr).toContain('has a cluster of node1, node3, node4, and not of node1, node2\nhint: ')
  }, 300_000) // some twenty commands, each a process

  it('runs each node as a process, goes on without one of them, and takes it in again', async () => {
    const cluster = await start(['--nodes=a,b,c,d', '--processes', '--data-dir=processes', '--json', '--tick-ms=20'], 1)
    const { control, nodes, replicas } = JSON.parse(cluster.lines[0]!)
    expect(nodes.map(({ name }: { name: string }) => name)).toEqual(['a', 'b', 'c', 'd'])
    expect(replicas).toBe(3)
    const { node } = JSON.parse(ask(control, 'set', 'k', 'v', '--w', '3', '--json').stdout)
    const { pid } = nodes.find(({ name }: { name: string }) => name === node)
    process.kill(pid, 'SIGKILL')
    while (cluster.lines.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(JSON.parse(cluster.lines[1]!)).toEqual({ event: 'gone', node, why: 'it was ended by SIGKILL' })
    expect(ask(control, 'get', 'k').stdout).toBe('v\n')
    expect(ask(control, 'set', 'k', 'w').status).toBe(0)
    expect(ask(control, 'status').stdout).toContain(' does not answer\n')
    const [other = ''] = ['a', 'b', 'c', 'd'].filter((name) => name !== node)
    expect(ask(control, 'replace-node', 'z', 'e')).toEqual({
      ...{ status: 1, stdout: '' },
      stderr: 'partitioned-kv: there is no node "z"\nhint: the ring has a, b, c, d\n',
    })
    const refusals = [
      ['/replace-node', { name: node, by: 'e' }, `"${node}" does not run, so nothing can be copied from it`],
      ['/remove-node', { name: node }, `"${node}" does not run, so nothing can be copied from it`],
      ['/remove-node', { name: other, lost: true }, `"${other}" runs here, so it is not lost`],
      ['/replace-node', { name: node, by: other, lost: true }, `there is a node "${other}" in the ring already`],
      ['/replace-node', { name: node, by: '../e', lost: true }, '"../e" is no name of a node'],
      ['/replace-node', { name: node }, '/replace-node wants {"name":"node2","by":"node5"}'],
    ] as const
    for (const [path, body, message] of refusals) expect(await refusalOf(control + path, body)).toBe(message)
    expect(ask(control, 'replace-node', node, 'e', '--lost')).toEqual({
      ...{ status: 0, stderr: '' },
      stdout: `Node replaced. Rebalancing...\nMoved 25% of keys from ${node} to e\n`,
    })
    expect(ask(control, 'get', 'k').stdout).toBe('w\n')
    expect(Object.keys(JSON.parse(ask(control, 'ring', '--json').stdout).nodes)).toHaveLength(4)
    expect(await end(cluster)).toEqual([0, null])
    for (const each of nodes) expect(() => process.kill(each.pid, 0)).toThrow('ESRCH')
  })

  it('hurts nodes that are processes, and shows the ring on its console', async () => {
    const names = ['a', 'b', 'c']
    const cluster = await start([`--nodes=${names}`, '--processes', '--data-dir=hurt', '--json', '--tick-ms=20'], 1)
    const { control } = JSON.parse(cluster.lines[0]!)
    const post = async (path: string, body: object): Promise<unknown> => {
      return (await fetch(control + path, { method: 'POST', body: JSON.stringify(body) })).json()
    }
    const states = (body: object) =>
      post('/faults', body) as Promise<{ id: string; state: string; cutFrom: string[] }[]>
    const view = async (): Promise<View> => (await (await fetch(`${control}/api/partitioned-kv/view`)).json()) as View
    const until = async (isSo: () => Promise<boolean>): Promise<void> => {
      while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const { epoch, phase, nodes, owners } = await view()
    expect({ epoch, phase, names: nodes.map(({ id }) => id) }).toEqual({ epoch: 1, phase: 'stable', names })
    expect(owners.reduce((sum, [count]) => sum + count, 0)).toBe(1440)
    expect(new Set(owners.map(([, owner]) => owner))).toEqual(new Set([0, 1, 2]))

    // Both sides write, since each is asked for one disk alone; and both values stay.
    const key = (more: object) => post('/api/partitioned-kv/key', { key: 'k', ...more }) as Promise<{ text: string }>
    expect((await states({ fault: 'partition', groups: [['a']] })).map(({ cutFrom }) => cutFrom)).toEqual([
      ['b', 'c'],
      ['a'],
      ['a'],
    ])
    const set = { action: 'set', w: 1, beside: true }
    expect(await key({ ...set, value: 'here', node: 'a' })).toMatchObject({
      text: expect.stringMatching(/^a: stored, on \w, \w, \w; hash 0x[\da-f]{4}\.\.\.$/),
      place: expect.any(Number),
    })
    expect((await key({ ...set, value: 'there', node: 'b' })).text).toMatch(/^b: stored/)
    await until(async () => (await view()).nodes.some(({ down }) => down?.includes('a') === true))
    await states({ fault: 'heal' })
    await until(async () => (await view()).nodes.every(({ siblings }) => siblings === 1))
    expect((await key({ action: 'get' })).text).toMatch(/^\w: 2 siblings, (?:here and there|there and here), on /)
    expect((await key({ action: 'set', value: 'both' })).text).toMatch(/: stored/)
    expect((await key({ action: 'get', r: 3 })).text).toMatch(/: both, on /)

    expect((await states({ fault: 'pause', node: 'b' }))[1]).toMatchObject({ id: 'b', state: 'paused' })
    expect((await states({ fault: 'resume', node: 'b' }))[1]).toMatchObject({ id: 'b', state: 'running' })
    expect((await states({ fault: 'kill', node: 'c' }))[2]).toMatchObject({ id: 'c', state: 'down' })
    expect((await states({ fault: 'start', node: 'c' }))[2]).toMatchObject({ id: 'c', state: 'running' })
    expect(await states({ fault: 'start', node: 'c' })).toMatchObject({ error: { message: 'c runs already' } })
    expect(await states({ fault: 'kill', node: 'x' })).toMatchObject({
      error: { message: 'there is no node "x"; there are a, b, c' },
    })
    expect(await post('/api/partitioned-kv/change', { kind: 'add', name: 'd' })).toEqual({ text: 'd comes' })
    await until(async () => (await view()).nodes.some(({ id, isMember }) => id === 'd' && isMember))
    await until(async () => (await view()).phase === 'stable')
    expect((await view()).nodes.map(({ share }) => share.toFixed(2))).toEqual(['0.25', '0.25', '0.25', '0.25'])

    const page = await fetch(`${control}/`)
    for (const [, file] of (await page.text()).matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      expect((await fetch(control + file!)).status).toBe(200)
    }
    const parsed = parse(await (await fetch(`${control}/partitioned-kv.js`)).text(), {
      syntax: 'ecmascript',
      target: 'es2022',
    })
    await expect(parsed).resolves.toMatchObject({ type: 'Module' })
    expect(await end(cluster)).toEqual([0, null])
  })

  it('gives up a change, and lets one go on without a node that it waits for', async () => {
    // What is copied is bounded so that the changes do not end by themselves.
    const flags = [
      '--nodes=a,b,c',
      '--processes',
      '--data-dir=slow',
      '--json',
      '--tick-ms=20',
      '--vnodes=8',
      '--copy-kib=1',
    ]
    const cluster = await start(flags, 1)
    const { control, nodes } = JSON.parse(cluster.lines[0]!)
    const asJson = async (path: string) => (await (await fetch(control + path)).json()) as Record<string, unknown>
    const until = async (isSo: () => Promise<boolean>): Promise<void> => {
      while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    for (let key = 0; key < 30; key++) {
      const put = { method: 'PUT', body: 'v'.repeat(10_000) }
      // A node that is slow to answer is not heard; then it is asked again.
      await until(async () => (await fetch(`http://127.0.0.1:${nodes[0].port}/kv/k${key}`, put)).status === 200)
    }
    const streams = async (): Promise<boolean> => (await asJson('/ring'))['phase'] === 'streaming'
    const refusals = [
      ['/change', { kind: 'abort' }, 'the ring was not changed: there is no change that could be given up'],
      [
        '/change',
        { kind: 'lose', name: 'd' },
        'the ring was not changed: no change is under way that would wait for a node',
      ],
      ['/change', { kind: 'lose', name: 'a' }, '"a" runs here, so it is not lost'],
      [
        '/change',
        { kind: 'add', name: 'd' },
        'the control port takes {"kind":"abort"} and {"kind":"lose","name":"node4"}',
      ],
      ['/remove-node', { name: 'a' }, '3 replicas need as many nodes, and 2 would be left'],
    ] as const
    for (const [path, body, message] of refusals) expect(await refusalOf(control + path, body)).toBe(message)

    const adding = begin(control, 'add-node', 'd')
    await until(streams)
    expect(ask(control, 'abort').stdout).toBe('Change given up: the nodes hold what they held before\n')
    expect(await adding).toEqual({
      ...{ status: 1, stdout: 'Node added. Rebalancing...\n' },
      stderr: 'partitioned-kv: the change was given up: the nodes hold what they held before\n',
    })
    await until(async () => !Object.hasOwn(await asJson('/status'), 'd')) // it ends by itself

    const again = begin(control, 'add-node', 'e', '--json')
    await until(streams)
    const members = (await asJson('/inspect')) as unknown as { name: string; pid: number }[]
    process.kill(members.find(({ name }) => name === 'e')!.pid, 'SIGKILL')
    while (cluster.lines.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(ask(control, 'lose-node', 'e').stdout).toBe('The change goes on without e\n')
    expect(await again).toMatchObject({ status: 0, stderr: '' })
    expect(await end(cluster)).toEqual([0, null])
  })

  it('with a secret tells and does nothing for those who do not know it, the control port included', async () => {
    writeFileSync(join(home.path, 'secret'), 'swordfish\n')
    const cluster = await start(['--nodes=a', '--data-dir=secret-data', '--secret-file=secret', '--json'], 1)
    const { control } = JSON.parse(cluster.lines[0]!)
    const refused = { status: 1, stdout: '', stderr: expect.stringContaining('this cluster has a secret\nhint: ') }
    for (const words of [['get', 'k'], ['add-node', 'b'], ['repair'], ['status']]) {
      expect(ask(control, ...words)).toEqual(refused)
    }
    expect(await fetch(`${control}/add-node`, { method: 'POST', body: '{"name":"b"}' })).toMatchObject({ status: 401 })
    expect(await fetch(`${control}/health`)).toMatchObject({ status: 200 })
    for (const path of ['/', '/api/partitioned-kv/view']) expect((await fetch(control + path)).status).toBe(404)
    const refusal = await fetch(`${control}/faults`, { method: 'POST', body: '{"fault":"status"}' })
    expect(refusal.status).toBe(401)
    const threads = ask(control, 'faults', 'kill', 'a', '--secret-file=secret')
    expect(threads.stderr).toBe(
      'partitioned-kv: these nodes are threads of one process, and cannot be hurt\nhint: start the cluster with --processes\n',
    )
    expect(ask(control, 'repair', '--secret-file=secret').stdout).toMatch(/^Compared /)
    expect(await end(cluster)).toEqual([0, null])
  })

  it.each([
    [['--nodes=a,b,a'], 2, '--nodes names a twice'],
    [['--nodes=a,../b'], 2, '"../b" is no name of a node'],
    [['--nodes=a,b', '--replicas=3'], 2, '--replicas=3 needs as many nodes, and there are 2'],
    [['--nodes=a,b,c', '--write-quorum=4'], 2, '--write-quorum=4 is more than the 3 replicas'],
    [['--data-dir=nothing-here'], 2, '--nodes is needed to start a cluster\nhint: partitioned-kv --nodes=node1'],
    [['set', 'k'], 2, "missing required argument 'value'"],
    [['get', 'k', '--url=http://127.0.0.1:1'], 1, 'nobody answers at 127.0.0.1:1\nhint: partitioned-kv --nodes=node1'],
    [
      ['add-node', 'd', '--url=http://127.0.0.1:1'],
      1,
      'nobody answers at 127.0.0.1:1\nhint: partitioned-kv --nodes=node1',
    ],
    [['get', 'k', '--url=nowhere'], 1, '"nowhere" is no address of a node'],
    [['node', '--name=a'], 2, '--name and --peers are needed'],
    [['node', '--name=a', '--peers=b=h:1'], 2, '--peers does not say where a itself is'],
  ])('%j ends with %i', (args, status, message) => {
    const ended = runCommand('partitioned-kv', args, { cwd: home.path })
    expect(ended.stderr).toContain(message)
    expect(ended.status).toBe(status)
  })
})

describe('a node of several machines', () => {
  it('is told where all are, and listens where it is told', () => {
    const flags = { name: 'b', peers: 'a=10.0.0.1:7101,b=10.0.0.2:7101', host: '0.0.0.0', port: '9' }
    const values = readSettings(NODE_SETTINGS, { flags, environment: {}, system: 'PARTITIONED' })
    expect(nodeDataOf(values, { isInsecure: false, joins: false })).toMatchObject({
      nodes: { a: { host: '10.0.0.1', port: 7101 }, b: { host: '10.0.0.2', port: 7101 } },
      listen: { host: '0.0.0.0', port: 9 },
      ...{ replicas: 2, reads: 2, writes: 2, clusterId: 'default', path: './bedplate-data/partitioned-kv-b' },
    })
  })
})

describe('the drawing of a ring', () => {
  it('begins on top and goes clockwise', () => {
    const drawing = drawRing(buildRing([{ name: 'a' }], { virtualNodes: 1 }))
    expect(drawing).toHaveLength(17)
    expect(drawing.join('')).toMatch(/^[1 ]+$/)
    const half = drawRing(buildRing([{ name: 'a' }, { name: 'b' }], { virtualNodes: 1 }))
    expect(new Set(half.join('').replaceAll(' ', ''))).toEqual(new Set(['1', '2']))
  })
})
