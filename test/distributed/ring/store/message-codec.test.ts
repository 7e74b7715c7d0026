import { describe, expect, it } from 'vitest'
import { isCode } from '../../../../ts/base/errors.ts'
import { beginFrame, endFrame } from '../../../../ts/distributed/link/index.ts'
import {
  encodeAside,
  encodeHello,
  encodeMessage,
  newDecoder,
  type StoreFrame,
} from '../../../../ts/distributed/ring/store/message-codec.ts'
import type { MessageBody } from '../../../../ts/distributed/ring/store/types.ts'
import { merge, write } from '../../../../ts/distributed/ring/store/versions.ts'
import { decodeVersions, encodeVersions } from '../../../../ts/distributed/ring/store/versions-codec.ts'
import { type Random, seededRandom } from '../../../../ts/io/random.ts'
import { crc32c } from '../../../../ts/storage/crc32c/index.ts'
import {
  ASIDES,
  ENTRY,
  HELLO,
  MESSAGES,
  NOTHING,
  PUT,
  REQUEST,
  VERSIONS,
} from '../../../support/ring-store/messages.ts'

const STREAM = [
  encodeHello(HELLO),
  ...ASIDES.map((each) => encodeAside(0, each)),
  ...MESSAGES.map((each) => encodeMessage(0, each)),
]

/** Some bytes of a body changed, taken out or put in, under a checksum that fits. */
function damaged(frame: Uint8Array, random: Random): Uint8Array {
  const body = [...frame.subarray(8)]
  for (let changes = 1 + Math.floor(random.next() * 3); changes > 0; changes--) {
    const at = Math.floor(random.next() * (body.length + 1))
    const how = random.next()
    if (how < 0.6) body[Math.min(at, body.length - 1)] = Math.floor(random.next() * 256)
    else if (how < 0.8) body.splice(at, 1 + Math.floor(random.next() * 4))
    else body.splice(at, 0, ...random.bytes(1 + Math.floor(random.next() * 4)))
  }
  const bytes = new Uint8Array(8 + body.length)
  bytes.set(body, 8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, body.length, true)
  view.setUint32(4, crc32c(bytes.subarray(8)), true)
  return bytes
}

