// Proves the simulated disk: it finds every bug planted in a small write-ahead store, and none in the store without.
import { describe, expect, it } from 'vitest'
import { CRASH_VARIANTS } from '../../ts/io/crash-image.ts'
import { describeEffect } from '../../ts/io/disk-history.ts'
import type { DiskImage } from '../../ts/io/disk-image.ts'
import { type Random, seededRandom } from '../../ts/io/random.ts'
import { SimulatedDisk, type SimulatedDiskOptions, type SyncCall } from '../../ts/io/simulated-disk.ts'
import { TOY_PAGES, type ToyBugs, ToyStore } from '../support/toy-store.ts'

const COMMITS = 40
const CHECKPOINT_EVERY = 9

describe('the simulated disk', () => {
  it('finds nothing wrong with a correct store, nor with its recovery, in thousands of crashes', async () => {
    const result = await crashEverywhere({ rounds: 12 })
    expect(result.failure).toBeUndefined()
    expect(result.images).toBeGreaterThan(10_000)
  })

  it.each([
    ['a commit that is acknowledged before its sync', { noCommitSync: true }],
    ['directories that are not synced', { noDirectorySync: true }],
    ['frames without a checksum', { noChecksum: true }],
    ['a log that starts again under its old salt', { noNewSalt: true }],
    ['a log that starts again before the pages are synced', { noDataSync: true }],
  ] satisfies [string, ToyBugs][])('finds %s', async (_, bugs) => {
    const { failure } = await crashEverywhere({ bugs, rounds: 40 })
    expect(failure).toBeDefined()
  })

  it.each([
    ['the log', (sync: SyncCall) => sync.path.endsWith('log')],
    ['the pages', (sync: SyncCall) => sync.path.endsWith('data')],
    ['directories', (sync: SyncCall) => sync.kind === 'directory'],
  ])('finds that syncs of %s were removed from outside', async (_, ignore) => {
    const { failure, ignored } = await crashEverywhere({ ignore, rounds: 40 })
    expect(ignored).toBeGreaterThan(0)
    expect(failure).toBeDefined()
  })

  it('finds a disk that lies once about a commit', async () => {
    const { failure, ignored } = await crashEverywhere({ ignore: ({ nth }) => nth === 12, rounds: 4 })
    expect(ignored).toBe(1)
    expect(failure).toBeDefined()
  })

  it('finds that frames share sectors, if the medium damages whole ones', async () => {
    const { failure } = await crashEverywhere({ disk: { powersafe: false }, rounds: 12 })
    expect(failure).toBeDefined()
  })
})

interface Setting {
  bugs?: ToyBugs
  disk?: SimulatedDiskOptions
  ignore?: (sync: SyncCall) => boolean
  /** How often each variant is drawn at each crash point. */
  rounds: number
}

interface Outcome {
  images: number
  ignored: number
  failure: string | undefined
}

/** A state the workload went through: the versions of all pages, and when it was begun and acknowledged. */
interface Commit {
  versions: readonly number[]
  startedAt: number
  acknowledgedAt: number
}

/** Runs the workload once, then crashes it at every point in every variant until something is wrong. */
async function crashEverywhere({ bugs = {}, disk: options = {}, ignore, rounds }: Setting): Promise<Outcome> {
  const disk = new SimulatedDisk(options)
  const mutant = ignore === undefined ? undefined : disk.ignoreSyncs(ignore)
  const commits = await runWorkload(disk, bugs)
  const outcome: Outcome = { images: 0, ignored: mutant?.applied ?? 0, failure: undefined }
  const firstPoint = commits[0]?.acknowledgedAt as number
  for (let round = 0; round < rounds; round++) {
    for (let point = firstPoint; point <= disk.history.length; point++) {
      for (const variant of CRASH_VARIANTS) {
        const random = seededRandom(round * 1e6 + outcome.images++)
        const problem = await checkImage(disk.crashImage(point, variant, random), point, commits, bugs, random)
        if (problem === undefined) continue
        const last = disk.history[point - 1]
        outcome.failure = `round ${round}, ${variant} after ${last && describeEffect(last)}: ${problem}`
        return outcome
      }
    }
  }
  return outcome
}

async function runWorkload(disk: SimulatedDisk, bugs: ToyBugs): Promise<Commit[]> {
  const random = seededRandom(1)
  const store = await ToyStore.create(disk, bugs)
  const commits: Commit[] = [{ versions: [...store.versions], startedAt: 0, acknowledgedAt: disk.history.length }]
  for (let version = 1; version <= COMMITS; version++) {
    const startedAt = disk.history.length
    await store.commit(Math.floor(random.next() * TOY_PAGES), version)
    commits.push({ versions: [...store.versions], startedAt, acknowledgedAt: disk.history.length })
    if (version % CHECKPOINT_EVERY === 0) await store.checkpoint()
  }
  store.close()
  expect(disk.openHandles).toBe(0)
  return commits
}

/** What is wrong with the store on this image, also after a second crash while it recovers; undefined if nothing. */
async function checkImage(
  image: DiskImage,
  point: number,
  commits: readonly Commit[],
  bugs: ToyBugs,
  random: Random,
): Promise<string | undefined> {
  const acceptable = commits.filter(({ startedAt }, i) => {
    const next = commits[i + 1]
    return startedAt < point && (next === undefined || next.acknowledgedAt > point)
  })
  const disk = new SimulatedDisk({ image })
  const problem = await checkStore(disk, acceptable, bugs)
  if (problem !== undefined) return problem
  const variant = CRASH_VARIANTS[Math.floor(random.next() * CRASH_VARIANTS.length)]!
  const again = disk.crashImage(Math.floor(random.next() * (disk.history.length + 1)), variant, random)
  const problemAgain = await checkStore(new SimulatedDisk({ image: again }), acceptable, bugs)
  return problemAgain === undefined ? undefined : `after a crash (${variant}) during recovery: ${problemAgain}`
}

async function checkStore(
  disk: SimulatedDisk,
  acceptable: readonly Commit[],
  bugs: ToyBugs,
): Promise<string | undefined> {
  try {
    const store = await ToyStore.open(disk, bugs)
    const found = store.versions.join()
    store.close()
    if (acceptable.some(({ versions }) => versions.join() === found)) return undefined
    return `${found} is none of ${acceptable.map(({ versions }) => versions.join()).join(' | ')}`
  } catch (error) {
    return String(error)
  }
}
