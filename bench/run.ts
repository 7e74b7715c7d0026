// npm run bench -- NAME [--seconds S] [options of NAME]: runs bench/NAME.bench.ts.
//
// A benchmark prints the machine, the versions and, for every case, the median with its spread: figures without these
// cannot be compared. Close other programs first, and distrust anything with a spread above a few per cent.
import { readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { describeMachine, machineLines } from './machine.ts'
import { type BenchmarkModule, type BenchmarkSettings, type OwnOptions, UsageError } from './support.ts'

const DEFAULT_SECONDS = 5
const SUFFIX = '.bench.ts'

const names = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith(SUFFIX))
  .map((file) => file.slice(0, -SUFFIX.length))

// Also what still runs in this process, such as a node after a failure, ends here.
process.exit(await main())

async function main(): Promise<number> {
  const [name = '', ...rest] = process.argv.slice(2)
  if (!names.includes(name)) return refuse(`usage: npm run bench -- NAME [--seconds S]\n  names: ${names.join(', ')}`)
  const { default: run, options = {} } = (await import(`./${name}${SUFFIX}`)) as BenchmarkModule
  const settings = readSettings(rest, options)
  if (settings === undefined) return refuse(`usage: npm run bench -- ${name} [--seconds S]${usageOf(options)}`)
  for (const line of machineLines(describeMachine())) console.log(line)
  console.log('')
  try {
    await run(settings)
    return 0
  } catch (error) {
    if (error instanceof UsageError) return refuse(error.message)
    throw error
  }
}

function refuse(usage: string): number {
  console.error(usage)
  return 2
}

function readSettings(args: string[], own: OwnOptions): BenchmarkSettings | undefined {
  try {
    const { values } = parseArgs({ args, options: { ...own, seconds: { type: 'string' } } })
    const seconds = Number(values['seconds'] ?? DEFAULT_SECONDS)
    return seconds > 0 ? { seconds, options: values as BenchmarkSettings['options'] } : undefined
  } catch {
    return undefined
  }
}

function usageOf(options: OwnOptions): string {
  return Object.entries(options)
    .map(([name, { type }]) => (type === 'boolean' ? ` [--${name}]` : ` [--${name} ...]`))
    .join('')
}
