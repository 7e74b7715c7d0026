// Patterns of caching over any Redis client. They load no server: `bedplate/cache` is this folder alone.
export { type CacheAside, cacheAside } from './cache-aside.ts'
export type {
  IoredisLike,
  NodeRedisClusterLike,
  NodeRedisLike,
  RedisClient,
  RedisCommands,
  RedisSession,
} from './client.ts'
export { type EarlyExpiry, isEarly } from './early-expiry.ts'
export type { CacheAsideOptions, CacheCodec, CacheStats, GetOptions, LoadContext } from './types.ts'
export type { WriteBehind, WriteBehindOptions, WriteBehindStats } from './write-behind.ts'
