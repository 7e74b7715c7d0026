// The ring: where a key belongs, against the package hashring; building rings; planning what moves.
//
//   npm run bench -- ring                      10 nodes
//   npm run bench -- ring --nodes 100          more
//   npm run bench -- ring --json ring.json     the figures for programs
//
// hashring keeps the answers for the last 5000 keys. It is measured with 50,000 keys in turn, so that it has to look, and with 1000.
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import {
  BoundedLoads,
  buildRing,
  jumpHash,
  KetamaRing,
  planMovement,
  positionOf,
  Rendezvous,
  type RingNode,
} from '../ts/distributed/ring/index.ts'
import { describeMachine } from './machine.ts'
import {
  type BenchmarkSettings,
  type Contestant,
  duration,
  type Measurement,
  type OwnOptions,
  summarise,
  UsageError,
} from './support.ts'

const MANY_KEYS = 50_000
const FEW_KEYS = 1000
/** A call of the timer would take longer than a look. */
const LOOKS_A_RUN = 1000
const PLAN_REPLICAS = 3
/** How often the contestants take turns, so that a noisy moment does not hit one of them alone; the first turn is not counted. */
const TURNS = 6

type HashRing = new (servers: readonly string[]) => { get(key: string): string }
const require = createRequire(import.meta.url)
const HashRing = require('hashring') as HashRing

export const options: OwnOptions = { nodes: { type: 'string' }, json: { type: 'string' } }

export default function run({ seconds, options: given }: BenchmarkSettings): void {
  const nodeCount = Number(given['nodes'] ?? 10)
  if (!Number.isInteger(nodeCount) || nodeCount < 1 || nodeCount > 10_000) {
    throw new UsageError('--nodes must be a whole number from 1 to 10000')
  }
  const nodes = Array.from({ length: nodeCount }, (_, i) => ({ name: `10.0.1.${i}:11211` }))
  const lookups = measureLookups(nodes, seconds)
  const changes = measure(changesOf(nodes), seconds)
  console.log(`${nodeCount} nodes, 128 virtual nodes each; keys such as "user:7919"\n`)
  print('a look', lookups)
  const [ours, theirs] = [rateOf(lookups, 'Ring.nodeOf'), rateOf(lookups, 'hashring, 50,000 keys')]
  console.log(`\nRing.nodeOf is ${(theirs / ours).toFixed(0)} x as fast as hashring\n`)
  print('a change', changes)
  if (typeof given['json'] === 'string') {
    const result = { machine: describeMachine(), seconds, nodes: nodeCount, lookups, changes }
    writeFileSync(given['json'], `${JSON.stringify(result, null, 2)}\n`)
  }
}

function measureLookups(nodes: readonly RingNode[], seconds: number): Measurement[] {
  const ring = buildRing(nodes)
  const ketama = new KetamaRing(nodes)
  const rendezvous = new Rendezvous(nodes)
  const loads = new BoundedLoads(ring)
  const theirs = new HashRing(nodes.map(({ name }) => name))
  const many = keysOf(MANY_KEYS)
  const measured = measure(
    [
      looks('Ring.nodeOf', many, (key) => ring.nodeOf(key)),
      looks('Ring.nodeAt, a position', many.map(positionOf), (position) => ring.nodeAt(position)),
      looks('Ring.preferenceList, 3', many, (key) => ring.preferenceList(key, 3)),
      looks('BoundedLoads, and back', many, (key) => loads.release(loads.take(key))),
      looks('KetamaRing.nodeOf', many, (key) => ketama.nodeOf(key)),
      looks('Rendezvous.nodeOf', many, (key) => rendezvous.nodeOf(key)),
      looks('jumpHash', many, (key) => jumpHash(key, nodes.length)),
      looks('hashring, 50,000 keys', many, (key) => theirs.get(key)),
      looks('hashring, 1000 keys', keysOf(FEW_KEYS), (key) => theirs.get(key)),
    ],
    seconds,
  )
  return measured.map(({ name, median, spread }) => ({ name, median: median / LOOKS_A_RUN, spread }))
}

/** Each call of a contestant is a sample: it takes long enough to be timed alone. */
function measure(contestants: readonly Contestant[], seconds: number): Measurement[] {
  const samples = new Map<string, number[]>(contestants.map(({ name }) => [name, []]))
  for (let turn = 0; turn < TURNS; turn++) {
    for (const { name, run } of contestants) {
      const end = performance.now() + (1000 * seconds) / contestants.length / TURNS
      const taken: number[] = []
      for (let before = performance.now(); taken.length === 0 || before < end; ) {
        run()
        const after = performance.now()
        taken.push((after - before) / 1000)
        before = after
      }
      if (turn > 0) samples.get(name)?.push(...taken)
    }
  }
  return contestants.map(({ name }) => ({ name, ...summarise(samples.get(name) as number[]) }))
}

function looks<Key>(name: string, keys: readonly Key[], look: (key: Key) => unknown): Contestant {
  let next = 0
  return {
    name,
    run() {
      for (let i = 0; i < LOOKS_A_RUN; i++) {
        look(keys[next] as Key)
        next = next + 1 === keys.length ? 0 : next + 1
      }
    },
  }
}

function keysOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `user:${i * 7919}`)
}

function changesOf(nodes: readonly RingNode[]): Contestant[] {
  const ring = buildRing(nodes)
  const [larger, smaller] = [ring.with({ name: 'new' }), ring.without(nodes[0]?.name as string)]
  const replicaCount = PLAN_REPLICAS
  return [
    { name: 'buildRing', run: () => void buildRing(nodes) },
    { name: 'hashring', run: () => void new HashRing(nodes.map(({ name }) => name)) },
    { name: 'KetamaRing', run: () => void new KetamaRing(nodes) },
    { name: 'Ring.with', run: () => void ring.with({ name: 'new' }) },
    { name: 'Ring.without', run: () => void ring.without(nodes[0]?.name as string) },
    { name: 'plan for one more', run: () => void planMovement(ring, larger, { replicaCount }) },
    { name: 'plan for one less', run: () => void planMovement(ring, smaller, { replicaCount }) },
  ]
}

function rateOf(rows: readonly Measurement[], name: string): number {
  return rows.find((row) => row.name === name)?.median as number
}

function print(what: string, rows: readonly Measurement[]): void {
  console.log(`${what.padEnd(26)}${'median'.padStart(10)}${'spread'.padStart(10)}`)
  for (const { name, median, spread } of rows) {
    console.log(`${name.padEnd(26)}${duration(median).padStart(10)}${`± ${(100 * spread).toFixed(0)} %`.padStart(10)}`)
  }
}
