// The Redis-compatible cache: its engine (commands and time in, replies and effects out), and a server that drives it.
export type { Effect } from './commands/effects.ts'
export { Engine, type EngineOptions } from './commands/engine.ts'
export type { Session } from './commands/session.ts'
export { EVICTION_POLICIES, type EvictionPolicy } from './keyspace/eviction.ts'
export type { Snapshot } from './keyspace/snapshot.ts'
export { parseBytes, parsePolicy } from './server/memory-settings.ts'
export { CacheServer, type CacheServerOptions } from './server/server.ts'
