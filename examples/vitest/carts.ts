// What is tested: carts of a shop, kept in Redis.
import type { Redis } from 'ioredis'

export class Carts {
  readonly #redis: Redis

  constructor(redis: Redis) {
    this.#redis = redis
  }

  async add(cart: string, article: string, count: number): Promise<void> {
    await this.#redis.multi().hincrby(cart, article, count).expire(cart, 3600).exec()
  }

  /** What is in a cart; nothing if Redis cannot say. */
  async show(cart: string): Promise<Record<string, string>> {
    try {
      return await this.#redis.hgetall(cart)
    } catch {
      return {}
    }
  }
}
