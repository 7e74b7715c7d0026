// What Debian's etcdctl 3.4 says of our service is what it says of Debian's etcd: the same commands, in the same order.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EtcdClient } from '../../ts/distributed/locks/client/etcd-client.ts'
import { openLocks } from '../../ts/distributed/locks/index.ts'
import { connectGrpc } from '../../ts/io/grpc.ts'
import { startLocks } from '../support/locks.ts'
import { freePorts } from '../support/ports.ts'
import { runCommand } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { requirePrograms } from './prerequisites.ts'

requirePrograms('etcd', 'etcdctl')

/** A command, with what goes to its standard input. `{lease}` is the lease that was granted last. */
type Step = readonly [line: string, input?: string]

const SCRIPTS: Readonly<Record<string, readonly Step[]>> = {
  'keys and ranges': [
    ['put foo bar'],
    ['put foo bar2 --prev-kv'],
    ['get foo -w json'],
    ['get foo --rev=2'],
    ['get foo --rev=99'],
    ['put foo --ignore-value'],
    ['put nothing --ignore-value'],
    ['put', ''],
    ['put a1 x'],
    ['put a3 z'],
    ['put a2 y'],
    ['get a1 a3'],
    ['get --prefix a --keys-only'],
    ['get --prefix a --print-value-only --order=DESCEND'],
    ['get --prefix a --sort-by=CREATE --order=ASCEND --limit=2 -w json'],
    ['get --prefix a --sort-by=VALUE --order=DESCEND'],
    ['get --prefix a --count-only -w fields'],
    ['get --from-key a2 -w json'],
    ['get b a'],
    ['get none -w json'],
    ['del a1 --prev-kv'],
    ['del --prefix a'],
    ['del none'],
    ['del foo -w json'],
    ['get foo --rev=4'],
  ],
  transactions: [
    ['put k v'],
    ['txn', 'value("k") = "v"\n\nput k w\nget k\n\nput k no\n\n'],
    ['txn', 'version("k") > "5"\nmod("k") < "100"\n\nput k no\n\ndel k\nget k\n\n'],
    ['txn', 'create("k") = "0"\n\nput k 1\nput k 2\n\n\n'],
    ['txn -w json', 'mod("k") = "99"\n\nget --prefix k\n\nput x y\n\n'],
  ],
  compaction: [
    ['put c 1'],
    ['put c 2'],
    ['put c 3'],
    ['compaction 3'],
    ['compaction 3'],
    ['compaction 9999'],
    ['get c --rev=2'],
    ['get c --rev=3'],
  ],
  leases: [
    ['lease grant 500'],
    ['put leased v --lease={lease}'],
    ['lease timetolive {lease} --keys'],
    ['lease keep-alive --once {lease}'],
    ['lease list'],
    ['put leased w --lease=123abc'],
    ['put leased w --ignore-lease'],
    ['get leased -w json'],
    ['lease revoke {lease}'],
    ['lease revoke {lease}'],
    ['lease timetolive {lease}'],
    ['lease keep-alive --once {lease}'],
    ['get leased'],
    ['lease grant 1'],
    ['lease grant 99999999999'],
  ],
  'locks, elections and watches': [
    ['lock mine --ttl=5 echo under the lock'],
    ['put w 1'],
    ['put w 2'],
    ['get --prefix mine --count-only -w fields'],
  ],
  'members and maintenance': [['endpoint health'], ['alarm list'], ['alarm disarm'], ['defrag'], ['move-leader 1']],
  'users and roles': [
    ['user add root:secret'],
    ['user add ada:pass'],
    ['user add ada:pass'],
    ['role add reader'],
    ['role add reader'],
    ['role grant-permission reader read a c'],
    ['role grant-permission reader readwrite own'],
    ['role get reader'],
    ['role grant-permission none read a'],
    ['user grant-role ada reader'],
    ['user grant-role ada none'],
    ['user get ada'],
    ['auth enable'],
    ['user grant-role root root'],
    ['auth enable'],
    ['get a'],
    ['--user=ada:pass get b'],
    ['--user=ada:pass get d'],
    ['--user=ada:pass put a 1'],
    ['--user=ada:pass put own 1'],
    ['--user=ada:pass get a d'],
    ['--user=ada:wrong get a'],
    ['--user=ada:pass user list'],
    ['--user=root:secret user list'],
    ['--user=root:secret role revoke-permission reader own'],
    ['--user=root:secret role list'],
    ['--user=ada:pass put own 2'],
    ['--user=root:secret user revoke-role ada reader'],
    ['--user=root:secret user revoke-role ada reader'],
    ['--user=root:secret role delete reader'],
    ['--user=root:secret user delete ada'],
    ['--user=root:secret user delete root'],
    ['--user=root:secret auth disable'],
    ['user list'],
  ],
}

const children: ChildProcess[] = []
const directory = temporaryDirectory()
let real = ''
let service: Awaited<ReturnType<typeof startLocks>>

