import { describe, expect, it } from 'vitest'
import { BedplateError } from '../../../ts/base/errors.ts'
import type { Aside } from '../../../ts/distributed/link/index.ts'
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
  type Reply,
  type Request,
} from '../../../ts/distributed/raft/calls.ts'
import { addressCommand, checkCommand, wrapSession } from '../../../ts/distributed/raft/hosted-machine.ts'
import {
  beginsLikeRaft,
  checkHello,
  encodeHello,
  encodeMessage,
  type Frame,
  FrameDecoder,
  PREAMBLE,
} from '../../../ts/distributed/raft/index.ts'
import { encodeAside } from '../../../ts/distributed/raft/message-codec.ts'
import { decodeResult, encodeResult } from '../../../ts/distributed/raft/session-codec.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { crc32c } from '../../../ts/storage/crc32c/index.ts'
import { BIG, HELLO, MESSAGES } from '../../support/raft/messages.ts'

const PROOF: Aside = { kind: 'proof', bytes: new Uint8Array(32).fill(7) }

describe('a stream of frames', () => {
  it('gives every message as it was sent, however the bytes are cut', () => {
    const stream = Buffer.concat([encodeHello(HELLO), ...MESSAGES.map((message, i) => encodeMessage(i, message))])
    const expected = [{ group: 0, message: HELLO }, ...MESSAGES.map((message, group) => ({ group, message }))]
    const random = seededRandom(3)
    for (const most of [1, 2, 7, 50, 1000]) {
      const decoder = new FrameDecoder()
      const frames: Frame[] = []
      for (let at = 0; at < stream.length; ) {
        const end = at + 1 + Math.floor(random.next() * most)
        frames.push(...decoder.push(stream.subarray(at, end)))
        at = end
      }
      expect(frames).toEqual(expected)
    }
  })

  it('begins with a hello, and has no second one', () => {
    expect(() => [...new FrameDecoder().push(encodeMessage(1, MESSAGES[0]!))]).toThrow(/a hello comes first/)
    const twice = Buffer.concat([encodeHello(HELLO), encodeHello(HELLO)])
    expect(() => [...new FrameDecoder().push(twice)]).toThrow(/and once/)
  })

  it('keeps 4 KiB of a stranger, not what its length says', () => {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setUint32(0, 4097, true)
    expect(() => [...new FrameDecoder().push(bytes)]).toThrow(/says that it has 4097 bytes, and 4096 are allowed/)
    const decoder = new FrameDecoder()
    expect([...decoder.push(encodeHello(HELLO))]).toHaveLength(1)
    expect(() => decoder.push(bytes)).toThrow(/4097 bytes, and 4096 are allowed/) // nor before it has proved who it is
    const known = new FrameDecoder()
    expect(known.push(Buffer.concat([encodeHello(HELLO), encodeAside(0, PROOF)]))).toHaveLength(2)
    expect(known.push(bytes)).toEqual([])
    new DataView(bytes.buffer).setUint32(0, 2 ** 31, true)
    expect(() => [...new FrameDecoder().push(bytes)]).toThrow(/are allowed/)
  })

  it('refuses every byte that was changed on the way', () => {
    const whole = encodeHello(HELLO)
    for (let at = 4; at < whole.length; at++) {
      const bytes = whole.slice()
      bytes[at]! ^= 1
      expect(() => [...new FrameDecoder().push(bytes)]).toThrow(/does not match its checksum/)
    }
  })

  it('refuses bodies that are anything else with a typed error, also under a right checksum', () => {
    const random = seededRandom(11)
    let refused = 0
    for (let i = 0; i < 10_000; i++) {
      const whole = encodeMessage(1, MESSAGES[i % MESSAGES.length]!)
      const body = whole.slice(8, random.next() < 0.6 ? whole.length : 8 + Math.floor(random.next() * whole.length))
      for (let flips = Math.floor(random.next() * 4); flips >= 0 && body.length > 0; flips--) {
        body[Math.floor(random.next() * body.length)] = Math.floor(random.next() * 256)
      }
      const header = new Uint8Array(8)
      new DataView(header.buffer).setUint32(0, body.length, true)
      new DataView(header.buffer).setUint32(4, crc32c(body), true)
      const decoder = new FrameDecoder()
      expect([...decoder.push(encodeHello(HELLO))]).toHaveLength(1)
      try {
        for (const { message } of decoder.push(Buffer.concat([header, body]))) {
          if (!('kind' in message)) throw new Error('a second hello')
        }
      } catch (error) {
        refused++
        if (!(error instanceof BedplateError) || error.code !== 'CORRUPTION') throw error
      }
    }
    expect(refused).toBeGreaterThan(2000)
  })
})

