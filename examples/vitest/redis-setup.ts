// Starts one Redis for all tests, in milliseconds and without a container. Tests find it by `inject('redisUrl')`.
import { startRedis } from 'bedplate/testing'
import type { TestProject } from 'vitest/node'

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const redis = await startRedis()
  project.provide('redisUrl', redis.url)
  return () => redis.stop()
}

declare module 'vitest' {
  interface ProvidedContext {
    redisUrl: string
  }
}
