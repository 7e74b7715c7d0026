// npm run bench -- NAME [--seconds S]: runs bench/NAME.bench.ts.
//
// A benchmark prints the machine, the versions and, for every case, the median with its spread: figures without these
// cannot be compared. Close other programs first, and distrust anything with a spread above a few per cent.
import { readdirSync } from 'node:fs'
import { arch, availableParallelism, cpus, platform, release } from 'node:os'
import { parseArgs } from 'node:util'
import type { BenchmarkModule } from './support.ts'

const DEFAULT_SECONDS = 5
const SUFFIX = '.bench.ts'

const names = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith(SUFFIX))
  .map((file) => file.slice(0, -SUFFIX.length))

process.exitCode = await main()

async function main(): Promise<number> {
  const options = readOptions()
  if (options === undefined) {
    console.error(`usage: npm run bench -- NAME [--seconds S]\n  names: ${names.join(', ')}`)
    return 2
  }
  console.log(
    `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, ${platform()} ${release()} ${arch()}`,
  )
  console.log(`Node ${process.versions.node}, V8 ${process.versions.v8}, ${new Date().toISOString().slice(0, 10)}\n`)
  const { default: run } = (await import(`./${options.name}${SUFFIX}`)) as BenchmarkModule
  await run({ seconds: options.seconds })
  return 0
}

function readOptions(): { name: string; seconds: number } | undefined {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { seconds: { type: 'string' } } })
    const seconds = Number(values.seconds ?? DEFAULT_SECONDS)
    const [name = ''] = positionals
    return names.includes(name) && positionals.length === 1 && seconds > 0 ? { name, seconds } : undefined
  } catch {
    return undefined
  }
}
