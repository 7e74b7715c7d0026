// Nodes of the partitioned store as processes, killed or stopped under load in turn: with R + W > N, whatever was acknowledged is what a
// later read shows, or something newer.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { isCode } from '../../../ts/base/errors.ts'
import { connectPartitioned, type PartitionedClient } from '../../../ts/distributed/ring/store/public.ts'
import { realClock } from '../../../ts/io/clock.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { freePorts } from '../ports.ts'
import { binary } from '../run-command.ts'
import { directoryInMemory } from '../temporary-directory.ts'

const NAMES = ['node1', 'node2', 'node3', 'node4']
const KEYS = 12
/** Writes of a round that have to be acknowledged while a node is away. */
const WRITES_AWAY = 30
/** A request has ended after 20 of them. */
const TICK_MS = 25

/** What is known of a key: its one writer counts. */
interface Counted {
  readonly key: string
  acknowledged: number
  sent: number
}

/** Runs so many rounds on one cluster. @returns Writes that were acknowledged. @throws if one of them is lost */
export async function killRounds(seed: number, rounds: number): Promise<number> {
  const random = seededRandom(seed)
  const home = directoryInMemory()
  const cluster = new Processes(home.path, await freePorts(NAMES.length))
  try {
    for (const name of NAMES) await cluster.start(name)
    const client = await connectPartitioned({ urls: cluster.urls, timeoutMs: 2000 })
    await allHear(client)
    const counted = Array.from({ length: KEYS }, (_, i): Counted => ({ key: `key ${i}`, acknowledged: 0, sent: 0 }))
    let total = 0
    for (let round = 0; round < rounds; round++) {
      total += await awayUnderLoad({ cluster, client, counted, random })
      await allHear(client)
      for (const each of counted) await check(client, each)
    }
    client.close()
    return total
  } finally {
    cluster.kill()
    home.remove()
  }
}

interface Load {
  readonly cluster: Processes
  readonly client: PartitionedClient
  readonly counted: readonly Counted[]
  readonly random: Random
}

/** Takes a node away while all keys are written, and brings it back. */
async function awayUnderLoad({ cluster, client, counted, random }: Load): Promise<number> {
  const name = NAMES[Math.floor(random.next() * NAMES.length)] as string
  const isKill = random.next() < 0.7
  let acknowledged = 0
  let isOver = false
  const writers = counted.map(async (each) => {
    while (!isOver) if (await write(client, each)) acknowledged++
  })
  const failed = Promise.all(writers)
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await Promise.race([realClock.turn(), failed])
  }
  await until(() => acknowledged >= KEYS)
  if (isKill) await cluster.end(name)
  else cluster.signal(name, 'SIGSTOP')
  const before = acknowledged
  await until(() => acknowledged >= before + WRITES_AWAY)
  if (isKill) await cluster.start(name)
  else cluster.signal(name, 'SIGCONT')
  isOver = true
  await failed
  return acknowledged
}

/** Reads, then writes one more in the place of what that showed. @returns Whether that is certain. */
async function write(client: PartitionedClient, each: Counted): Promise<boolean> {
  const { key } = each
  try {
    const found = await client.get(key)
    expectNewest(each, found.values)
    each.sent++
    const number = each.sent
    await client.put(key, Buffer.from(String(number)), { context: found.context })
    each.acknowledged = number
    return true
  } catch (error) {
    if (!isCode(error, 'UNAVAILABLE')) throw error
    return false
  }
}

async function check(client: PartitionedClient, each: Counted): Promise<void> {
  for (;;) {
    try {
      expectNewest(each, (await client.get(each.key)).values)
      return
    } catch (error) {
      if (!isCode(error, 'UNAVAILABLE')) throw error
    }
  }
}

function expectNewest({ key, acknowledged, sent }: Counted, values: readonly Uint8Array[]): void {
  const numbers = values.map((value) => Number(Buffer.from(value).toString()))
  const newest = Math.max(0, ...numbers)
  if (newest >= acknowledged && newest <= sent) return
  throw new Error(`${key} shows ${numbers.join(' and ')}, ${acknowledged} was acknowledged and ${sent} sent`)
}

async function allHear(client: PartitionedClient): Promise<void> {
  for (;;) {
    const statuses = [...(await client.statuses()).values()]
    if (statuses.every((status) => (status?.['connected'] as unknown[] | undefined)?.length === NAMES.length - 1))
      return
    await realClock.turn()
  }
}

class Processes {
  readonly urls: readonly string[]
  readonly #path: string
  readonly #peers: string
  readonly #children = new Map<string, ChildProcess>()

  constructor(path: string, ports: readonly number[]) {
    this.#path = path
    this.#peers = NAMES.map((name, index) => `${name}=127.0.0.1:${ports[index]}`).join(',')
    this.urls = ports.map((port) => `http://127.0.0.1:${port}`)
  }

  async start(name: string): Promise<void> {
    const flags = [`--name=${name}`, `--peers=${this.#peers}`, `--data-dir=${this.#path}/${name}`]
    const args = ['node', ...flags, `--tick-ms=${TICK_MS}`, '--log-level=error', '--json']
    const child = spawn(process.execPath, [binary('partitioned-kv'), ...args], {
      stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
    })
    this.#children.set(name, child)
    await once(createInterface({ input: child.stdout as Readable }), 'line')
  }

  signal(name: string, signal: NodeJS.Signals): void {
    this.#children.get(name)?.kill(signal)
  }

  async end(name: string): Promise<void> {
    const child = this.#children.get(name) as ChildProcess
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  kill(): void {
    for (const child of this.#children.values()) child.kill('SIGKILL')
  }
}
