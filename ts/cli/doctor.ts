// bedplate doctor [--json]: what this machine is, which engine runs and why, and whether it computes rightly.
import { BedplateError } from '../base/errors.ts'
import { describeNative } from '../native/describe.ts'
import { detectLibc } from '../native/libc.ts'
import { loadNative } from '../native/loader.ts'
import type { NativeReport } from '../native/report.ts'
import { crc32cPortable } from '../storage/crc32c/portable.ts'
import { packageVersion, runProgram } from './kit/program.ts'

/** CRC-32C over 1 MiB by one engine. */
interface SelfCheck {
  engine: 'native' | 'typescript'
  ok: boolean
  gigabytesPerSecond: number
}

interface Diagnosis {
  version: string
  node: string
  nodeApi: string
  platform: string
  native: NativeReport
  crc32c: SelfCheck[]
}

const SAMPLE_BYTES = 1024 * 1024
/** The CRC-32C of the sample, whose byte i is (i * 31) mod 256. */
const SAMPLE_CRC = 0x0f19ddef
const ROUNDS = 5

/** Runs `bedplate doctor`. */
export async function run(args: readonly string[]): Promise<number> {
  return runProgram(args, 'bedplate doctor', (program, out) => {
    program
      .description('Say which engines run on this machine, and why.')
      .option('--json', 'print one JSON object')
      .action(async (options: { json?: boolean }) => {
        const diagnosis = diagnose()
        await out.line(options.json === true ? JSON.stringify(diagnosis, null, 2) : describe(diagnosis))
        await out.flush()
        const wrong = diagnosis.crc32c.filter(({ ok }) => !ok)
        if (wrong.length > 0) throw new BedplateError('INTERNAL', `${wrong[0]!.engine} CRC-32C gives a wrong result`)
      })
  })
}

function diagnose(): Diagnosis {
  const libc = process.platform === 'linux' ? ` (${detectLibc()})` : ''
  const addon = loadNative()
  return {
    version: packageVersion(),
    node: process.versions.node,
    nodeApi: process.versions['napi'] ?? 'unknown',
    platform: `${process.platform}-${process.arch}${libc}`,
    native: describeNative(),
    crc32c: [...(addon === undefined ? [] : [check('native', addon.crc32c)]), check('typescript', crc32cPortable)],
  }
}

function check(engine: SelfCheck['engine'], crc32c: (bytes: Uint8Array, initial: number) => number): SelfCheck {
  const sample = Uint8Array.from({ length: SAMPLE_BYTES }, (_, i) => i * 31)
  let bestMs = Number.POSITIVE_INFINITY
  let ok = true
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    ok = crc32c(sample, 0) === SAMPLE_CRC && ok
    bestMs = Math.min(bestMs, performance.now() - start)
  }
  return { engine, ok, gigabytesPerSecond: Number((SAMPLE_BYTES / bestMs / 1e6).toFixed(2)) }
}

function adviceFor({ attempts }: NativeReport): string {
  if (attempts.length === 0) return 'Without BEDPLATE_NATIVE=off it is looked for.'
  if (attempts[0]?.source === 'override')
    return 'BEDPLATE_NATIVE names the only file that is tried; unset it to look elsewhere.'
  return 'npx bedplate build-native makes it.'
}

function describe({ version, node, nodeApi, platform, native, crc32c }: Diagnosis): string {
  const lines = [
    `bedplate ${version}`,
    `platform   ${platform}, Node ${node}, Node-API ${nodeApi}`,
    native.engine === 'native' ? `native     yes (${native.binary!.compiler})` : `native     no: ${native.reason}`,
    ...native.attempts.map(({ source, path, outcome }) => `           ${source} ${path}: ${outcome}`),
    ...crc32c.map(({ engine, ok, gigabytesPerSecond }) => {
      const how = engine === 'native' ? ` (${native.binary!.crc32c})` : ''
      return `CRC-32C    ${ok ? 'right' : 'WRONG'}, ${engine}${how}, ${gigabytesPerSecond} GB/s`
    }),
  ]
  if (native.engine === 'typescript') lines.push(`Everything works without it, slower. ${adviceFor(native)}`)
  return lines.join('\n')
}
