// The command range: entries in key order.
import type { RangeOptions } from '../../storage/ordered-store.ts'
import { UsageError } from '../kit/program.ts'
import { bytesOf, type Context, existingTreeOf, withReader } from './context.ts'
import { entryLine } from './show.ts'

export interface RangeArguments {
  reverse?: boolean
  limit?: number
  keys?: boolean
  values?: boolean
  prefix?: string
}

/** Prints the entries with `from` <= key < `to`; without a bound, all there are on that side. */
export async function range(
  context: Context,
  path: string,
  from: string | undefined,
  to: string | undefined,
  { reverse = false, limit, keys = false, values = false, prefix }: RangeArguments,
): Promise<void> {
  if (prefix !== undefined && from !== undefined) throw new UsageError('give bounds or --prefix, not both')
  const wanted: RangeOptions<Uint8Array> = {
    reverse,
    ...(limit === undefined ? {} : { limit }),
    ...(from === undefined ? {} : { gte: bytesOf(context, from, 'FROM') }),
    ...(to === undefined ? {} : { lt: bytesOf(context, to, 'TO') }),
    ...(prefix === undefined ? {} : { prefix: bytesOf(context, prefix, 'the prefix') }),
  }
  const { options, out } = context
  await withReader(context, path, async (store) => {
    for (const [key, value] of existingTreeOf(context, store).range(wanted)) {
      const written = out.write(entryLine(options, keys ? { key } : values ? { value } : { key, value }))
      if (written !== undefined) await written
    }
    await out.flush()
  })
}
