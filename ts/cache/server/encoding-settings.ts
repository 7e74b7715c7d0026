// CONFIG: up to which sizes values are encoded compactly, by today's names and those before Redis 7.
import type { EncodingLimits } from '../keyspace/encoding.ts'
import type { LiveSetting } from './settings.ts'

const LIMITS: readonly (readonly [keyof EncodingLimits, ...string[]])[] = [
  ['hashMaxListpackEntries', 'hash-max-listpack-entries', 'hash-max-ziplist-entries'],
  ['hashMaxListpackValue', 'hash-max-listpack-value', 'hash-max-ziplist-value'],
  ['setMaxIntsetEntries', 'set-max-intset-entries'],
  ['zsetMaxListpackEntries', 'zset-max-listpack-entries', 'zset-max-ziplist-entries'],
  ['zsetMaxListpackValue', 'zset-max-listpack-value', 'zset-max-ziplist-value'],
  ['streamNodeMaxEntries', 'stream-node-max-entries'],
]
/** Settings of nodes that lists and streams have in Redis and not here: kept and told, without effect. */
const NODES: readonly (readonly [number, ...string[]])[] = [
  [-2, 'list-max-listpack-size', 'list-max-ziplist-size'],
  [0, 'list-compress-depth'],
  [4096, 'stream-node-max-bytes'],
]
const NOT_A_NUMBER = "argument couldn't be parsed into an integer"

/** The settings, which change `limits`. */
export function encodingSettings(limits: EncodingLimits): (readonly [string, LiveSetting])[] {
  const settings: (readonly [string, LiveSetting])[] = []
  for (const [limit, ...names] of LIMITS) {
    const setting = numberSetting(
      () => limits[limit],
      (value) => {
        limits[limit] = value
      },
    )
    for (const name of names) settings.push([name, setting])
  }
  for (const [initial, ...names] of NODES) {
    let current = initial
    const setting = numberSetting(
      () => current,
      (value) => {
        current = value
      },
    )
    for (const name of names) settings.push([name, setting])
  }
  return settings
}

function numberSetting(get: () => number, set: (value: number) => void): LiveSetting {
  return {
    get: () => String(get()),
    prepare: (value) => (/^-?\d{1,15}$/.test(value) ? () => set(Number(value)) : NOT_A_NUMBER),
  }
}
