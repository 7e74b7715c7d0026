// A client of Redis as small as commands here need one: what is asked is answered in order.

import { BedplateError } from '../../base/errors.ts'
import type { RedisCommands, RedisSession } from '../../cache/patterns/index.ts'
import { type Address, type Connection, realNetwork, showAddress } from '../../io/network.ts'
import { plainOf, ReplyDecoder } from '../../wire/resp/index.ts'

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

export class RedisClient implements RedisCommands, RedisSession {
  readonly #address: Address
  readonly #waiting: Waiting[] = []
  readonly #decoder = new ReplyDecoder()
  #connection: Connection | undefined

  private constructor(address: Address) {
    this.#address = address
  }

  /** @throws UNAVAILABLE if nobody answers there. */
  static async connect(address: Address): Promise<RedisClient> {
    const client = new RedisClient(address)
    client.#connection = await realNetwork.connect(address, () => ({
      data: (bytes) => client.#receive(bytes),
      drained() {},
      closed: () => client.#lose(),
    }))
    return client
  }

  /** Sends a command. @returns Its reply: texts are decoded as UTF-8, sets and maps are arrays. */
  command(args: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#connection === undefined) reject(this.#gone())
      else {
        this.#waiting.push({ resolve, reject })
        this.#connection.write(encode(args))
      }
    })
  }

  session(): Promise<RedisSession> {
    return RedisClient.connect(this.#address)
  }

  close(): void {
    this.#connection?.destroy()
  }

  #receive(bytes: Uint8Array): void {
    this.#decoder.push(bytes)
    try {
      for (let reply = this.#decoder.next(); reply !== undefined; reply = this.#decoder.next()) {
        const waiting = this.#waiting.shift()
        if (reply.kind === 'error') waiting?.reject(new Error(reply.text))
        else waiting?.resolve(plainOf(reply))
      }
    } catch {
      this.close() // it speaks something else
    }
  }

  #lose(): void {
    this.#connection = undefined
    for (const { reject } of this.#waiting.splice(0)) reject(this.#gone())
  }

  #gone(): BedplateError {
    return new BedplateError('UNAVAILABLE', `the connection to ${showAddress(this.#address)} is gone`)
  }
}

function encode(args: readonly string[]): Uint8Array {
  const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`)
  return Buffer.from(`*${args.length}\r\n${parts.join('')}`)
}
