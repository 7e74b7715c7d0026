// Starting: `kvstore get` of one key against a Node that does nothing, each from the start of its process to the end.
//
// They take turns, so that a noisy moment hits both. The first runs are not counted: a checkout may have to be built, and
// the files are read from the disk.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openBTree } from '../ts/storage/btree/index.ts'
import { temporaryDirectory } from './leftovers.ts'
import { duration, summarise } from './support.ts'

const KVSTORE = fileURLToPath(new URL('../bin/kvstore', import.meta.url))
const MIN_TURNS = 3

export default async function run({ seconds }: { seconds: number }): Promise<void> {
  const directory = temporaryDirectory(tmpdir(), 'bedplate-startup-')
  try {
    const path = join(directory, 'db')
    const store = await openBTree(path, { create: true })
    await store.put('key', 'value')
    await store.close()
    report(measure({ get: [KVSTORE, 'get', path, 'key'], node: ['-e', '0'] }, seconds))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Seconds that each of the commands took in each turn. */
function measure<Name extends string>(commands: Record<Name, string[]>, seconds: number): Record<Name, number[]> {
  const names = Object.keys(commands) as Name[]
  const times = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>
  for (const name of names) secondsOf(commands[name])
  const end = performance.now() + seconds * 1000
  for (let turn = 0; turn < MIN_TURNS || performance.now() < end; turn++) {
    for (const name of names) times[name].push(secondsOf(commands[name]))
  }
  return times
}

function secondsOf(args: readonly string[]): number {
  const startedAt = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${args.join(' ')} failed: ${stderr}`)
  return (performance.now() - startedAt) / 1000
}

function report(times: { get: number[]; node: number[] }): void {
  const [get, node] = [summarise(times.get), summarise(times.node)]
  console.log(`${'command'.padEnd(14)}${'median'.padStart(10)}${'spread'.padStart(10)}${'against node'.padStart(14)}`)
  for (const [name, { median, spread }] of [['kvstore get', get] as const, ['node -e 0', node] as const]) {
    const range = `± ${(spread * 100).toFixed(1)} %`
    const ratio = `${(median / node.median).toFixed(2)} x`
    console.log(`${name.padEnd(14)}${duration(median).padStart(10)}${range.padStart(10)}${ratio.padStart(14)}`)
  }
}
