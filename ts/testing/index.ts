// Servers for tests of applications, in the process of the tests.
export type { FailingCommand, RedisFaults } from './redis/faults.ts'
export {
  type RedisReply,
  type RedisSnapshot,
  type StartRedisOptions,
  startRedis,
  type TestRedis,
} from './redis/start-redis.ts'
