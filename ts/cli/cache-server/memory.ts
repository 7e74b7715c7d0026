// The flags of cache-server that concern memory.
import { getHeapStatistics } from 'node:v8'
import { EVICTION_POLICIES, type EvictionPolicy, parseBytes, parsePolicy } from '../../cache/index.ts'
import { numberSetting, type Setting } from '../../service/index.ts'

/** What else needs room in the heap: buffers of clients, garbage that is not collected yet, the program itself. */
const SHARE_OF_HEAP = 0.75
/** The limit that V8 tells has the young generation in it, three halves of 16 MiB each, where nothing stays. */
const YOUNG_BYTES = 48 * 1024 * 1024

export const MEMORY_SETTINGS = {
  maxmemory: {
    summary: 'what keys and values may take, such as 100mb; 0: as much as the heap holds',
    placeholder: '<size>',
    fallback: 0,
    parse: (text: string): number => {
      const bytes = parseBytes(text)
      if (bytes === undefined) throw new Error('must be a size such as 100mb or 2gb')
      return bytes
    },
  } satisfies Setting<number>,
  'maxmemory-policy': {
    summary: 'which keys go when it is full',
    placeholder: '<policy>',
    fallback: 'noeviction',
    parse: (text: string): EvictionPolicy => {
      const policy = parsePolicy(text)
      if (policy === undefined) throw new Error(`must be one of ${EVICTION_POLICIES.join(', ')}`)
      return policy
    },
  } satisfies Setting<EvictionPolicy>,
  'maxmemory-samples': numberSetting('keys that are looked at for each that goes', 5, { low: 1, high: 1000 }),
}

/** The most that keys and values can take in this process before V8 would end it, in bytes. */
export function memoryCeiling(): number {
  const { heap_size_limit: limit } = getHeapStatistics()
  return Math.floor(SHARE_OF_HEAP * Math.max(limit - YOUNG_BYTES, limit / 2))
}