describe('the first bytes of a stream', () => {
  it('tell nodes from everybody else, as soon as they can', () => {
    expect(beginsLikeRaft(PREAMBLE)).toBe(true)
    expect(beginsLikeRaft(PREAMBLE.subarray(0, 3))).toBe(undefined)
    for (const text of ['GET / HTTP/1.1', 'POST /append', 'B', 'BPRX']) {
      expect(beginsLikeRaft(Buffer.from(text))).toBe(text === 'B' ? undefined : false)
    }
  })

  it('name another version', () => {
    const later = PREAMBLE.slice()
    later[4] = 4
    expect(() => beginsLikeRaft(later)).toThrow(/speaks version 4 of the protocol, and this one 3/)
  })
})

describe('a hello', () => {
  const own = { clusterId: 'orders', from: 1, members: [3, 2, 1], basePort: 8000, incarnation: 'b2' }

  it('of the same cluster is welcome, in whatever order it lists the members', () => {
    expect(() => checkHello(own, HELLO)).not.toThrow()
  })

  it.each([
    [{ clusterId: 'bills' }, 'disagree on the cluster id: orders here, bills there'],
    [{ members: [1, 2] }, 'disagree on the cluster list: 1,2,3 here, 1,2 there'],
    [{ basePort: 9000 }, 'disagree on the base port: 8000 here, 9000 there'],
    [{ to: 3 }, 'disagree on who is called: node 1 here, node 3 there'],
    [{ from: 1 }, 'disagree on who has this id: this process here, another process there'],
  ])('that says %j is refused, and both sides are named', (change, text) => {
    expect(() => checkHello(own, { ...HELLO, ...change })).toThrow(text)
  })
})

describe('calls, answers and pings', () => {
  it('travel beside messages, with any bytes', () => {
    const asides: readonly Aside[] = [
      { kind: 'call', id: BIG, bytes: Uint8Array.of(1, 0, 255) },
      { kind: 'answer', id: 1, bytes: new Uint8Array(0) },
      { kind: 'ping' },
      PROOF,
    ]
    const decoder = new FrameDecoder()
    decoder.push(encodeHello(HELLO))
    const frames = asides.flatMap((aside, group) => decoder.push(encodeAside(group, aside)))
    expect(frames).toEqual(asides.map((message, group) => ({ group, message })))
  })

  it.each<Request>([
    { kind: 'propose', command: Uint8Array.of(0, 1, 2) },
    { kind: 'read' },
    { kind: 'change', voters: [1, 2, 3], learners: [9] },
    { kind: 'change', voters: [1], learners: [], replaces: { voters: [1, 2, 3], learners: [9] } },
    { kind: 'transfer', to: 7 },
    { kind: 'query', query: Uint8Array.of(2, 1) },
  ])('say what is asked: $kind', (request) => {
    expect(decodeRequest(encodeRequest(request))).toEqual(request)
  })

  it.each<Reply>([
    { kind: 'done', index: BIG, term: 7, result: Uint8Array.of(4) },
    { kind: 'unknown', leader: 3, missing: [1, 2] },
    { kind: 'refused', reason: 'too large', leader: 3 },
    { kind: 'refused', reason: 'not leader', leader: undefined },
    { kind: 'unknown', leader: undefined },
  ])('say what became of it: $kind', (reply) => {
    expect(decodeReply(encodeReply(reply))).toEqual(reply)
  })

  it('are refused with a typed error if they are anything else', () => {
    const random = seededRandom(11)
    const whole = [
      encodeRequest({ kind: 'change', voters: [1, 2, 3], learners: [9] }),
      encodeReply({ kind: 'refused', reason: 'busy', leader: 3 }),
      addressCommand(new Map([[4, { host: 'node-4', port: 8004 }]])),
      wrapSession({ kind: 'run', session: 9, sequence: 2, acknowledged: 1, command: Uint8Array.of(1) }),
      encodeResult({ kind: 'opened', session: BIG }),
    ]
    let refused = 0
    for (let i = 0; i < 3000; i++) {
      const bytes = damaged(whole[i % whole.length]!, random)
      for (const decode of [decodeRequest, decodeReply, checkCommand, decodeResult]) {
        try {
          decode(bytes)
        } catch (error) {
          refused++
          if (!(error instanceof BedplateError)) throw error
        }
      }
    }
    expect(refused).toBeGreaterThan(1000)
  })
})

/** A copy that is cut, or has a few other bytes. */
function damaged(whole: Uint8Array, random: Random): Uint8Array {
  const bytes = whole.slice(0, random.next() < 0.5 ? whole.length : Math.floor(random.next() * whole.length))
  for (let flips = Math.floor(random.next() * 3); flips > 0 && bytes.length > 0; flips--) {
    bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256)
  }
  return bytes
}
