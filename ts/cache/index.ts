// The Redis-compatible cache: its engine (commands and time in, replies and effects out), and a server that drives it.
export type { Effect } from './commands/effects.ts'
export { Engine, type EngineOptions } from './commands/engine.ts'
export type { Session } from './commands/session.ts'
export { parseSavePoints } from './persistence/save-points.ts'
export { DEFAULT_PERSISTENCE, type PersistenceSettings } from './server/persistence.ts'
export { CacheServer, type CacheServerOptions } from './server/server.ts'