describe('a stream between nodes of the store', () => {
  it('gives every message as it was sent, however the bytes are cut', () => {
    const stream = Buffer.concat(STREAM)
    const random = seededRandom(3)
    for (const most of [1, 7, 50, 1000]) {
      const decoder = newDecoder()
      const frames: StoreFrame[] = []
      for (let at = 0; at < stream.length; ) {
        const end = at + 1 + Math.floor(random.next() * most)
        frames.push(...decoder.push(stream.subarray(at, end)))
        at = end
      }
      expect(frames).toEqual([HELLO, ...ASIDES, ...MESSAGES].map((message) => ({ group: 0, message })))
    }
  })

  it('begins with a hello, and has no second one', () => {
    expect(() => newDecoder().push(encodeMessage(0, MESSAGES[0]!))).toThrow(/a hello comes first/)
    expect(() => newDecoder().push(Buffer.concat([encodeHello(HELLO), encodeHello(HELLO)]))).toThrow(/and once/)
  })

  it('keeps 4 KiB of who has not proved who it is, not what its length says', () => {
    const header = new Uint8Array(8)
    new DataView(header.buffer).setUint32(0, 4097, true)
    expect(() => newDecoder().push(header)).toThrow(/4097 bytes, and 4096 are allowed/)
    expect(() => newDecoder().push(Buffer.concat([encodeHello(HELLO), header]))).toThrow(/4097 bytes, and 4096/)
    expect(newDecoder().push(Buffer.concat([encodeHello(HELLO), encodeAside(0, ASIDES[0]!), header]))).toHaveLength(2)
  })

  it('refuses bodies that are anything else with a typed error, or takes them for what they say', () => {
    const random = seededRandom(11)
    let refused = 0
    for (let round = 0; round < 4000; round++) {
      const index = Math.floor(random.next() * STREAM.length)
      const decoder = newDecoder()
      if (index > 0) decoder.push(STREAM[0]!)
      try {
        decoder.push(damaged(STREAM[index]!, random))
      } catch (error) {
        if (!isCode(error, 'CORRUPTION')) throw error
        refused++
      }
    }
    expect(refused).toBeGreaterThan(1000)
  })

  it('refuses values, keys and lists that are larger than any node sends', () => {
    const long = { ...PUT, value: new Uint8Array(1024 * 1024 + 1) }
    const key = 'k'.repeat(1025)
    for (const message of [
      { kind: 'put', request: REQUEST, put: long },
      { kind: 'fetch', request: REQUEST, key },
      { kind: 'fetch', request: REQUEST, key: '' },
      { kind: 'fetched', request: REQUEST, versions: { context: new Map([['n', 2 ** 52 + 1]]), siblings: [] } },
      { kind: 'fetched', request: REQUEST, versions: { ...VERSIONS, context: new Map() } },
      { kind: 'fetched', request: REQUEST, versions: { ...VERSIONS, siblings: [...VERSIONS.siblings].reverse() } },
      { kind: 'fetched', request: REQUEST, versions: { ...NOTHING, context: new Map(manyNodes(64 * 256 + 1)) } },
      { kind: 'roots', starts: [1, 2], digests: Uint32Array.of(1, 2) },
      { kind: 'askRoots', starts: Array.from({ length: 513 }, (_, i) => i) },
      { kind: 'push', entries: Array.from({ length: 257 }, () => ENTRY) },
    ] satisfies MessageBody[]) {
      const decoder = newDecoder()
      decoder.push(Buffer.concat([encodeHello(HELLO), encodeAside(0, ASIDES[0]!)]))
      expect(() => decoder.push(encodeMessage(0, { epoch: 1, era: 0, ...message }))).toThrow(
        expect.objectContaining({ code: 'CORRUPTION' }),
      )
    }
  })
})

describe('a stream between nodes of the store', () => {
  it('has no text that would be another one when it is sent on', () => {
    const frame = encodeMessage(0, { epoch: 1, era: 0, kind: 'fetch', request: REQUEST, key: 'kkk' })
    const body = new Uint8Array(frame.subarray(8))
    body[body.length - 1] = 0xff
    const decoder = newDecoder()
    decoder.push(Buffer.concat([encodeHello(HELLO), encodeAside(0, ASIDES[0]!)]))
    expect(() => decoder.push(endFrame(beginFrame().raw(body), 1000, ''))).toThrow(/no UTF-8/)
  })
})

describe('a record', () => {
  it('has room for what replicas have taken at once from clients who know many nodes each', () => {
    const contexts = ['a', 'b', 'c'].map((node) => new Map(manyNodes(255).map(([name]) => [`${name}${node}`, 7])))
    const apart = contexts.map((context, index) => {
      return write(NOTHING, { node: `node${index}`, value: undefined, context, writtenMs: 0 }).versions
    })
    const together = apart.reduce(merge)
    expect(together.context.size).toBe(3 * 256)
    expect(decodeVersions(encodeVersions(together))).toEqual(together)
  })

  it('comes back as it was', () => {
    for (const versions of [VERSIONS, NOTHING]) expect(decodeVersions(encodeVersions(versions))).toEqual(versions)
  })

  it('of a later version is not guessed at', () => {
    expect(() => decodeVersions(Uint8Array.of(2, 0))).toThrow(/version 2, and 1 is known/)
    expect(() => decodeVersions(Uint8Array.of(0, 0))).toThrow(/version 0/)
    expect(() => decodeVersions(Uint8Array.of(...encodeVersions(NOTHING), 0))).toThrow(/too many/)
  })
})

function manyNodes(count: number): [string, number][] {
  return Array.from({ length: count }, (_, index) => [`n${index}`, 1])
}
