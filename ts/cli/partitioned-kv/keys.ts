// partitioned-kv set, get, delete: one key.
import { BedplateError } from '../../base/errors.ts'
import type { PartitionedClient } from '../../distributed/ring/store/client.ts'
import { complain, type Output } from '../kit/output.ts'
import { asBuffer, isText } from '../kit/text.ts'
import { type ConnectionArguments, countOf, withClient } from './connection.ts'

export interface ReadArguments extends ConnectionArguments {
  readonly r?: string
  readonly n?: string
  readonly lww?: boolean
}

export interface WriteArguments extends ConnectionArguments {
  readonly w?: string
  readonly n?: string
  readonly context?: string
}

/** Writes a value in the place of what is there, or of what --context has shown. */
export function set(out: Output, key: string, value: string, options: WriteArguments): Promise<void> {
  return withClient(options, async (client) => {
    const { node, hash, replicas, context } = await client.put(
      key,
      Buffer.from(value),
      await counts(client, key, options),
    )
    if (options.json === true) await out.line(JSON.stringify({ key, node, hash, replicas, context }))
    else await out.line(`Stored on ${node} (hash: ${hash}...)`)
  })
}

/** Prints the value, or each of several on a line of its own. */
export function get(out: Output, key: string, options: ReadArguments): Promise<void> {
  const counted = { r: countOf('--r', options.r), n: countOf('--n', options.n), lww: options.lww === true }
  return withClient(options, async (client) => {
    const { values, context, node, hash, replicas } = await client.get(key, counted)
    if (values.length === 0) {
      throw new BedplateError('NOT_FOUND', `there is no key ${JSON.stringify(key)}`, {
        hint: `partitioned-kv set ${/^[\w:./-]+$/.test(key) ? key : 'KEY'} VALUE makes one`,
      })
    }
    if (options.json === true) {
      await out.line(JSON.stringify({ key, values: values.map(shown), context, node, hash, replicas }))
      return
    }
    for (const value of values) {
      await out.write(value)
      await out.line('')
    }
    if (values.length === 1) return
    await out.flush()
    complain(
      `${values.length} values were written without knowledge of each other: the next set replaces them all, --lww shows the last alone\n`,
    )
  })
}

/** Deletes what is there, or what --context has shown. */
export function remove(out: Output, key: string, options: WriteArguments): Promise<void> {
  return withClient(options, async (client) => {
    const { node, hash, replicas, context } = await client.delete(key, await counts(client, key, options))
    if (options.json === true) await out.line(JSON.stringify({ key, node, hash, replicas, context }))
    else await out.line(`Deleted on ${node} (hash: ${hash}...)`)
  })
}

/** Without --context, whoever types a command means the key as it is now. */
async function counts(client: PartitionedClient, key: string, options: WriteArguments) {
  const [w, n] = [countOf('--w', options.w), countOf('--n', options.n)]
  return { w, n, context: options.context ?? (await client.get(key, { n })).context }
}

function shown(value: Uint8Array): unknown {
  return isText(value) ? asBuffer(value).toString() : { base64: asBuffer(value).toString('base64') }
}
