import { describe, expect, it } from 'vitest'
import { isCode } from '../../../ts/base/errors.ts'
import { BusDecoder, decodeBusMessage, encodeBusMessage } from '../../../ts/cache/cluster/bus-codec.ts'
import type { BusBody, BusHeader, BusMessage } from '../../../ts/cache/cluster/bus-message.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { pieces } from '../../support/resp.ts'

const NAME = '0123456789abcdef0123456789abcdef01234567'
const KINDS = [
  'ping',
  'pong',
  'meet',
  'fail',
  'failoverAuthRequest',
  'failoverAuthAck',
  'mfstart',
  'update',
  'publish',
  'publishShard',
] as const

const HEADER: BusHeader = {
  sender: NAME,
  host: '',
  port: 6379,
  busPort: 16_379,
  flags: 1,
  isUp: true,
  currentEpoch: 7,
  configEpoch: 3,
  slots: new Uint8Array(2048),
  master: undefined,
  offset: 0,
  isPaused: false,
  forcesVote: false,
}

function randomMessage(random: Random): BusMessage {
  const below = (count: number): number => Math.floor(random.next() * count)
  const name = (): string => Buffer.from(random.bytes(20)).toString('hex')
  const big = (): number => Math.floor(random.next() * Number.MAX_SAFE_INTEGER)
  const text = (count: number): string => Buffer.from(random.bytes(below(count))).toString('latin1')
  const header: BusHeader = {
    sender: name(),
    host: ['', '127.0.0.1', '2001:db8::1', 'fe80::1%eth0'][below(4)] as string,
    port: below(65_536),
    busPort: below(65_536),
    flags: below(1024),
    isUp: below(2) === 0,
    currentEpoch: big(),
    configEpoch: below(10),
    slots: random.bytes(2048),
    master: below(2) === 0 ? undefined : name(),
    offset: big(),
    isPaused: below(2) === 0,
    forcesVote: below(2) === 0,
  }
  const kind = KINDS[below(KINDS.length)] as (typeof KINDS)[number]
  const bodies: Record<string, () => BusBody> = {
    fail: () => ({ kind: 'fail', node: name() }),
    update: () => ({ kind: 'update', node: name(), configEpoch: big(), slots: random.bytes(2048) }),
    publish: () => ({ kind: 'publish', channel: text(20), message: text(200) }),
    publishShard: () => ({ kind: 'publishShard', channel: text(2), message: text(2) }),
  }
  const gossip = Array.from({ length: below(5) }, () => ({
    name: name(),
    flags: below(1024),
    host: '10.0.0.1',
    port: below(65_536),
    busPort: below(65_536),
    pingSentMs: below(2 ** 32) * 1000,
    pongReceivedMs: below(2 ** 32) * 1000,
  }))
  const other = (): BusBody =>
    kind === 'ping' || kind === 'pong' || kind === 'meet' ? { kind, gossip } : ({ kind } as BusBody)
  return { header, body: (bodies[kind] ?? other)() }
}

/** What a message says beside its slots, which are bytes of one kind or another. */
function plain({ header, body }: BusMessage): object {
  const { slots, ...rest } = header
  const update = 'slots' in body ? { ...body, slots: Buffer.from(body.slots).toString('hex') } : body
  return { ...rest, slots: Buffer.from(slots).toString('hex'), body: update }
}

describe('messages of the cluster bus', () => {
  it('lie where Redis 7.0 has them', () => {
    const gossip = [
      { name: 'f'.repeat(40), flags: 2, host: '10.0.0.9', port: 1, busPort: 2, pingSentMs: 3999, pongReceivedMs: 4000 },
    ]
    const bytes = Buffer.from(encodeBusMessage({ header: HEADER, body: { kind: 'meet', gossip } }))
    expect(bytes.length).toBe(2256 + 104)
    expect(bytes.toString('latin1', 0, 4)).toBe('RCmb')
    expect([4, 16, 24].map((at) => bytes.readUInt32BE(at))).toEqual([2360, 0, 0])
    expect([8, 10, 12, 14, 22, 30].map((at) => bytes.readUInt16BE(at))).toEqual([1, 6379, 2, 1, 7, 3])
    expect(bytes.toString('latin1', 40, 80)).toBe(NAME)
    expect([2248, 2250].map((at) => bytes.readUInt16BE(at))).toEqual([16_379, 1])
    expect(bytes.toString('latin1', 2256, 2296)).toBe('f'.repeat(40))
    expect(bytes.readUInt32BE(2296)).toBe(3)
    expect(bytes.toString('latin1', 2304, 2312)).toBe('10.0.0.9')
    expect([2350, 2352, 2354].map((at) => bytes.readUInt16BE(at))).toEqual([1, 2, 2])
  })

  it('come out as they went in, however the stream is cut', () => {
    const random = seededRandom(11)
    const decoder = new BusDecoder()
    for (let round = 0; round < 20; round++) {
      const messages = Array.from({ length: 3 }, () => randomMessage(random))
      const bytes = Buffer.concat(messages.map(encodeBusMessage))
      const read: BusMessage[] = []
      for (const piece of round % 2 === 0 ? [bytes] : pieces(bytes, random)) {
        decoder.push(piece)
        for (let message = decoder.next(); message !== undefined; message = decoder.next()) read.push(message)
      }
      expect(read.map(plain)).toEqual(messages.map(plain))
    }
  })

  it('are refused by name if they are damaged, and never read beyond their end', () => {
    const random = seededRandom(12)
    let refusals = 0
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(encodeBusMessage(randomMessage(random)))
      const cut = random.next() < 0.3 ? bytes.subarray(0, Math.floor(random.next() * bytes.length)) : bytes
      for (let i = Math.floor(random.next() * 4); i > 0; i--) {
        // Most of a message is slots, where any bits will do: what lies around them is damaged more often.
        const at =
          random.next() < 0.8
            ? ([0, 4, 8, 12, 14, 16, 45, 2130, 2170, 2260][Math.floor(random.next() * 10)] as number)
            : Math.floor(random.next() * cut.length)
        if (at < cut.length) cut[at] = Math.floor(random.next() * 256)
      }
      const decoder = new BusDecoder()
      try {
        decodeBusMessage(cut)
        decoder.push(cut)
        decoder.next()
      } catch (error) {
        if (!isCode(error, 'INVALID_INPUT')) throw error
        refusals++
      }
    }
    expect(refusals).toBeGreaterThan(100)
  })

  it('of modules are passed over, and lengths that are announced are bounded', () => {
    const bytes = Buffer.from(encodeBusMessage({ header: HEADER, body: { kind: 'mfstart' } }))
    const decoder = new BusDecoder()
    const ofModule = Buffer.from(bytes)
    ofModule.writeUInt16BE(9, 12)
    decoder.push(Buffer.concat([ofModule, bytes]))
    expect(decoder.next()?.body.kind).toBe('mfstart')
    bytes.writeUInt32BE(2 ** 31, 4)
    decoder.push(bytes.subarray(0, 8))
    expect(() => decoder.next()).toThrow('a length of 2147483648 is out of range')
  })
})
