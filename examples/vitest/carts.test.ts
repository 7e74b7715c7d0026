import { startRedis } from 'bedplate/testing'
import { Redis } from 'ioredis'
import { describe, expect, inject, it } from 'vitest'
import { Carts } from './carts.ts'

describe('carts', () => {
  it('add up', async () => {
    // The server of redis-setup.ts, which all test files share: each takes keys of its own.
    const redis = new Redis(inject('redisUrl'))
    const carts = new Carts(redis)
    await carts.add('cart:add-up', 'apple', 2)
    await carts.add('cart:add-up', 'apple', 1)
    expect(await carts.show('cart:add-up')).toEqual({ apple: '3' })
    redis.disconnect()
  })

  it('are shown empty while Redis fails', async () => {
    // A server of this test alone, which can suffer without others noticing.
    await using server = await startRedis()
    const redis = new Redis(server.url)
    const carts = new Carts(redis)
    await carts.add('cart:1', 'apple', 2)
    server.faults.fail({ command: 'hgetall', error: 'LOADING Redis is loading the dataset in memory' })
    expect(await carts.show('cart:1')).toEqual({})
    expect(await carts.show('cart:1')).toEqual({ apple: '2' })
    redis.disconnect()
  })
})
