// The document of the format, held to its word: its example is what a log really writes.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { realClock } from '../../../ts/io/clock.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { openLog } from '../../../ts/storage/log/index.ts'

const DOCUMENT = new URL('../../../docs/formats/log.md', import.meta.url)
const UUID = Uint8Array.from({ length: 16 }, (_, i) => i)
const FIRST_SEGMENT = 'store/log-0000000000000001'

it('writes the bytes that docs/formats/log.md shows', async () => {
  const disk = new SimulatedDisk()
  disk.mkdir('store')
  const place = { disk, clock: realClock, directory: 'store', uuid: UUID, keptElsewhere: 0 }
  const log = await openLog({ ...place, durability: 'sync', replay: () => {} })
  log.reserve(5)
  log.append(Buffer.from('hello'))
  log.reserve(0)
  log.append(new Uint8Array(0))
  await log.acknowledged
  log.abandon()

  const segment = disk.open(FIRST_SEGMENT, 'read')
  const bytes = new Uint8Array(4096 + 128)
  segment.read(bytes, 0)
  segment.close()
  const payloadBytes = 4 + 5 + 4
  const written = [bytes.subarray(0, 64), bytes.subarray(4096, 4096 + 64 + payloadBytes)].map(hex)
  const shown = [...readFileSync(DOCUMENT, 'utf8').matchAll(/```hex\n([^`]*)```/g)].map(([, text]) => text)
  expect(shown).toEqual(written)
  expect(bytes.subarray(64, 4096).every((byte) => byte === 0)).toBe(true)
})

/** Sixteen bytes a line. */
function hex(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    lines.push(Array.from(bytes.subarray(at, at + 16), (byte) => byte.toString(16).padStart(2, '0')).join(' '))
  }
  return `${lines.join('\n')}\n`
}
