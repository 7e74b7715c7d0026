// CRC-32C: the native core against its TypeScript twin, from a log record to a large value.
import { loadNative } from '../ts/native/loader.ts'
import { crc32c } from '../ts/storage/crc32c/index.ts'
import { crc32cPortable } from '../ts/storage/crc32c/portable.ts'
import { type Contestant, compare, duration } from './support.ts'

const SIZES: readonly [string, number][] = [
  ['16 B', 16],
  ['64 B', 64],
  ['128 B', 128],
  ['1 KiB', 1024],
  ['16 KiB', 16 * 1024],
  ['1 MiB', 1024 * 1024],
]

export default function run({ seconds }: { seconds: number }): void {
  const addon = loadNative()
  console.log(addon === undefined ? 'no native core: the twin alone' : `native core: ${addon.describe().crc32c}`)
  console.log(
    `${'size'.padEnd(8)}${'engine'.padEnd(14)}${'median'.padStart(10)}${'spread'.padStart(9)}${'GB/s'.padStart(8)}`,
  )
  for (const [label, size] of SIZES) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => i * 31)
    const engines: [string, (bytes: Uint8Array, initial: number) => number][] = [
      ['typescript', crc32cPortable],
      ...(addon === undefined ? [] : ([['native', addon.crc32c]] as [string, typeof addon.crc32c][])),
      ['crc32c()', crc32c],
    ]
    const contestants = engines.map(([name, engine]) => chain(name, engine, bytes))
    for (const { name, median, spread } of compare(contestants, seconds)) {
      const rate = (size / median / 1e9).toFixed(2)
      const range = `± ${(spread * 100).toFixed(1)} %`
      console.log(
        `${label.padEnd(8)}${name.padEnd(14)}${duration(median).padStart(10)}${range.padStart(9)}${rate.padStart(8)}`,
      )
    }
  }
}

/** Each call continues from the result of the one before, so none can be left out. */
function chain(name: string, engine: (bytes: Uint8Array, initial: number) => number, bytes: Uint8Array): Contestant {
  let crc = 0
  return {
    name,
    run() {
      crc = engine(bytes, crc)
    },
  }
}
