// The Redis-compatible cache. So far its engine, which a server drives: commands and time in, replies and effects out.
export type { Effect } from './commands/effects.ts'
export { Engine, type EngineOptions } from './commands/engine.ts'
export type { Session } from './commands/session.ts'
