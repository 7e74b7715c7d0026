// node cache-aside-caller.mjs PORT COUNT: one of several processes that miss the same key at the same time. A load counts itself in
// the key `loads`, then waits until somebody opens the `gate`.
import { Redis } from 'ioredis'
import { cacheAside } from '../../dist/cache/patterns/index.js'

const [port, count] = process.argv.slice(2).map(Number)
const client = new Redis(port, '127.0.0.1')
const loader = client.duplicate()
const cache = cacheAside({
  client,
  ttlMs: 60_000,
  load: async (key) => {
    await loader.incr('loads')
    await loader.blpop('gate', 0)
    return `the record of ${key}`
  },
})
const gets = Array.from({ length: count }, () => cache.get('hot'))
await client.incr('callers')
const values = new Set(await Promise.all(gets))
process.stdout.write(JSON.stringify({ values: [...values], stats: cache.stats() }))
await cache.close()
client.disconnect()
loader.disconnect()
