// Disks that fail: the n-th call, once or for ever, and disks that are full. What a store may make of it.
import { BedplateError, isCode } from '../../../ts/base/errors.ts'
import { CRASH_VARIANTS } from '../../../ts/io/crash-image.ts'
import type { FaultSpec } from '../../../ts/io/disk-faults.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { checkCrash, type Tally } from './check-image.ts'
import { must, NOTHING } from './expectation.ts'
import { Recorder } from './recorder.ts'
import { planOf, type RunOptions, runWorkload } from './workload.ts'

/** How a run differs from the one of its seed alone. */
export type Variation = Pick<RunOptions, 'mutant' | 'focus'>

/** What a run on a failing disk came to. */
export interface FaultOutcome {
  /** How often the disk failed. */
  applied: number
  /** True if the store refused to go on until it was reopened. */
  refused: boolean
}

/**
 * Runs the workload of `seed` on a disk whose calls fail as `spec` says, and checks: the store goes on as if nothing had
 * happened, less what it refused; or it refuses everything. Both times, what it leaves holds all it had promised.
 */
export async function checkFailingDisk(
  seed: number,
  spec: FaultSpec,
  tally: Tally,
  options: Variation = {},
): Promise<FaultOutcome> {
  const random = seededRandom(7 * seed + spec.nth)
  const disk = new SimulatedDisk(planOf(seed).settings.medium)
  const fault = disk.failAt(spec)
  const recorder = await runTolerantly(seed, disk, options)
  fault.cancel()
  if (recorder === undefined) {
    await checkNothingBegan(seed, disk, random, options)
    return { applied: fault.applied, refused: false }
  }
  const refused = recorder.hasFailed
  if (refused) await checkRefusal(recorder)
  else if (recorder.isUsable) await checkGoesOn(recorder)
  await recorder.close()
  await checkRemains(recorder, random, tally)
  return { applied: fault.applied, refused }
}

/**
 * Runs the workload of `seed` on a disk with room for `spareBytes`. A write that finds no room is refused; nothing is
 * poisoned; with room again everything works.
 * @returns How many calls were refused.
 */
export async function checkFullDisk(
  seed: number,
  spareBytes: number,
  tally: Tally,
  options: Variation = {},
): Promise<number> {
  const random = seededRandom(7 * seed + spareBytes)
  const disk = new SimulatedDisk({ ...planOf(seed).settings.medium, capacityBytes: BALLAST_BYTES + spareBytes })
  const ballast = disk.open(BALLAST, 'create')
  ballast.write(new Uint8Array(BALLAST_BYTES), 0)
  ballast.close()
  const recorder = await runTolerantly(seed, disk, options)
  disk.unlink(BALLAST)
  if (recorder === undefined) {
    await checkNothingBegan(seed, disk, random, options)
    return 1
  }
  const strange = recorder.errors.find((error) => error.code !== 'DISK_FULL')
  if (strange !== undefined) throw strange
  const refusedCount = recorder.errors.length
  must(!recorder.hasFailed, 'a full disk poisoned the store')
  if (recorder.isUsable) await checkGoesOn(recorder)
  await checkRemains(recorder, random, tally)
  return refusedCount
}

const BALLAST = '/ballast'
/** Enough for everything that a workload and the checks behind it ever write. */
const BALLAST_BYTES = 1024 * 1024

/** @returns undefined if the disk failed before there was a store. */
async function runTolerantly(seed: number, disk: SimulatedDisk, options: Variation): Promise<Recorder | undefined> {
  try {
    return await runWorkload(seed, { ...options, disk, tolerant: true })
  } catch (error) {
    if (isCode(error, 'IO') || isCode(error, 'DISK_FULL')) return undefined
    throw error
  }
}

/** Making or opening a store failed: it left nothing open, and works when the disk does. */
async function checkNothingBegan(seed: number, disk: SimulatedDisk, random: Random, options: Variation): Promise<void> {
  must(disk.openHandles + disk.heldLocks === 0, 'a failed opening left files open')
  const recorder = await Recorder.open(
    disk,
    { ...planOf(seed).settings, mutant: options.mutant },
    { before: NOTHING, random },
  )
  recorder.checkContent()
  await recorder.close()
}

async function checkGoesOn(recorder: Recorder): Promise<void> {
  const { length } = recorder.errors
  recorder.checkContent()
  await recorder.verify()
  for (let i = 0; i < 5; i++) void recorder.put(`afterwards-${i}`, 'x'.repeat(i * 300))
  await recorder.checkpoint()
  await recorder.settled()
  recorder.checkContent()
  await recorder.verify()
  await recorder.close()
  const error = recorder.errors[length]
  if (error !== undefined) throw error
}

/** Once it has failed, the store does nothing at all; closing it gives everything back. */
async function checkRefusal(recorder: Recorder): Promise<void> {
  const { store } = recorder
  const calls: Record<string, () => unknown> = {
    get: () => store.get('k001'),
    has: () => store.has('k001'),
    getAsync: () => store.getAsync('k001'),
    range: () => [...store.range()],
    put: () => store.put('k001', 'too late'),
    delete: () => store.delete('k001'),
    batch: () => store.batch([{ type: 'put', key: 'k001', value: 'too late' }]),
    clear: () => store.clear(),
    compareAndSwap: () => store.compareAndSwap('k001', undefined, 'too late'),
    dropTree: () => store.dropTree('a'),
    bulkLoad: () => store.tree('new').bulkLoad([['k', 'v']]),
    transaction: () => store.transaction((tx) => tx.put('k001', 'too late')),
    transactionSync: () => store.transactionSync((tx) => tx.put('k001', 'too late')),
    snapshot: () => store.snapshot(),
    durableSnapshot: () => store.snapshot({ durable: true }),
    flushed: () => store.flushed(),
    checkpoint: () => store.checkpoint(),
    verify: () => store.verify(),
    backup: () => store.backup('/too-late'),
    compact: () => store.compact(),
  }
  for (const [name, call] of Object.entries(calls)) {
    const code = await codeOf(call)
    must(code === 'IO', `after a failure, ${name} ended with ${code ?? 'success'}`)
  }
  await recorder.close()
}

async function codeOf(call: () => unknown): Promise<string | undefined> {
  try {
    await call()
    return undefined
  } catch (error) {
    return error instanceof BedplateError ? error.code : String(error)
  }
}

/** What is on the disk now, for a killed process and for every kind of power cut, holds what was promised. */
async function checkRemains(recorder: Recorder, random: Random, tally: Tally): Promise<void> {
  const { disk, settings } = recorder
  recorder.checkNothingHeld()
  const point = disk.history.length
  const killed = { image: disk.currentImage(), variant: 'all' as const, expected: recorder.expectationAt(point, true) }
  await checkCrash({ ...killed, settings }, random, tally, 1)
  // After a failed sync even "all" is a power cut: what the kernel forgot to write is not there.
  const expected = recorder.expectationAt(point, false)
  for (const variant of CRASH_VARIANTS) {
    const image = disk.crashImage(point, variant, random)
    await checkCrash({ image, variant, expected, settings }, random, tally, 1)
  }
}
