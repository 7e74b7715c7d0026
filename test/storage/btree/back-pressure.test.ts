// Writes that nobody awaits: what waits in memory to be written is bounded, whatever the caller does.
import { beforeEach, describe, expect, it } from 'vitest'
import type { Disk, DiskFile, OpenMode } from '../../../ts/io/disk.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { startsLikeFrame } from '../../../ts/storage/log/frame.ts'
import {
  type Durability,
  FIRST_SEGMENT_BYTES,
  MAX_PENDING_BYTES,
  MAX_SEGMENT_BYTES,
} from '../../../ts/storage/log/types.ts'
import { type Opened, openStore, type StoreSettings } from '../../support/btree-crash/store.ts'
import { codeOf } from '../../support/errors.ts'

const MEBIBYTE = 1024 * 1024
const VALUE = 'v'.repeat(64 * 1024)
/** Few, so that the tree stays small while the log grows. */
const KEYS = 50

const SETTINGS: StoreSettings = {
  pageSizeBytes: 16 * 1024,
  cacheBytes: 4 * MEBIBYTE,
  durability: 'sync',
  checkpointLogBytes: 1024 * MEBIBYTE,
  denseCloseBytes: 1024 * MEBIBYTE,
  firstSegmentBytes: FIRST_SEGMENT_BYTES,
  maxSegmentBytes: MAX_SEGMENT_BYTES,
}

let simulated: SimulatedDisk
let counted: CountedDisk

beforeEach(() => {
  simulated = new SimulatedDisk()
  counted = new CountedDisk(simulated)
})

/** Counts the records that are written to the log, by what the headers of their frames say (docs/formats/log.md). */
class CountedDisk {
  records = 0
  frames = 0
  readonly disk: Disk

  constructor(disk: Disk) {
    this.disk = withMethods(disk, { open: (path: string, mode: OpenMode) => this.watch(path, disk.open(path, mode)) })
  }

  private watch(path: string, file: DiskFile): DiskFile {
    if (!path.includes('/log-')) return file
    return withMethods(file, {
      write: (bytes: Uint8Array, position: number) => {
        file.write(bytes, position)
        if (!startsLikeFrame(bytes)) return // zeros that take space, or the header of a segment
        this.frames++
        this.records += Buffer.from(bytes.buffer, bytes.byteOffset).readUInt32LE(16)
      },
    })
  }
}

/** `target` with some methods replaced; the others stay its own. */
function withMethods<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const replaced = methods[name as keyof T]
      if (replaced !== undefined) return replaced
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** Puts `totalBytes` without awaiting anything. @returns The most bytes that were not written at any time; all promises. */
function putMuch(store: Opened['store'], totalBytes: number): { mostUnwritten: number; puts: Promise<void>[] } {
  const puts: Promise<void>[] = []
  const before = counted.records
  let mostUnwritten = 0
  for (let i = 0; i * VALUE.length < totalBytes; i++) {
    puts.push(store.put(`key ${i % KEYS}`, VALUE))
    mostUnwritten = Math.max(mostUnwritten, (puts.length - (counted.records - before)) * VALUE.length)
    if (i % 200 === 0) simulated.trimHistory()
  }
  return { mostUnwritten, puts }
}

describe('writes that are not awaited', () => {
  it('wait in their own call once the bound is reached, without a turn of the event loop', async () => {
    const { store } = await openStore(counted.disk, SETTINGS, { create: true })
    await store.put('first', 'of all') // the log has its first segment
    simulated.manualSyncs = true
    void store.put('second', 'its sync begins and does not end')
    await turn()
    expect(simulated.pendingSyncs.length).toBeGreaterThan(0)
    const { mostUnwritten, puts } = putMuch(store, 100 * MEBIBYTE)
    expect(mostUnwritten).toBeLessThanOrEqual(MAX_PENDING_BYTES)
    // They wait for what their promises mean: everything but what is still gathered is durable.
    expect((store.position - store.durablePosition) * VALUE.length).toBeLessThanOrEqual(MAX_PENDING_BYTES)
    simulated.manualSyncs = false
    while (simulated.pendingSyncs.length > 0) simulated.completeSync()
    await Promise.all(puts)
    expect(store.durablePosition).toBe(store.position)
    await store.close()
  })

  it.each<[Durability]>([['sync'], ['os'], ['memory'], [{ intervalMs: 1000 }]])(
    'are gathered up to the bound, not written one by one (durability %j)',
    async (durability) => {
      const { store } = await openStore(counted.disk, { ...SETTINGS, durability }, { create: true })
      const { mostUnwritten, puts } = putMuch(store, 3 * MAX_PENDING_BYTES)
      expect(mostUnwritten).toBeLessThanOrEqual(MAX_PENDING_BYTES)
      expect(mostUnwritten).toBeGreaterThan(MAX_PENDING_BYTES / 2)
      expect(counted.frames).toBeLessThan(puts.length / 20)
      await Promise.all(puts)
      await store.close()
    },
  )

  it('are refused, with nothing changed, where they would wait for what waits for them', async () => {
    const { store } = await openStore(counted.disk, SETTINGS, { create: true })
    await store.put('before', '1')
    simulated.manualSyncs = true
    const load = store.tree('loaded').bulkLoad([['a', '1']])
    while (simulated.pendingSyncs.length === 0) await turn() // its checkpoint; the log is held until that is durable
    let refusal: string | undefined
    let count = 0
    for (; refusal === undefined && count * VALUE.length < 2 * MAX_PENDING_BYTES; count++) {
      refusal = codeOf(() => void store.put(`key ${count}`, VALUE))
    }
    expect(refusal).toBe('UNAVAILABLE')
    expect(count * VALUE.length).toBeGreaterThan(MAX_PENDING_BYTES / 2)
    expect(store.has(`key ${count - 1}`)).toBe(false)
    expect(store.has(`key ${count - 2}`)).toBe(true)
    simulated.manualSyncs = false
    while (simulated.pendingSyncs.length > 0) simulated.completeSync()
    await load
    await store.put(`key ${count - 1}`, VALUE)
    expect(await store.verify()).toMatchObject({ problems: [], keys: count + 2 })
    await store.close()
  })
})

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
