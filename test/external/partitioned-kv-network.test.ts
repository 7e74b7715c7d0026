import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HttpClient } from '../../ts/io/http-client.ts'
import { Namespaces } from '../support/namespaces.ts'
import { until } from '../support/replicated-kv/processes.ts'
import { binary, runCommand } from '../support/run-command.ts'
import { directoryInMemory } from '../support/temporary-directory.ts'
import { requirePrograms } from './prerequisites.ts'

const PORT = 7101
const NODES = [1, 2, 3, 4] as const
const SECRET = 'swordfish'
const home = directoryInMemory()
const children: ChildProcess[] = []
let machines: Namespaces
let client: HttpClient

const fileOf = (name: string): string => join(home.path, name)
const nameOf = (id: number): string => `node${id}`
const urlOf = (id: number): string => `https://${machines.address(id)}:${PORT}`
const TLS_FLAGS = [
  ...['--secret-file', fileOf('secret'), '--tls-ca', fileOf('ca.pem')],
  ...['--tls-cert', fileOf('node.pem'), '--tls-key', fileOf('node.key')],
]

beforeAll(() => {
  requirePrograms('ip', 'openssl', 'curl')
  machines = new Namespaces({ name: `bq${process.pid % 10_000}`, prefix: '10.213.78', count: NODES.length })
  makeCertificates()
  writeFileSync(fileOf('secret'), `${SECRET}\n`)
  client = new HttpClient({
    tls: {
      ca: readFileSync(fileOf('ca.pem')),
      cert: readFileSync(fileOf('node.pem')),
      key: readFileSync(fileOf('node.key')),
    },
  })
})

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  client?.close()
  machines?.remove()
  home.remove()
})

/** Of an authority of this test, for the addresses of all machines. */
function makeCertificates(): void {
  const names = NODES.map((id) => `IP:${machines.address(id)}`).join(',')
  const openssl = (...args: readonly string[]): void => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: home.path, encoding: 'utf8' })
    if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`)
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  openssl('req', '-x509', ...key, '-subj', '/CN=authority', '-keyout', 'ca.key', '-out', 'ca.pem')
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', `subjectAltName=${names}`]
  openssl('req', '-x509', ...key, '-subj', '/CN=node', ...signed, '-keyout', 'node.key', '-out', 'node.pem')
}

async function start(id: number): Promise<void> {
  const peers = NODES.map((each) => `${nameOf(each)}=${machines.address(each)}:${PORT}`).join(',')
  const flags = [`--name=${nameOf(id)}`, `--peers=${peers}`, `--host=${machines.address(id)}`, ...TLS_FLAGS]
  const [program = '', ...before] = machines.inside(id)
  const command = [process.execPath, binary('partitioned-kv'), 'node', ...flags, `--data-dir=${fileOf(nameOf(id))}`]
  const child = spawn(program, [...before, ...command, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', () => resolve())
    child.once('exit', () => reject(new Error(`${nameOf(id)} has ended`)))
  })
}

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

/** What a node answers; status 0 if it cannot be reached. */
async function ask(id: number, method: 'GET' | 'PUT' | 'POST', path: string, body?: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${SECRET}` }
  const sent = body === undefined ? {} : { body: Buffer.from(body) }
  const reply = await client.ask({ method, url: urlOf(id) + path, headers, ...sent }).catch(() => undefined)
  if (reply === undefined) return { status: 0, body: {} }
  return { status: reply.status, body: JSON.parse(Buffer.from(reply.body).toString()) as Record<string, unknown> }
}

/** The same on the machine of the node itself. */
function askInside(id: number, path: string): Answer {
  const [program = '', ...before] = machines.inside(id)
  const files = ['--cacert', fileOf('ca.pem'), '--cert', fileOf('node.pem'), '--key', fileOf('node.key')]
  const flags = ['-s', '-w', '%{http_code}\n', '-H', `authorization: Bearer ${SECRET}`, ...files]
  const { stdout } = spawnSync(program, [...before, 'curl', ...flags, urlOf(id) + path], { encoding: 'utf8' })
  const [body = '{}', status = '0'] = stdout.trim().split('\n') // the body has a line end
  return { status: Number(status), body: JSON.parse(body) as Record<string, unknown> }
}

/** Replaces what is there. */
async function put(id: number, key: string, value: string): Promise<Answer> {
  const { body } = await ask(id, 'GET', `/kv/${key}`)
  return ask(id, 'PUT', `/kv/${key}?context=${encodeURIComponent(String(body['context'] ?? ''))}`, value)
}

async function statusOf(id: number): Promise<{ connected: string[]; down: string[]; hints: number }> {
  return (await ask(id, 'GET', '/status')).body as { connected: string[]; down: string[]; hints: number }
}

// Four nodes start, and a silence of some seconds has to be noticed twice: on a machine with other work that takes its time.
describe('four machines, with TLS and a secret', { timeout: 240_000 }, () => {
  it('write and read on the side that has a quorum while a cable is out, and give the node what it missed', async () => {
    await Promise.all(NODES.map(start))
    await until(async () => (await Promise.all(NODES.map(statusOf))).every(({ connected }) => connected.length === 3))
    const unknown = await client.ask({ url: `${urlOf(2)}/kv/k0` })
    expect(unknown.status).toBe(401)

    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`)
    for (const key of keys) expect((await put(2, key, 'before')).status).toBe(200)
    const ofFirst: string[] = []
    for (const key of keys) {
      const { body } = await ask(2, 'GET', `/kv/${key}`)
      if ((body['replicas'] as string[]).includes('node1')) ofFirst.push(key)
    }
    expect(ofFirst.length).toBeGreaterThan(0)

    machines.cut(1)
    const others = [2, 3, 4]
    // A request that is on its way to the cut node when the cable goes ends as UNAVAILABLE: let all know first.
    await until(async () => (await Promise.all(others.map(statusOf))).every(({ down }) => down.includes('node1')))
    for (const [index, key] of keys.entries()) {
      expect((await put(others[index % 3]!, key, 'meanwhile')).status).toBe(200)
    }
    for (const key of keys) expect((await ask(3, 'GET', `/kv/${key}`)).body['values']).toEqual(['meanwhile'])
    const [key = ''] = ofFirst
    expect(askInside(1, `/kv/${key}`)).toMatchObject({ status: 503, body: { error: { code: 'UNAVAILABLE' } } })
    expect(askInside(1, `/kv/${key}?r=1`)).toMatchObject({ status: 200, body: { values: ['before'] } })
    expect((await ask(1, 'GET', '/status')).status).toBe(0)
    await until(async () => (await Promise.all(others.map(statusOf))).some(({ hints }) => hints > 0))

    machines.heal(1)
    // With R = 1 it says what it has itself.
    for (const each of ofFirst) {
      await until(async () => {
        const { body } = await ask(1, 'GET', `/kv/${each}?r=1`)
        return JSON.stringify(body['values']) === '["meanwhile"]'
      })
    }
    await until(async () => (await Promise.all(NODES.map(statusOf))).every(({ hints }) => hints === 0))
    await until(async () => (await ask(1, 'POST', '/repair')).body['keys'] === 0)
    expect((await put(1, key, 'after')).status).toBe(200)
    const command = runCommand('partitioned-kv', ['get', key, '--url', urlOf(4), ...TLS_FLAGS])
    expect(command).toEqual({ status: 0, stdout: 'after\n', stderr: '' })
  })
})
