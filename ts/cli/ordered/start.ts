// Where the command of a store begins. Scripts call `kvstore get` in loops, so it has to start fast: one that is plain goes
// past the parser that knows of help and misspellings, whose loading takes longer than the rest. So does a plain `set`.
// Whatever else is there goes to that parser.
import { parseArgs } from 'node:util'
import { conclude } from '../kit/program.ts'
import { type ByteStore, contextFor, type GeneralOptions, type StoreCommand } from './context.ts'
import { get, set } from './point.ts'

/** A get or a set whose arguments are as they should be. */
interface Plain {
  readonly path: string
  readonly key: string
  /** Of a set. */
  readonly value: string | undefined
  readonly options: GeneralOptions
}

const OPTIONS = {
  tree: { type: 'string' },
  json: { type: 'boolean' },
  hex: { type: 'boolean' },
  raw: { type: 'boolean' },
} as const

/**
 * Runs `NAME ...args` and gives its exit status.
 * @param loadOthers - Loads what takes all other arguments.
 */
export async function startStore<S extends ByteStore>(
  args: readonly string[],
  command: StoreCommand<S>,
  loadOthers: () => Promise<{ run(args: readonly string[]): Promise<number> }>,
): Promise<number> {
  const [name, ...rest] = args
  const plain = name === 'get' ? plainOf(rest, 2) : name === 'set' ? plainOf(rest, 3) : undefined
  if (plain === undefined) {
    const others = await loadOthers()
    return others.run(args)
  }
  const { path, key, value, options } = plain
  return conclude(args, command.name, () => {
    const context = contextFor(command, options)
    return value === undefined ? get(context, path, key) : set(context, path, key, value, {})
  })
}

/** @param count - So many arguments beside options: path, key and, of a set, a value. */
function plainOf(args: string[], count: 2 | 3): Plain | undefined {
  try {
    const { values: options, positionals } = parseArgs({ args, allowPositionals: true, options: OPTIONS })
    const [path = '', key = '', value] = positionals
    if (path === '' || positionals.length !== count || (count === 3 && options.raw !== undefined)) return undefined
    return { path, key, value, options }
  } catch {
    return undefined // the other parser says what is wrong
  }
}
