// lock-client list, watch: who holds what.
import type { EtcdClient } from '../../distributed/locks/client/etcd-client.ts'
import { prefixEnd } from '../../distributed/locks/queue-keys.ts'
import type { KeyValue } from '../../wire/etcd/messages.ts'
import type { Output } from '../kit/output.ts'
import { UsageError } from '../kit/program.ts'
import { toLine } from '../kit/text.ts'
import { type ConnectionArguments, idOf, withClient } from './connection.ts'

/** A key of a lock: its name, a slash, and the lease in hexadecimal digits. */
const LOCK_KEY = /^(?<name>.+)\/(?<lease>[0-9a-f]{1,16})$/s

/** Prints all locks with their holders. */
export function list(out: Output, options: ConnectionArguments): Promise<void> {
  return withClient(options, async (client) => {
    const { kvs } = await client.range({ key: '\0', rangeEnd: '\0', sortTarget: 2, sortOrder: 1 })
    const locks = new Map<string, KeyValue[]>()
    for (const kv of kvs) {
      const name = nameOf(kv)
      if (name !== undefined) locks.set(name, [...(locks.get(name) ?? []), kv])
    }
    for (const [name, [holder, ...waiting]] of [...locks].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const { lease, createRevision } = holder as KeyValue
      const { ttl } = await client.timeToLive(lease)
      const shown = Buffer.from(name, 'latin1')
      if (options.json === true) {
        const entry = { name: shown.toString(), id: idOf(createRevision), ttlSeconds: ttl, waiting: waiting.length }
        await out.line(JSON.stringify(entry))
      } else await out.line(`${toLine(shown)}: ${idOf(createRevision)}, TTL: ${ttl}s, waiting: ${waiting.length}`)
    }
  })
}

/** Prints the holder of a lock, and again whenever it is another. */
export function watch(out: Output, name: string, options: ConnectionArguments & { count?: string }): Promise<void> {
  const count = options.count === undefined ? Number.POSITIVE_INFINITY : Number(options.count)
  if (!(count >= 1)) throw new UsageError('--count must be a number of at least 1')
  return withClient(options, async (client) => {
    let told: number | undefined
    for (let lines = 0; lines < count; ) {
      const { holder, revision } = await holderOf(client, name)
      const token = holder?.createRevision ?? 0
      if (token !== told) {
        told = token
        lines++
        await out.line(shown(name, token, options.json === true))
        await out.flush()
      } else await nextChange(client, name, revision)
    }
  })
}

function shown(name: string, token: number, isJson: boolean): string {
  if (isJson) return JSON.stringify({ name, id: token === 0 ? null : idOf(token) })
  return token === 0 ? `${name}: free` : `${name}: held by ${idOf(token)}`
}

async function holderOf(client: EtcdClient, name: string): Promise<{ holder: KeyValue | undefined; revision: number }> {
  const key = prefixOf(name)
  const { kvs, header } = await client.range({ key, rangeEnd: prefixEnd(key), sortTarget: 2, sortOrder: 1, limit: 1 })
  return { holder: kvs[0], revision: header?.revision ?? 0 }
}

async function nextChange(client: EtcdClient, name: string, revision: number): Promise<void> {
  const key = prefixOf(name)
  for await (const _change of client.watch([{ key, rangeEnd: prefixEnd(key) }], revision + 1)) return
}

function prefixOf(name: string): string {
  return `${Buffer.from(name).toString('latin1')}/`
}

function nameOf({ key, lease }: KeyValue): string | undefined {
  return lease === 0n ? undefined : LOCK_KEY.exec(key)?.groups?.['name']
}
