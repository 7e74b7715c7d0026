import { expect, it } from 'vitest'
import { realClock } from '../../ts/io/clock.ts'
import { SimulatedDisk } from '../../ts/io/simulated-disk.ts'
import { StatsFile, type StatsSource } from '../../ts/storage/stats-file.ts'

it('the figures leave nothing of themselves on a full disk, and come back when there is room', () => {
  const disk = new SimulatedDisk()
  disk.mkdir('/db')
  const clock = { ...realClock, timer: () => () => {} }
  const source: StatsSource = {
    disk,
    clock,
    path: '/db',
    changes: 1,
    stats: () => ({}),
    keepsFigures: () => true,
  }
  const fault = disk.failAt({ operation: 'write', nth: 1, error: 'ENOSPC', shortWrite: true })
  const file = new StatsFile(source)
  expect([fault.applied, disk.list('/db')]).toEqual([1, []])
  const later = new StatsFile(source)
  expect(disk.list('/db')).toEqual(['stats.json'])
  later.stop()
  file.stop()
  expect([disk.list('/db'), disk.openHandles]).toEqual([[], 0])
})
