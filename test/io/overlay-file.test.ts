import { describe, expect, it } from 'vitest'
import { overlayFile } from '../../ts/io/overlay-file.ts'
import { SimulatedDisk } from '../../ts/io/simulated-disk.ts'
import { codeOf, codeOfAsync } from '../support/errors.ts'

function overlayOn(content: string) {
  const disk = new SimulatedDisk()
  const file = disk.open('a', 'create')
  file.write(new TextEncoder().encode(content), 0)
  file.close()
  return { disk, overlay: overlayFile(disk.open('a', 'read')) }
}

describe('an overlay file', () => {
  it('takes writes though its base was opened for reading', () => {
    const { disk, overlay } = overlayOn('base')
    overlay.write(Uint8Array.of(66), 0)
    const target = new Uint8Array(4)
    overlay.read(target, 0)
    expect(new TextDecoder().decode(target)).toBe('Base')
    expect(new TextDecoder().decode(disk.currentImage().read('a'))).toBe('base')
  })

  it('hides for good what it has cut off', () => {
    const { overlay } = overlayOn('base')
    overlay.truncate(1)
    overlay.truncate(4)
    const target = new Uint8Array(4)
    expect([overlay.read(target, 0), [...target]]).toEqual([4, [98, 0, 0, 0]])
  })

  it('causes no effect on the disk when it is synced', async () => {
    const { disk, overlay } = overlayOn('base')
    const before = disk.history.length
    overlay.write(Uint8Array.of(1), 10_000)
    await overlay.sync()
    overlay.syncNow()
    expect(disk.history.length).toBe(before)
  })

  it('finishes a read that was under way when it was closed', async () => {
    const { overlay } = overlayOn('base')
    overlay.write(Uint8Array.of(66), 0)
    const target = new Uint8Array(4)
    const read = overlay.readAsync(target, 0)
    overlay.close()
    expect([await read, new TextDecoder().decode(target)]).toEqual([4, 'Base'])
  })

  it('closes its base, and refuses everything after that', async () => {
    const { disk, overlay } = overlayOn('base')
    overlay.close()
    overlay.close()
    expect(disk.openHandles).toBe(0)
    const target = new Uint8Array(1)
    const calls = [() => overlay.size(), () => overlay.read(target, 0), () => overlay.write(target, 0)]
    expect([...calls, () => overlay.truncate(0), () => overlay.syncNow()].map(codeOf)).toEqual(Array(5).fill('CLOSED'))
    expect([await codeOfAsync(overlay.sync()), await codeOfAsync(overlay.readAsync(target, 0))]).toEqual([
      'CLOSED',
      'CLOSED',
    ])
  })
})
