// Where kvstore begins. Scripts call `kvstore get` in loops, so it has to start fast: one that is plain goes past the parser
// that knows of help and misspellings, whose loading takes longer than the rest. Whatever else is there goes to it.
import { parseArgs } from 'node:util'
import { conclude } from '../kit/program.ts'
import { contextFor, type GeneralOptions } from './context.ts'
import { get } from './point.ts'

/** A get whose arguments are as they should be. */
interface PlainGet {
  path: string
  key: string
  options: GeneralOptions
}

/** Runs `kvstore ...args` and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  const plain = args[0] === 'get' ? plainGet(args.slice(1)) : undefined
  if (plain !== undefined) {
    return conclude(args, 'kvstore', () => get(contextFor(plain.options), plain.path, plain.key))
  }
  const command = await import('./command.ts')
  return command.run(args)
}

function plainGet(args: string[]): PlainGet | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        tree: { type: 'string' },
        json: { type: 'boolean' },
        hex: { type: 'boolean' },
        raw: { type: 'boolean' },
      },
    })
    const [path = '', key, ...surplus] = positionals
    return path === '' || key === undefined || surplus.length > 0 ? undefined : { path, key, options: values }
  } catch {
    return undefined // the other parser says what is wrong
  }
}