beforeAll(async () => {
  const [port = 0, peerPort = 0] = await freePorts(2)
  real = `127.0.0.1:${port}`
  const url = `http://${real}`
  const child = spawn(
    'etcd',
    [
      `--data-dir=${directory.path}/etcd`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  children.push(child)
  for await (const line of createInterface({ input: child.stderr })) if (line.includes('ready to serve client')) break
  child.stderr.resume()
  service = await startLocks()
})

afterAll(async () => {
  for (const child of children) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await service?.server.stop()
  directory.remove()
})

describe('etcdctl says the same', () => {
  it.each(Object.entries(SCRIPTS))('of %s', async (_name, steps) => {
    const expected = new Player(real)
    const ours = new Player(service.address)
    let succeeded = 0
    for (const step of steps) {
      const [theirs, mine] = [expected.play(step), await ours.playAside(step)]
      expect(mine).toBe(theirs)
      if (theirs.endsWith('(0)')) succeeded++
    }
    // Two servers that cannot be reached say the same, too.
    expect(succeeded).toBeGreaterThan(steps.length / 3)
  })

  it('of a snapshot: it takes ours', async () => {
    const { status, stderr } = await etcdctl(service.address, ['snapshot', 'save', `${directory.path}/ours.db`], '')
    expect({ status, stderr: stderr.includes('error') }).toEqual({ status: 0, stderr: false })
  })
})

describe('the library and lock-client', () => {
  it('take locks of a real etcd, in one queue with its own clients', async () => {
    const locks = openLocks({ endpoints: real })
    const lock = await locks.acquire('shared', { ttlMs: 30_000 })
    const words = ['lock', 'shared', 'echo', 'had it']
    const waiting = etcdctl(real, words, '')
    const client = new EtcdClient({ members: [connectGrpc(real)], timeoutMs: 5000 })
    for (let count = 0; count < 2; ) count = (await client.range({ key: 'shared/', rangeEnd: 'shared0' })).count
    await lock.release()
    expect(await waiting).toMatchObject({ status: 0, stdout: expect.stringContaining('had it') })
    const again = await locks.acquire('shared')
    expect(again.token).toBeGreaterThan(lock.token)
    const { id } = JSON.parse((await lockClient('acquire', 'other', '--json')).stdout)
    expect((await lockClient('renew', id, '--ttl=60s')).stdout).toBe('Lock renewed, new TTL: 60s\n')
    expect((await lockClient('release', id)).stdout).toBe('Lock released\n')
    client.close()
    await locks.close()
  })

  async function lockClient(...[command = '', ...words]: string[]): Promise<Ended> {
    return runCommand('lock-client', [command, `--endpoints=${real}`, ...words])
  }
})

/** Plays steps on one server, and takes out of the answers what differs from server to server. */
class Player {
  readonly #address: string
  #lease = ''

  constructor(address: string) {
    this.#address = address
  }

  play([line, input = '']: Step): string {
    const { status, stdout, stderr } = spawnSync('etcdctl', this.#words(line), { input, encoding: 'utf8', env: ENV })
    return this.#shown(line, { status, stdout, stderr })
  }

  /** The same for a server of this process, which has to go on meanwhile. */
  async playAside([line, input = '']: Step): Promise<string> {
    return this.#shown(line, await etcdctl(this.#address, this.#words(line).slice(1), input))
  }

  #words(line: string): string[] {
    const words = line.replaceAll('{lease}', this.#lease).split(' ')
    return [`--endpoints=${this.#address}`, ...words]
  }

  #shown(line: string, { status, stdout, stderr }: Ended): string {
    const granted = /lease ([0-9a-f]{16}) granted/.exec(stdout)?.[1]
    if (granted !== undefined) this.#lease = granted
    const text = `$ ${line}\n${stdout}${withoutTime(stderr)}(${status})`
    return text
      .replaceAll(this.#address, 'ADDRESS')
      .replaceAll(/"(cluster_id|member_id|raft_term)":\d+/g, '"$1":0')
      .replaceAll(/"(ClusterID|MemberID|RaftTerm)" : \d+/g, '"$1" : 0')
      .replaceAll(/"lease":\d+/g, '"lease":0')
      .replaceAll(/\b[0-9a-f]{16}\b/g, 'LEASE')
      .replaceAll(/took = [\d.µmns]+/g, 'took = TIME')
      .replaceAll(/remaining\(\d+s\)/g, 'remaining(TIME)')
  }
}

const ENV = { ...process.env, ETCDCTL_API: '3' }
interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

async function etcdctl(address: string, words: readonly string[], input: string): Promise<Ended> {
  const child = spawn('etcdctl', [`--endpoints=${address}`, ...words], { env: ENV })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (bytes: Buffer) => {
    stdout += bytes
  })
  child.stderr.on('data', (bytes: Buffer) => {
    stderr += bytes
  })
  child.stdin.end(input)
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, stdout, stderr }
}

/** The line of its log that etcdctl prints before an error has a time and an address in it. */
function withoutTime(stderr: string): string {
  return stderr
    .split('\n')
    .filter((line) => !line.startsWith('{"level"'))
    .join('\n')
}
