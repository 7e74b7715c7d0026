import { afterEach, describe, expect, it } from 'vitest'
import { realClock } from '../../ts/io/clock.ts'
import { type Connection, type Listener, realNetwork } from '../../ts/io/network.ts'

const HOST = '127.0.0.1'
let listener: Listener | undefined

afterEach(() => listener?.close())

/** Two ends of a stream; what comes out of the second is gathered. */
async function pair(gathers: boolean): Promise<{ one: Connection; received: () => string; isClosed: () => boolean }> {
  let text = ''
  let isClosed = false
  listener = await realNetwork.listen({ host: HOST, port: 0 }, () => ({
    data: (bytes) => {
      text += Buffer.from(bytes).toString()
    },
    drained: () => {},
    closed: () => {
      isClosed = true
    },
  }))
  const nothing = { data: () => {}, drained: () => {}, closed: () => {} }
  const one = await realNetwork.connect({ ...listener.address, gathers }, () => nothing)
  return { one, received: () => text, isClosed: () => isClosed }
}

describe('a connection of the machine', () => {
  it.each([true, false])(
    'sends what is written in order, and what is written in one turn at its end (%s)',
    async (gathers) => {
      const { one, received } = await pair(gathers)
      for (let i = 0; i < 3; i++) {
        for (const part of ['a', 'b', 'c']) one.write(Buffer.from(part))
        expect(one.waitingBytes).toBe(gathers ? 3 : 0)
        await realClock.turn()
        expect(one.waitingBytes).toBe(0)
      }
      while (received().length < 9) await realClock.turn()
      expect(received()).toBe('abcabcabc')
      one.destroy()
    },
  )

  it.each(['end', 'destroy'] as const)('sends before %s what the operating system takes', async (close) => {
    const { one, received, isClosed } = await pair(true)
    one.write(Buffer.from('last words'))
    one[close]()
    one.write(Buffer.from('and more'))
    while (received() !== 'last words') await realClock.turn()
    one.destroy()
    while (!isClosed()) await realClock.turn()
    expect(received()).toBe('last words')
  })
})
