import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CRASH_VARIANTS } from '../../ts/io/crash-image.ts'
import type { DiskFile } from '../../ts/io/disk.ts'
import { overlayFile } from '../../ts/io/overlay-file.ts'
import { seededRandom } from '../../ts/io/random.ts'
import { realDisk } from '../../ts/io/real-disk.ts'
import { SimulatedDisk } from '../../ts/io/simulated-disk.ts'
import { contentOf, diskCall, performCalls } from '../support/disk-operations.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const calls = fc.array(diskCall, { maxLength: 40, size: 'max' })

describe('the simulated disk', () => {
  it('answers every sequence of calls as the real one does, and holds the same in the end', () => {
    fc.assert(
      fc.property(calls, (sequence) => {
        const { path, remove } = temporaryDirectory()
        try {
          const simulated = new SimulatedDisk()
          expect(performCalls(simulated, '.', sequence)).toEqual(performCalls(realDisk, path, sequence))
          expect(contentOf(simulated, '.')).toEqual(contentOf(realDisk, path))
          expect(simulated.openHandles).toBe(0)
        } finally {
          remove()
        }
      }),
      { numRuns: 300 },
    )
  })

  it('leaves after a crash in which everything survives what was there before it', () => {
    fc.assert(
      fc.property(calls, (sequence) => {
        const disk = new SimulatedDisk()
        performCalls(disk, '.', sequence)
        const image = disk.crashImage(disk.history.length, 'all', seededRandom(1))
        expect(contentOf(new SimulatedDisk({ image }), '.')).toEqual(contentOf(disk, '.'))
        expect(contentOf(new SimulatedDisk({ image: disk.currentImage() }), '.')).toEqual(contentOf(disk, '.'))
      }),
      { numRuns: 300 },
    )
  })

  it('makes of any history images that are whole trees, with space accounted for', () => {
    fc.assert(
      fc.property(calls, fc.nat(), fc.constantFrom(...CRASH_VARIANTS), (sequence, seed, variant) => {
        const disk = new SimulatedDisk()
        performCalls(disk, '.', sequence)
        for (let point = 0; point <= disk.history.length; point++) {
          const after = new SimulatedDisk({ image: disk.crashImage(point, variant, seededRandom(seed)) })
          const files = [...contentOf(after, '.')].filter(([, content]) => content !== 'directory')
          for (const [path] of files) after.unlink(path)
          expect(after.usedBytes).toBe(0)
        }
      }),
      { numRuns: 100 },
    )
  })
})

describe('an overlay file', () => {
  const change = fc.record({
    call: fc.constantFrom('write', 'write', 'truncate', 'read'),
    position: fc.nat({ max: 20_000 }),
    length: fc.nat({ max: 9000 }),
    value: fc.integer({ min: 1, max: 255 }),
  })

  it('behaves like a copy of its base, which it never changes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 15_000 }), fc.array(change, { maxLength: 20 }), async (baseSize, changes) => {
        const disk = new SimulatedDisk()
        const content = new Uint8Array(baseSize).map((_, i) => i)
        for (const name of ['base', 'copy']) {
          const file = disk.open(name, 'create')
          file.write(content, 0)
          file.close()
        }
        const base = disk.open('base', 'read')
        const files = [overlayFile(base), disk.open('copy', 'write')] as const
        for (const { call, position, length, value } of changes) {
          for (const file of files) {
            if (call === 'write') file.write(new Uint8Array(length).fill(value), position)
            if (call === 'truncate') file.truncate(position)
          }
          expect(files[0].size()).toBe(files[1].size())
          expect(readNow(files[0], position, length)).toBe(readNow(files[1], position, length))
          expect(await readLater(files[0], position, length)).toBe(await readLater(files[1], position, length))
        }
        await files[0].sync()
        expect(disk.currentImage().read('base')).toEqual(content)
        for (const file of files) file.close()
        expect(disk.openHandles).toBe(0)
      }),
      { numRuns: 100 },
    )
  })
})

function readNow(file: DiskFile, position: number, length: number): string {
  const target = new Uint8Array(length).fill(0xee)
  return countAndText(file.read(target, position), target)
}

async function readLater(file: DiskFile, position: number, length: number): Promise<string> {
  const target = new Uint8Array(length).fill(0xee)
  return countAndText(await file.readAsync(target, position), target)
}

/** As text, which is compared much faster than arrays are. */
function countAndText(count: number, target: Uint8Array): string {
  return `${count}: ${new TextDecoder('latin1').decode(target)}`
}
